"""Figura del umbral que se elige: sensibilidad y especificidad según dónde se corte."""

import math
from collections.abc import Iterable, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from numpy.typing import ArrayLike

from neumonia.errors import DataError
from neumonia.evaluation.checks import check_threshold
from neumonia.evaluation.metrics import binary_metrics, roc_points
from neumonia.figures import palette
from neumonia.figures.base import SMALL, illustrated, key_above, new_figure, spread

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

    Raises
    ------
    DataError
        Si los datos no son válidos, hay una sola clase o ningún umbral.
    ConfigError
        Umbral fuera de [0, 1].
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
            axes.plot(
                spot,
                measured[metric],
                marker=style.marker,
                color=style.color,
                markersize=7,
                markeredgecolor="white",
                zorder=5,
                clip_on=False,
            )
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
