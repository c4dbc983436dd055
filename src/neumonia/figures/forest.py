"""Puntos con intervalo, en filas: lo que se mide de cada mapa, y cómo se llama y se dibuja."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neumonia.errors import DataError
from neumonia.figures import palette
from neumonia.figures.base import SMALL, count, grid_shape, illustrated, new_figure
from neumonia.figures.dots import draw_interval
from neumonia.gradcam import METHODS
from neumonia.text import integer, told

METHOD_STYLES = MappingProxyType(
    {
        "grad_cam": palette.Style("#00355C", "-", "o", ""),
        "hires_cam": palette.Style("#C44E00", (0.0, (5.0, 1.8)), "^", ""),
        "grad_cam++": palette.Style("#00825F", (0.0, (1.2, 1.2)), "s", ""),
        "score_cam": palette.Style("#4B1D5E", (0.0, (6.0, 1.5, 1.2, 1.5)), "D", ""),
        "gradient": palette.Style("#8A5A00", (0.0, (9.0, 2.0)), "v", ""),
        "occlusion": palette.Style("#B0306A", (0.0, (3.0, 1.2, 1.2, 1.2, 1.2, 1.2)), "X", ""),
        "uniform": palette.Style(palette.MUTED, (0.0, (1.2, 1.6)), "<", ""),
        "centre": palette.Style(palette.MUTED, (0.0, (6.0, 1.5, 1.2, 1.5)), "p", ""),
        "random": palette.Style(palette.MUTED, (0.0, (1.2, 4.0)), ">", ""),
        "mean_mask": palette.Style(palette.TEXT, (0.0, (9.0, 2.0)), "d", ""),
        "random_order": palette.Style(palette.MUTED, (0.0, (4.0, 2.0)), "", ""),
        "perfect": palette.Style(palette.TEXT, "-", "*", ""),
    }
)
"""Un estilo por método y por mapa ciego, el mismo en todas las figuras."""

_BLIND = MappingProxyType(
    {
        "uniform": "uniforme",
        "centre": "centro",
        "random": "azar",
        "mean_mask": "máscara media",
        "random_order": "orden al azar",
        "perfect": "perfecto",
    }
)
METRIC_TITLES = MappingProxyType(
    {
        "pointing_game": "aciertos del punto más caliente",
        "energy_inside": "parte del calor dentro de la opacidad",
        "iou": "IoU de lo más caliente con la opacidad",
        "ssim": "SSIM",
        "spearman": "correlación de rangos",
        "spearman_abs": "correlación de rangos, sin signo",
        "overlap": "coincidencia de lo más caliente",
        "frame": "en el marco",
        "corners": "en las esquinas",
        "outside": "fuera del tórax",
        "letters": "en las letras",
    }
)
PAGE = 8.9
"""Alto, en pulgadas, que cabe con su pie en una página A4."""
_AUCS = MappingProxyType(
    {
        "auc_val": ("validación, como se entrenó", palette.Style("#737373", "-", "o", "")),
        "auc_clean": ("prueba sin marca", palette.Style("#00355C", "-", "s", "")),
        "auc_swapped": ("prueba, marca en las normales", palette.Style("#C44E00", "-", "^", "")),
    }
)
_CLASSES = MappingProxyType({"NORMAL": palette.NORMAL, "PNEUMONIA": palette.PNEUMONIA})
_CHANCE = palette.Style(palette.MUTED, "-", "|", "")
_ROW, _LINE = 0.2, 0.13

Series = Mapping[str, tuple[str, palette.Style]]


def title_of(name: str) -> str:
    """El nombre para mostrar de un método o de un mapa ciego; otro nombre queda como está."""
    return METHODS[name].title if name in METHODS else _BLIND.get(name, name)


def style_of(name: str) -> palette.Style:
    """El estilo de un método o de un mapa ciego; si el nombre no es de ninguno, ``DataError``."""
    if name not in METHOD_STYLES:
        raise DataError(f"No conocemos el método {name!r}; los hay: {', '.join(METHOD_STYLES)}.")
    return METHOD_STYLES[name]


def in_order(names: Iterable[str]) -> list[str]:
    """Los nombres sin repetir: primero los métodos, después los mapas ciegos y los demás."""
    found = list(dict.fromkeys(names))
    known = [name for name in (*METHODS, *_BLIND) if name in found]
    return [*known, *(name for name in found if name not in known)]


def methods_in(table: pd.DataFrame) -> dict[str, tuple[str, palette.Style]]:
    """Los métodos de la tabla, con su título y su estilo."""
    return {name: (title_of(name), style_of(name)) for name in in_order(table["method"])}


def check_rows(table: pd.DataFrame, columns: Sequence[str], keys: Sequence[str]) -> pd.DataFrame:
    """La tabla; ``DataError`` sin filas, sin alguna columna o con dos filas para lo mismo."""
    missing = [name for name in (*columns, *keys) if name not in table.columns]
    if missing or table.empty:
        raise DataError(
            f"Necesitamos una tabla con filas y las columnas {', '.join((*keys, *columns))}"
            + (f"; faltan: {', '.join(missing)}." if missing else "; está vacía.")
        )
    if table.duplicated(list(keys)).any():
        raise DataError(
            f"Hay dos filas con lo mismo en {', '.join(keys)}: filtremos antes una sola red y una "
            "sola parte."
        )
    return table.reset_index(drop=True)


def symbol_key(where: Figure | Axes, entries: Series) -> None:
    """Sobre los ejes, o encima de toda la figura, qué símbolo es cada cosa."""
    handles = [
        Line2D([], [], marker=style.marker, color=style.color, linestyle="none", markersize=6)
        if style.marker
        else Line2D([], [], **style.stroke(1.4))
        for _, style in entries.values()
    ]
    whole = isinstance(where, Figure)
    place = (
        {"loc": "outside upper left", "ncols": 3}
        if whole
        else {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0)}
    )
    where.legend(
        handles,
        [label for label, _ in entries.values()],
        fontsize=SMALL,
        frameon=False,
        handletextpad=0.4,
        borderpad=0.1,
        **place,
    )


@dataclass(frozen=True)
class Panel:
    """Unos ejes: qué se mide, sus series y las rayas verticales con que se compara.

    ``levels`` son filas con ``value`` y, si se quiere la banda, ``low`` y ``high``.
    """

    label: str
    series: Series
    title: str = ""
    limits: tuple[float | None, float | None] = (0.0, None)
    levels: Sequence[tuple[palette.Style, Mapping[str, float]]] = ()


def forest(
    table: pd.DataFrame,
    labels: Mapping[str, str],
    panels: Mapping[str, Panel],
    bold: str = "",
    decimals: int = 3,
    key: Series | None = None,
) -> tuple[Figure, str]:
    """Una fila por grupo, un símbolo por serie y un panel por medida; con ello, lo que se lee.

    Parameters
    ----------
    table : ``row``, ``series``, ``panel``, ``value``, ``low``, ``high`` y, si se quiere, ``chance``
        (una marca gris en la fila) y ``note`` (se escribe a la derecha del intervalo)
    labels : {fila: rótulo}, de arriba abajo
    panels : {panel: Panel}
    bold : la fila cuyo rótulo va en negrita
    decimals : los de los números del texto
    key : los símbolos que se explican encima, si no son las series
    """
    table = check_rows(table, ["value", "low", "high"], ["panel", "row", "series"])
    down, across = grid_shape(len(panels), 2)
    shared = all(panel.series == next(iter(panels.values())).series for panel in panels.values())
    dodged = table.groupby(["panel", "row"]).size().max() > 1
    most = max(len(panel.series) for panel in panels.values())
    row = max(_ROW, _LINE * (most + 1)) if dodged else _ROW
    row = min(row, ((PAGE - 1.0) / down - 0.6) / len(labels))
    above = 0.2 * (-(-most // 3) if shared else most)
    figure = new_figure(0.4 + above + down * (0.5 + row * len(labels)))
    grid = figure.subplots(down, across, sharey=True, squeeze=False).ravel()
    facts = []
    for axes, (name, panel) in zip(grid, panels.items(), strict=False):
        mine = table[table["panel"] == name]
        facts.append(f"{panel.title or panel.label}. {_draw(axes, mine, labels, panel, decimals)}")
        if not shared:
            symbol_key(axes, panel.series)
        axes.set_title(panel.title, fontsize=9)
        axes.set_xlabel(panel.label, fontsize=SMALL)
        axes.set_xlim(*panel.limits)
        axes.grid(True, axis="x")
        axes.tick_params(axis="y", length=0)
        for place in range(1, len(labels) if dodged else 0):
            axes.axhline(place - 0.5, color=palette.GRID, linewidth=0.8)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    first = grid[0]
    first.set_yticks(range(len(labels)), list(labels.values()), fontsize=SMALL)
    for tick, name in zip(first.get_yticklabels(), labels, strict=True):
        tick.set_fontweight("bold" if name == bold else "normal")
    first.set_ylim(len(labels) - 0.4, -0.6)
    if shared:
        symbol_key(figure, key or next(iter(panels.values())).series)
    return figure, " ".join(facts)


@illustrated
def localisation_dots(rows: pd.DataFrame, metric: str, blind: pd.DataFrame) -> tuple[Figure, str]:
    """Cuánto cae en la opacidad el calor de cada capa y método, junto a los mapas que no miran.

    ``rows`` son las de ``localizacion`` de una sola red y una sola parte; ``blind``, lo mismo, de
    los mapas ciegos: las rayas verticales.
    """
    table, lines = _of(rows, metric), _of(blind, metric)
    names = [
        " · ".join(part for part in (layer.split("/")[-1], title_of(method)) if part)
        for layer, method in zip(table["layer"], table["method"], strict=True)
    ]
    table = table.assign(row=names, series=table["method"], panel=metric)
    levels = [(style_of(line["method"]), line) for line in lines.to_dict("records")]
    key = {
        name: (title, palette.Style(style.color, style.line, "", ""))
        for name, (title, style) in methods_in(lines).items()
    }
    most = table[["value", "high"]].max(axis=None)
    panel = Panel(
        f"{METRIC_TITLES[metric]} (raya: 95 %; {_span(table['n'])} radiografías)",
        methods_in(table),
        limits=(-0.02, min(1.03, 1.08 * most)),
        levels=levels,
    )
    figure, said = forest(table, dict(zip(names, names, strict=True)), {metric: panel}, key=key)
    against = "; ".join(f"{title_of(line['method'])} {told(line)}" for _, line in levels)
    return figure, f"{said} Rayas verticales, mapas que no miran: {against}."


@illustrated
def stability_dots(rows: pd.DataFrame, metric: str) -> tuple[Figure, str]:
    """Cuánto se parece el mapa al de la misma radiografía con un cambio que no debería importar.

    ``rows`` son las de ``estabilidad`` de una sola red.
    """
    table = _of(rows, metric)
    table = table.assign(row=table["change"], series=table["method"], panel=metric)
    label = f"parecido con el mapa original: {METRIC_TITLES[metric]} (raya: 95 %)"
    lowest = min(0.0, table[["value", "low"]].min(axis=None) - 0.03)
    panel = Panel(label, methods_in(table), limits=(lowest, 1.02))
    # El nivel con que se compara va abajo.
    changes = sorted(table["change"].unique(), key=lambda name: name == "otra radiografía")
    return forest(table, {name: name for name in changes}, {metric: panel})


@illustrated
def outside_dots(rows: pd.DataFrame, titles: Mapping[str, str]) -> tuple[Figure, str]:
    """Qué parte del calor cae donde no puede haber neumonía, por clase y frente al uniforme.

    ``rows`` son las de ``fuera``; ``titles``, {red: nombre para mostrar}.
    """
    table = check_rows(rows, ["value", "chance"], ["network", "method", "label", "metric"])
    names = table["network"].map(titles) + " · " + table["method"].map(title_of)
    ends = {name: 100 * table[name] for name in ("value", "low", "high", "chance")}
    table = table.assign(row=names, series=table["label"], panel=table["metric"], **ends)
    series = {name: (name, style) for name, style in _CLASSES.items()}
    series["chance"] = ("mapa uniforme", _CHANCE)
    panels = {
        region: Panel("% del calor", series, METRIC_TITLES[region])
        for region in table["metric"].unique()
    }
    return forest(table, {name: name for name in names.unique()}, panels, decimals=1)


@illustrated
def shortcut_dots(rows: pd.DataFrame, chance: float) -> tuple[Figure, str]:
    """Qué rinde cada red, con la marca y sin ella, y cuánto calor pone en la marca.

    ``rows`` son las de ``atajo`` de una sola red; ``chance``, la parte de la radiografía que ocupa
    la zona de la marca.
    """
    table = rows[rows["metric"].isin([*_AUCS, "heat"])]
    warm = table["metric"] == "heat"
    silent = table["n_null"].where(warm).fillna(0)
    table = table.assign(
        row=table["variant"],
        series=table["method"].where(warm, table["metric"]),
        panel=np.where(warm, "heat", "auc"),
        note=[count(n, "nulo") if n else "" for n in silent],
    )
    dotted = palette.Style(palette.MUTED, ":", "", "")
    panels = {
        "auc": Panel(
            "ROC-AUC (raya: 95 %; puntos: azar)",
            _AUCS,
            limits=(-0.03, 1.03),
            levels=[(dotted, {"value": 0.5})],
        ),
        "heat": Panel(
            "calor en la marca (puntos: mapa uniforme)",
            methods_in(table[warm]),
            limits=(-0.03, 1.03),
            levels=[(dotted, {"value": chance})],
        ),
    }
    return forest(table, {name: name for name in table["variant"].unique()}, panels, "atajo")


@illustrated
def likeness_dots(rates: pd.DataFrame) -> tuple[Figure, str]:
    """Qué parte de cada clase de imagen rechaza la regla del aspecto.

    ``rates`` es la tabla de ``Likeness``; la clase ``film`` va arriba: no debía rechazarse.
    """
    good = rates["probe"] == "film"
    order = pd.concat([rates[good], rates[~good].sort_values("flagged", kind="stable")])
    ends = {"value": 100 * order["flagged"], "low": 100 * order["low"], "high": 100 * order["high"]}
    expected = np.where(order["probe"] == "film", "aceptar", "rechazar")
    table = order.assign(row=order["title"], series=expected, panel="flagged", **ends)
    series = {
        "aceptar": ("debían aceptarse", palette.NORMAL),
        "rechazar": ("debían rechazarse", palette.PNEUMONIA),
    }
    labels = {row.title: f"{row.title} ({integer(row.n)})" for row in order.itertuples()}
    panel = Panel("rechazadas, % (raya: 95 %)", series, limits=(-2, 102))
    return forest(table, labels, {"flagged": panel}, decimals=1)


def _draw(
    axes: Axes, rows: pd.DataFrame, labels: Mapping[str, str], panel: Panel, decimals: int
) -> str:
    places = {name: place for place, name in enumerate(labels)}
    for style, level in panel.levels:
        axes.axvline(level["value"], zorder=1, **style.stroke(1.4))
        if "low" in level:
            axes.axvspan(level["low"], level["high"], color=style.color, alpha=0.12, linewidth=0)
    said: dict[str, list[str]] = {}
    for name, mine in rows.groupby("row", sort=False):
        order = [key for key in panel.series if key in set(mine["series"])]
        step = 0.8 / max(3, len(panel.series))
        for row in mine.to_dict("records"):
            title, style = panel.series[row["series"]]
            turn = order.index(row["series"]) - (len(order) - 1) / 2
            place = places[name] + turn * step
            if "chance" in row:
                axes.plot(row["chance"], place, "|", color=palette.MUTED, markersize=9, zorder=1)
            draw_interval(axes, place, (row["value"], row["low"], row["high"]), style)
            note = row.get("note") or ""
            if note:
                axes.annotate(
                    note,
                    (np.nanmax([row["value"], row["high"]]), place),
                    xytext=(6, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=SMALL,
                    color=style.color,
                )
            text = ("" if title in labels[name] else f"{title} ") + told(row, decimals=decimals)
            text += f", {note}" if note else ""
            said.setdefault(labels[name], []).append(text)
    return "; ".join(f"{name}: {', '.join(texts)}" for name, texts in said.items()) + "."


def _of(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    if metric not in METRIC_TITLES:
        raise DataError(f"No conocemos la medida {metric!r}; las hay: {', '.join(METRIC_TITLES)}.")
    keys = [name for name in ("layer", "change") if name in rows.columns]
    check_rows(rows, ["value", "low", "high"], ["metric", "method", *keys])
    found = rows[rows["metric"] == metric]
    if found.empty:
        raise DataError(f"La tabla no tiene ninguna fila de la medida {metric!r}.")
    return found.reset_index(drop=True)


def _span(counts: Iterable[float]) -> str:
    """``120``, o ``12 a 120`` si no son iguales."""
    least, most = min(counts), max(counts)
    return integer(least) if least == most else f"{integer(least)} a {integer(most)}"
