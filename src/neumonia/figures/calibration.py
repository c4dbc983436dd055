"""Figuras de la calibración: diagramas de fiabilidad."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neumonia.errors import DataError
from neumonia.figures import palette
from neumonia.figures.base import (
    SMALL,
    count,
    grid_shape,
    illustrated,
    integer,
    new_figure,
)

_COLUMNS = ("left", "right", "mean_probability", "observed", "n", "low", "high")
# Ancho del tramo en que cabe su número de radiografías.
_READABLE = 0.09


@illustrated
def reliability_diagram(tables: Mapping[str, pd.DataFrame]) -> tuple[Figure, str]:
    """Diagramas de fiabilidad, uno por modelo, con las radiografías de cada tramo debajo.

    Parameters
    ----------
    tables : {nombre: tabla de ``reliability_table``}

    Raises
    ------
    DataError
        Si no hay tablas o a alguna le faltan columnas o filas.

    Fuente: Niculescu-Mizil y Caruana (2005), *Predicting good probabilities with supervised
    learning*.
    """
    if not tables:
        raise DataError("No hay tablas de fiabilidad que dibujar: demos al menos una.")
    rows, columns = grid_shape(len(tables), 2)
    figure = new_figure(3.9 * rows, width=6.5 if columns == 2 else 3.8)
    panels = figure.subplots(2 * rows, columns, height_ratios=(2.8, 1.0) * rows, squeeze=False)
    styles = palette.model_styles(list(tables))
    facts = []
    for position, (name, table) in enumerate(tables.items()):
        missing = [column for column in _COLUMNS if column not in table]
        if missing or table.empty:
            lack = f"le falta {', '.join(missing)}" if missing else "no tiene filas"
            raise DataError(f"La tabla de {name!r} {lack}: hagámosla con reliability_table.")
        row, column = divmod(position, columns)
        curve, counts = panels[2 * row, column], panels[2 * row + 1, column]
        _reliability(curve, counts, table, styles[name])
        curve.set_title(name, fontweight="bold", color=styles[name].color)
        if column == 0:
            curve.set_ylabel("PNEUMONIA observadas")
            counts.set_ylabel("radiografías")
        facts.append(f"{name}: {_furthest(table)}")
    for empty in range(len(tables), rows * columns):
        row, column = divmod(empty, columns)
        panels[2 * row, column].set_axis_off()
        panels[2 * row + 1, column].set_axis_off()
    alt = (
        "Diagramas de fiabilidad: proporción observada de PNEUMONIA frente a la probabilidad media "
        "de cada tramo, con la diagonal de la calibración perfecta y, debajo, cuántas radiografías "
        f"hay en cada tramo. {'. '.join(facts)}."
    )
    return figure, alt


def _reliability(curve: Axes, counts: Axes, table: pd.DataFrame, style: palette.Style) -> None:
    x, y = table["mean_probability"].to_numpy(), table["observed"].to_numpy()
    curve.plot([0, 1], [0, 1], color=palette.MUTED, linewidth=1, linestyle=":")
    curve.annotate(
        "perfecta",
        (0.60, 0.67),
        rotation=45,
        fontsize=SMALL,
        color=palette.MUTED,
        ha="center",
        va="center",
        rotation_mode="anchor",
        transform_rotates_text=True,
        zorder=1,
    )
    errors = np.clip([y - table["low"], table["high"] - y], 0.0, None)
    curve.errorbar(
        x, y, yerr=errors, fmt="none", ecolor=style.color, elinewidth=1.1, capsize=2.5, alpha=0.75
    )
    curve.plot(
        x,
        y,
        marker=style.marker,
        markersize=6,
        markeredgecolor="white",
        clip_on=False,
        zorder=5,
        **style.stroke(1.4),
    )
    curve.set_ylim(-0.02, 1.02)
    counts.bar(
        table["left"],
        table["n"],
        width=(table["right"] - table["left"]).clip(lower=0.01),
        align="edge",
        facecolor="white" if style.hatch else style.color,
        edgecolor=style.color,
        hatch=style.hatch,
        linewidth=0.8,
    )
    for _, bin_ in table.iterrows():
        if bin_["right"] - bin_["left"] >= _READABLE:
            counts.annotate(
                integer(bin_["n"]),
                ((bin_["left"] + bin_["right"]) / 2, bin_["n"]),
                xytext=(0, 1.5),
                textcoords="offset points",
                ha="center",
                fontsize=SMALL,
            )
    counts.set_ylim(0, 1.3 * table["n"].max())
    counts.set_xlabel("probabilidad según la red")
    counts.yaxis.set_major_formatter(lambda value, _: integer(value))
    counts.locator_params(axis="y", nbins=4, integer=True)
    for axes in (curve, counts):
        axes.set_xlim(-0.02, 1.02)
        axes.set_box_aspect(1.0 if axes is curve else 0.36)
        axes.grid(axis="both" if axes is curve else "y")


def _furthest(table: pd.DataFrame) -> str:
    """El tramo cuyo intervalo queda más lejos de la diagonal."""
    below = table["mean_probability"] - table["high"]
    above = table["low"] - table["mean_probability"]
    outside = int((np.maximum(below, above) > 0).sum())
    worst = table.iloc[int(np.argmax(np.maximum(below, above)))]
    text = (
        f"{count(len(table), 'tramo')} con {count(table['n'].sum(), 'radiografía')}; "
        f"el intervalo no toca la diagonal en {outside}"
    )
    if outside:
        text += (
            f"; el más alejado, con probabilidad media {worst['mean_probability']:.2f} y "
            f"{worst['observed']:.2f} observado"
        )
    return text
