"""Elegir el umbral en validación, y comprobar en otra prueba lo que promete.

Se elige con las radiografías de validación y se usa, sin tocarlo, en las de prueba. Decidimos
PNEUMONIA cuando ``probability >= threshold``; entre dos probabilidades vecinas cualquier umbral
decide lo mismo, y devolvemos el punto medio: así un redondeo no cambia la decisión.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation.checks import (
    check_both_classes,
    check_predictions,
    check_threshold,
    patient_codes,
)
from neumonia.evaluation.intervals import (
    independent_difference,
    metric_distributions,
    patient_sums,
    percentile_interval,
    resampled_sums,
)
from neumonia.evaluation.metrics import binary_metrics

# Dos costes o índices que difieren menos que esto son el mismo, salvo redondeo.
_SAME = 1e-12


_METRICS = ("sensitivity", "specificity")
_ENDS = ("", "_low", "_high")


class _Cuts(NamedTuple):
    """Los umbrales que deciden distinto, del menor al mayor, y lo que logra cada uno."""

    thresholds: np.ndarray
    sensitivity: np.ndarray
    specificity: np.ndarray
    prevalence: float


def threshold_for_sensitivity(
    labels: ArrayLike, probabilities: ArrayLike, sensitivity: float
) -> float:
    """El umbral más alto cuya sensibilidad en estos datos es al menos la pedida, en (0, 1].

    De los que la alcanzan, es el que menos falsas alarmas da.

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
) -> float:
    """El umbral de menor coste esperado por niño en estos datos, con prevalencia π.

    El coste es ``cost_false_negative·π·(1 − sensibilidad) + cost_false_positive·(1 − π)·(1 −
    especificidad)``; de los dos, importa el cociente. Si empatan varios umbrales, el más bajo: a
    igual coste, preferimos no dejar neumonías sin ver.

    Raises
    ------
    ConfigError
        Costes negativos, no finitos o los dos 0.

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
    share = cuts.prevalence
    missed, alarmed = costs / costs.sum()
    expected = missed * share * (1 - cuts.sensitivity) + alarmed * (1 - share) * (
        1 - cuts.specificity
    )
    return float(cuts.thresholds[np.flatnonzero(expected <= expected.min() + _SAME)[0]])


def threshold_balanced(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """El umbral que maximiza sensibilidad + especificidad − 1, el índice de Youden.

    Da el mismo peso a las dos clases, sea cual sea la prevalencia. Si empatan varios, el más
    bajo, que es el de mayor sensibilidad.

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


def promise_table(
    validation: pd.DataFrame,
    test: pd.DataFrame,
    column: str,
    thresholds: Mapping[str, float],
    n: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Sensibilidad y especificidad de cada umbral en validación y en prueba.

    Parameters
    ----------
    validation, test : DataFrame con ``label``, ``patient`` y ``column``
        Partes de ``Study.predictions``; si tienen pacientes en común, ``DataError``.
    column : la probabilidad que se usa, por ejemplo ``"p_cnn"``
    thresholds : {regla: umbral en [0, 1]}, elegidos solo con ``validation``

    Returns
    -------
    DataFrame
        Índice ``rule`` y ``metric``; columnas float64 ``threshold``, ``promised`` (validación),
        ``delivered`` (prueba) y ``change`` (prueba − validación), cada una de las tres últimas
        con ``_low`` y ``_high``, su intervalo del 95 %.
    """
    if not thresholds:
        raise DataError("No hay umbrales que poner a prueba: demos al menos uno.")
    _check_parts(validation, test, column)
    rows = {}
    for rule, threshold in thresholds.items():
        values, drawn = [], []
        for part in (test, validation):
            data = (part["label"], part[column])
            values.append(binary_metrics(*data, threshold))
            drawn.append(metric_distributions(*data, part["patient"], _METRICS, n, seed, threshold))
        for metric in _METRICS:
            delivered, promised = (value[metric] for value in values)
            after, before = (draws[metric] for draws in drawn)
            change = independent_difference(after, before, delivered, promised)
            rows[rule, metric] = (
                check_threshold(threshold),
                *(promised, *percentile_interval(before)),
                *(delivered, *percentile_interval(after)),
                *change,
            )
    names = [f"{name}{end}" for name in ("promised", "delivered", "change") for end in _ENDS]
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["threshold", *names])
    frame.index = pd.MultiIndex.from_tuples(rows, names=["rule", "metric"])
    return frame.astype(np.float64)


def cost_table(
    labels: ArrayLike,
    probabilities: ArrayLike,
    patients: ArrayLike,
    thresholds: Mapping[str, float],
    cost_false_negative: float,
    cost_false_positive: float,
    n: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Costo por radiografía de cada umbral, y cuánto más cuesta que el primero.

    El costo de una radiografía es ``cost_false_negative`` si es una neumonía no vista,
    ``cost_false_positive`` si es una falsa alarma y 0 si se acierta.

    Parameters
    ----------
    labels, probabilities, patients : (N,)
    thresholds : {regla: umbral en [0, 1]}; el primero es la referencia.

    Returns
    -------
    DataFrame
        Índice ``rule``; columnas float64 ``threshold``, ``cost`` y ``extra`` (costo menos el de
        la referencia, pareado), las dos últimas con ``_low`` y ``_high``. Los umbrales se toman
        como fijos: el intervalo no incluye el azar de haberlos elegido.
    """
    if not thresholds:
        raise DataError("No hay umbrales cuyo costo medir: demos al menos uno.")
    truth, scores = check_predictions(labels, probabilities)
    costs = _check_costs(cost_false_negative, cost_false_positive)
    limits = np.array([check_threshold(value) for value in thresholds.values()])
    films = np.stack([_film_costs(truth, scores, limit, costs) for limit in limits], axis=1)
    sums = patient_sums(np.column_stack([np.ones(truth.size), films]), patients)
    totals = resampled_sums(sums, n, seed)
    drawn = totals[:, 1:] / totals[:, :1]
    value = films.mean(axis=0)
    rows = [
        (
            limits[i],
            *(value[i], *percentile_interval(drawn[:, i])),
            *(value[i] - value[0], *percentile_interval(drawn[:, i] - drawn[:, 0])),
        )
        for i in range(limits.size)
    ]
    names = [f"{name}{end}" for name in ("cost", "extra") for end in _ENDS]
    index = pd.Index(list(thresholds), name="rule")
    return pd.DataFrame(rows, columns=["threshold", *names], index=index, dtype=np.float64)


def cost_optimism(
    labels: ArrayLike,
    probabilities: ArrayLike,
    patients: ArrayLike,
    cost_false_negative: float,
    cost_false_positive: float,
    n: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Cuánto se engaña quien elige el umbral y lo mide con las mismas radiografías.

    Parte a los pacientes por la mitad al azar ``n`` veces. En una mitad elige el umbral de menor
    costo y anota ese costo, que es la promesa; en la otra mide lo que cuesta el mismo umbral.

    Returns
    -------
    DataFrame
        Una fila por partición, con ``threshold``, ``promised`` y ``delivered`` (costo por
        radiografía), float64. Se saltan las particiones en que a una mitad le falta una clase; si
        son más de la mitad, ``DataError``.
    """
    truth, scores = check_predictions(labels, probabilities)
    check_both_classes(truth, "un umbral que elegir")
    costs = _check_costs(cost_false_negative, cost_false_positive)
    codes = patient_codes(patients, truth.size)
    if n < 1:
        raise ConfigError(f"El número de particiones debe ser al menos 1, y es {n}.")
    people = int(codes.max()) + 1
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        chosen = (rng.permutation(people) < people // 2)[codes]
        if np.unique(truth[chosen]).size < 2 or np.unique(truth[~chosen]).size < 2:
            continue
        limit = threshold_for_cost(truth[chosen], scores[chosen], *costs)
        films = _film_costs(truth, scores, limit, costs)
        rows.append((limit, films[chosen].mean(), films[~chosen].mean()))
    if 2 * len(rows) < n:
        raise DataError(
            "A casi todas las mitades les falta una clase: hay muy pocos pacientes de una de las "
            "dos para repetir la elección."
        )
    return pd.DataFrame(rows, columns=["threshold", "promised", "delivered"], dtype=np.float64)


def _film_costs(
    truth: np.ndarray, scores: np.ndarray, limit: float, costs: tuple[float, float]
) -> np.ndarray:
    alarmed = scores >= limit
    return np.where(truth == 1, costs[0] * ~alarmed, costs[1] * alarmed)


def _check_costs(missed: float, alarmed: float) -> tuple[float, float]:
    costs = (float(missed), float(alarmed))
    if not np.isfinite(costs).all() or min(costs) < 0:
        raise ConfigError(
            f"Los costos deben ser números finitos y no negativos; son {missed} y {alarmed}."
        )
    return costs


def _check_parts(validation: pd.DataFrame, test: pd.DataFrame, column: str) -> None:
    for name, part in (("validación", validation), ("prueba", test)):
        missing = [key for key in ("label", "patient", column) if key not in part]
        if missing:
            raise DataError(f"A las predicciones de {name} les falta: {', '.join(missing)}.")
    shared = (set(validation["patient"]) & set(test["patient"])) - {""}
    if shared:
        raise DataError(
            f"Hay {len(shared)} pacientes en validación y en prueba, por ejemplo "
            f"{min(shared)!r}: así el umbral ya los conoce. Separemos las partes por paciente."
        )
