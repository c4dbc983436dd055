"""Intervalos de confianza que remuestrean pacientes, no radiografías.

Dos placas de la misma persona se parecen: tratarlas como independientes da intervalos demasiado
estrechos. Aquí la unidad que se sortea con reemplazo es el paciente, con todas sus placas.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation.checks import check_predictions, check_threshold
from neumonia.evaluation.metrics import METRIC_NAMES, binary_metrics
from neumonia.evaluation.patients import patient_codes

Metric = str | Callable[[np.ndarray, np.ndarray], float | None]

# Con 6,000 radiografías, un bloque de pesos ocupa unos 12 MB.
_BLOCK = 256


def metric_distributions(
    labels: ArrayLike,
    probabilities: ArrayLike,
    patients: ArrayLike,
    metrics: Sequence[str] = tuple(METRIC_NAMES),
    n: int = 2000,
    seed: int = 0,
    threshold: float = 0.5,
) -> dict[str, np.ndarray]:
    """Los ``n`` valores de cada métrica al remuestrear pacientes con reemplazo.

    Con la misma ``seed`` y los mismos pacientes, los remuestreos son los mismos: restar las
    distribuciones de dos modelos da una comparación pareada.

    Parameters
    ----------
    labels, probabilities : (N,)
    patients : (N,) identificadores; ``""`` es un paciente desconocido y cuenta solo.
    metrics : nombres de ``METRIC_NAMES``
    n : int, remuestreos
    seed : int
    threshold : float en [0, 1]

    Returns
    -------
    dict
        Nombre -> float64 (n,), con NaN donde la métrica no está definida.

    Raises
    ------
    DataError, ConfigError
        Datos no válidos, métrica desconocida o ``n`` menor que 1.

    Fuente: Efron y Tibshirani (1993), *An Introduction to the Bootstrap*, capítulos 8 y 13.
    """
    truth, scores = check_predictions(labels, probabilities)
    threshold = check_threshold(threshold)
    codes = patient_codes(patients, truth.size)
    for name in metrics:
        _check_name(name)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in metrics}
    ranked = _ranking(truth, scores)
    counted = _counts_by_patient(truth, scores >= threshold, codes)
    with np.errstate(invalid="ignore", divide="ignore"):
        for weights in patient_weights(int(codes.max()) + 1, n, seed):
            values = _threshold_metrics(weights @ counted)
            if "roc_auc" in parts or "average_precision" in parts:
                values |= _ranking_metrics(weights[:, codes], truth, *ranked)
            for name, collected in parts.items():
                collected.append(values[name])
    return {name: np.concatenate(collected) for name, collected in parts.items()}


def bootstrap_by_patient(
    labels: ArrayLike,
    probabilities: ArrayLike,
    patients: ArrayLike,
    metric: Metric = "roc_auc",
    n: int = 2000,
    seed: int = 0,
    threshold: float = 0.5,
) -> tuple[float | None, float | None]:
    """Intervalo de confianza del 95 % por percentiles (2.5 y 97.5), remuestreando pacientes.

    Parameters
    ----------
    labels, probabilities : (N,)
    patients : (N,) identificadores; ``""`` cuenta como un paciente aparte.
    metric : str o función
        Un nombre de ``METRIC_NAMES``, o una función ``(labels, probabilities) -> float | None``
        (más lenta: se llama una vez por remuestreo).
    n : int
    seed : int
    threshold : float en [0, 1]; lo usan las métricas que deciden.

    Returns
    -------
    (low, high)
        Los remuestreos donde la métrica no está definida se descartan; si son más de la mitad,
        ``(None, None)``.

    Raises
    ------
    DataError, ConfigError
        Como ``metric_distributions``.
    """
    if callable(metric):
        values = _loop(labels, probabilities, patients, metric, n, seed)
    else:
        values = metric_distributions(
            labels, probabilities, patients, (metric,), n, seed, threshold
        )[metric]
    return percentile_interval(values)


def percentile_interval(values: np.ndarray) -> tuple[float | None, float | None]:
    """Percentiles 2.5 y 97.5 de los valores definidos; ``(None, None)`` si son muy pocos."""
    defined = values[~np.isnan(values)]
    if 2 * defined.size < values.size:
        return None, None
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)


def mean_distribution(
    values: ArrayLike, patients: ArrayLike, n: int = 2000, seed: int = 0
) -> np.ndarray:
    """Las ``n`` medias de un número por radiografía al remuestrear pacientes con reemplazo.

    Parameters
    ----------
    values : float (N,)
    patients : (N,) identificadores; ``""`` cuenta como un paciente aparte.
    n, seed
        Con la misma ``seed`` y los mismos pacientes, los remuestreos son los de
        ``metric_distributions``.

    Returns
    -------
    float64 (n,)

    Raises
    ------
    DataError, ConfigError
        Valores no finitos, largos distintos, un solo paciente o ``n`` menor que 1.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or not np.isfinite(numbers).all():
        raise DataError("Necesitamos un vector de números finitos, uno por radiografía.")
    codes = patient_codes(patients, numbers.size)
    totals, films = np.bincount(codes, weights=numbers), np.bincount(codes)
    blocks = patient_weights(len(films), n, seed)
    return np.concatenate([weights @ totals / (weights @ films) for weights in blocks])


def mean_interval(
    values: ArrayLike, patients: ArrayLike, n: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """``(value, low, high)``: la media y su intervalo del 95 % remuestreando pacientes.

    Para comparar dos métodos medidos en las mismas radiografías, demos aquí la diferencia
    radiografía a radiografía.

    Parameters
    ----------
    values : float (N,), finitos
    patients : (N,) identificadores; ``""`` cuenta como un paciente aparte.

    Returns
    -------
    tuple de float
        Sin radiografías, todo NaN; con un solo paciente, ``low`` y ``high`` son NaN.

    Raises
    ------
    DataError, ConfigError
        Como ``mean_distribution``.
    """
    numbers = np.asarray(values, dtype=np.float64)
    names = np.asarray(patients, dtype=object)
    if names.shape != numbers.shape or pd.isna(names).any():
        raise DataError(
            f"Hay {len(numbers)} radiografías y los pacientes tienen forma {names.shape}: "
            "necesitamos un identificador por radiografía, o el texto vacío si no se conoce."
        )
    if numbers.size == 0:
        return np.nan, np.nan, np.nan
    value = float(numbers.mean())
    if (names[0] != "" or len(names) == 1) and (names == names[0]).all():
        return value, np.nan, np.nan
    low, high = percentile_interval(mean_distribution(numbers, names, n, seed))
    return value, low, high


def metrics_with_intervals(
    labels: ArrayLike,
    probabilities: ArrayLike,
    patients: ArrayLike,
    threshold: float = 0.5,
    n: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Cada métrica con su intervalo del 95 % por paciente.

    Returns
    -------
    DataFrame
        Índice ``metric`` (los nombres de ``METRIC_NAMES``); columnas float64 ``value``, ``low`` y
        ``high``, con NaN en lo que no está definido. ``attrs`` guarda ``n_films``,
        ``n_patients``, ``n_resamples`` y ``threshold``.

    Raises
    ------
    DataError, ConfigError
        Como ``metric_distributions``.
    """
    measured = binary_metrics(labels, probabilities, threshold)
    drawn = metric_distributions(
        labels, probabilities, patients, n=n, seed=seed, threshold=threshold
    )
    rows = []
    for name in METRIC_NAMES:
        value = measured[name]
        low, high = percentile_interval(drawn[name]) if value is not None else (None, None)
        rows.append((name, value, low, high))
    frame = pd.DataFrame(rows, columns=["metric", "value", "low", "high"]).set_index("metric")
    frame = frame.astype(np.float64)
    codes = patient_codes(patients, measured["n"])
    frame.attrs = {
        "n_films": measured["n"],
        "n_patients": int(codes.max()) + 1,
        "n_resamples": n,
        "threshold": measured["threshold"],
    }
    return frame


def _check_name(name: str) -> None:
    if name not in METRIC_NAMES:
        raise ConfigError(
            f"No conocemos la métrica {name!r}. Las que hay: {', '.join(METRIC_NAMES)}."
        )


def patient_weights(n_patients: int, n: int, seed: int) -> Iterator[np.ndarray]:
    """Bloques float64 (b, P): cuántas veces sale cada paciente en cada remuestreo.

    ``ConfigError`` si ``n`` es menor que 1. Con la misma semilla, los mismos remuestreos.
    """
    if n < 1:
        raise ConfigError(f"El número de remuestreos debe ser al menos 1, y es {n}.")
    rng = np.random.default_rng(seed)
    for start in range(0, n, _BLOCK):
        size = min(_BLOCK, n - start)
        drawn = rng.integers(n_patients, size=(size, n_patients))
        drawn += n_patients * np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * n_patients)
        yield counts.reshape(size, n_patients).astype(np.float64)


def _counts_by_patient(truth: np.ndarray, decisions: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Matriz float64 (P, 4) con tn, fp, fn y tp de cada paciente."""
    counts = np.zeros((int(codes.max()) + 1, 4))
    np.add.at(counts, (codes, 2 * truth + decisions), 1.0)
    return counts


def _threshold_metrics(counts: np.ndarray) -> dict[str, np.ndarray]:
    tn, fp, fn, tp = counts.T
    return {
        "accuracy": (tn + tp) / counts.sum(axis=1),
        "sensitivity": tp / (tp + fn),
        "specificity": tn / (tn + fp),
        "precision": tp / (tp + fp),
        "f1": 2 * tp / (2 * tp + fp + fn),
    }


def _ranking(truth: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orden de mayor a menor probabilidad y posición final de cada grupo de empates."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    ends = np.append(np.flatnonzero(np.diff(ordered)), truth.size - 1)
    return order, ends


def _ranking_metrics(
    weights: np.ndarray, truth: np.ndarray, order: np.ndarray, ends: np.ndarray
) -> dict[str, np.ndarray]:
    """ROC-AUC y precisión media ponderadas, de una vez para los b remuestreos (b, N)."""
    positive = truth[order] == 1
    weights = weights[:, order]
    true = np.cumsum(weights * positive, axis=1)[:, ends]
    false = np.cumsum(weights * ~positive, axis=1)[:, ends]
    true_steps = np.diff(true, axis=1, prepend=0.0)
    false_steps = np.diff(false, axis=1, prepend=0.0)
    total_true, total_false = true[:, -1], false[:, -1]
    area = (false_steps * (true - true_steps / 2)).sum(axis=1)
    precision = np.divide(true, true + false, out=np.zeros_like(true), where=true + false > 0)
    average = (true_steps * precision).sum(axis=1) / total_true
    one_class = (total_true == 0) | (total_false == 0)
    return {
        "roc_auc": area / (total_true * total_false),
        "average_precision": np.where(one_class, np.nan, average),
    }


def _loop(
    labels: ArrayLike,
    probabilities: ArrayLike,
    patients: ArrayLike,
    metric: Callable[[np.ndarray, np.ndarray], float | None],
    n: int,
    seed: int,
) -> np.ndarray:
    truth, scores = check_predictions(labels, probabilities)
    codes = patient_codes(patients, truth.size)
    values = []
    for block in patient_weights(int(codes.max()) + 1, n, seed):
        for weights in block:
            films = np.repeat(np.arange(truth.size), weights[codes].astype(np.int64))
            value = metric(truth[films], scores[films])
            values.append(np.nan if value is None else value)
    return np.asarray(values, dtype=np.float64)
