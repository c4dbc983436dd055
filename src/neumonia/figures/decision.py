"""Figuras de la decisión clínica: beneficio neto y valores predictivos."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from neumonia.errors import DataError
from neumonia.evaluation.checks import check_prevalence
from neumonia.evaluation.decision import TREAT_ALL, TREAT_NONE, predictive_values
from neumonia.figures import palette
from neumonia.figures.base import (
    illustrated,
    key_above,
    key_height,
    listing,
    new_figure,
    note_above,
)

_ALL = palette.Style(palette.MUTED, (0.0, (1.2, 1.2)), "", "")
_NONE = palette.Style(palette.TEXT, "-", "", "")
_COLUMNS = ("strategy", "threshold", "net_benefit", "low", "high")
_PREVALENCES = (0.001, 0.9)
_TICKS = (0.001, 0.01, 0.1, 0.5)


@illustrated
def decision_curves(frame: pd.DataFrame) -> tuple[Figure, str]:
    """Beneficio neto según el umbral, con la banda del 95 % de cada modelo.

    Parameters
    ----------
    frame : DataFrame de ``decision_curve``

    Raises
    ------
    DataError
        Si faltan columnas, filas o las estrategias «tratar a todos» y «no tratar a nadie».

    Fuente: Vickers y Elkin (2006), *Decision curve analysis*, Medical Decision Making 26.
    """
    missing = [column for column in _COLUMNS if column not in frame]
    names = [] if missing else list(dict.fromkeys(frame["strategy"]))
    missing += [f"la estrategia {name!r}" for name in (TREAT_ALL, TREAT_NONE) if name not in names]
    if missing:
        raise DataError(
            f"A la tabla le falta {', '.join(missing)}: hagámosla con decision_curve, entera."
        )
    models = [name for name in names if name not in (TREAT_ALL, TREAT_NONE)]
    styles = palette.model_styles(models) | {TREAT_ALL: _ALL, TREAT_NONE: _NONE}
    figure = new_figure(3.0 + key_height(names))
    axes = figure.subplots()
    for name in (TREAT_NONE, TREAT_ALL, *models):
        part = frame[frame["strategy"] == name].sort_values("threshold")
        style = styles[name]
        axes.plot(
            part["threshold"], part["net_benefit"], **style.stroke(1.8 if style.marker else 1.2)
        )
        if name in models:
            axes.fill_between(
                part["threshold"], part["low"], part["high"], color=style.color, alpha=0.15, lw=0
            )
    highest = float(frame["net_benefit"].max())
    axes.set_ylim(-0.15 * max(highest, 0.01), 1.15 * max(highest, 0.01))
    axes.set_xlim(frame["threshold"].min(), frame["threshold"].max())
    axes.set_xlabel("probabilidad de neumonía desde la que se trataría")
    axes.set_ylabel("beneficio neto")
    axes.grid()
    key_above(figure, [(name, styles[name]) for name in names], "la banda es el intervalo del 95 %")
    alt = (
        "Curvas de decisión: beneficio neto según la probabilidad desde la que se trataría. "
        f"{'. '.join(_best_range(frame, name) for name in models)}."
    )
    return figure, alt


def _best_range(frame: pd.DataFrame, name: str) -> str:
    """Dónde supera el modelo, en valor medido, a tratar a todos y a no tratar a nadie."""
    wide = frame.pivot_table(index="threshold", columns="strategy", values="net_benefit")
    better = wide.index[wide[name] > wide[[TREAT_ALL, TREAT_NONE]].max(axis=1) + 1e-12]
    if better.empty:
        return f"{name} no supera en ningún umbral a tratar a todos o a no tratar a nadie"
    return (
        f"{name} supera a tratar a todos y a no tratar a nadie en {len(better)} de {len(wide)} "
        f"umbrales, entre {better.min():.2f} y {better.max():.2f}"
    )


@illustrated
def predictive_values_curve(
    models: Mapping[str, tuple[float, float]], marks: Sequence[float] = (0.05, 0.20, 0.73)
) -> tuple[Figure, str]:
    """Valores predictivos positivo y negativo según la prevalencia, en escala logarítmica.

    Parameters
    ----------
    models : {nombre: (sensibilidad, especificidad)}
    marks : prevalencias en (0, 1) que se señalan

    Raises
    ------
    DataError
        Si no hay modelos.
    ConfigError
        Algo fuera de su intervalo.
    """
    if not models:
        raise DataError("No hay modelos que dibujar: demos al menos uno.")
    marks = sorted(check_prevalence(value) for value in marks)
    low, high = min(_PREVALENCES[0], *marks, 1.0), max(_PREVALENCES[1], *marks, 0.0)
    shares = np.geomspace(low, high, 300)
    styles = palette.model_styles(list(models))
    figure = new_figure(2.7 + key_height(list(models)))
    panels = figure.subplots(1, 2, sharey=True)
    facts = []
    for name, (sensitivity, specificity) in models.items():
        curves = predictive_values(sensitivity, specificity, shares)
        told = []
        for axes, values in zip(panels, curves, strict=True):
            axes.plot(shares, values, **styles[name].stroke())
        for share in marks:
            positive, negative = predictive_values(sensitivity, specificity, share)
            told.append(f"con prevalencia {100 * share:.3g} %, {positive:.3f} y {negative:.3f}")
            for axes, value in zip(panels, (positive, negative), strict=True):
                axes.plot(
                    share,
                    value,
                    marker=styles[name].marker,
                    color=styles[name].color,
                    markersize=6,
                    markeredgecolor="white",
                    zorder=5,
                    clip_on=False,
                )
        facts.append(f"{name}: {listing(told)}" if told else name)
    for axes, name in zip(panels, ("positivo", "negativo"), strict=True):
        _prevalence_axis(axes, low, high, marks)
        axes.set_title(f"Valor predictivo {name}", pad=16)
    panels[0].set_ylabel("probabilidad de acertar")
    entries = [(name, styles[name]) for name in models]
    note = "sobre cada línea de puntos, la prevalencia que señala" if marks else ""
    key_above(figure, entries, note)
    alt = (
        "Valores predictivos positivo y negativo según la prevalencia, de "
        f"{100 * low:.2g} % a {100 * high:.2g} %. {'. '.join(facts)}."
    )
    return figure, alt


def _prevalence_axis(axes: Axes, low: float, high: float, marks: Sequence[float]) -> None:
    for share in marks:
        axes.axvline(share, color=palette.MUTED, linewidth=1, linestyle=":")
        note_above(axes, share, f"{100 * share:.3g} %")
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(0.0, 1.02)
    axes.xaxis.set_major_locator(FixedLocator(_TICKS))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    axes.set_xlabel("niños con neumonía (escala logarítmica)")
    axes.grid()
