"""Calibración: cuando la red dice 80 %, ¿son neumonías 8 de cada 10? Y cómo corregirla.

La temperatura es un solo número que recalibra la red sin cambiar su orden.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtri

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation.checks import check_both_classes, check_labels, check_predictions
from neumonia.evaluation.intervals import patient_sums, percentile_interval, resampled_sums

_Z = float(ndtri(0.975))
_TINY = float(np.finfo(np.float64).eps)
_ECE_BINS = 15
# El float64 más próximo a 1: una probabilidad guardada como 1 tuvo un logit de este orden o más.
_ALMOST_ONE = float(np.nextafter(1.0, 0.0))
_ALMOST_ZERO = float(np.finfo(np.float64).tiny)


def reliability_table(labels: ArrayLike, probabilities: ArrayLike, bins: int = 10) -> pd.DataFrame:
    """Frecuencia observada de PNEUMONIA en cada tramo de probabilidad, de igual ancho.

    Returns
    -------
    DataFrame
        Una fila por tramo con alguna radiografía: ``left`` y ``right`` (el tramo, cerrado por la
        derecha), ``mean_probability``, ``observed``, ``n`` (int) y el intervalo de Wilson del 95 %
        ``low`` y ``high``, que supone radiografías independientes.

    Fuente: Niculescu-Mizil y Caruana (2005), *Predicting good probabilities with supervised
    learning*.
    """
    truth, scores = check_predictions(labels, probabilities)
    edges = _edges(bins)
    where = _bin_of(scores, edges)
    n = np.bincount(where, minlength=bins)
    kept = np.flatnonzero(n)
    count = n[kept]
    observed = np.bincount(where, weights=truth, minlength=bins)[kept] / count
    low, high = wilson_interval(observed, count)
    return pd.DataFrame(
        {
            "left": edges[kept],
            "right": edges[kept + 1],
            "mean_probability": np.bincount(where, weights=scores, minlength=bins)[kept] / count,
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

    Fuente: Brier (1950), Monthly Weather Review 78.
    """
    truth, scores = check_predictions(labels, probabilities)
    return float(np.mean((scores - truth) ** 2))


def log_loss(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Entropía cruzada media, en nats; menor es mejor.

    Las probabilidades se acercan a 2.2e-16 de 0 y de 1 antes del logaritmo, como en scikit-learn:
    si no, un error con probabilidad 1 redondeada la haría infinita.
    """
    truth, scores = check_predictions(labels, probabilities)
    return float(_film_losses(truth, scores).mean())


def expected_calibration_error(
    labels: ArrayLike, probabilities: ArrayLike, bins: int = _ECE_BINS
) -> float:
    """Error de calibración esperado: media, por tramos, de |observado − probabilidad media|.

    Cada tramo pesa según sus radiografías. Depende de cuántos tramos se usen, y una red bien
    calibrada tampoco da 0: cada tramo se aparta algo por azar y el valor absoluto suma siempre.

    Fuente: Naeini, Cooper y Hauskrecht (2015); con tramos iguales de la probabilidad de PNEUMONIA,
    y no los de la clase elegida que usan Guo et al. (2017).
    """
    truth, scores = check_predictions(labels, probabilities)
    where = _bin_of(scores, _edges(bins))
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

    Returns
    -------
    DataFrame
        Índice ``metric`` (``brier``, ``ece`` con 15 tramos, ``log_loss``); columnas float64
        ``value``, ``low`` y ``high``.

    Fuente: Kumar, Liang y Ma (2019), *Verified Uncertainty Calibration* (sesgo del ECE).
    """
    truth, scores = check_predictions(labels, probabilities)
    films = np.zeros((truth.size, 3 + _ECE_BINS))
    films[:, 0] = 1.0
    films[:, 1] = (scores - truth) ** 2
    films[:, 2] = _film_losses(truth, scores)
    films[np.arange(truth.size), 3 + _bin_of(scores, _edges(_ECE_BINS))] = truth - scores
    sums = patient_sums(films, patients)
    drawn = _summarise(resampled_sums(sums, n, seed))
    values = _summarise(sums.sum(axis=0, keepdims=True))[0]
    return pd.DataFrame(
        [
            (value, *percentile_interval(column))
            for value, column in zip(values, drawn.T, strict=True)
        ],
        columns=["value", "low", "high"],
        index=pd.Index(["brier", "ece", "log_loss"], name="metric"),
        dtype=np.float64,
    )


def fit_temperature(labels: ArrayLike, logits: ArrayLike) -> float:
    """La temperatura T que minimiza la entropía cruzada de ``sigmoide(logit / T)``.

    Se ajusta con validación y se aplica a la prueba. T > 1 acerca las probabilidades a 0.5 (la
    red era demasiado segura); T < 1 las aleja. La pérdida es convexa en 1/T, así que el mínimo es
    único y lo damos como el cero de su derivada.

    Parameters
    ----------
    labels : (N,) 0 o 1
    logits : (N,) finitos; de probabilidades guardadas, ``probability_logits``.

    Raises
    ------
    DataError
        Datos no válidos, una sola clase, o sin mínimo: la red acierta todas (T tendería a 0) o no
        ordena mejor que el azar (T tendería a infinito).

    Fuente: Guo, Pleiss, Sun y Weinberger (2017), *On Calibration of Modern Neural Networks*.
    """
    truth = check_labels(labels)
    values = _check_logits(logits)
    if values.shape != truth.shape:
        raise DataError(
            f"Hay {truth.size} etiquetas y los logits tienen forma {values.shape}: necesitamos uno "
            "por radiografía, en el mismo orden."
        )
    check_both_classes(truth, "una temperatura que ajustar")
    margins = np.where(truth == 1, values, -values)
    if margins.mean() <= 0:
        raise DataError(
            "Con estos logits la red no acierta más que el azar: ninguna temperatura los mejora. "
            "Comprobemos que el logit alto sea el de PNEUMONIA (etiqueta 1)."
        )
    if margins.min() >= 0:
        raise DataError(
            "La red acierta todas las radiografías: la mejor temperatura sería 0, que no existe. "
            "Ajustémosla con un conjunto que tenga algún error."
        )
    scale = float(np.abs(margins).mean())
    margins = margins / scale

    def slope(inverse: float) -> float:
        return -float(np.mean(margins * expit(-margins * inverse)))

    high = 1.0
    while slope(high) < 0:
        high *= 2.0
    return scale / float(brentq(slope, 0.0, high, xtol=1e-12, rtol=1e-12))


def apply_temperature(logits: ArrayLike, temperature: float) -> np.ndarray:
    """Probabilidades float64 (N,) de PNEUMONIA con los logits divididos por la temperatura.

    No cambia el orden, así que tampoco el ROC-AUC, ni qué radiografías pasan de 0.5.
    """
    if not 0.0 < temperature < np.inf:
        raise ConfigError(f"La temperatura debe ser mayor que 0 y finita, y es {temperature}.")
    return expit(_check_logits(logits) / temperature)


def probability_logits(probabilities: ArrayLike) -> np.ndarray:
    """Logits float64 (N,) de probabilidades ya guardadas.

    Por encima de 1 − 1.1e-16 la probabilidad se redondeó a 1 y su logit se perdió: devolvemos
    36.7, el mayor que se distingue de él. Cerca de 0 no pasa hasta −708.
    """
    scores = np.asarray(probabilities, dtype=np.float64)
    _, scores = check_predictions(np.zeros(scores.shape, dtype=np.int8), scores)
    return logit(np.clip(scores, _ALMOST_ZERO, _ALMOST_ONE))


def _check_logits(logits: ArrayLike) -> np.ndarray:
    try:
        values = np.asarray(logits, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError("Los logits deben ser números, uno por radiografía.") from error
    if values.ndim != 1 or not np.isfinite(values).all():
        raise DataError(
            "Los logits deben ser un vector de números finitos. Si salen de probabilidades de 0 o "
            "de 1, calculémoslos con probability_logits."
        )
    return values


def _summarise(sums: np.ndarray) -> np.ndarray:
    """Columnas brier, ece y log_loss (b, 3) a partir de las sumas de cada remuestreo."""
    gaps = np.abs(sums[:, 3:]).sum(axis=1)
    return np.stack([sums[:, 1], gaps, sums[:, 2]], axis=1) / sums[:, :1]


def _film_losses(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    given = np.clip(np.where(truth == 1, scores, 1.0 - scores), _TINY, 1.0)
    return -np.log(given)


def _edges(bins: int) -> np.ndarray:
    if bins < 1:
        raise ConfigError(f"El número de tramos debe ser al menos 1, y es {bins}.")
    return np.linspace(0.0, 1.0, bins + 1)


def _bin_of(scores: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Tramo de cada probabilidad, cerrado por la derecha; el mínimo entra en el primero."""
    return np.searchsorted(edges[1:-1], scores, side="left")
