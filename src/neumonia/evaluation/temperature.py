"""Escalado por temperatura: un solo número que recalibra la red sin cambiar su orden."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import expit, logit

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation.checks import check_both_classes, check_labels, check_predictions

# El float64 más próximo a 1: una probabilidad guardada como 1 tuvo un logit de este orden o más.
_ALMOST_ONE = float(np.nextafter(1.0, 0.0))
_ALMOST_ZERO = float(np.finfo(np.float64).tiny)


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

    Raises
    ------
    DataError
        Logits no finitos.
    ConfigError
        Temperatura que no sea un número finito mayor que 0.
    """
    if not 0.0 < temperature < np.inf:
        raise ConfigError(f"La temperatura debe ser mayor que 0 y finita, y es {temperature}.")
    return expit(_check_logits(logits) / temperature)


def probability_logits(probabilities: ArrayLike) -> np.ndarray:
    """Logits float64 (N,) de probabilidades ya guardadas.

    Por encima de 1 − 1.1e-16 la probabilidad se redondeó a 1 y su logit se perdió: devolvemos
    36.7, el mayor que se distingue de él. Cerca de 0 no pasa hasta −708.

    Raises
    ------
    DataError
        Probabilidades que no sean un vector en [0, 1].
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
