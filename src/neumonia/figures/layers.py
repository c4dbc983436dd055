"""La red dibujada como una fila de bloques, a partir de su tabla de capas."""

import re

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from neumonia.errors import DataError
from neumonia.figures import palette
from neumonia.figures.base import SMALL, illustrated, new_figure
from neumonia.text import integer

_KINDS = {
    "conv": ("convolución", palette.NORMAL.color, ""),
    "pool": ("reducción", palette.PNEUMONIA.color, "////"),
    "flatten": ("aplanado", palette.MUTED, "xxxx"),
    "dense": ("densa", palette.CNN.color, "...."),
}
# Nadie necesita ver el lado exacto en el dibujo: la raíz acerca 224 y 7 píxeles.
_FLAT_HEIGHT = 1.1


@illustrated
def layers_diagram(table: pd.DataFrame) -> tuple[Figure, str]:
    """Un bloque por capa: más alto cuanto mayor su imagen, más ancho cuantos más canales.

    Parameters
    ----------
    table : DataFrame
        La de ``models.layer_table``: columnas ``layer`` (o ``name``), ``type``, ``output_shape``
        (tupla o texto; se leen sus enteros) y ``parameters``. Se dibujan las convoluciones, las
        reducciones, el aplanado y las densas; las demás no cambian el tamaño de los datos.

    Raises
    ------
    DataError
        Si faltan columnas o no hay capas que dibujar.
    """
    frame = table.rename(columns={"name": "layer"})
    missing = {"layer", "type", "output_shape", "parameters"} - set(frame.columns)
    if missing:
        raise DataError(f"A la tabla de capas le faltan columnas: {', '.join(sorted(missing))}.")
    shown = []
    for layer, kind, shape, parameters in zip(
        frame["layer"], frame["type"], frame["output_shape"], frame["parameters"], strict=True
    ):
        family = next((name for name in _KINDS if name in str(kind).lower()), None)
        lengths = [int(number) for number in re.findall(r"\d+", str(shape))]
        if family and lengths:
            shown.append((str(layer), family, lengths, int(parameters)))
    if not shown:
        raise DataError("La tabla no tiene convoluciones ni capas densas que dibujar.")

    figure = new_figure(3.5)
    axes = figure.subplots()
    axes.set_axis_off()
    deepest = max((each[-1] for _, family, each, _ in shown if family != "flatten"), default=1)
    tallest = max((lengths[0] for _, _, lengths, _ in shown if len(lengths) > 1), default=1)
    for position, layer in enumerate(shown):
        _block(axes, position, layer, tallest, deepest)
    axes.set_xlim(-0.6, len(shown) - 0.4)
    axes.set_ylim(-1.05, 1.05)
    families = dict.fromkeys(family for _, family, _, _ in shown)
    handles = [_patch(family, (0, 0), 1, 1) for family in families]
    figure.legend(
        handles,
        [_KINDS[family][0] for family in families],
        loc="outside upper left",
        ncols=len(handles),
        frameon=False,
        fontsize=8.5,
    )

    total = sum(int(number) for number in frame["parameters"])
    first, last = shown[0], shown[-1]
    heaviest = max(shown, key=lambda layer: layer[3])
    return figure, (
        f"La red como una fila de {len(shown)} bloques, de {first[0]} ({_shape(first[2])}) a "
        f"{last[0]} ({_shape(last[2])}). En total {integer(total)} parámetros; la capa con más es "
        f"{heaviest[0]}, con {integer(heaviest[3])}."
    )


def _block(axes: Axes, position: int, layer: tuple, tallest: int, deepest: int) -> None:
    name, family, lengths, _ = layer
    channels = deepest if family == "flatten" else lengths[-1]
    if len(lengths) > 1:
        height = 2.0 * (lengths[0] / tallest) ** 0.5
        width = 0.2 + 0.65 * (channels / deepest) ** 0.5
    else:
        height = _FLAT_HEIGHT * (min(channels, deepest) / deepest) ** 0.5
        width = 0.2
    axes.add_patch(_patch(family, (position - width / 2, -height / 2), width, height))
    axes.text(
        position,
        -1.1,
        f"{_shape(lengths)}  {name.rsplit('/', 1)[-1]}",
        rotation=90,
        ha="center",
        va="top",
        fontsize=SMALL,
    )


def _patch(family: str, corner: tuple[float, float], width: float, height: float) -> Rectangle:
    _, color, hatch = _KINDS[family]
    return Rectangle(
        corner,
        width,
        height,
        facecolor="white" if hatch else color,
        edgecolor=color,
        hatch=hatch,
        linewidth=1.1,
    )


def _shape(lengths: list[int]) -> str:
    return " × ".join(map(str, lengths))
