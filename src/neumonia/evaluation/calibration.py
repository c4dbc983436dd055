"""Calibración: cuando la red dice 80 %, ¿son neumonías 8 de cada 10?"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import ndtri

from neumonia.errors import ConfigError
from neumonia.evaluation.bootstrap import patient_weights, percentile_interval
from neumonia.evaluation.checks import check_predictions
from neumonia.evaluation.patients import patient_codes

_Z = float(ndtri(0.975))
_TINY = float(np.finfo(np.float64).eps)
_ECE_BINS = 15
STRATEGIES = ("uniform", "quantile")


def reliability_table(
    labels: ArrayLike, probabilities: ArrayLike, bins: int = 10, strategy: str = "uniform"
) -> pd.DataFrame:
    """Frecuencia observada de PNEUMONIA en cada tramo de probabilidad.

    Parameters
    ----------
    labels, probabilities : (N,)
    bins : int, tramos
    strategy : ``"uniform"`` (igual ancho) o ``"quantile"`` (igual número de radiografías; si hay
        empates pueden salir menos tramos)

    Returns
    -------
    DataFrame
        Una fila por tramo con alguna radiografía: ``left`` y ``right`` (el tramo, cerrado por la
        derecha), ``mean_probability``, ``observed``, ``n`` (int) y el intervalo de Wilson del 95 %
        ``low`` y ``high``, que supone radiografías independientes.

    Raises
    ------
    DataError, ConfigError
        Datos no válidos, ``bins`` menor que 1 o estrategia desconocida.

    Fuente: Niculescu-Mizil y Caruana (2005), *Predicting good probabilities with supervised
    learning*; Wilson (1927), Journal of the American Statistical Association 22.
    """
    truth, scores = check_predictions(labels, probabilities)
    if strategy not in STRATEGIES:
        raise ConfigError(f"No conocemos los tramos {strategy!r}: son {' o '.join(STRATEGIES)}.")
    edges = np.linspace(0.0, 1.0, _check_bins(bins) + 1)
    if strategy == "quantile":
        edges = np.unique(np.quantile(scores, edges))
    where = _bin_of(scores, edges)
    n = np.bincount(where, minlength=max(edges.size - 1, 1))
    kept = np.flatnonzero(n)
    count = n[kept]
    observed = np.bincount(where, weights=truth, minlength=n.size)[kept] / count
    low, high = wilson_interval(observed, count)
    return pd.DataFrame(
        {
            "left": edges[kept],
            "right": edges[np.minimum(kept + 1, edges.size - 1)],
            "mean_probability": np.bincount(where, weights=scores, minlength=n.size)[kept] / count,
            "observed": observed,
            "n": count,
            "low": low,
            "high": high,
        }
    )


def wilson_interval(share: ArrayLike, n: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Intervalo de Wilson del 95 % de una proporción ``share`` medida en ``n`` casos.

    Fuente: Wilson (1927), Journal of the American Statistical Association 22.
    """
    observed, count = np.asarray(share, dtype=np.float64), np.asarray(n, dtype=np.float64)
    center = (observed + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = np.sqrt(observed * (1 - observed) / count + (_Z / (2 * count)) ** 2)
    half *= _Z / (1 + _Z**2 / count)
    return np.clip(center - half, 0.0, 1.0), np.clip(center + half, 0.0, 1.0)


def brier_score(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Media del cuadrado de ``probabilidad - etiqueta``, en [0, 1]; menor es mejor.

    Raises
    ------
    DataError
        Datos no válidos.

    Fuente: Brier (1950), Monthly Weather Review 78.
    """
    truth, scores = check_predictions(labels, probabilities)
    return float(np.mean((scores - truth) ** 2))


def log_loss(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Entropía cruzada media, en nats; menor es mejor.

    Las probabilidades se acercan a 2.2e-16 de 0 y de 1 antes del logaritmo, como en scikit-learn:
    si no, un error con probabilidad 1 redondeada la haría infinita.

    Raises
    ------
    DataError
        Datos no válidos.
    """
    truth, scores = check_predictions(labels, probabilities)
    return float(_film_losses(truth, scores).mean())


def expected_calibration_error(
    labels: ArrayLike, probabilities: ArrayLike, bins: int = _ECE_BINS
) -> float:
    """Error de calibración esperado: media, por tramos, de |observado − probabilidad media|.

    Cada tramo pesa según sus radiografías. Depende de cuántos tramos se usen, y una red bien
    calibrada tampoco da 0: cada tramo se aparta algo por azar y el valor absoluto suma siempre.

    Raises
    ------
    DataError, ConfigError
        Datos no válidos o ``bins`` menor que 1.

    Fuente: Naeini, Cooper y Hauskrecht (2015); con 15 tramos iguales de la probabilidad de
    PNEUMONIA, y no los de la clase elegida que usan Guo et al. (2017).
    """
    truth, scores = check_predictions(labels, probabilities)
    where = _bin_of(scores, np.linspace(0.0, 1.0, _check_bins(bins) + 1))
    return float(np.abs(np.bincount(where, weights=truth - scores)).sum() / truth.size)


def calibration_summary(
    labels: ArrayLike,
    probabilities: ArrayLike,
    patients: ArrayLike,
    n: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Brier, ECE y entropía cruzada con intervalo del 95 % por percentiles, por paciente.

    El intervalo del ECE está sesgado hacia arriba: cada remuestreo repite pacientes y deja fuera
    otros, sus tramos se apartan más de la diagonal que los de los datos, y el valor absoluto no
    lo compensa. Puede incluso quedar entero por encima del valor medido, sobre todo si la red
    está bien calibrada. Sirve para comparar, no como límite inferior del error.

    Parameters
    ----------
    labels, probabilities : (N,)
    patients : (N,) identificadores; ``""`` cuenta como un paciente aparte.
    n, seed : remuestreos y su semilla

    Returns
    -------
    DataFrame
        Índice ``metric`` (``brier``, ``ece`` con 15 tramos, ``log_loss``); columnas float64
        ``value``, ``low`` y ``high``.

    Raises
    ------
    DataError, ConfigError
        Datos no válidos o ``n`` menor que 1.

    Fuente: Kumar, Liang y Ma (2019), *Verified Uncertainty Calibration* (sesgo del ECE).
    """
    truth, scores = check_predictions(labels, probabilities)
    codes = patient_codes(patients, truth.size)
    where = _bin_of(scores, np.linspace(0.0, 1.0, _ECE_BINS + 1))
    # Todo es suma por paciente: un producto de matrices da los n remuestreos.
    sums = np.zeros((int(codes.max()) + 1, 3 + _ECE_BINS))
    np.add.at(sums[:, 0], codes, 1.0)
    np.add.at(sums[:, 1], codes, (scores - truth) ** 2)
    np.add.at(sums[:, 2], codes, _film_losses(truth, scores))
    np.add.at(sums, (codes, 3 + where), truth - scores)
    drawn = [_summarise(weights @ sums) for weights in patient_weights(len(sums), n, seed)]
    values = _summarise(sums.sum(axis=0, keepdims=True))[0]
    intervals = [percentile_interval(column) for column in np.concatenate(drawn).T]
    return pd.DataFrame(
        [(value, low, high) for value, (low, high) in zip(values, intervals, strict=True)],
        columns=["value", "low", "high"],
        index=pd.Index(["brier", "ece", "log_loss"], name="metric"),
        dtype=np.float64,
    )


def _summarise(sums: np.ndarray) -> np.ndarray:
    """Columnas brier, ece y log_loss (b, 3) a partir de las sumas de cada remuestreo."""
    gaps = np.abs(sums[:, 3:]).sum(axis=1)
    return np.stack([sums[:, 1], gaps, sums[:, 2]], axis=1) / sums[:, :1]


def _film_losses(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    given = np.clip(np.where(truth == 1, scores, 1.0 - scores), _TINY, 1.0)
    return -np.log(given)


def _bin_of(scores: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Tramo de cada probabilidad, cerrado por la derecha; el mínimo entra en el primero."""
    return np.searchsorted(edges[1:-1], scores, side="left")


def _check_bins(bins: int) -> int:
    if bins < 1:
        raise ConfigError(f"El número de tramos debe ser al menos 1, y es {bins}.")
    return bins
