"""Curvas de decisión: ¿ganan los niños algo con la red frente a tratar a todos o a nadie?"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation.bootstrap import patient_weights, percentile_interval
from neumonia.evaluation.checks import check_both_classes, check_predictions, check_prevalence
from neumonia.evaluation.patients import patient_codes

TREAT_ALL = "tratar a todos"
TREAT_NONE = "no tratar a nadie"


def net_benefit(
    labels: ArrayLike,
    probabilities: ArrayLike,
    thresholds: ArrayLike,
    prevalence: float | None = None,
) -> np.ndarray:
    """Beneficio neto de tratar a quien tiene ``probability >= threshold``.

    Es la proporción de niños enfermos que se tratan menos la de sanos que también, contada esta a
    ``threshold / (1 - threshold)`` enfermos cada uno: quien trata desde el 20 % acepta cuatro
    sanos por cada enfermo. Supone probabilidades calibradas.

    Parameters
    ----------
    labels, probabilities : (N,)
    thresholds : (T,) float en [0, 1)
    prevalence : float en (0, 1) o None
        Vuelve a pesar las clases como si esa fuera la proporción de enfermos. None es la de estos
        datos. No corrige las probabilidades, que siguen siendo las de la prevalencia de
        entrenamiento.

    Returns
    -------
    ndarray
        float64 (T,), en enfermos tratados por niño.

    Raises
    ------
    DataError
        Datos no válidos, o una sola clase cuando se da ``prevalence``.
    ConfigError
        Umbrales o prevalencia no válidos.

    Fuente: Vickers y Elkin (2006), *Decision curve analysis: a novel method for evaluating
    prediction models*, Medical Decision Making 26.
    """
    truth, scores = check_predictions(labels, probabilities)
    limits = _check_thresholds(thresholds)
    if prevalence is not None:
        check_both_classes(truth, "un beneficio neto a otra prevalencia")
    decided = scores[:, None] >= limits
    return _weighted(np.ones((1, truth.size)), truth, decided, limits, prevalence)[0]


def decision_curve(
    labels: ArrayLike,
    probabilities: Mapping[str, ArrayLike],
    patients: ArrayLike,
    thresholds: ArrayLike,
    prevalence: float | None = None,
    n: int = 500,
    seed: int = 0,
) -> pd.DataFrame:
    """Beneficio neto de cada modelo, de tratar a todos y de no tratar a nadie.

    Parameters
    ----------
    labels : (N,)
    probabilities : {nombre: (N,)}
    patients : (N,) identificadores; ``""`` cuenta como un paciente aparte.
    thresholds : (T,) float en [0, 1)
    prevalence : como en ``net_benefit``
    n, seed : remuestreos de pacientes, los mismos para todas las estrategias, y su semilla

    Returns
    -------
    DataFrame
        Formato largo: ``strategy``, ``threshold``, ``net_benefit``, ``low`` y ``high`` (intervalo
        del 95 % en cada umbral, no de la curva entera). Después de los modelos van las
        estrategias ``"tratar a todos"`` y ``"no tratar a nadie"``.

    Raises
    ------
    DataError, ConfigError
        Sin modelos, uno con el nombre de una de las dos estrategias fijas, o datos no válidos.

    Fuente: la de ``net_benefit``.
    """
    if not probabilities:
        raise DataError("No hay modelos: demos las probabilidades de al menos uno.")
    limits = _check_thresholds(thresholds)
    strategies = {}
    for name, values in probabilities.items():
        if name in (TREAT_ALL, TREAT_NONE):
            raise ConfigError(f"{name!r} es una estrategia fija: pongamos otro nombre al modelo.")
        truth, scores = check_predictions(labels, values)
        strategies[name] = scores[:, None] >= limits
    everyone = np.ones((truth.size, limits.size), dtype=bool)
    strategies |= {TREAT_ALL: everyone, TREAT_NONE: ~everyone}
    if prevalence is not None:
        check_both_classes(truth, "un beneficio neto a otra prevalencia")
    codes = patient_codes(patients, truth.size)
    drawn = list(patient_weights(int(codes.max()) + 1, n, seed))
    weights = np.concatenate(drawn)[:, codes]
    once = np.ones((1, truth.size))
    frames = []
    for name, decided in strategies.items():
        value = _weighted(once, truth, decided, limits, prevalence)[0]
        intervals = [
            percentile_interval(column)
            for column in _weighted(weights, truth, decided, limits, prevalence).T
        ]
        frames.append(
            pd.DataFrame(
                {
                    "strategy": name,
                    "threshold": limits,
                    "net_benefit": value,
                    "low": [low for low, _ in intervals],
                    "high": [high for _, high in intervals],
                }
            ).astype({"low": np.float64, "high": np.float64})
        )
    return pd.concat(frames, ignore_index=True)


def _weighted(
    weights: np.ndarray,
    truth: np.ndarray,
    decided: np.ndarray,
    limits: np.ndarray,
    prevalence: float | None,
) -> np.ndarray:
    """Beneficio neto (b, T) de los b remuestreos; NaN donde falta una clase que pesar."""
    sick, healthy = weights * truth, weights * (1 - truth)
    found, alarmed = sick @ decided, healthy @ decided
    exchange = limits / (1.0 - limits)
    if prevalence is None:
        return (found - exchange * alarmed) / weights.sum(axis=1, keepdims=True)
    share = check_prevalence(prevalence)
    with np.errstate(invalid="ignore"):
        sensitivity = found / sick.sum(axis=1, keepdims=True)
        false_alarms = alarmed / healthy.sum(axis=1, keepdims=True)
    return share * sensitivity - exchange * (1 - share) * false_alarms


def _check_thresholds(thresholds: ArrayLike) -> np.ndarray:
    limits = np.asarray(thresholds, dtype=np.float64)
    if limits.ndim != 1 or limits.size == 0 or not ((limits >= 0) & (limits < 1)).all():
        raise ConfigError(
            "Los umbrales deben ser una lista de números desde 0 y menores que 1: en 1 un sano "
            "tratado pesaría más que cualquier número de enfermos."
        )
    return limits
