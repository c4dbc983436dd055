"""Filas de puntos con su intervalo: sus rótulos, sus símbolos y sus grupos."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neumonia.figures import palette
from neumonia.figures.base import SMALL, new_figure
from neumonia.figures.dots import draw_interval
from neumonia.figures.trust_common import PAGE, in_order, spell, style_of, title_of

_ROW = 0.14


def label_rows(axes: Axes, labels: Sequence[tuple[str, bool]]) -> None:
    """Pone los rótulos de las filas, de arriba abajo; los verdaderos van en negrita."""
    axes.set_yticks(range(len(labels)), [text for text, _ in labels], fontsize=SMALL)
    for tick, (_, bold) in zip(axes.get_yticklabels(), labels, strict=True):
        tick.set_fontweight("bold" if bold else "normal")
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x")


def symbol_key(figure: Figure, entries: Mapping[str, palette.Style], columns: int = 3) -> None:
    """Sobre los ejes, qué símbolo es cada cosa."""
    handles = [
        Line2D([], [], marker=style.marker, color=style.color, linestyle="none", markersize=6)
        for style in entries.values()
    ]
    figure.legend(
        handles,
        list(entries),
        loc="outside upper left",
        fontsize=SMALL,
        frameon=False,
        ncols=columns,
        handletextpad=0.2,
        borderpad=0.1,
    )


def grouped_dots(
    table: pd.DataFrame, column: str, labels: Mapping[str, str], rule: int
) -> tuple[Figure, list[str]]:
    """Una fila por grupo y, dentro, un renglón por método; una raya oscura antes de la ``rule``."""
    methods = in_order(table["method"])
    styles = {title_of(name): style_of(name) for name in methods}
    row = min(_ROW * (len(methods) + 1), (PAGE - 1.2) / len(labels))
    figure = new_figure(0.6 + row * len(labels) + 0.2 * -(-len(methods) // 3))
    axes = figure.subplots()
    step = 1 / (len(methods) + 1)
    facts = []
    for place, (group, text) in enumerate(labels.items()):
        mine = table[table[column] == group].set_index("method")
        said = []
        for position, name in enumerate(methods):
            if name in mine.index:
                found = tuple(mine.loc[name, ["value", "low", "high"]])
                shift = (position - (len(methods) - 1) / 2) * step
                draw_interval(axes, place + shift, found, style_of(name))
                said.append(f"{title_of(name)} {spell(*found)}")
        facts.append(f"{text}: {'; '.join(said)}")
    label_rows(axes, [(text, False) for text in labels.values()])
    axes.set_ylim(len(labels) - 0.5, -0.5)
    for place in range(1, len(labels)):
        color = palette.MUTED if place == rule else palette.GRID
        axes.axhline(place - 0.5, color=color, linewidth=0.8)
    symbol_key(figure, styles)
    return figure, facts


def network_rows(
    table: pd.DataFrame, titles: Mapping[str, str] | None
) -> tuple[list[tuple[str, bool]], list[int]]:
    """Los rótulos, con el nombre de cada red encima de sus filas, y el lugar de cada fila."""
    labels: list[tuple[str, bool]] = []
    places = {}
    for network in dict.fromkeys(table["network"]):
        labels.append((network_title(network, titles), True))
        mine = table[table["network"] == network]
        for row in mine.itertuples():
            places[row.Index] = len(labels)
            labels.append((row_name(getattr(row, "layer", ""), row.method), False))
    return labels, [places[index] for index in table.index]


def row_name(layer: str, method: str) -> str:
    """``block5_conv3 · Grad-CAM``; sin capa, solo el método."""
    return " · ".join(part for part in (layer.split("/")[-1], title_of(method)) if part)


def network_title(name: str, titles: Mapping[str, str] | None) -> str:
    return (titles or {}).get(name, name)
