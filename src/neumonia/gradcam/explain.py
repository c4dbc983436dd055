"""Qué zonas de la radiografía empujan el logit hacia una clase: la misma llamada para seis métodos.

El que da nombre a las funciones es Grad-CAM: Selvaraju y otros (2017), «Grad-CAM: Visual
Explanations from Deep Networks via Gradient-based Localization», ICCV. Cada método cita su fuente.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neumonia.errors import ConfigError, DataError
from neumonia.gradcam.maps import normalise, resize_bilinear
from neumonia.gradcam.methods import METHODS, Method
from neumonia.gradcam.network import check_target, find_layer
from neumonia.models.batches import check_images, iterate

if TYPE_CHECKING:
    import keras

# Radiografías tapadas que Score-CAM mira a la vez al explicar una sola.
_TOGETHER = 32

INPUT = "entrada"
"""Nombre de capa de los mapas que se calculan sobre los píxeles: gradiente y oclusión."""


@dataclass(frozen=True)
class CamResult:
    """Mapas de N radiografías y lo que hace falta para juzgarlos.

    Attributes
    ----------
    maps : ndarray float32 (N, h, w)
        Antes de la ReLU. En los métodos que pesan canales, la suma ponderada con su signo, en la
        resolución de la capa. En ``gradient``, el valor absoluto de la derivada, y en
        ``occlusion``, la bajada del logit con su signo, los dos en el tamaño de la imagen.
    heatmaps : ndarray float32 (N, H, W)
        En el tamaño de la imagen, en 0..1: el máximo de cada uno es 1, o es todo ceros.
    all_negative : ndarray bool (N,)
        Donde ningún punto apoya a la clase: el mapa en ceros no es un fallo, es la respuesta. En
        ``gradient``, donde ningún píxel cambia el logit.
    logits : ndarray float64 (N,)
        El logit de neumonía, sea cual sea ``target``.
    layer : str
        La capa explicada; ``"entrada"`` en ``gradient`` y ``occlusion``.
    target, method : str
    """

    maps: np.ndarray
    heatmaps: np.ndarray
    all_negative: np.ndarray
    logits: np.ndarray
    layer: str
    target: str
    method: str


def explainer(
    model: "keras.Model",
    target: str = "PNEUMONIA",
    layer: str | None = None,
    batch_size: int = 32,
    method: str = "grad_cam",
) -> Callable[[np.ndarray], CamResult]:
    """Prepara un método una sola vez para explicar muchas tandas de radiografías.

    Preparar es compilar, y en una red pequeña cuesta más que el propio mapa. Lo que se devuelve lee
    los pesos de ``model`` en cada llamada: si los cambiamos, los mapas cambian.

    Parameters
    ----------
    model : keras.Model
        Secuencial o funcional, con modelos anidados o sin ellos. Su última capa da un logit o la
        sigmoide de un logit; en los dos casos explicamos el logit.
    target : {"PNEUMONIA", "NORMAL"}
        Con NORMAL explicamos el logit cambiado de signo.
    layer : str, optional
        Una de ``conv_layers(model)``; por omisión la última. ``gradient`` y ``occlusion`` trabajan
        sobre los píxeles y no la miran.
    batch_size : int
        Imágenes que pasan a la vez por la red. ``score_cam`` y ``occlusion`` tapan cada radiografía
        muchas veces (una por canal; unas 250) y también así limitan su memoria.
    method : {"grad_cam", "hires_cam", "grad_cam++", "score_cam", "gradient", "occlusion"}
        Sus fórmulas y fuentes, en ``neumonia.gradcam.methods`` y ``neumonia.gradcam.perturbation``.

    Returns
    -------
    función (N, H, W) -> CamResult
        Recibe uint8 o float en 0..255, del tamaño que espera la red. Lanza ``DataError`` si la
        forma no es la de la red o hay valores no finitos, y ``NeumoniaError`` si la red entrega
        valores no finitos.

    Raises
    ------
    ConfigError
        Si la capa, la clase o el método no existen; el mensaje lista los que hay.
    """
    chosen = _method(method)
    sign = check_target(target)
    name, conv = _find(model, layer, chosen)
    explain = chosen.prepare(model, conv, sign, batch_size)

    def run(images: np.ndarray) -> CamResult:
        images = np.asarray(images)
        _check_films(model, images)
        height, width = images.shape[1:3]
        low_size = (height, width) if conv is None else conv.output.shape[1:3]
        maps = np.empty((len(images), *low_size), np.float32)
        heatmaps = np.empty((len(images), height, width), np.float32)
        logits = np.empty(len(images))
        start = 0
        for batch in iterate(images, 4, batch_size):
            evidence = explain(batch)
            part = slice(start, start + len(batch))
            maps[part] = evidence.maps
            heatmaps[part] = _heatmaps(evidence.maps, height, width)
            logits[part] = evidence.logits
            start += len(batch)
        return CamResult(
            maps=maps,
            heatmaps=heatmaps,
            all_negative=maps.max(axis=(1, 2), initial=-np.inf) <= 0,
            logits=logits,
            layer=name,
            target=target,
            method=method,
        )

    return run


def grad_cam(
    model: "keras.Model",
    images: np.ndarray,
    target: str = "PNEUMONIA",
    layer: str | None = None,
    batch_size: int = 32,
    method: str = "grad_cam",
) -> np.ndarray:
    """Mapas de calor float32 (N, H, W) en 0..1; véase ``grad_cam_raw``."""
    return grad_cam_raw(model, images, target, layer, batch_size, method).heatmaps


def grad_cam_raw(
    model: "keras.Model",
    images: np.ndarray,
    target: str = "PNEUMONIA",
    layer: str | None = None,
    batch_size: int = 32,
    method: str = "grad_cam",
) -> CamResult:
    """Calcula los mapas y conserva lo que la normalización borra.

    Para explicar varias tandas con la misma red, ``explainer`` se prepara una sola vez.

    Parameters
    ----------
    images : ndarray (N, H, W)
        uint8 o float en 0..255, del tamaño que espera la red.
    model, target, layer, batch_size, method
        Como en ``explainer``.

    Raises
    ------
    ConfigError, DataError, NeumoniaError
        Como ``explainer`` y la función que devuelve.
    """
    return explainer(model, target, layer, batch_size, method)(images)


def cam_steps(
    model: "keras.Model",
    image: np.ndarray,
    target: str = "PNEUMONIA",
    layer: str | None = None,
    method: str = "grad_cam",
) -> dict[str, Any]:
    """Los pasos del método para UNA radiografía (H, W), en el orden en que ocurren.

    Returns
    -------
    dict
        ``image`` (H, W); ``layer`` y ``target``; ``logit`` (float, el de neumonía); ``features`` y
        ``gradients`` (h, w, K), salvo en Score-CAM, que no deriva y no tiene ``gradients``;
        ``weights`` (K,) —o (h, w, K) en HiResCAM—; ``weighted_sum`` y ``relu`` (h, w);
        ``normalised`` (H, W) en 0..1. Las cantidades conservan la precisión de la red; con
        bfloat16 pasan a float32.

    Raises
    ------
    ConfigError
        Si el método no pesa canales (``gradient`` y ``occlusion``).
    NeumoniaError
        Como ``grad_cam_raw``.
    """
    image = np.asarray(image)
    chosen = _method(method)
    if not chosen.weighs_channels:
        able = ", ".join(name for name, each in METHODS.items() if each.weighs_channels)
        raise ConfigError(
            f"El método {method!r} no pesa canales, así que no tiene estos pasos. Su mapa lo da "
            f"grad_cam_raw; los pasos existen para: {able}."
        )
    sign = check_target(target)
    name, conv = _find(model, layer, chosen)
    _check_films(model, image[None])
    explain = chosen.prepare(model, conv, sign, _TOGETHER)
    evidence = explain(next(iterate(image[None], 4, 1)))
    weights, gradients = evidence.weights, evidence.gradients
    return {
        "image": image,
        "layer": name,
        "target": target,
        "logit": float(evidence.logits[0]),
        "features": evidence.features[0],
        **({} if gradients is None else {"gradients": gradients[0]}),
        "weights": weights[0, 0, 0] if weights.shape[1:3] == (1, 1) else weights[0],
        "weighted_sum": evidence.maps[0],
        "relu": np.maximum(evidence.maps[0], 0),
        "normalised": _heatmaps(evidence.maps, *image.shape[:2])[0],
    }


def _method(name: str) -> Method:
    if name not in METHODS:
        raise ConfigError(f"El método {name!r} no existe; elijamos uno de: {', '.join(METHODS)}.")
    return METHODS[name]


def _find(
    model: "keras.Model", layer: str | None, method: Method
) -> tuple[str, "keras.layers.Layer | None"]:
    return find_layer(model, layer) if method.weighs_channels else (INPUT, None)


def _heatmaps(maps: np.ndarray, height: int, width: int) -> np.ndarray:
    return normalise(resize_bilinear(np.maximum(maps, 0), height, width))


def _check_films(model: "keras.Model", images: np.ndarray) -> None:
    check_images(images, model.input_shape[1:])
    if not np.isfinite(images).all():
        raise DataError("Las imágenes contienen valores no finitos (NaN o infinito).")
