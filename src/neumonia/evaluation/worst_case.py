"""El peor caso: cuánto acierta una red en la adquisición que peor le sienta, y con qué umbral.

Fuente de la idea: Hendrycks y Dietterich (2019), arXiv:1903.12261, que promedian; aquí se toma el
mínimo, porque una media alta esconde una adquisición en la que la red no sirve.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neumonia.errors import DataError
from neumonia.evaluation.checks import check_both_classes, patient_codes
from neumonia.evaluation.intervals import patient_weights


class WorstCase(NamedTuple):
    """El umbral (un logit), la columna donde peor va y la exactitud balanceada en ella."""

    threshold: float
    column: int
    score: float


def worst_case(labels: ArrayLike, logits: ArrayLike) -> WorstCase:
    """El umbral que más sube la peor exactitud balanceada, y esa exactitud.

    Parameters
    ----------
    labels : (N,) 0 o 1
    logits : (N, K) finitos
        Una columna por adquisición de las mismas radiografías; decidimos PNEUMONIA desde el
        umbral. Si muchos umbrales seguidos empatan, se da el del medio.
    """
    truth, scores = _check(labels, logits)
    values = np.unique(scores)
    cuts = np.r_[values[0] - 1, (values[1:] + values[:-1]) / 2, values[-1] + 1]
    found = np.empty((len(cuts), scores.shape[1]))
    for column, mine in enumerate(scores.T):
        sick, healthy = np.sort(mine[truth == 1]), np.sort(mine[truth == 0])
        sensitivity = 1 - np.searchsorted(sick, cuts) / len(sick)
        specificity = np.searchsorted(healthy, cuts) / len(healthy)
        found[:, column] = (sensitivity + specificity) / 2
    worst = found.min(axis=1)
    best = np.flatnonzero(worst >= worst.max() - 1e-12)
    # El primer tramo de empates, sin saltar a otro que esté más lejos.
    run = best[: np.argmax(np.r_[np.diff(best) > 1, True]) + 1]
    place = int(run[len(run) // 2])
    return WorstCase(float(cuts[place]), int(found[place].argmin()), float(worst[place]))


def worst_case_distribution(
    labels: ArrayLike,
    logits: ArrayLike,
    patients: ArrayLike,
    threshold: float,
    n: int = 2000,
    seed: int = 0,
) -> np.ndarray:
    """La peor exactitud balanceada, float64 (n,), con ese umbral al remuestrear pacientes.

    Con la misma ``seed`` y los mismos pacientes los remuestreos son los mismos: restar dos da una
    comparación pareada. NaN en el remuestreo al que le falta una clase.
    """
    truth, scores = _check(labels, logits)
    codes = patient_codes(patients, truth.size)
    right = (scores >= threshold) == (truth == 1)[:, None]
    shape = (int(codes.max()) + 1, 2)
    hits = np.zeros((*shape, scores.shape[1]))
    films = np.zeros(shape)
    np.add.at(hits, (codes, truth), right)
    np.add.at(films, (codes, truth), 1)
    drawn = []
    with np.errstate(invalid="ignore", divide="ignore"):
        for weights in patient_weights(len(films), n, seed):
            share = np.tensordot(weights, hits, axes=1) / (weights @ films)[..., None]
            drawn.append(share.mean(axis=1).min(axis=1))
    return np.concatenate(drawn)


def _check(labels: ArrayLike, logits: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    truth = np.asarray(labels, dtype=np.int64)
    scores = np.asarray(logits, dtype=np.float64)
    if truth.ndim != 1 or scores.ndim != 2 or len(scores) != truth.size or not scores.shape[1]:
        raise DataError(
            "Esperamos etiquetas (N,) y logits (N, K), una columna por adquisición; llegaron "
            f"{truth.shape} y {scores.shape}."
        )
    if not np.isfinite(scores).all() or not set(np.unique(truth).tolist()) <= {0, 1}:
        raise DataError("Los logits deben ser números finitos y las etiquetas, 0 o 1.")
    check_both_classes(truth, "un peor caso que medir")
    return truth, scores
