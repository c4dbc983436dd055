"""Qué ganan los niños con la red: curvas de decisión y valores predictivos por prevalencia."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation.checks import (
    check_both_classes,
    check_labels,
    check_predictions,
    check_prevalence,
    patient_codes,
)
from neumonia.evaluation.intervals import metric_distributions, patient_weights, percentile_interval
from neumonia.evaluation.metrics import binary_metrics

TREAT_ALL = "tratar a todos"
TREAT_NONE = "no tratar a nadie"


def net_benefit(
    labels: ArrayLike,
    probabilities: ArrayLike,
    thresholds: ArrayLike,
    prevalence: float | None = None,
) -> np.ndarray:
    """Beneficio neto, float64 (T,), de tratar a quien tiene ``probability >= threshold``.

    Es la proporción de niños enfermos que se tratan menos la de sanos que también, contada esta a
    ``threshold / (1 - threshold)`` enfermos cada uno: quien trata desde el 20 % acepta cuatro
    sanos por cada enfermo. Supone probabilidades calibradas.

    Parameters
    ----------
    thresholds : (T,) float en [0, 1)
    prevalence : float en (0, 1) o None
        Vuelve a pesar las clases como si esa fuera la proporción de enfermos; None es la de estos
        datos. No corrige las probabilidades, que siguen siendo las de su entrenamiento.

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
    probabilities : {nombre: (N,)}; ningún nombre puede ser ``TREAT_ALL`` ni ``TREAT_NONE``.
    thresholds, prevalence : como en ``net_benefit``
    n, seed : remuestreos de pacientes, los mismos para todas las estrategias, y su semilla

    Returns
    -------
    DataFrame
        Formato largo: ``strategy``, ``threshold``, ``net_benefit``, ``low`` y ``high`` (intervalo
        del 95 % en cada umbral, no de la curva entera). Después de los modelos van las dos
        estrategias fijas.
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


_CHILDREN = 1000


def predictive_values(
    sensitivity: ArrayLike, specificity: ArrayLike, prevalence: ArrayLike
) -> tuple[float | np.ndarray, float | np.ndarray]:
    """``(ppv, npv)``: los valores predictivos, por el teorema de Bayes.

    El positivo es la probabilidad de neumonía si la red la señala; el negativo, la de no tenerla
    si no la señala. Supone que la sensibilidad y la especificidad no cambian con la prevalencia,
    y eso falla si los enfermos de un lugar están más o menos graves que los de otro.

    Los argumentos, en [0, 1], son números o arreglos de formas compatibles, y así es lo que se
    devuelve; NaN donde la red nunca da ese resultado.

    Fuente: Altman y Bland (1994), *Diagnostic tests 2: predictive values*, BMJ 309.
    """
    sens = _check_shares(sensitivity, "La sensibilidad")
    spec = _check_shares(specificity, "La especificidad")
    share = _check_shares(prevalence, "La prevalencia")
    found, missed = sens * share, (1 - sens) * share
    alarmed, cleared = (1 - spec) * (1 - share), spec * (1 - share)
    with np.errstate(invalid="ignore", divide="ignore"):
        ppv, npv = found / (found + alarmed), cleared / (cleared + missed)
    if np.ndim(ppv) == 0:
        return float(ppv), float(npv)
    return ppv, npv


def predictive_table(
    labels: ArrayLike,
    probabilities: ArrayLike,
    patients: ArrayLike,
    threshold: float,
    prevalences: Sequence[float] = (0.01, 0.05, 0.20, 0.73),
    n: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Valores predictivos y frecuencias naturales de un clasificador a varias prevalencias.

    Parameters
    ----------
    prevalences : float en (0, 1); 0.73 es la proporción de estas radiografías, no la de una
        consulta.

    Returns
    -------
    DataFrame
        Índice ``prevalence``; columnas float64 ``ppv``, ``ppv_low``, ``ppv_high``, ``npv``,
        ``npv_low`` y ``npv_high`` (intervalo del 95 %; NaN si no está definido), y de cada 1,000
        niños los enteros ``sick_found``, ``sick_missed``, ``healthy_alarmed`` y
        ``healthy_cleared``, que suman 1,000.

    Fuente: Gigerenzer y Hoffrage (1995), *How to improve Bayesian reasoning without instruction:
    frequency formats*, Psychological Review 102.
    """
    if len(prevalences) == 0:
        raise ConfigError("No hay prevalencias: demos al menos una.")
    shares = [check_prevalence(value) for value in prevalences]
    check_both_classes(check_labels(labels), "la sensibilidad o la especificidad")
    measured = binary_metrics(labels, probabilities, threshold)
    sens, spec = measured["sensitivity"], measured["specificity"]
    drawn = metric_distributions(
        labels, probabilities, patients, ("sensitivity", "specificity"), n, seed, threshold
    )
    rows = []
    for share in shares:
        values = predictive_values(sens, spec, share)
        draws = predictive_values(drawn["sensitivity"], drawn["specificity"], share)
        row = {}
        for name, value, draw in zip(("ppv", "npv"), values, draws, strict=True):
            low, high = percentile_interval(draw)
            row |= {name: value, f"{name}_low": low, f"{name}_high": high}
        rows.append(row)
    frame = pd.DataFrame(rows, index=pd.Index(shares, name="prevalence")).astype(np.float64)
    # Redondeamos de arriba abajo para que los cuatro grupos sumen siempre el total.
    sick = np.rint(_CHILDREN * frame.index.to_numpy()).astype(np.int64)
    frame["sick_found"] = np.rint(sick * sens).astype(np.int64)
    frame["sick_missed"] = sick - frame["sick_found"]
    frame["healthy_alarmed"] = np.rint((_CHILDREN - sick) * (1 - spec)).astype(np.int64)
    frame["healthy_cleared"] = _CHILDREN - sick - frame["healthy_alarmed"]
    return frame


def adjust_prevalence(probabilities: ArrayLike, original: float, target: float) -> np.ndarray:
    """Pasa unas probabilidades calibradas de una prevalencia a otra.

    La red aprendió con una proporción de enfermos y la da por hecha: multiplicamos la razón de
    cada probabilidad por el cociente de las dos razones de prevalencia. No cambia el orden.

    Fuente: Saerens, Latinne y Decaestecker (2002), *Adjusting the Outputs of a Classifier to New
    a Priori Probabilities*, Neural Computation 14.
    """
    scores = _check_shares(probabilities, "La probabilidad")
    before, after = check_prevalence(original), check_prevalence(target)
    sick = scores * (after / before)
    return sick / (sick + (1 - scores) * ((1 - after) / (1 - before)))


def _check_shares(values: ArrayLike, what: str) -> np.ndarray:
    """Arreglo float64 en [0, 1]; deja pasar los NaN de un remuestreo sin alguna clase."""
    array = np.asarray(values, dtype=np.float64)
    if ((array < 0) | (array > 1)).any():
        raise ConfigError(f"{what} debe estar entre 0 y 1: escribamos 0.05, no 5.")
    return array
