"""Figuras de confianza donde hay máscaras: cuánto calor cae en la opacidad."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from neumonia.figures import palette
from neumonia.figures.base import SMALL, illustrated, key_above, key_height, new_figure
from neumonia.figures.dots import draw_interval
from neumonia.figures.trust_common import (
    METRIC_TITLES,
    PAGE,
    check_rows,
    in_order,
    one_metric,
    span,
    spell,
    style_of,
    title_of,
)
from neumonia.figures.trust_rows import (
    grouped_dots,
    label_rows,
    network_rows,
    network_title,
    row_name,
)
from neumonia.text import number

_ROW = 0.22
_GROUPS = ("todas", "pequeña", "mediana", "grande", "superior", "media", "inferior")


@illustrated
def localisation_dots(
    rows: pd.DataFrame,
    metric: str,
    references: pd.DataFrame | None = None,
    titles: Mapping[str, str] | None = None,
) -> tuple[Figure, str]:
    """Cuánto cae en la opacidad el calor de cada red, capa y método, junto a las referencias.

    Parameters
    ----------
    rows : DataFrame
        ``network``, ``layer`` (vacía si el método no mira ninguna), ``method``, ``metric``,
        ``value``, ``low``, ``high`` y ``n_films``, de una sola parte y un solo grupo.
    metric : {"pointing_game", "energy_inside", "iou"}
    references : DataFrame, optional
        ``method``, ``metric``, ``value``, ``low`` y ``high``: las rayas verticales. Con
        ``network``, cada red lleva las suyas.
    titles : {red: nombre para mostrar}, optional

    Raises
    ------
    DataError
        Filas o columnas que faltan, o repetidas.
    """
    keys = ["network", "layer", "method"]
    table = check_rows(one_metric(rows, metric), [*keys, "value", "low", "high", "n_films"], keys)
    labels, places = network_rows(table, titles)
    lines = _references(references, metric, list(dict.fromkeys(table["network"])))
    names = [title_of(name) for name in in_order(lines["method"])]
    height = min(_ROW, (PAGE - 1.5) / len(labels))
    figure = new_figure(0.75 + height * len(labels) + (key_height(names) if names else 0.0))
    axes = figure.subplots()
    for line in lines.itertuples():
        mine = [places[row] for row in table.index[table["network"] == line.network]]
        ends = [min(mine) - 0.5, max(mine) + 0.5]
        style = style_of(line.method)
        axes.plot([line.value, line.value], ends, zorder=1, **style.stroke(1.4))
        axes.fill_betweenx(ends, line.low, line.high, color=style.color, alpha=0.12, linewidth=0)
    for place, row in zip(places, table.itertuples(), strict=True):
        draw_interval(axes, place, (row.value, row.low, row.high), style_of(row.method))
    label_rows(axes, labels)
    axes.set_xlim(0, _limit(table, lines))
    axes.set_xlabel(f"{METRIC_TITLES[metric]} (raya: 95 %; {span(table['n_films'])} radiografías)")
    if names:
        entries = [style_of(name) for name in in_order(lines["method"])]
        entries = [palette.Style(style.color, style.line, "", "") for style in entries]
        note = "rayas verticales: referencias"
        key_above(figure, list(zip(names, entries, strict=True)), note)
    return figure, (
        f"Puntos con intervalo del 95 %, uno por red, capa y método: {METRIC_TITLES[metric]}. "
        + ". ".join(
            _tell_network(name, table, lines, titles) for name in dict.fromkeys(table["network"])
        )
        + "."
    )


@illustrated
def localisation_groups(rows: pd.DataFrame, metric: str) -> tuple[Figure, str]:
    """Lo mismo por tamaño y por lugar de la opacidad, con un símbolo por método.

    Parameters
    ----------
    rows : DataFrame
        ``group``, ``method``, ``metric``, ``value``, ``low``, ``high`` y ``n_films``, de una sola
        red y una capa por método. Van primero «todas», los tamaños, de pequeña a grande, y los
        tercios, de arriba abajo. Las referencias, si están, se dibujan como métodos.
    metric : como en ``localisation_dots``

    Raises
    ------
    DataError
        Como ``localisation_dots``.
    """
    keys = ["group", "method"]
    table = check_rows(one_metric(rows, metric), [*keys, "value", "low", "high", "n_films"], keys)
    found = list(dict.fromkeys(table["group"]))
    ordered = sorted(found, key=lambda name: (*_GROUPS, *found).index(name))
    counts = {name: span(part["n_films"]) for name, part in table.groupby("group")}
    labels = {name: f"{name} ({counts[name]})" for name in ordered}
    figure, facts = grouped_dots(table, "group", labels, sum(name in _GROUPS[:4] for name in found))
    axes = figure.axes[0]
    axes.set_xlim(0, _limit(table))
    axes.set_xlabel(f"{METRIC_TITLES[metric]} (raya: 95 % por paciente)")
    axes.set_ylabel("opacidad (radiografías)", fontsize=SMALL)
    return figure, (
        f"Puntos con intervalo del 95 % por grupo de opacidades, uno por método: "
        f"{METRIC_TITLES[metric]}. {'. '.join(facts)}."
    )


def _references(
    references: pd.DataFrame | None, metric: str, networks: Sequence[str]
) -> pd.DataFrame:
    """Las referencias de cada red: ``network``, ``method``, ``value``, ``low`` y ``high``."""
    columns = ["network", "method", "value", "low", "high"]
    if references is None:
        return pd.DataFrame(columns=columns)
    found = one_metric(references, metric)
    if "network" not in found.columns:
        found = pd.concat([found.assign(network=name) for name in networks])
    return check_rows(found[found["network"].isin(networks)], columns, columns[:2])


def _tell_network(
    network: str, table: pd.DataFrame, lines: pd.DataFrame, titles: Mapping[str, str] | None
) -> str:
    mine = table[table["network"] == network]
    best = mine.loc[mine["value"].idxmax()]
    told = [
        f"{row_name(row.layer, row.method)} {spell(row.value, row.low, row.high)}"
        for row in mine.itertuples()
    ]
    blind = [
        f"{title_of(row.method)} {number(row.value)}"
        for row in lines[lines["network"] == network].itertuples()
    ]
    text = (
        f"{network_title(network, titles)}, el más alto {row_name(best['layer'], best['method'])}"
    )
    text += f": {'; '.join(told)}"
    return text + (f"; referencias: {', '.join(blind)}" if blind else "")


def _limit(*tables: pd.DataFrame) -> float:
    """Hasta dónde llega el eje: algo más que el mayor extremo, sin pasar de 1 más un margen."""
    ends = pd.concat([part[["value", "high"]].astype(float) for part in tables if len(part)])
    return min(1.03, 1.08 * float(np.nanmax(ends.to_numpy())))
