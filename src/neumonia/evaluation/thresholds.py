"""Elegir el umbral en validación: por sensibilidad, por coste o equilibrado.

El umbral se elige con las radiografías de validación y se usa, sin tocarlo, en las de prueba.
Decidimos PNEUMONIA cuando ``probability >= threshold``; entre dos probabilidades vecinas cualquier
umbral decide lo mismo, y devolvemos el punto medio: así un redondeo no cambia la decisión.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from neumonia.errors import ConfigError
from neumonia.evaluation.checks import (
    check_both_classes,
    check_predictions,
    check_prevalence,
)

# Dos costes o índices que difieren menos que esto son el mismo, salvo redondeo.
_SAME = 1e-12


@dataclass(frozen=True)
class _Cuts:
    """Los umbrales que deciden distinto, del menor al mayor, y lo que logra cada uno."""

    thresholds: np.ndarray
    sensitivity: np.ndarray
    specificity: np.ndarray
    prevalence: float


def threshold_for_sensitivity(
    labels: ArrayLike, probabilities: ArrayLike, sensitivity: float
) -> float:
    """El umbral más alto cuya sensibilidad en estos datos es al menos la pedida.

    De los que la alcanzan, es el que menos falsas alarmas da.

    Parameters
    ----------
    labels, probabilities : (N,) de validación
    sensitivity : float en (0, 1]

    Raises
    ------
    DataError
        Datos no válidos o una sola clase.
    ConfigError
        Sensibilidad fuera de (0, 1].

    Fuente: Pepe (2003), *The Statistical Evaluation of Medical Tests*, capítulo 4.
    """
    if not 0.0 < sensitivity <= 1.0:
        raise ConfigError(
            f"La sensibilidad pedida debe ser mayor que 0 y como mucho 1, y es {sensitivity}."
        )
    cuts = _cuts(labels, probabilities)
    enough = np.flatnonzero(cuts.sensitivity >= sensitivity - _SAME)
    return float(cuts.thresholds[enough[-1]])


def threshold_for_cost(
    labels: ArrayLike,
    probabilities: ArrayLike,
    cost_false_negative: float,
    cost_false_positive: float,
    prevalence: float | None = None,
) -> float:
    """El umbral de menor coste esperado por niño en estos datos.

    El coste es ``cost_false_negative·π·(1 − sensibilidad) + cost_false_positive·(1 − π)·(1 −
    especificidad)``. Si empatan varios umbrales, el más bajo: a igual coste, preferimos no dejar
    neumonías sin ver.

    Parameters
    ----------
    labels, probabilities : (N,) de validación
    cost_false_negative, cost_false_positive : float >= 0, no los dos 0; importa su cociente.
    prevalence : float en (0, 1) o None
        Proporción π de niños con neumonía donde se usará; None es la de estos datos.

    Raises
    ------
    DataError
        Datos no válidos o una sola clase.
    ConfigError
        Costes o prevalencia no válidos.

    Fuente: Elkan (2001), *The Foundations of Cost-Sensitive Learning*; Zweig y Campbell (1993),
    Clinical Chemistry 39.
    """
    costs = np.array([cost_false_negative, cost_false_positive], dtype=np.float64)
    if not np.isfinite(costs).all() or (costs < 0).any() or not costs.any():
        raise ConfigError(
            "Los costes deben ser números finitos, ninguno negativo y al menos uno mayor que 0; "
            f"son {cost_false_negative} y {cost_false_positive}."
        )
    cuts = _cuts(labels, probabilities)
    share = cuts.prevalence if prevalence is None else check_prevalence(prevalence)
    missed, alarmed = costs / costs.sum()
    expected = missed * share * (1 - cuts.sensitivity) + alarmed * (1 - share) * (
        1 - cuts.specificity
    )
    return float(cuts.thresholds[np.flatnonzero(expected <= expected.min() + _SAME)[0]])


def threshold_balanced(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """El umbral que maximiza sensibilidad + especificidad − 1, el índice de Youden.

    Da el mismo peso a las dos clases, sea cual sea la prevalencia. Si empatan varios, el más
    bajo, que es el de mayor sensibilidad.

    Raises
    ------
    DataError
        Datos no válidos o una sola clase.

    Fuente: Youden (1950), *Index for rating diagnostic tests*, Cancer 3.
    """
    cuts = _cuts(labels, probabilities)
    youden = cuts.sensitivity + cuts.specificity
    return float(cuts.thresholds[np.flatnonzero(youden >= youden.max() - _SAME)[0]])


def _cuts(labels: ArrayLike, probabilities: ArrayLike) -> _Cuts:
    truth, scores = check_predictions(labels, probabilities)
    check_both_classes(truth, "un umbral que elegir")
    values, inverse = np.unique(scores, return_inverse=True)
    positives = np.bincount(inverse, weights=truth, minlength=values.size)
    negatives = np.bincount(inverse, weights=1 - truth, minlength=values.size)
    # El corte i decide PNEUMONIA desde la probabilidad i; el último, nunca.
    found = positives.sum() - np.r_[0.0, np.cumsum(positives)]
    cleared = np.r_[0.0, np.cumsum(negatives)]
    below, above = np.r_[0.0, values], np.r_[values, 1.0]
    middle = below + (above - below) / 2
    # Entre dos probabilidades contiguas en coma flotante el punto medio es la de abajo.
    middle = np.where(middle > below, middle, above)
    # Con una probabilidad de 1 ningún umbral de [0, 1] deja de decidir PNEUMONIA.
    kept = slice(None) if values[-1] < 1.0 else slice(-1)
    return _Cuts(
        thresholds=middle[kept],
        sensitivity=found[kept] / positives.sum(),
        specificity=cleared[kept] / negatives.sum(),
        prevalence=float(truth.mean()),
    )
