"""Figuras de la evaluación: curvas y reparto de probabilidades."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from neumonia.errors import DataError
from neumonia.evaluation.checks import check_labels, check_threshold
from neumonia.evaluation.metrics import binary_metrics, pr_points, roc_points
from neumonia.figures import palette
from neumonia.figures.base import (
    SMALL,
    illustrated,
    integer,
    key_above,
    key_height,
    new_figure,
    note_above,
)

_BINS = 20


@illustrated
def roc_curves(
    labels: ArrayLike, probabilities: Mapping[str, ArrayLike], threshold: float = 0.5
) -> tuple[Figure, str]:
    """Curvas ROC, con la esquina superior izquierda ampliada al lado.

    Parameters
    ----------
    labels : (N,) 0 o 1
    probabilities : {nombre: (N,) en [0, 1]}
    threshold : float
        Se marca el punto de trabajo de cada modelo con este umbral.

    Raises
    ------
    DataError
        Si no hay modelos, hay una sola clase o los datos no son válidos.
    """
    _need_models(probabilities)
    styles = palette.model_styles(list(probabilities))
    figure = new_figure(3.4)
    whole, corner = figure.subplots(1, 2, width_ratios=(1.0, 1.0))
    entries, facts, marks = [], [], []
    for name, scores in probabilities.items():
        points = roc_points(labels, scores)
        measured = binary_metrics(labels, scores, threshold)
        style = styles[name]
        false_rate = 1.0 - measured["specificity"]
        for axes in (whole, corner):
            axes.plot(points["false_positive_rate"], points["true_positive_rate"], **style.stroke())
        marks.append((false_rate, measured["sensitivity"], style))
        entries.append((f"{name} · AUC {measured['roc_auc']:.3f}", style))
        facts.append(
            f"{name}, AUC {measured['roc_auc']:.3f}; con umbral {threshold:g}, sensibilidad "
            f"{measured['sensitivity']:.3f} y especificidad {measured['specificity']:.3f}"
        )
    # El recuadro llega hasta el punto de trabajo más lejano, sin dejar de ser una ampliación.
    reach = min(0.5, max(0.2, *(1.15 * max(x, 1.0 - y) for x, y, _ in marks)))
    for axes, limit in ((whole, 1.0), (corner, reach)):
        for x, y, style in marks:
            if x <= limit and y >= 1.0 - limit:
                axes.plot(
                    x,
                    y,
                    marker=style.marker,
                    color=style.color,
                    markersize=7,
                    markeredgecolor="white",
                    clip_on=False,
                    zorder=5,
                )
    whole.plot([0, 1], [0, 1], color=palette.MUTED, linewidth=1, linestyle=":")
    whole.text(
        0.55,
        0.5,
        "azar",
        rotation=45,
        fontsize=SMALL,
        color=palette.MUTED,
        ha="center",
        va="center",
        rotation_mode="anchor",
    )
    whole.add_patch(
        Rectangle(
            (0, 1 - reach),
            reach,
            reach,
            fill=False,
            edgecolor=palette.MUTED,
            linewidth=0.9,
            zorder=1,
        )
    )
    _key_with_mark(figure, entries, threshold)
    whole.set_title("Curva completa")
    corner.set_title("El recuadro, ampliado")
    for axes, low, high in ((whole, 0.0, 1.0), (corner, 1.0 - reach, reach)):
        axes.set_xlim(0.0 if axes is corner else -0.01, high)
        axes.set_ylim(low, 1.0 if axes is corner else 1.01)
        axes.set_box_aspect(1)
        axes.set_xlabel("falsas alarmas (1 − especificidad)")
        axes.grid()
    whole.set_ylabel("sensibilidad")
    films = check_labels(labels)
    alt = (
        f"Curvas ROC sobre {integer((films == 0).sum())} NORMAL y {integer((films == 1).sum())} "
        f"PNEUMONIA, con la diagonal del azar. {'. '.join(facts)}."
    )
    return figure, alt


@illustrated
def pr_curves(
    labels: ArrayLike, probabilities: Mapping[str, ArrayLike], threshold: float = 0.5
) -> tuple[Figure, str]:
    """Curvas de precisión-exhaustividad, con la prevalencia como referencia.

    Parameters
    ----------
    labels : (N,) 0 o 1
    probabilities : {nombre: (N,) en [0, 1]}
    threshold : float
        Se marca el punto de trabajo de cada modelo con este umbral.

    Raises
    ------
    DataError
        Si no hay modelos, hay una sola clase o los datos no son válidos.
    """
    _need_models(probabilities)
    styles = palette.model_styles(list(probabilities))
    prevalence = float(check_labels(labels).mean())
    figure = new_figure(2.8)
    axes = figure.subplots()
    entries, facts, lowest = [], [], prevalence
    for name, scores in probabilities.items():
        points = pr_points(labels, scores)
        measured = binary_metrics(labels, scores, threshold)
        style = styles[name]
        axes.step(points["recall"], points["precision"], where="post", **style.stroke())
        lowest = min(lowest, float(points["precision"].min()))
        entries.append((f"{name} · precisión media {measured['average_precision']:.3f}", style))
        fact = f"{name}, precisión media {measured['average_precision']:.3f}"
        if measured["precision"] is not None:
            axes.plot(
                measured["sensitivity"],
                measured["precision"],
                marker=style.marker,
                color=style.color,
                markersize=7,
                markeredgecolor="white",
                clip_on=False,
                zorder=5,
            )
            fact += (
                f"; con umbral {threshold:g}, precisión {measured['precision']:.3f} y sensibilidad "
                f"{measured['sensitivity']:.3f}"
            )
        facts.append(fact)
    axes.axhline(prevalence, color=palette.MUTED, linewidth=1, linestyle=":")
    axes.annotate(
        f"azar: prevalencia {prevalence:.3f}",
        (0.0, prevalence),
        xytext=(4, 3),
        textcoords="offset points",
        fontsize=SMALL,
        color=palette.MUTED,
    )
    floor = max(0.0, lowest - 0.12 * (1.0 - lowest))
    axes.set_ylim(floor, 1.01)
    axes.set_xlim(-0.01, 1.01)
    axes.set_xlabel("exhaustividad (sensibilidad)")
    axes.set_ylabel("precisión")
    axes.grid()
    _key_with_mark(figure, entries, threshold)
    alt = (
        f"Curvas de precisión y exhaustividad; el azar daría la prevalencia, {prevalence:.3f}. "
        f"{'. '.join(facts)}."
    )
    return figure, alt


@illustrated
def probability_histograms(
    labels: ArrayLike, probabilities: Mapping[str, ArrayLike], threshold: float = 0.5
) -> tuple[Figure, str]:
    """Reparto de las probabilidades: PNEUMONIA hacia arriba y NORMAL hacia abajo.

    Parameters
    ----------
    labels : (N,) 0 o 1
    probabilities : {nombre: (N,) en [0, 1]}
    threshold : float en [0, 1]

    Raises
    ------
    DataError
        Si no hay modelos o los datos no son válidos.
    ConfigError
        Umbral fuera de [0, 1].
    """
    _need_models(probabilities)
    check_threshold(threshold)
    figure = new_figure(0.5 + 1.75 * len(probabilities))
    panels = figure.subplots(len(probabilities), 1, sharex=True, squeeze=False)[:, 0]
    facts = []
    for axes, (name, scores) in zip(panels, probabilities.items(), strict=True):
        measured = binary_metrics(labels, scores, threshold)
        _mirrored(axes, check_labels(labels), np.asarray(scores, dtype=np.float64), threshold)
        axes.set_title(name, fontweight="bold")
        facts.append(
            f"{name}: superan el umbral {_share(measured['tp'], measured['fn'])} de las PNEUMONIA "
            f"y {_share(measured['fp'], measured['tn'])} de las NORMAL"
        )
    note_above(panels[0], threshold, f"umbral {threshold:g}")
    panels[-1].set_xlabel("probabilidad de PNEUMONIA según la red")
    alt = (
        "Histogramas de la probabilidad, PNEUMONIA hacia arriba y NORMAL hacia abajo, con el "
        f"umbral {threshold:g}. {'. '.join(facts)}."
    )
    return figure, alt


def _mirrored(axes: Axes, truth: np.ndarray, scores: np.ndarray, threshold: float) -> None:
    edges = np.linspace(0.0, 1.0, _BINS + 1)
    highest = {0: 1.0, 1: 1.0}
    for label, style in palette.CLASSES.items():
        total = max(int((truth == label).sum()), 1)
        shares = 100 * np.histogram(scores[truth == label], edges)[0] / total
        highest[label] = max(highest[label], float(shares.max()))
        axes.bar(
            edges[:-1],
            shares if label else -shares,
            width=1 / _BINS,
            align="edge",
            facecolor="white" if style.hatch else style.color,
            edgecolor=style.color if style.hatch else "white",
            hatch=style.hatch,
            linewidth=0.8,
        )
        # Cada clase se amontona en su extremo: el rótulo va en el contrario, que está libre.
        axes.annotate(
            palette.CLASS_NAMES[label],
            (0.03 if label else 0.97, 0.93 if label else 0.07),
            xycoords="axes fraction",
            ha="left" if label else "right",
            va="top" if label else "bottom",
            color=style.color,
            fontweight="bold",
        )
    axes.axhline(0, color=palette.TEXT, linewidth=0.8)
    axes.axvline(threshold, color=palette.MUTED, linewidth=1, linestyle=":")
    axes.set_xlim(0, 1)
    # Una sola escala para las dos clases, y sitio para el rótulo de la más baja.
    room = 0.35 * max(highest.values())
    axes.set_ylim(-1.1 * max(highest[0], room), 1.1 * max(highest[1], room))
    axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):.0f}")
    axes.set_ylabel("% de su clase")
    axes.grid(axis="y")


def _share(over: int, under: int) -> str:
    total = over + under
    return f"el {100 * over / total:.1f} %" if total else "ninguna"


def _key_with_mark(figure: Figure, entries: list, threshold: float) -> None:
    """Pone los rótulos arriba y agranda la figura lo que ellos ocupan."""
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + key_height([text for text, _ in entries]))
    key_above(figure, entries, f"la marca es el punto de trabajo con umbral {threshold:g}")


def _need_models(models: Mapping[str, Any]) -> None:
    if not models:
        raise DataError("No hay modelos que dibujar: demos al menos uno.")
