"""Matrices de confusión."""

from collections.abc import Mapping
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neumonia.errors import DataError
from neumonia.figures import palette
from neumonia.figures.base import SMALL, WIDTH, count, grid_shape, illustrated, integer, new_figure


@illustrated
def confusion_matrices(results: Mapping[str, Mapping[str, Any]]) -> tuple[Figure, str]:
    """Una matriz por modelo, con conteos y porcentaje de cada fila.

    Parameters
    ----------
    results : {nombre: dict de ``binary_metrics``}

    Raises
    ------
    DataError
        Si no hay modelos o a uno le faltan los conteos.
    """
    if not results:
        raise DataError("No hay modelos que dibujar: demos al menos uno.")
    for name, measured in results.items():
        if not {"tn", "fp", "fn", "tp"} <= set(measured):
            raise DataError(f"Los resultados de {name!r} no tienen tn, fp, fn y tp.")
    lines, columns = grid_shape(len(results), 2 if len(results) == 4 else 3)
    width = {1: 3.5, 2: 6.0}.get(columns, WIDTH)
    side = width / columns
    figure = new_figure(lines * (0.86 * side + 0.25), width)
    grid = figure.subplots(lines, columns, squeeze=False)
    panels = grid.ravel()
    facts = []
    for position, (axes, (name, measured)) in enumerate(zip(panels, results.items(), strict=False)):
        counts = np.array([[measured["tn"], measured["fp"]], [measured["fn"], measured["tp"]]])
        _matrix(axes, counts, name, first=position % columns == 0)
        facts.append(
            f"{name}: de {integer(counts[0].sum())} NORMAL acierta {integer(counts[0, 0])} y de "
            f"{integer(counts[1].sum())} PNEUMONIA acierta {integer(counts[1, 1])}; "
            f"{count(counts[0, 1], 'falsa alarma', 'falsas alarmas')} y "
            f"{count(counts[1, 0], 'neumonía no vista', 'neumonías no vistas')}"
        )
    for axes in panels[len(results) :]:
        axes.set_axis_off()
    kind = "Matriz de confusión" if len(results) == 1 else "Matrices de confusión"
    return figure, f"{kind}. {'. '.join(facts)}."


def _matrix(axes: Axes, counts: np.ndarray, name: str, first: bool) -> None:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    colors = matplotlib.colormaps["Blues"]
    axes.imshow(shares, cmap=colors, vmin=0, vmax=1)
    for row in range(2):
        for column in range(2):
            # Con luminancia 0.179 el blanco y el negro contrastan lo mismo, 4.58:1.
            ink = "white" if _luminance(colors(shares[row, column])) < 0.179 else "black"
            axes.text(
                column,
                row - 0.08,
                integer(counts[row, column]),
                ha="center",
                va="center",
                fontsize=13,
                fontweight="bold",
                color=ink,
            )
            axes.text(
                column,
                row + 0.22,
                f"{100 * shares[row, column]:.1f} %",
                ha="center",
                va="center",
                fontsize=9,
                color=ink,
            )
    axes.set_title(name, fontweight="bold", loc="center")
    labels = [palette.CLASS_NAMES[0], palette.CLASS_NAMES[1]]
    axes.set_xticks([0, 1], labels, fontsize=SMALL)
    axes.set_yticks([0, 1], labels if first else ["", ""], fontsize=SMALL, rotation=90, va="center")
    axes.set_xlabel("la red dice")
    if first:
        axes.set_ylabel("la etiqueta dice (fila = 100 %)")
    axes.tick_params(length=0)
    axes.axhline(0.5, color="white", linewidth=2)
    axes.axvline(0.5, color="white", linewidth=2)
    for side in ("top", "right", "bottom", "left"):
        axes.spines[side].set_visible(True)


def _luminance(color: tuple[float, ...]) -> float:
    """Luminancia relativa (WCAG 2.2) de un color sRGB."""
    channels = np.array(color[:3])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ np.array([0.2126, 0.7152, 0.0722]))
