"""Los métodos de la familia CAM: cada uno es una forma de pesar los canales.

Todos comparten el resto del camino: suma de los canales con sus pesos, ReLU, ampliación y
normalización. Un método nuevo es una función más en este archivo y una línea en ``METHODS``.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

# (características, gradientes), las dos (N, h, w, K) -> pesos que se difunden a (N, h, w, K).
Method = Callable[[np.ndarray, np.ndarray], np.ndarray]


def grad_cam(features: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Grad-CAM: el peso de un canal es la media de su gradiente; (N, 1, 1, K).

    Selvaraju y otros (2017), «Grad-CAM», ecuación 1.
    """
    return gradients.mean(axis=(1, 2), keepdims=True)


def hires_cam(features: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """HiResCAM: cada posición se pesa con su propio gradiente, sin promediar; (N, h, w, K).

    Draelos y Carin (2020), arXiv:2011.08891.
    """
    return gradients


def grad_cam_plus_plus(features: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Grad-CAM++: media de los gradientes positivos, ponderada por posición; (N, 1, 1, K).

    Chattopadhay y otros (2018), ecuaciones 6 y 19, con la exponencial del logit como puntuación.
    """
    squares = gradients**2
    total = features.sum(axis=(1, 2), keepdims=True)
    divisor = 2 * squares + total * gradients**3
    alpha = np.divide(squares, divisor, out=np.zeros_like(squares), where=divisor != 0)
    return (alpha * np.maximum(gradients, 0)).sum(axis=(1, 2), keepdims=True)


METHODS: Mapping[str, Method] = MappingProxyType(
    {"grad_cam": grad_cam, "hires_cam": hires_cam, "grad_cam++": grad_cam_plus_plus}
)
