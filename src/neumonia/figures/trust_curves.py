"""Figuras de confianza con curvas: borrar o poner píxeles, y borrar las capas de la red."""

from collections.abc import Mapping

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
from neumonia.figures.trust_common import (
    METRIC_TITLES,
    check_rows,
    in_order,
    one_metric,
    spell,
    style_of,
    title_of,
)
from neumonia.text import number
from neumonia.trust.faithfulness import RANDOM_ORDER
from neumonia.trust.sanity import CUT

_KINDS = {
    "deletion": ("borrado", "píxeles borrados (%)", "mejor cuanto más baja"),
    "insertion": ("inserción", "píxeles devueltos (%)", "mejor cuanto más alta"),
}
_INTACT = "intacta"


@illustrated
def faithfulness_lines(
    curves: pd.DataFrame, titles: Mapping[str, str] | None = None
) -> tuple[Figure, str]:
    """Probabilidad media al borrar y al devolver los píxeles de más a menos calientes.

    Parameters
    ----------
    curves : DataFrame
        ``network``, ``method``, ``kind`` (deletion o insertion), ``fraction`` y ``mean``, las dos
        en 0..1, de una sola red. El método ``random_order`` es el orden al azar.
    titles : {red: nombre para mostrar}, optional

    Raises
    ------
    DataError
        Filas o columnas que faltan o se repiten, más de una red, o falta una de las dos curvas.
    """
    keys = ["network", "method", "kind", "fraction"]
    table = check_rows(curves, [*keys, "mean"], keys).astype({"fraction": float})
    networks = list(dict.fromkeys(table["network"]))
    if len(networks) > 1 or set(table["kind"]) != set(_KINDS):
        raise DataError("Necesitamos las curvas de borrado y de inserción de una sola red.")
    methods = in_order(table["method"])
    styles = [(title_of(name), style_of(name)) for name in methods]
    figure = new_figure(2.9 + key_height(methods))
    facts = []
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (kind, (name, label, better)) in zip(panels, _KINDS.items(), strict=True):
        areas = {}
        for position, method in enumerate(methods):
            one = table[(table["kind"] == kind) & (table["method"] == method)]
            one = one.sort_values("fraction")
            style = style_of(method)
            every = max(2, len(one) // 6)
            axes.plot(
                100 * one["fraction"],
                one["mean"],
                marker=style.marker,
                markersize=5,
                # Cada método pone sus marcas en otros puntos: las curvas juntas no se las tapan.
                markevery=(position % every, every),
                zorder=1 if method == RANDOM_ORDER else 2,
                **style.stroke(),
            )
            areas[method] = float(np.trapezoid(one["mean"], one["fraction"]))
        axes.set_title(f"{name}: {better}", fontsize=9)
        axes.set_xlabel(label)
        axes.set_ylim(-0.03, 1.03)
        axes.grid(True)
        ranked = sorted(areas, key=areas.__getitem__, reverse=kind == "insertion")
        listed = "; ".join(f"{title_of(one)} {number(areas[one])}" for one in ranked)
        facts.append(f"Área bajo la curva de {name} ({better}), de mejor a peor: {listed}.")
    panels[0].set_ylabel("probabilidad media")
    network = (titles or {}).get(networks[0], networks[0])
    key_above(figure, styles, note=network)
    return figure, (
        f"Dos paneles con la probabilidad media que da {network} mientras se borran, o se "
        f"devuelven, los píxeles de más a menos calientes, una curva por método. {' '.join(facts)}"
    )


@illustrated
def cascade_lines(cascade: pd.DataFrame, between: pd.DataFrame, metric: str) -> tuple[Figure, str]:
    """Cuánto se parece el mapa al original a medida que se borran las capas, un panel por método.

    Parameters
    ----------
    cascade : DataFrame
        ``method``, ``step``, ``layer``, ``metric``, ``value``, ``low`` y ``high``:
        ``cascade_table`` de cada método, con una sola red. Los métodos comparten los pasos.
    between : DataFrame
        ``method``, ``metric``, ``value``, ``low`` y ``high``: lo que se parecen los mapas de
        radiografías de pacientes distintos (``between_films``).
    metric : {"ssim", "spearman_abs"}

    Raises
    ------
    DataError
        Filas o columnas que faltan o se repiten, métodos con otros pasos o sin ``between``.
    """
    keys = ["method", "step"]
    columns = [*keys, "layer", "value", "low", "high"]
    table = check_rows(one_metric(cascade, metric), columns, keys)
    level = check_rows(one_metric(between, metric), ["method", *columns[3:]], ["method"])
    level = level.set_index("method")
    methods = in_order(table["method"])
    steps = {
        name: part.sort_values("step").reset_index(drop=True)
        for name, part in table.groupby("method")
    }
    layers = list(steps[methods[0]]["layer"])
    if any(list(part["layer"]) != layers for part in steps.values()):
        raise DataError("Todos los métodos deben borrar las mismas capas, en el mismo orden.")
    missing = [name for name in methods if name not in level.index]
    if missing:
        raise DataError(f"Falta el parecido entre radiografías distintas de {', '.join(missing)}.")
    ticks = [_INTACT, *(layer.split("/")[-1] for layer in layers)]
    down, across = grid_shape(len(methods), 2)
    figure = new_figure(0.8 + 1.35 * down + 0.075 * max(map(len, ticks)))
    panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
    facts = []
    for axes, name in zip(panels, methods, strict=False):
        style, part = style_of(name), steps[name]
        other = level.loc[name]
        axes.axhspan(other["low"], other["high"], color=palette.MUTED, alpha=0.25, linewidth=0)
        axes.axhline(other["value"], color=palette.MUTED, linewidth=1.2, linestyle=":")
        axes.axhline(CUT, color=palette.TEXT, linewidth=1.0, linestyle="--")
        values = [1.0, *part["value"]]
        axes.plot(values, marker=style.marker, markersize=4.5, color=style.color, linewidth=1.8)
        for place, row in enumerate(part.itertuples(), 1):
            axes.plot([place, place], [row.low, row.high], color=style.color, linewidth=1.2)
        axes.set_title(title_of(name), fontsize=9, color=style.color, fontweight="bold")
        axes.set_xticks(range(len(ticks)), ticks, rotation=90, fontsize=SMALL)
        axes.tick_params(axis="y", labelsize=SMALL)
        axes.grid(axis="y")
        last = part.iloc[-1]
        facts.append(
            f"{title_of(name)}: {spell(last['value'], last['low'], last['high'])} con todo "
            f"borrado, {'por encima' if last['low'] > CUT else 'no claramente por encima'} del "
            f"corte, y {number(other['value'])} entre radiografías distintas"
        )
    lowest = float(np.nanmin(table[["value", "low"]].to_numpy()))
    panels[0].set_ylim(min(0.0, lowest) - 0.05, 1.07)
    for axes in panels[len(methods) :]:
        axes.set_axis_off()
        panels[len(methods) - across].tick_params(labelbottom=True)
    figure.supylabel(f"parecido con el original: {METRIC_TITLES[metric]}", fontsize=9)
    figure.supxlabel("última capa borrada (y, con ella, las de su izquierda)", fontsize=9)
    handles = [
        Line2D([], [], color=palette.TEXT, linewidth=1.0, linestyle="--"),
        Patch(color=palette.MUTED, alpha=0.25, linewidth=0),
    ]
    figure.legend(
        handles,
        [f"corte, {CUT}", "parecido entre radiografías distintas (95 %)"],
        loc="outside upper left",
        ncols=2,
        fontsize=SMALL,
        frameon=False,
        borderpad=0.1,
    )
    return figure, (
        f"Un panel por método: {METRIC_TITLES[metric]} entre el mapa original y el de la red con "
        f"cada vez más capas borradas, de {ticks[1]} a {ticks[-1]}, con su intervalo del 95 %. "
        f"{'; '.join(facts)}."
    )
