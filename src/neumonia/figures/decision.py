"""Dónde cortar y qué cuesta: umbrales, beneficio neto y valores predictivos."""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from numpy.typing import ArrayLike

from neumonia.errors import DataError
from neumonia.evaluation.checks import check_prevalence, check_threshold
from neumonia.evaluation.decision import TREAT_ALL, TREAT_NONE, predictive_values
from neumonia.evaluation.metrics import binary_metrics, roc_points
from neumonia.figures import palette
from neumonia.figures.base import (
    SMALL,
    illustrated,
    key_above,
    key_height,
    listing,
    mark,
    need_models,
    new_figure,
    note_above,
    spread,
)

_ALL = palette.Style(palette.MUTED, (0.0, (1.2, 1.2)), "", "")
_NONE = palette.Style(palette.TEXT, "-", "", "")
_COLUMNS = ("strategy", "threshold", "net_benefit", "low", "high")
_PREVALENCES = (0.001, 0.9)
_TICKS = (0.001, 0.01, 0.1, 0.5)
# Fracción del ancho de los ejes que ocupa el rótulo de un umbral.
_APART = 0.24
_FARTHEST = 1e-9
_MOST_TICKS = 9


@illustrated
def threshold_tradeoff(
    labels: ArrayLike, probabilities: ArrayLike, chosen: Mapping[str, float]
) -> tuple[Figure, str]:
    """Sensibilidad y especificidad según el umbral, con los umbrales elegidos marcados.

    El eje es logístico, como los logits: las redes amontonan sus probabilidades junto a 0 y a 1.

    Parameters
    ----------
    labels, probabilities : (N,)
    chosen : {nombre: umbral en [0, 1]}
    """
    if not chosen:
        raise DataError("No hay umbrales que marcar: demos al menos uno.")
    points = roc_points(labels, probabilities)
    limits = {name: check_threshold(value) for name, value in chosen.items()}
    figure = new_figure(3.6)
    axes = figure.subplots()
    low, high = _reach(limits.values())
    # De menor a mayor umbral: en cada probabilidad la curva baja o sube un escalón.
    ordered = points.iloc[::-1]
    grid = np.clip(ordered["threshold"].to_numpy(), _FARTHEST / 10, 1.0 - _FARTHEST / 10)
    series = {
        "sensibilidad": (ordered["true_positive_rate"].to_numpy(), palette.PNEUMONIA),
        "especificidad": (1.0 - ordered["false_positive_rate"].to_numpy(), palette.NORMAL),
    }
    for values, style in series.values():
        stroke = style.stroke()
        axes.step(np.r_[_FARTHEST / 10, grid], np.r_[values[0], values], where="pre", **stroke)
    axes.set_xscale("logit")
    axes.set_xlim(low, high)
    axes.set_ylim(-0.02, 1.02)
    axes.xaxis.set_major_locator(FixedLocator(_ticks(low, high)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.10g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("umbral (escala logística)")
    axes.grid()
    facts = _mark_thresholds(axes, labels, probabilities, limits, (low, high))
    key_above(figure, [(name, style) for name, (_, style) in series.items()])
    alt = (
        "Sensibilidad y especificidad según el umbral: al subirlo baja la primera y sube la "
        f"segunda. {'. '.join(facts)}."
    )
    return figure, alt


def _logit(value: float) -> float:
    return math.log(value / (1.0 - value))


def _reach(limits: Iterable[float]) -> tuple[float, float]:
    """Del 1 % al 99 %, o lo que haga falta para que se vean los umbrales elegidos."""
    inside = [min(max(value, _FARTHEST), 1.0 - _FARTHEST) for value in limits]
    return min(0.01, *(value / 3 for value in inside)), max(
        0.99, *(1.0 - (1.0 - value) / 3 for value in inside)
    )


def _ticks(low: float, high: float) -> list[float]:
    """0.5 y las potencias de 10 que caben a cada lado, saltando algunas si son muchas."""
    decades = [10.0**-power for power in range(1, 11)]
    left = [value for value in decades if value >= low]
    right = [1.0 - value for value in decades if 1.0 - value <= high]
    step = math.ceil((len(left) + len(right) + 1) / _MOST_TICKS)
    return sorted([0.5, *left[::step], *right[::step]])


def _mark_thresholds(
    axes: Axes,
    labels: ArrayLike,
    probabilities: ArrayLike,
    limits: Mapping[str, float],
    reach: tuple[float, float],
) -> list[str]:
    low, high = (_logit(value) for value in reach)
    drawn = [min(max(value, reach[0]), reach[1]) for value in limits.values()]
    shares = [(_logit(value) - low) / (high - low) for value in drawn]
    places = _inside(spread(shares, min(_APART, 1.0 / len(limits))))
    facts = []
    for (name, value), spot, x, place in zip(limits.items(), drawn, shares, places, strict=True):
        measured = binary_metrics(labels, probabilities, value)
        axes.plot([x, x], [0, 1], transform=axes.transAxes, color=palette.TEXT, linewidth=0.9)
        for metric, style in (
            ("sensitivity", palette.PNEUMONIA),
            ("specificity", palette.NORMAL),
        ):
            mark(axes, spot, measured[metric], style)
        axes.plot(
            [x, place],
            [1.0, 1.09],
            transform=axes.transAxes,
            color=palette.MUTED,
            linewidth=0.8,
            clip_on=False,
        )
        axes.text(
            place,
            1.1,
            f"{name}\n{value:.3g}",
            transform=axes.transAxes,
            ha="center",
            va="bottom",
            fontsize=SMALL,
        )
        facts.append(
            f"{name}, umbral {value:.3g}: sensibilidad {measured['sensitivity']:.3f} y "
            f"especificidad {measured['specificity']:.3f}"
        )
    return facts


def _inside(places: list[float]) -> list[float]:
    """Corre todos los rótulos a la vez para que ninguno salga de los ejes."""
    shift = max(0.0, _APART / 2 - min(places)) - max(0.0, max(places) + _APART / 2 - 1.0)
    return [place + shift for place in places]


@illustrated
def decision_curves(frame: pd.DataFrame) -> tuple[Figure, str]:
    """Beneficio neto según el umbral, con la banda del 95 % de cada modelo.

    ``frame`` es la de ``decision_curve``, entera.

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

    """
    need_models(models)
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
                mark(axes, share, value, styles[name], 6)
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
