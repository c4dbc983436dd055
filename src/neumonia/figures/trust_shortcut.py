"""Figuras del atajo plantado y del filtro que dice si una imagen parece una radiografía."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from neumonia.errors import DataError
from neumonia.figures import palette
from neumonia.figures.base import SMALL, count, illustrated, new_figure
from neumonia.figures.dots import draw_interval
from neumonia.figures.trust_common import (
    check_rows,
    in_order,
    spell,
    style_of,
    title_of,
)
from neumonia.figures.trust_rows import label_rows
from neumonia.text import integer, interval, percent
from neumonia.trust.shortcut_repair import SHORTCUT

_AUCS = {
    "auc_val": ("validación, como se entrenó", palette.Style("#737373", "-", "o", "")),
    "auc_clean": ("prueba sin marca", palette.Style("#00355C", "-", "s", "")),
    "auc_swapped": ("prueba, marca en las normales", palette.Style("#C44E00", "-", "^", "")),
}
_ACCEPT = palette.Style("#00355C", "-", "", "")
_REJECT = palette.Style("#C44E00", "-", "", "////")


@illustrated
def shortcut_dots(table: pd.DataFrame, chance: float) -> tuple[Figure, str]:
    """Qué rinde cada red, con la marca y sin ella, y cuánto calor pone en la marca.

    Parameters
    ----------
    table : DataFrame
        ``variant``, ``metric`` (auc_val, auc_clean, auc_swapped o heat), ``method``, ``value``,
        ``low``, ``high`` y, si se quiere decir cuántos mapas callan, ``n_null``: la ``table`` de
        ``ShortcutResult``.
    chance : float en 0..1
        La parte de la radiografía que ocupa la zona de la marca.

    Raises
    ------
    DataError
        Filas o columnas que faltan o se repiten.
    """
    keys = ["variant", "metric", "method"]
    rows = check_rows(table, [*keys, "value", "low", "high"], keys)
    nulls = table["n_null"].to_numpy() if "n_null" in table else np.zeros(len(table))
    rows["n_null"] = np.nan_to_num(nulls.astype(float))
    heat = rows[rows["metric"] == "heat"]
    aucs = rows[rows["metric"].isin(_AUCS)]
    if heat.empty or aucs.empty:
        raise DataError("La tabla del atajo debe traer alguna AUC y el calor de algún método.")
    variants = list(dict.fromkeys(rows["variant"]))
    methods = in_order(heat["method"])
    figure = new_figure(0.75 + 0.5 * len(variants) + 0.17 * max(3, len(methods)))
    left, right = figure.subplots(1, 2, sharey=True)
    scores = {metric: label for metric, label in _AUCS.items() if (aucs["metric"] == metric).any()}
    said = _dots(left, aucs, "metric", scores, variants)
    calm = {name: (title_of(name), style_of(name)) for name in methods}
    warm = _dots(right, heat, "method", calm, variants)
    label_rows(left, [(name, name == SHORTCUT.name) for name in variants])
    right.grid(True, axis="x")
    right.tick_params(axis="y", length=0)
    left.axvline(0.5, color=palette.MUTED, linewidth=1, linestyle=":")
    right.axvline(chance, color=palette.MUTED, linewidth=1, linestyle=":")
    left.set_xlim(-0.03, 1.03)
    right.set_xlim(-0.03, 1.03)
    left.set_xlabel("ROC-AUC (raya: 95 %; puntos: azar)")
    right.set_xlabel("calor en la marca (puntos: mapa uniforme)")
    return figure, (
        "Dos paneles con una fila por manera de entrenar. A la izquierda, la ROC-AUC; a la "
        "derecha, la parte del calor que cae en la zona de la marca, que un mapa uniforme haría "
        f"{percent(chance)}. "
        + "; ".join(f"{name}: {listed}" for name, listed in said.items())
        + ". Calor. "
        + "; ".join(f"{name}: {listed}" for name, listed in warm.items())
        + "."
    )


@illustrated
def likeness_bars(rows: pd.DataFrame) -> tuple[Figure, str]:
    """Qué parte de cada tipo de imagen pasa por radiografía de tórax.

    Parameters
    ----------
    rows : DataFrame
        ``kind`` (lo que se mostró), ``rate``, ``low``, ``high`` (0..1), ``n`` y ``expected``
        (cierto si debía aceptarse). Arriba van las que debían aceptarse.

    Raises
    ------
    DataError
        Filas o columnas que faltan o se repiten.
    """
    table = check_rows(rows, ["kind", "rate", "low", "high", "n", "expected"], ["kind"])
    table["expected"] = table["expected"].astype(bool)
    table = table.sort_values(["expected", "rate"], ascending=[False, False], kind="stable")
    figure = new_figure(0.8 + 0.27 * len(table))
    axes = figure.subplots()
    facts = []
    for place, row in enumerate(table.itertuples()):
        style = _ACCEPT if row.expected else _REJECT
        axes.barh(
            place,
            100 * row.rate,
            height=0.62,
            color=style.color if row.expected else "white",
            edgecolor=style.color,
            hatch=style.hatch,
        )
        # Trazo doble: se ve sobre la barra y fuera de ella.
        for color, width in (("white", 3.6), (palette.TEXT, 1.4)):
            axes.plot([100 * row.low, 100 * row.high], [place, place], color=color, linewidth=width)
        wanted = "debe aceptarse" if row.expected else "debe rechazarse"
        facts.append(
            f"{row.kind} ({wanted}): {percent(row.rate)} de {integer(row.n)}, intervalo "
            f"{interval(100 * row.low, 100 * row.high, 1)} %"
        )
    label_rows(axes, [(f"{row.kind} ({integer(row.n)})", False) for row in table.itertuples()])
    axes.set_xlim(0, 101)
    axes.set_xlabel("aceptadas como radiografía de tórax, % (raya: 95 %)")
    handles = [
        Patch(facecolor=_ACCEPT.color, edgecolor=_ACCEPT.color),
        Patch(facecolor="white", edgecolor=_REJECT.color, hatch=_REJECT.hatch),
    ]
    figure.legend(
        handles,
        ["debían aceptarse", "debían rechazarse"],
        loc="outside upper left",
        ncols=2,
        fontsize=SMALL,
        frameon=False,
        borderpad=0.1,
    )
    return figure, (
        f"Barras con intervalo del 95 %: parte aceptada como radiografía de tórax de "
        f"{count(len(table), 'tipo')} de imagen. {'; '.join(facts)}."
    )


def _dots(
    axes: Axes,
    rows: pd.DataFrame,
    column: str,
    series: Mapping[str, tuple[str, palette.Style]],
    variants: list[str],
) -> dict[str, str]:
    """Dibuja una serie por símbolo y devuelve, por variante, lo que se lee."""
    said: dict[str, list[str]] = {name: [] for name in variants}
    for position, (key, (label, style)) in enumerate(series.items()):
        shift = (position - (len(series) - 1) / 2) * 0.8 / max(3, len(series))
        for row in rows[rows[column] == key].itertuples():
            place = variants.index(row.variant) + shift
            found = (row.value, row.low, row.high)
            draw_interval(axes, place, found, style)
            silent = ""
            if row.n_null:
                silent = count(row.n_null, "mapa nulo", "mapas nulos")
                end = np.nanmax([row.value, row.high])
                axes.annotate(
                    count(row.n_null, "nulo"),
                    (end, place),
                    xytext=(6, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=SMALL,
                    color=style.color,
                )
            said[row.variant].append(f"{label} {spell(*found)}" + (silent and f", {silent}"))
    axes.legend(
        [
            Line2D([], [], marker=style.marker, color=style.color, linestyle="none", markersize=6)
            for _, style in series.values()
        ],
        [label for label, _ in series.values()],
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        fontsize=SMALL,
        frameon=False,
        borderpad=0.1,
        handletextpad=0.2,
    )
    return {name: "; ".join(parts) for name, parts in said.items()}
