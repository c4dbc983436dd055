"""De los pesos al mapa: suma, ReLU, ampliación y normalización. Solo NumPy."""

from typing import NamedTuple

import numpy as np


class Evidence(NamedTuple):
    """Lo que un método averigua de un lote de N radiografías.

    ``maps`` (N, h, w) es el mapa con su signo, antes de la ReLU, y ``logits`` (N,) el de neumonía.
    Los métodos que pesan canales dan además ``features`` (N, h, w, K), ``weights``, que se difunden
    a esa forma, y ``gradients`` (N, h, w, K) si derivan.
    """

    maps: np.ndarray
    logits: np.ndarray
    features: np.ndarray | None = None
    weights: np.ndarray | None = None
    gradients: np.ndarray | None = None


def weighted_sum(features: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Suma de los canales con sus pesos: (N, h, w, K) y (N, ·, ·, K) -> (N, h, w)."""
    return (features * weights).sum(axis=-1)


def resize_bilinear(maps: np.ndarray, height: int, width: int) -> np.ndarray:
    """Amplía (N, h, w) a (N, height, width) por interpolación bilineal.

    Alinea los bordes de los píxeles, como ``tf.image.resize``, y repite el valor del borde. No crea
    valores fuera del intervalo de los de entrada.
    """
    rows = _interpolation(maps.shape[1], height).astype(maps.dtype)
    columns = _interpolation(maps.shape[2], width).astype(maps.dtype)
    return rows @ maps @ columns.T


def normalise(maps: np.ndarray) -> np.ndarray:
    """Divide cada mapa (N, H, W), sin negativos, por su máximo; uno nulo queda en ceros."""
    peaks = maps.max(axis=(1, 2), keepdims=True, initial=0)
    return np.divide(maps, peaks, out=np.zeros_like(maps), where=peaks > 0)


def _interpolation(source: int, target: int) -> np.ndarray:
    """Matriz (target, source) que interpola una señal de ``source`` muestras."""
    position = (np.arange(target) + 0.5) * source / target - 0.5
    position = np.clip(position, 0, source - 1)
    left = np.minimum(position.astype(int), max(source - 2, 0))
    share = position - left
    matrix = np.zeros((target, source))
    matrix[np.arange(target), left] = 1 - share
    matrix[np.arange(target), np.minimum(left + 1, source - 1)] += share
    return matrix
