"""Figuras de confianza con curvas: borrar o poner píxeles, y borrar las capas de la red."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from neumonia.errors import DataError
from neumonia.figures import palette
from neumonia.figures.base import (
    SMALL,
    grid_shape,
    illustrated,
    key_above,
    key_height,
    new_figure,
)
from neumonia.figures.forest import METRIC_TITLES, check_rows, methods_in, style_of, title_of
from neumonia.text import number, told

_KINDS = {
    "deletion_curve": ("borrado", "píxeles borrados (%)", "mejor cuanto más baja"),
    "insertion_curve": ("inserción", "píxeles devueltos (%)", "mejor cuanto más alta"),
}


@illustrated
def faithfulness_lines(rows: pd.DataFrame, title: str) -> tuple[Figure, str]:
    """Probabilidad media al borrar y al devolver los píxeles de más a menos calientes.

    ``rows`` son las de ``fidelidad`` de una sola red, que se llama ``title``, y un solo sustituto.
    """
    table = rows[rows["metric"].isin(_KINDS)]
    table = check_rows(table, ["value"], ["metric", "method", "fraction"])
    methods = methods_in(table)
    figure = new_figure(2.9 + key_height(list(methods)))
    facts = []
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (metric, (name, label, better)) in zip(panels, _KINDS.items(), strict=True):
        areas = {}
        for position, (method, (shown, style)) in enumerate(methods.items()):
            mine = table[(table["metric"] == metric) & (table["method"] == method)]
            if mine.empty:
                raise DataError(f"Falta la curva de {name} de {shown}.")
            mine = mine.sort_values("fraction")
            every = max(2, len(mine) // 6)
            axes.plot(
                100 * mine["fraction"],
                mine["value"],
                marker=style.marker,
                markersize=5,
                # Cada método pone sus marcas en otros puntos: las curvas juntas no se las tapan.
                markevery=(position % every, every),
                **style.stroke(),
            )
            areas[shown] = float(np.trapezoid(mine["value"], mine["fraction"]))
        axes.set_title(f"{name}: {better}", fontsize=9)
        axes.set_xlabel(label)
        axes.set_ylim(-0.03, 1.03)
        axes.grid(True)
        ranked = sorted(areas, key=areas.__getitem__, reverse=metric == "insertion_curve")
        listed = "; ".join(f"{shown} {number(areas[shown])}" for shown in ranked)
        facts.append(f"Área bajo la curva de {name} ({better}), de mejor a peor: {listed}.")
    panels[0].set_ylabel("probabilidad media")
    key_above(figure, list(methods.values()), note=title)
    return figure, (
        f"Probabilidad media que da {title} mientras se borran, o se devuelven, los píxeles de más "
        f"a menos calientes, una curva por método. {' '.join(facts)}"
    )


@illustrated
def cascade_lines(
    cascade: pd.DataFrame, between: pd.DataFrame, metric: str, cut: float
) -> tuple[Figure, str]:
    """Cuánto se parece el mapa al original a medida que se borran las capas, un panel por método.

    ``cascade`` y ``between`` son las filas de ``cordura`` de una sola red: los pesos borrados y lo
    que se parecen dos radiografías distintas. Por encima de ``cut`` se dice que el mapa no cambia.
    """
    table = cascade[cascade["metric"] == metric].sort_values("step", kind="stable")
    table = check_rows(table, ["layer", "value", "low", "high"], ["method", "step"])
    level = check_rows(between[between["metric"] == metric], ["value"], ["method"])
    level = level.set_index("method")
    methods = methods_in(table)
    steps = {name: table[table["method"] == name] for name in methods}
    layers = list(next(iter(steps.values()))["layer"])
    if any(list(part["layer"]) != layers for part in steps.values()):
        raise DataError("Todos los métodos deben borrar las mismas capas, en el mismo orden.")
    missing = [name for name in methods if name not in level.index]
    if missing:
        raise DataError(f"Falta el parecido entre radiografías distintas de {', '.join(missing)}.")
    ticks = ["intacta", *(layer.split("/")[-1] for layer in layers)]
    down, across = grid_shape(len(methods), 2)
    figure = new_figure(0.8 + 1.35 * down + 0.075 * max(map(len, ticks)))
    panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
    facts = []
    for axes, (name, part) in zip(panels, steps.items(), strict=False):
        style, other = style_of(name), level.loc[name]
        axes.axhspan(other["low"], other["high"], color=palette.MUTED, alpha=0.25, linewidth=0)
        axes.axhline(other["value"], color=palette.MUTED, linewidth=1.2, linestyle=":")
        axes.axhline(cut, color=palette.TEXT, linewidth=1.0, linestyle="--")
        values = [1.0, *part["value"]]
        axes.plot(values, marker=style.marker, markersize=4.5, color=style.color, linewidth=1.8)
        places = np.arange(1, len(values))
        axes.vlines(places, part["low"], part["high"], color=style.color, linewidth=1.2)
        axes.set_title(title_of(name), fontsize=9, color=style.color, fontweight="bold")
        axes.set_xticks(range(len(ticks)), ticks, rotation=90, fontsize=SMALL)
        axes.tick_params(axis="y", labelsize=SMALL)
        axes.grid(axis="y")
        facts.append(
            f"{title_of(name)}: {told(part.iloc[-1])} con todo borrado y {number(other['value'])} "
            "entre radiografías distintas"
        )
    lowest = float(np.nanmin(table[["value", "low"]].to_numpy()))
    panels[0].set_ylim(min(0.0, lowest) - 0.05, 1.07)
    for axes in panels[len(methods) :]:
        axes.set_axis_off()
        panels[len(methods) - across].tick_params(labelbottom=True)
    figure.supylabel(f"parecido con el original: {METRIC_TITLES[metric]}", fontsize=9)
    figure.supxlabel("última capa borrada (y, con ella, las de su izquierda)", fontsize=9)
    figure.legend(
        [
            Line2D([], [], color=palette.TEXT, linewidth=1.0, linestyle="--"),
            Patch(color=palette.MUTED, alpha=0.25, linewidth=0),
        ],
        [f"corte, {cut}", "parecido entre radiografías distintas (95 %)"],
        loc="outside upper left",
        ncols=2,
        fontsize=SMALL,
        frameon=False,
        borderpad=0.1,
    )
    return figure, (
        f"Un panel por método: {METRIC_TITLES[metric]} entre el mapa original y el de la red con "
        f"cada vez más capas borradas, de {ticks[1]} a {ticks[-1]}. Corte: {cut}. "
        f"{'; '.join(facts)}."
    )
