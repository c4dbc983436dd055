"""Comparar modelos: diferencias pareadas, independientes y entre semillas de entrenamiento."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation.bootstrap import metric_distributions, percentile_interval
from neumonia.evaluation.metrics import METRIC_NAMES, binary_metrics

# Con más valores que estos se comparan sus cuantiles: la tabla de restas es cuadrada.
_MOST = 2000


@dataclass(frozen=True)
class Spread:
    """Cuánto cambia una métrica al repetir el entrenamiento con otras semillas."""

    mean: float
    std: float | None
    minimum: float
    maximum: float
    n: int


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
    común, que dos intervalos puestos uno al lado del otro cuentan dos veces.

    Parameters
    ----------
    labels : (N,) 0 o 1
    probabilities_a, probabilities_b : (N,) float en [0, 1], de las mismas radiografías
    patients : (N,) identificadores; ``""`` cuenta como un paciente aparte.
    threshold_a, threshold_b : float en [0, 1]
    metrics : nombres de ``METRIC_NAMES``
    n, seed : remuestreos y su semilla

    Returns
    -------
    DataFrame
        Índice ``metric``; columnas float64 ``value``, ``low`` y ``high`` (percentiles 2.5 y
        97.5), con NaN en lo que no está definido.

    Raises
    ------
    DataError, ConfigError
        Como ``metric_distributions``.

    Fuente: Efron y Tibshirani (1993), *An Introduction to the Bootstrap*, capítulos 8 y 13.
    """
    drawn_a = metric_distributions(labels, probabilities_a, patients, metrics, n, seed, threshold_a)
    drawn_b = metric_distributions(labels, probabilities_b, patients, metrics, n, seed, threshold_b)
    measured_a = binary_metrics(labels, probabilities_a, threshold_a)
    measured_b = binary_metrics(labels, probabilities_b, threshold_b)
    rows = []
    for name in metrics:
        a, b = measured_a[name], measured_b[name]
        value, low, high = None, None, None
        if a is not None and b is not None:
            value = a - b
            low, high = percentile_interval(drawn_a[name] - drawn_b[name])
        rows.append((name, value, low, high))
    frame = pd.DataFrame(rows, columns=["metric", "value", "low", "high"]).set_index("metric")
    return frame.astype(np.float64)


def independent_difference(
    distribution_a: ArrayLike,
    distribution_b: ArrayLike,
    value_a: float | None,
    value_b: float | None,
) -> tuple[float | None, float | None, float | None]:
    """Diferencia a − b entre conjuntos de prueba con pacientes distintos, y su intervalo del 95 %.

    Los dos remuestreos son independientes, así que se resta cada valor de uno de cada valor del
    otro, sin emparejarlos: dos remuestreos con la misma semilla no tienen por qué ir a la par. Si
    los dos modelos se midieron con las mismas radiografías, va ``paired_differences``.

    Parameters
    ----------
    distribution_a, distribution_b : (n,) y (m,) salidas de ``metric_distributions``
    value_a, value_b : los valores medidos, o None si no están definidos

    Returns
    -------
    (difference, low, high)
        None en lo que no esté definido.

    Raises
    ------
    DataError
        Si una distribución no es un vector con valores.
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

    Raises
    ------
    DataError
        Si no hay valores o alguno no es finito.

    Fuente: Bouthillier et al. (2021), *Accounting for variance in machine learning benchmarks*.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0 or not np.isfinite(array).all():
        raise DataError("Necesitamos un número finito por semilla, y al menos una semilla.")
    return Spread(
        mean=float(array.mean()),
        std=float(array.std(ddof=1)) if array.size > 1 else None,
        minimum=float(array.min()),
        maximum=float(array.max()),
        n=int(array.size),
    )


def hierarchical_interval(
    distributions: Sequence[ArrayLike],
    same_patients: bool = True,
    n: int = 10_000,
    seed: int = 0,
) -> tuple[float | None, float | None]:
    """Intervalo del 95 % de la media entre semillas: varían la semilla y los pacientes.

    En cada repetición se sortean con reemplazo tantas semillas como hay, de cada una se toma un
    valor de su remuestreo y se promedian. Con pocas semillas, el sorteo con reemplazo se queda
    algo corto: su varianza es (k − 1)/k de la que hay entre semillas.

    Parameters
    ----------
    distributions : k vectores, uno por semilla, de ``metric_distributions``
    same_patients : bool
        True si los k modelos se midieron con las mismas radiografías y la misma ``seed`` de
        remuestreo: en cada repetición todos usan el mismo remuestreo. Sortearlos por separado
        promediaría el azar de los pacientes como si cada semilla tuviera los suyos, y el
        intervalo saldría demasiado estrecho. False si cada semilla tiene su conjunto de prueba.
    n : int, repeticiones
    seed : int

    Raises
    ------
    DataError
        Si no hay distribuciones o, con ``same_patients``, sus largos difieren.
    ConfigError
        ``n`` menor que 1.

    Fuente: Davison y Hinkley (1997), *Bootstrap Methods and their Application*, sección 3.8
    (remuestreo jerárquico).
    """
    draws = [_check_distribution(values) for values in distributions]
    if not draws:
        raise DataError("No hay distribuciones: demos una por semilla de entrenamiento.")
    sizes = {values.size for values in draws}
    if same_patients and len(sizes) > 1:
        raise DataError(
            f"Las distribuciones tienen largos distintos ({sorted(sizes)}): no salen de los mismos "
            "remuestreos. Calculémoslas con los mismos n y seed, o demos same_patients=False."
        )
    if n < 1:
        raise ConfigError(f"El número de repeticiones debe ser al menos 1, y es {n}.")
    rng = np.random.default_rng(seed)
    chosen = rng.integers(len(draws), size=(n, len(draws)))
    if same_patients:
        rows = rng.integers(draws[0].size, size=(n, 1))
    else:
        limits = np.array([values.size for values in draws])
        rows = rng.integers(limits[chosen])
    table = np.full((len(draws), max(sizes)), np.nan)
    for position, values in enumerate(draws):
        table[position, : values.size] = values
    return percentile_interval(table[chosen, rows].mean(axis=1))


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
