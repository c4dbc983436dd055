"""Los seis métodos y cómo se prepara cada uno para una red.

Los de la familia CAM suman los canales de una capa y solo difieren en cómo los pesan. El gradiente
y la oclusión sirven de contraste: no miran ninguna capa, trabajan sobre los píxeles.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from neumonia.gradcam.maps import Evidence, weighted_sum
from neumonia.gradcam.network import differentiate
from neumonia.gradcam.perturbation import occlusion, score_cam

if TYPE_CHECKING:
    import keras

# Lote float32 (N, H, W, C) -> sus mapas con signo y los logits.
Explain = Callable[[np.ndarray], Evidence]
# (características, gradientes), las dos (N, h, w, K) -> pesos que se difunden a (N, h, w, K).
Weigh = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Method(NamedTuple):
    """``prepare(model, layer, sign, batch_size)`` devuelve la función que explica un lote.

    ``weighs_channels`` es cierto si el método suma los canales de una capa; si no, ``layer`` es
    ``None`` y el mapa tiene el tamaño de la imagen. ``title`` es su nombre para mostrar.
    """

    title: str
    prepare: Callable[["keras.Model", "keras.layers.Layer | None", float, int], Explain]
    weighs_channels: bool


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


def input_gradient(model: "keras.Model", layer: None, sign: float, batch_size: int) -> Explain:
    """Gradiente: cuánto cambia el logit si cambia un poco cada píxel, sin importar hacia dónde.

    Simonyan y otros (2013), arXiv:1312.6034, sección 3: el valor absoluto de la derivada y, si la
    entrada tiene varios canales, el mayor de ellos. Sin signo, el mapa de NORMAL es el de
    PNEUMONIA.
    """
    call = differentiate(model, None, sign)

    def explain(batch: np.ndarray) -> Evidence:
        _, gradients, logits = call(batch)
        return Evidence(np.abs(gradients).max(axis=-1), logits)

    return explain


def _by_gradient(title: str, weigh: Weigh) -> Method:
    def prepare(
        model: "keras.Model", layer: "keras.layers.Layer", sign: float, batch_size: int
    ) -> Explain:
        call = differentiate(model, layer, sign)

        def explain(batch: np.ndarray) -> Evidence:
            features, gradients, logits = call(batch)
            weights = weigh(features, gradients)
            return Evidence(weighted_sum(features, weights), logits, features, weights, gradients)

        return explain

    return Method(title, prepare, weighs_channels=True)


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "grad_cam": _by_gradient("Grad-CAM", grad_cam),
        "hires_cam": _by_gradient("HiResCAM", hires_cam),
        "grad_cam++": _by_gradient("Grad-CAM++", grad_cam_plus_plus),
        "score_cam": Method("Score-CAM", score_cam, weighs_channels=True),
        "gradient": Method("gradiente", input_gradient, weighs_channels=False),
        "occlusion": Method("oclusión", occlusion, weighs_channels=False),
    }
)
