"""Varianza del área ROC y comparación de dos áreas por el método de DeLong.

Trata cada radiografía como independiente, y dos de la misma persona no lo son: es una segunda
cuenta con la que contrastar el remuestreo de pacientes, que es el intervalo que publicamos.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata

from neumonia.errors import DataError
from neumonia.evaluation.checks import check_both_classes, check_labels

_Z = float(ndtri(0.975))


@dataclass(frozen=True)
class AucEstimate:
    """Un área ROC, su varianza y su intervalo del 95 % recortado a [0, 1]."""

    auc: float
    variance: float
    low: float
    high: float


@dataclass(frozen=True)
class AucComparison:
    """Diferencia de dos áreas ROC, su intervalo del 95 % y la prueba bilateral de que es cero."""

    difference: float
    low: float
    high: float
    z: float
    p_value: float


def delong_interval(labels: ArrayLike, scores: ArrayLike) -> AucEstimate:
    """Área ROC con la varianza y el intervalo normal de DeLong.

    Supone radiografías independientes (ver el módulo). Si las dos clases quedan separadas del
    todo, la varianza estimada es 0 y el intervalo se reduce a un punto: no es certeza, es que la
    muestra no tiene ningún error con que medirla.

    Parameters
    ----------
    labels : (N,) 0 o 1
    scores : (N,) números finitos; probabilidades o logits, solo importa el orden.

    Raises
    ------
    DataError
        Datos no válidos, una sola clase o menos de dos radiografías de alguna.

    Fuente: DeLong, DeLong y Clarke-Pearson (1988), Biometrics 44; con los rangos medios de Sun y
    Xu (2014), *Fast implementation of DeLong's algorithm*, IEEE Signal Processing Letters 21.
    """
    truth = _check_truth(labels)
    sick, healthy = _placements(truth, _check_scores(scores, truth.size))
    auc = float(sick.mean() / (2 * healthy.size))
    variance = _variance(sick, healthy)
    half = _Z * variance**0.5
    return AucEstimate(auc, variance, max(0.0, auc - half), min(1.0, auc + half))


def delong_test(labels: ArrayLike, scores_a: ArrayLike, scores_b: ArrayLike) -> AucComparison:
    """Compara las áreas ROC de dos modelos sobre las mismas radiografías (a − b).

    Supone radiografías independientes (ver el módulo). Dos modelos que ordenan igual cada pareja
    dan diferencia 0, ``z`` 0 y ``p_value`` 1.

    Parameters
    ----------
    labels : (N,) 0 o 1
    scores_a, scores_b : (N,) números finitos; solo importa el orden.

    Raises
    ------
    DataError
        Datos no válidos, una sola clase, menos de dos radiografías de alguna, o una diferencia
        con varianza estimada 0, que no permite calcular ``z``.

    Fuente: la de ``delong_interval``.
    """
    truth = _check_truth(labels)
    sick_a, healthy_a = _placements(truth, _check_scores(scores_a, truth.size))
    sick_b, healthy_b = _placements(truth, _check_scores(scores_b, truth.size))
    # La varianza de la resta es la suma de varianzas menos dos veces la covarianza.
    sick, healthy = sick_a - sick_b, healthy_a - healthy_b
    difference = float(sick.mean() / (2 * healthy.size))
    variance = _variance(sick, healthy)
    if variance == 0.0:
        if difference != 0.0:
            raise DataError(
                f"Las áreas difieren en {difference:.3f}, pero todas las radiografías aportan lo "
                "mismo a la diferencia y su varianza estimada es 0: la prueba de DeLong no se "
                "puede calcular. Usemos más radiografías, o unas que no separen tan fácilmente."
            )
        return AucComparison(0.0, 0.0, 0.0, 0.0, 1.0)
    error = variance**0.5
    z = difference / error
    return AucComparison(
        difference, difference - _Z * error, difference + _Z * error, z, float(2 * ndtr(-abs(z)))
    )


def _check_truth(labels: ArrayLike) -> np.ndarray:
    truth = check_labels(labels)
    check_both_classes(truth, "el área ROC")
    fewest = int(min(truth.sum(), truth.size - truth.sum()))
    if fewest < 2:
        raise DataError(
            "Hay una sola radiografía de una de las clases: con un caso no se puede estimar cuánto "
            "varía. Hacen falta al menos dos de cada una."
        )
    return truth


def _check_scores(scores: ArrayLike, n: int) -> np.ndarray:
    try:
        values = np.asarray(scores, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError("Las puntuaciones deben ser números, una por radiografía.") from error
    if values.shape != (n,):
        raise DataError(
            f"Hay {n} etiquetas y las puntuaciones tienen forma {values.shape}: necesitamos una "
            "por radiografía, en el mismo orden."
        )
    if not np.isfinite(values).all():
        first = int(np.flatnonzero(~np.isfinite(values))[0])
        raise DataError(
            f"La puntuación de la posición {first} es {values[first]}: debe ser finita."
        )
    return values


def _placements(truth: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """El doble del número de rivales que cada radiografía aventaja; un empate cuenta la mitad.

    Son enteros exactos en float64: con puntuaciones que no discriminan entre casos la varianza
    sale 0 y no un resto de redondeo.
    """
    positive = truth == 1
    ranks = rankdata(scores)
    sick = ranks[positive] - rankdata(scores[positive])
    healthy = positive.sum() - (ranks[~positive] - rankdata(scores[~positive]))
    return 2.0 * sick, 2.0 * healthy


def _variance(sick: np.ndarray, healthy: np.ndarray) -> float:
    """Varianza del área a partir de los conteos dobles de ``_placements``."""
    m, n = sick.size, healthy.size
    return float(sick.var(ddof=1) / (4.0 * n * n * m) + healthy.var(ddof=1) / (4.0 * m * m * n))
