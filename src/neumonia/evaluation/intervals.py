"""Intervalos que remuestrean pacientes, y comparaciones entre modelos y entre semillas.

Dos placas de la misma persona se parecen: tratarlas como independientes da intervalos demasiado
estrechos. Aquí la unidad que se sortea con reemplazo es el paciente, con todas sus placas. Un
paciente ``""`` es desconocido y cuenta aparte. Con la misma ``seed`` y los mismos pacientes, los
remuestreos son los mismos: restar las distribuciones de dos modelos da una comparación pareada.

Fuente: Efron y Tibshirani (1993), *An Introduction to the Bootstrap*, capítulos 8 y 13.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation.checks import (
    check_both_classes,
    check_labels,
    check_predictions,
    check_threshold,
    patient_codes,
)
from neumonia.evaluation.metrics import METRIC_NAMES, binary_metrics

# Con 6,000 radiografías, un bloque de pesos ocupa unos 12 MB.
_BLOCK = 256
# Con más valores que estos se comparan sus cuantiles: la tabla de restas es cuadrada.
_MOST = 2000
_Z = float(ndtri(0.975))


@dataclass(frozen=True)
class Spread:
    """Cuánto cambia una métrica al repetir el entrenamiento con otras semillas."""

    mean: float
    std: float | None
    minimum: float
    maximum: float
    n: int


@dataclass(frozen=True)
class AucComparison:
    """Diferencia de dos áreas ROC, su intervalo del 95 % y la prueba bilateral de que es cero."""

    difference: float
    low: float
    high: float
    z: float
    p_value: float


def patient_weights(n_patients: int, n: int, seed: int) -> Iterator[np.ndarray]:
    """Bloques float64 (b, P): cuántas veces sale cada paciente en cada remuestreo.

    Lanza ``ConfigError`` si ``n`` es menor que 1.
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


def patient_sums(columns: ArrayLike, patients: ArrayLike) -> np.ndarray:
    """Lo que suma cada paciente, float64 (P, K), de ``columns`` (N, K)."""
    columns = np.asarray(columns, dtype=np.float64)
    codes = patient_codes(patients, len(columns))
    sums = np.zeros((int(codes.max()) + 1, columns.shape[1]))
    np.add.at(sums, codes, columns)
    return sums


def resampled_sums(sums: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Las ``n`` sumas, float64 (n, K), al remuestrear los pacientes de ``patient_sums``."""
    return np.concatenate([weights @ sums for weights in patient_weights(len(sums), n, seed)])


def percentile_interval(values: np.ndarray) -> tuple[float | None, float | None]:
    """Percentiles 2.5 y 97.5 de los valores definidos; ``(None, None)`` si son muy pocos."""
    defined = values[~np.isnan(values)]
    if 2 * defined.size < values.size:
        return None, None
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)


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

    Parameters
    ----------
    labels, probabilities, patients : (N,)
    metrics : nombres de ``METRIC_NAMES``
    n, seed : remuestreos y su semilla
    threshold : float en [0, 1]

    Returns
    -------
    dict
        Nombre -> float64 (n,), con NaN donde la métrica no está definida.

    Raises
    ------
    DataError, ConfigError
        Datos no válidos, métrica desconocida o ``n`` menor que 1.
    """
    truth, scores = check_predictions(labels, probabilities)
    decisions = scores >= check_threshold(threshold)
    codes = patient_codes(patients, truth.size)
    for name in metrics:
        if name not in METRIC_NAMES:
            raise ConfigError(
                f"No conocemos la métrica {name!r}. Las que hay: {', '.join(METRIC_NAMES)}."
            )
    parts: dict[str, list[np.ndarray]] = {name: [] for name in metrics}
    ranked = _ranking(truth, scores)
    # De cada paciente, sus tn, fp, fn y tp.
    counted = np.zeros((int(codes.max()) + 1, 4))
    np.add.at(counted, (codes, 2 * truth + decisions), 1.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        for weights in patient_weights(len(counted), n, seed):
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
    metric: str = "roc_auc",
    n: int = 2000,
    seed: int = 0,
    threshold: float = 0.5,
) -> tuple[float | None, float | None]:
    """Intervalo del 95 % por percentiles de una métrica; como ``metric_distributions``.

    Los remuestreos donde la métrica no está definida se descartan; si son más de la mitad,
    ``(None, None)``.
    """
    drawn = metric_distributions(labels, probabilities, patients, (metric,), n, seed, threshold)
    return percentile_interval(drawn[metric])


def mean_distribution(
    values: ArrayLike, patients: ArrayLike, n: int = 2000, seed: int = 0
) -> np.ndarray:
    """Las ``n`` medias, float64, de un número por radiografía al remuestrear pacientes.

    Lanza ``DataError`` si hay valores no finitos, largos distintos o un solo paciente.
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
    """``(value, low, high)``: la media y su intervalo del 95 %; como ``mean_distribution``.

    Para comparar dos métodos medidos en las mismas radiografías, demos aquí la diferencia
    radiografía a radiografía. Sin radiografías, todo es NaN; con un solo paciente, los extremos.
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
    """Cada métrica con su intervalo del 95 %; como ``metric_distributions``.

    Returns
    -------
    DataFrame
        Índice ``metric`` (los nombres de ``METRIC_NAMES``); columnas float64 ``value``, ``low`` y
        ``high``, con NaN en lo que no está definido. ``attrs`` guarda ``n_films``,
        ``n_patients``, ``n_resamples`` y ``threshold``.
    """
    measured = binary_metrics(labels, probabilities, threshold)
    drawn = metric_distributions(
        labels, probabilities, patients, n=n, seed=seed, threshold=threshold
    )
    frame = _interval_frame({name: (measured[name], drawn[name]) for name in METRIC_NAMES})
    frame.attrs = {
        "n_films": measured["n"],
        "n_patients": int(patient_codes(patients, measured["n"]).max()) + 1,
        "n_resamples": n,
        "threshold": measured["threshold"],
    }
    return frame


def paired_differences(
    labels: ArrayLike,
    probabilities_a: ArrayLike,
    probabilities_b: ArrayLike,
    patients: ArrayLike,
    threshold_a: float = 0.5,
    threshold_b: float = 0.5,
    metrics: Sequence[str] = tuple(METRIC_NAMES),
    n: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Diferencia a − b de cada métrica, con los mismos pacientes sorteados para los dos modelos.

    Una radiografía difícil lo es para ambos: restar dentro de cada remuestreo quita esa parte
    común, que dos intervalos puestos uno al lado del otro cuentan dos veces. Argumentos y errores,
    como en ``metric_distributions``; índice y columnas, como en ``metrics_with_intervals``.
    """
    sides = ((probabilities_a, threshold_a), (probabilities_b, threshold_b))
    drawn_a, drawn_b = (
        metric_distributions(labels, scores, patients, metrics, n, seed, threshold)
        for scores, threshold in sides
    )
    measured_a, measured_b = (binary_metrics(labels, *side) for side in sides)
    rows = {}
    for name in metrics:
        a, b = measured_a[name], measured_b[name]
        value = None if a is None or b is None else a - b
        rows[name] = (value, drawn_a[name] - drawn_b[name])
    return _interval_frame(rows)


def independent_difference(
    distribution_a: ArrayLike,
    distribution_b: ArrayLike,
    value_a: float | None,
    value_b: float | None,
) -> tuple[float | None, float | None, float | None]:
    """``(a − b, low, high)`` entre conjuntos de prueba con pacientes distintos.

    Los dos remuestreos son independientes, así que se resta cada valor de uno de cada valor del
    otro, sin emparejarlos: dos remuestreos con la misma semilla no tienen por qué ir a la par. Si
    los dos modelos se midieron con las mismas radiografías, va ``paired_differences``.

    Parameters
    ----------
    distribution_a, distribution_b : (n,) y (m,) salidas de ``metric_distributions``
    value_a, value_b : los valores medidos, o None si no están definidos; None es lo que se da.
    """
    a, b = _check_distribution(distribution_a), _check_distribution(distribution_b)
    if value_a is None or value_b is None:
        return None, None, None
    difference = float(value_a) - float(value_b)
    if None in (*percentile_interval(a), *percentile_interval(b)):
        return difference, None, None
    low, high = percentile_interval(np.subtract.outer(_thinned(a), _thinned(b)).ravel())
    return difference, low, high


def seed_spread(values: Sequence[float]) -> Spread:
    """Media, desviación típica (n − 1), mínimo y máximo de una métrica entre semillas.

    Con una sola semilla ``std`` vale None: un entrenamiento no dice cuánto varían los demás.
    Fuente: Bouthillier et al. (2021), *Accounting for variance in machine learning benchmarks*.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0 or not np.isfinite(array).all():
        raise DataError("Necesitamos un número finito por semilla, y al menos una semilla.")
    std = float(array.std(ddof=1)) if array.size > 1 else None
    return Spread(float(array.mean()), std, float(array.min()), float(array.max()), array.size)


def hierarchical_interval(
    distributions: Sequence[ArrayLike], n: int = 10_000, seed: int = 0
) -> tuple[float | None, float | None]:
    """Intervalo del 95 % de la media entre semillas: varían la semilla y los pacientes.

    En cada repetición se sortean con reemplazo tantas semillas como hay y se promedian sus valores
    en un mismo remuestreo: sortear uno para cada una promediaría el azar de los pacientes como si
    cada semilla tuviera los suyos. Con pocas semillas se queda algo corto: su varianza es
    (k − 1)/k de la que hay entre semillas.

    Parameters
    ----------
    distributions : k vectores de ``metric_distributions``, uno por semilla, con las mismas
        radiografías y la misma ``seed`` de remuestreo; si sus largos difieren, ``DataError``.
    n, seed : repeticiones y su semilla

    Fuente: Davison y Hinkley (1997), *Bootstrap Methods and their Application*, sección 3.8.
    """
    draws = [_check_distribution(values) for values in distributions]
    if not draws:
        raise DataError("No hay distribuciones: demos una por semilla de entrenamiento.")
    sizes = {values.size for values in draws}
    if len(sizes) > 1:
        raise DataError(
            f"Las distribuciones tienen largos distintos ({sorted(sizes)}): no salen de los mismos "
            "remuestreos. Calculémoslas con los mismos n y seed."
        )
    if n < 1:
        raise ConfigError(f"El número de repeticiones debe ser al menos 1, y es {n}.")
    rng = np.random.default_rng(seed)
    chosen = rng.integers(len(draws), size=(n, len(draws)))
    rows = rng.integers(draws[0].size, size=(n, 1))
    return percentile_interval(np.stack(draws)[chosen, rows].mean(axis=1))


def delong_test(labels: ArrayLike, scores_a: ArrayLike, scores_b: ArrayLike) -> AucComparison:
    """Compara las áreas ROC de dos modelos sobre las mismas radiografías (a − b).

    Trata cada radiografía como independiente, y dos de la misma persona no lo son: es una segunda
    cuenta con la que contrastar el remuestreo de pacientes, que es el intervalo que publicamos.
    Dos modelos que ordenan igual cada pareja dan diferencia 0, ``z`` 0 y ``p_value`` 1.

    Parameters
    ----------
    labels : (N,) 0 o 1
    scores_a, scores_b : (N,) números finitos, probabilidades o logits; solo importa el orden.

    Raises
    ------
    DataError
        Datos no válidos, menos de dos radiografías de alguna clase, o una diferencia con varianza
        estimada 0, que no permite calcular ``z``.

    Fuente: DeLong, DeLong y Clarke-Pearson (1988), Biometrics 44; con los rangos medios de Sun y
    Xu (2014), *Fast implementation of DeLong's algorithm*, IEEE Signal Processing Letters 21.
    """
    truth = check_labels(labels)
    check_both_classes(truth, "el área ROC")
    if min(truth.sum(), truth.size - truth.sum()) < 2:
        raise DataError(
            "Hay una sola radiografía de una de las clases: con un caso no se puede estimar cuánto "
            "varía. Hacen falta al menos dos de cada una."
        )
    sick_a, healthy_a = _placements(truth, _check_scores(scores_a, truth.size))
    sick_b, healthy_b = _placements(truth, _check_scores(scores_b, truth.size))
    # La varianza de la resta es la suma de varianzas menos dos veces la covarianza.
    sick, healthy = sick_a - sick_b, healthy_a - healthy_b
    m, n = sick.size, healthy.size
    difference = float(sick.mean() / (2 * n))
    variance = float(sick.var(ddof=1) / (4.0 * n * n * m) + healthy.var(ddof=1) / (4.0 * m * m * n))
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


def _interval_frame(rows: dict[str, tuple[float | None, np.ndarray]]) -> pd.DataFrame:
    """Índice ``metric``; ``value``, ``low`` y ``high`` de cada valor y su distribución."""
    found = [
        (value, *(percentile_interval(drawn) if value is not None else (None, None)))
        for value, drawn in rows.values()
    ]
    index = pd.Index(list(rows), name="metric")
    return pd.DataFrame(found, columns=["value", "low", "high"], index=index).astype(np.float64)


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


def _check_distribution(values: ArrayLike) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise DataError(
            "Una distribución debe ser un vector con los valores de los remuestreos, como los de "
            f"metric_distributions; tiene forma {array.shape}."
        )
    return array


def _thinned(values: np.ndarray) -> np.ndarray:
    """Los valores definidos o, si son muchos, cuantiles que los representan."""
    defined = values[~np.isnan(values)]
    if defined.size <= _MOST:
        return defined
    return np.quantile(defined, (np.arange(_MOST) + 0.5) / _MOST)


def _check_scores(scores: ArrayLike, n: int) -> np.ndarray:
    try:
        values = np.asarray(scores, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError("Las puntuaciones deben ser números, una por radiografía.") from error
    if values.shape != (n,) or not np.isfinite(values).all():
        raise DataError(
            f"Necesitamos {n} puntuaciones finitas, una por radiografía y en el mismo orden; "
            f"tienen forma {values.shape}."
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
