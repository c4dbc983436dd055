"""Grad-CAM: qué zonas de la radiografía empujan el logit hacia una clase.

Fuente: Selvaraju y otros (2017), «Grad-CAM: Visual Explanations from Deep Networks via
Gradient-based Localization», ICCV.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neumonia.errors import ConfigError, DataError, NeumoniaError
from neumonia.gradcam.maps import normalise, resize_bilinear, weighted_sum
from neumonia.gradcam.methods import METHODS, Method
from neumonia.gradcam.network import check_target, differentiate, find_layer
from neumonia.models.batches import check_images, iterate

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class CamResult:
    """Mapas de N radiografías y lo que hace falta para juzgarlos.

    Attributes
    ----------
    maps : ndarray float32 (N, h, w)
        Suma ponderada en la resolución de la capa, con su signo, antes de la ReLU.
    heatmaps : ndarray float32 (N, H, W)
        En el tamaño de la imagen, en 0..1: el máximo de cada uno es 1, o es todo ceros.
    all_negative : ndarray bool (N,)
        Donde ningún punto apoya a la clase: el mapa en ceros no es un fallo, es la respuesta.
    logits : ndarray float64 (N,)
        El logit de neumonía, sea cual sea ``target``.
    layer, target, method : str
    """

    maps: np.ndarray
    heatmaps: np.ndarray
    all_negative: np.ndarray
    logits: np.ndarray
    layer: str
    target: str
    method: str


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

    Parameters
    ----------
    model : keras.Model
        Secuencial o funcional, con modelos anidados o sin ellos. Su última capa da un logit o la
        sigmoide de un logit; en los dos casos derivamos el logit.
    images : ndarray (N, H, W)
        uint8 o float en 0..255, del tamaño que espera la red.
    target : {"PNEUMONIA", "NORMAL"}
        Con NORMAL derivamos el logit cambiado de signo.
    layer : str, optional
        Una de ``conv_layers(model)``; por omisión la última.
    method : {"grad_cam", "hires_cam", "grad_cam++"}

    Raises
    ------
    ConfigError
        Si la capa, la clase o el método no existen; el mensaje lista los que hay.
    DataError
        Si la forma de las imágenes no es la de la red o contienen valores no finitos.
    NeumoniaError
        Si la red entrega valores no finitos.
    """
    images = np.asarray(images)
    weigh = _method(method)
    sign = check_target(target)
    full_name, conv = find_layer(model, layer)
    _check_films(model, images)
    call = differentiate(model, conv, sign)
    height, width = images.shape[1:3]

    maps = np.empty((len(images), *conv.output.shape[1:3]), np.float32)
    heatmaps = np.empty((len(images), height, width), np.float32)
    logits = np.empty(len(images))
    start = 0
    for batch in iterate(images, 4, batch_size):
        features, gradients, logit = _evaluate(call, batch)
        part = slice(start, start + len(batch))
        raw = weighted_sum(features, weigh(features, gradients))
        maps[part] = raw
        heatmaps[part] = normalise(resize_bilinear(np.maximum(raw, 0), height, width))
        logits[part] = logit
        start += len(batch)
    return CamResult(
        maps=maps,
        heatmaps=heatmaps,
        all_negative=maps.max(axis=(1, 2), initial=-np.inf) <= 0,
        logits=logits,
        layer=full_name,
        target=target,
        method=method,
    )


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
        ``gradients`` (h, w, K); ``weights``, la media de los gradientes, (K,) —o (h, w, K) en
        HiResCAM—; ``weighted_sum`` y ``relu`` (h, w); ``normalised`` (H, W) en 0..1. Las
        cantidades conservan la precisión de la red; con bfloat16 pasan a float32.

    Raises
    ------
    NeumoniaError
        Como ``grad_cam_raw``.
    """
    image = np.asarray(image)
    weigh = _method(method)
    sign = check_target(target)
    full_name, conv = find_layer(model, layer)
    _check_films(model, image[None])
    call = differentiate(model, conv, sign)
    features, gradients, logit = _evaluate(call, next(iterate(image[None], 4, 1)))
    weights = weigh(features, gradients)
    raw = weighted_sum(features, weights)
    positive = np.maximum(raw, 0)
    return {
        "image": image,
        "layer": full_name,
        "target": target,
        "logit": float(logit[0]),
        "features": features[0],
        "gradients": gradients[0],
        "weights": weights[0].squeeze(),
        "weighted_sum": raw[0],
        "relu": positive[0],
        "normalised": normalise(resize_bilinear(positive, *image.shape[:2]))[0],
    }


def _method(name: str) -> Method:
    if name not in METHODS:
        raise ConfigError(f"El método {name!r} no existe; elijamos uno de: {', '.join(METHODS)}.")
    return METHODS[name]


def _check_films(model: "keras.Model", images: np.ndarray) -> None:
    check_images(images, model.input_shape[1:])
    if not np.isfinite(images).all():
        raise DataError("Las imágenes contienen valores no finitos (NaN o infinito).")


def _evaluate(call: Any, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    features, gradients, logit = (_to_numpy(tensor) for tensor in call(batch))
    if not (np.isfinite(logit).all() and np.isfinite(gradients).all()):
        raise NeumoniaError(
            "La red entrega valores no finitos: sus pesos están dañados o el entrenamiento "
            "divergió. Volvamos a entrenarla o a leerla del disco."
        )
    return features, gradients, logit


def _to_numpy(tensor: Any) -> np.ndarray:
    array = tensor.numpy()
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float32)
