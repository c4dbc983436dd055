"""Figuras de confianza con lo que no debería importar: un cambio mínimo y lo de fuera del tórax."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from neumonia.errors import DataError
from neumonia.figures import palette
from neumonia.figures.base import SMALL, grid_shape, illustrated, listing, new_figure
from neumonia.figures.dots import draw_interval
from neumonia.figures.trust_common import METRIC_TITLES, PAGE, check_rows, one_metric, title_of
from neumonia.figures.trust_rows import (
    grouped_dots,
    label_rows,
    network_rows,
    network_title,
    symbol_key,
)
from neumonia.text import percent

_ROW = 0.29
_REGIONS = {
    "frame": "en el marco",
    "corners": "en las esquinas",
    "outside": "fuera del tórax",
    "letters": "en las letras",
}
_SYMBOLS = {"NORMAL": palette.NORMAL, "PNEUMONIA": palette.PNEUMONIA}
_CHANCE = palette.Style(palette.MUTED, "-", "|", "")
_OTHER = "otra radiografía"


@illustrated
def stability_dots(
    rows: pd.DataFrame, between: pd.DataFrame | None, metric: str
) -> tuple[Figure, str]:
    """Cuánto se parece el mapa al de la misma radiografía con un cambio que no debería importar.

    Parameters
    ----------
    rows : DataFrame
        ``change`` (por ejemplo «ruido 5», «1 píxel» u «otra semilla»), ``method``, ``metric``,
        ``value``, ``low`` y ``high``, de una sola red.
    between : DataFrame o None
        ``method``, ``metric``, ``value``, ``low`` y ``high``: el parecido entre mapas de
        radiografías de pacientes distintos (``between_films``), que va abajo, tras una raya.
    metric : {"ssim", "spearman", "spearman_abs", "overlap"}

    Raises
    ------
    DataError
        Como ``localisation_dots``.
    """
    columns = ["change", "method", "value", "low", "high"]
    table = check_rows(one_metric(rows, metric), columns, columns[:2])
    changes = list(dict.fromkeys(table["change"]))
    if between is not None:
        other = check_rows(one_metric(between, metric), columns[1:], ["method"])
        table = pd.concat([table, other.assign(change=_OTHER)], ignore_index=True)
        changes.append(_OTHER)
    labels = {name: name for name in changes}
    figure, facts = grouped_dots(table, "change", labels, 0 if between is None else len(labels) - 1)
    axes = figure.axes[0]
    axes.set_xlim(min(0.0, np.nanmin(table[["value", "low"]]) - 0.03), 1.02)
    axes.set_xlabel(f"parecido con el mapa original: {METRIC_TITLES[metric]} (raya: 95 %)")
    below = "" if between is None else "; abajo, el de otra radiografía con la misma red"
    return figure, (
        f"Puntos con intervalo del 95 %, uno por cambio y método: {METRIC_TITLES[metric]} entre el "
        f"mapa original y el de la radiografía cambiada{below}. {'. '.join(facts)}."
    )


@illustrated
def outside_dots(rows: pd.DataFrame, titles: Mapping[str, str] | None = None) -> tuple[Figure, str]:
    """Qué parte del calor cae donde no puede haber neumonía, por clase y frente al uniforme.

    Parameters
    ----------
    rows : DataFrame
        ``network``, ``method``, ``label`` (NORMAL o PNEUMONIA), ``region`` (frame, corners,
        outside o letters), ``value``, ``low``, ``high`` y ``chance``: ``outside_table`` de cada
        red y método. Un panel por región presente.
    titles : {red: nombre para mostrar}, optional

    Raises
    ------
    DataError
        Como ``localisation_dots``.
    """
    keys = ["network", "method", "label", "region"]
    table = check_rows(rows, [*keys, "value", "low", "high", "chance"], keys)
    unknown = {*table["region"]} - {*_REGIONS} | {*table["label"]} - {*_SYMBOLS}
    if unknown:
        raise DataError(f"No conocemos estas regiones o clases: {', '.join(sorted(unknown))}.")
    lines = check_rows(table.drop_duplicates(keys[:2]), keys[:2], keys[:2])
    labels, places = network_rows(lines, titles)
    where = {
        (row.network, row.method): place
        for row, place in zip(lines.itertuples(), places, strict=True)
    }
    regions = [name for name in _REGIONS if (table["region"] == name).any()]
    down, across = grid_shape(len(regions), 2)
    height = min(_ROW, ((PAGE - 0.5) / down - 0.6) / len(labels))
    figure = new_figure(0.5 + down * (0.6 + height * len(labels)))
    panels = figure.subplots(down, across, sharey=True, squeeze=False).ravel()
    facts = []
    for axes, region in zip(panels, regions, strict=False):
        for row in table[table["region"] == region].itertuples():
            style = _SYMBOLS[row.label]
            place = where[row.network, row.method] + (-0.17 if row.label == "NORMAL" else 0.17)
            found = [100 * part for part in (row.value, row.low, row.high)]
            axes.plot(100 * row.chance, place, "|", color=palette.MUTED, markersize=9, zorder=1)
            draw_interval(axes, place, found, style)
            who = f"{network_title(row.network, titles)}, {title_of(row.method)}, {row.label}"
            facts.append(
                f"{_REGIONS[region]}, {who}: {percent(row.value)}, y un mapa uniforme "
                f"{percent(row.chance)}"
            )
        axes.grid(True, axis="x")
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(left=0)
        axes.set_title(_REGIONS[region], fontsize=9)
        axes.set_xlabel("% del calor", fontsize=SMALL)
    for axes in panels[: len(regions) : across]:
        label_rows(axes, labels)
    for axes in panels[len(regions) :]:
        axes.set_axis_off()
    symbol_key(figure, {**_SYMBOLS, "mapa uniforme": _CHANCE})
    return figure, (
        f"Un panel por región ({listing([_REGIONS[name] for name in regions])}) con la parte media "
        f"del calor por clase y su intervalo del 95 %. {'; '.join(facts)}."
    )
