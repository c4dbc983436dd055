"""Lo que un umbral promete en validación y lo que cumple en otra prueba."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation.bootstrap import (
    metric_distributions,
    patient_codes,
    patient_weights,
    percentile_interval,
)
from neumonia.evaluation.checks import check_both_classes, check_predictions, check_threshold
from neumonia.evaluation.comparison import independent_difference
from neumonia.evaluation.metrics import binary_metrics
from neumonia.evaluation.thresholds import threshold_for_cost

_METRICS = ("sensitivity", "specificity")
_ENDS = ("", "_low", "_high")


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
        Partes de ``Study.predictions``, sin pacientes en común.
    column : la probabilidad que se usa, por ejemplo ``"p_cnn"``
    thresholds : {regla: umbral en [0, 1]}, elegidos solo con ``validation``
    n, seed : remuestreos de pacientes y su semilla

    Returns
    -------
    DataFrame
        Índice ``rule`` y ``metric``; columnas float64 ``threshold``, ``promised`` (validación),
        ``delivered`` (prueba) y ``change`` (prueba − validación), cada una de las tres últimas
        con ``_low`` y ``_high``, su intervalo del 95 %.

    Raises
    ------
    DataError
        Sin umbrales, faltan columnas, o las dos partes comparten pacientes.
    ConfigError
        Umbral fuera de [0, 1].
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
    labels, probabilities : (N,)
    patients : (N,) identificadores; ``""`` cuenta como un paciente aparte.
    thresholds : {regla: umbral en [0, 1]}; el primero es la referencia.
    cost_false_negative, cost_false_positive : float >= 0
    n, seed : remuestreos de pacientes, los mismos para todos los umbrales, y su semilla

    Returns
    -------
    DataFrame
        Índice ``rule``; columnas float64 ``threshold``, ``cost`` y ``extra`` (costo menos el de
        la referencia, pareado), las dos últimas con ``_low`` y ``_high``. Los umbrales se toman
        como fijos: el intervalo no incluye el azar de haberlos elegido.

    Raises
    ------
    DataError, ConfigError
        Datos no válidos, sin umbrales, o costos negativos o no finitos.
    """
    if not thresholds:
        raise DataError("No hay umbrales cuyo costo medir: demos al menos uno.")
    truth, scores = check_predictions(labels, probabilities)
    costs = _check_costs(cost_false_negative, cost_false_positive)
    codes = patient_codes(patients, truth.size)
    limits = np.array([check_threshold(value) for value in thresholds.values()])
    films = np.stack([_film_costs(truth, scores, limit, costs) for limit in limits], axis=1)
    sums = np.zeros((int(codes.max()) + 1, 1 + limits.size))
    np.add.at(sums, codes, np.column_stack([np.ones(truth.size), films]))
    totals = np.concatenate([block @ sums for block in patient_weights(len(sums), n, seed)])
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

    Parameters
    ----------
    labels, probabilities, patients : (N,)
    cost_false_negative, cost_false_positive : como en ``threshold_for_cost``
    n : int, particiones
    seed : int

    Returns
    -------
    DataFrame
        Una fila por partición, con ``threshold``, ``promised`` y ``delivered`` (costo por
        radiografía), float64. Se saltan las particiones en que a una mitad le falta una clase.

    Raises
    ------
    DataError
        Datos no válidos, una sola clase, o más de la mitad de las particiones sin alguna clase.
    ConfigError
        ``n`` menor que 1 o costos no válidos.
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
