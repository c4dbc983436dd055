"""VGG16 como extractor de características, con una cabeza nueva.

Fuente: Simonyan y Zisserman (2015), arXiv:1409.1556; ``keras.applications.vgg16``.
"""

from collections.abc import Callable
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from neumonia.errors import ConfigError
from neumonia.models.backend import check_precision, layer_seeds, load_keras
from neumonia.models.batches import check_images, compile_call, iterate
from neumonia.models.cnn import logit_layer
from neumonia.models.weights import VGG16_LAYERS, verified_tensors
from neumonia.progress import track

if TYPE_CHECKING:
    import keras

MIN_SIZE = 32

# Medias de ImageNet por canal en el orden azul, verde, rojo de la red original de Caffe. Una
# radiografía repetida tres veces es igual en ese orden que en el rojo, verde, azul.
CAFFE_MEANS = (103.939, 116.779, 123.68)


def build_backbone(size: int, precision: str = "float32") -> "keras.Model":
    """VGG16 sin su cabeza, con pesos al azar y llamada ``vgg16``.

    Parameters
    ----------
    size : int
        Lado de la imagen en píxeles, al menos 32.
    precision : {"float32", "mixed_bfloat16"}

    Returns
    -------
    keras.Model
        Entrada (N, size, size, 3) ya preparada al modo de Caffe; salida (N, size//32,
        size//32, 512).

    Raises
    ------
    ConfigError
        Si ``size`` o ``precision`` están fuera de su dominio.
    """
    if size < MIN_SIZE:
        raise ConfigError(
            f"VGG16 necesita imágenes de al menos {MIN_SIZE} píxeles de lado y pedimos {size}."
        )
    check_precision(precision)
    keras = load_keras()
    # keras.applications no recibe la precisión: solo la toma de la política global.
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        return keras.applications.VGG16(
            include_top=False, weights=None, input_shape=(size, size, 3), name="vgg16"
        )
    finally:
        keras.config.set_dtype_policy(previous)


def load_backbone(size: int, weights: Path | str, precision: str = "float32") -> "keras.Model":
    """VGG16 sin su cabeza, con los pesos de ImageNet y congelada.

    Parameters
    ----------
    size, precision
        Como en ``build_backbone``.
    weights : Path
        El .h5 que entrega ``resolve_weights``; sus valores se verifican otra vez.

    Raises
    ------
    ConfigError
        Si ``size`` o ``precision`` están fuera de su dominio.
    WeightsError
        Si el archivo falta o sus valores no son los de ImageNet.
    """
    backbone = build_backbone(size, precision)
    tensors = verified_tensors(weights)
    for position, name in enumerate(VGG16_LAYERS):
        backbone.get_layer(name).set_weights(tensors[2 * position : 2 * position + 2])
    backbone.trainable = False
    return backbone


def build_head(
    feature_shape: tuple[int, ...], seed: int, output_bias: float = 0.0
) -> "keras.Sequential":
    """La parte que entrenamos: Flatten, Dense(128, relu), Dropout(0,4) y el logit.

    Parameters
    ----------
    feature_shape : tuple
        (h, w, canales) de lo que entrega VGG16; con 150 píxeles, (4, 4, 512).
    seed : int
    output_bias : float
        Véase ``initial_bias``.

    Returns
    -------
    keras.Sequential
        Entrada float32 (N, h, w, canales); salida: logit float32 (N, 1).
    """
    keras = load_keras()
    seeds = layer_seeds(seed)

    def initializer():
        return keras.initializers.GlorotUniform(seed=next(seeds))

    return keras.Sequential(
        [
            keras.Input(tuple(feature_shape), name="features"),
            keras.layers.Flatten(name="flatten"),
            keras.layers.Dense(
                128, activation="relu", kernel_initializer=initializer(), name="dense"
            ),
            keras.layers.Dropout(0.4, seed=next(seeds), name="dropout"),
            logit_layer(initializer(), output_bias),
        ],
        name="head",
    )


def assemble(backbone: "keras.Model", head: "keras.Model", size: int) -> "keras.Model":
    """Une preparación, VGG16 y cabeza en un modelo que recibe radiografías.

    Solo usa capas de Keras, sin funciones propias: el archivo .keras se abre en modo seguro y sin
    este paquete. Comparte los pesos con ``backbone`` y ``head``; no los copia.

    Returns
    -------
    keras.Model
        Entrada float (N, size, size, 1) en 0..255; salida: logit float32 (N, 1).

    Raises
    ------
    ConfigError
        Si ``backbone`` no recibe imágenes de ese tamaño o ``head`` no encaja con su salida.
    """
    keras = load_keras()
    if backbone.input_shape[1:] != (size, size, 3):
        raise ConfigError(
            f"La base recibe imágenes {backbone.input_shape[1:]} y pedimos {(size, size, 3)}."
        )
    if head.input_shape[1:] != backbone.output_shape[1:]:
        raise ConfigError(
            f"La cabeza recibe características {head.input_shape[1:]} y la base entrega "
            f"{backbone.output_shape[1:]}. Construyámosla con la forma de estas."
        )
    film = keras.Input((size, size, 1), name="film")
    output = head(backbone(_preparation()(film)))
    return keras.Model(film, output, name="vgg16_head")


def compute_features(
    backbone: "keras.Model",
    images: np.ndarray,
    batch_size: int = 32,
    progress: bool = False,
    rows: np.ndarray | None = None,
) -> np.ndarray:
    """Pasa las radiografías una vez por VGG16: la base está congelada y no cambia.

    La precisión es la que se eligió al construir ``backbone``.

    Parameters
    ----------
    backbone : keras.Model
    images : ndarray uint8 (N, H, W)
        Valores en 0..255. Puede ser un ``memmap``: se lee por lotes.
    batch_size : int
    progress : bool
        Si mostramos el avance.
    rows : ndarray of int, optional
        Posiciones de ``images``; por omisión todas.

    Returns
    -------
    ndarray float32 (N, h, w, canales)

    Raises
    ------
    DataError
        Si las imágenes no tienen el tamaño que ``backbone`` espera.
    """
    shape = (*backbone.input_shape[1:3], 1)
    check_images(images, shape)
    prepare = _preparation()
    call = compile_call(lambda batch: backbone(prepare(batch), training=False), shape)
    total = len(images) if rows is None else len(rows)
    features = np.empty((total, *backbone.output_shape[1:]), np.float32)
    batches = iterate(images, 4, batch_size, rows)
    if progress:
        batches = track(batches, "Características de VGG16", total=ceil(total / batch_size))
    start = 0
    for batch in batches:
        features[start : start + len(batch)] = call(batch).numpy().astype(np.float32)
        start += len(batch)
    return features


def _preparation() -> Callable:
    """De un canal en 0..255 a los tres de Caffe, con capas que Keras sabe guardar."""
    keras = load_keras()
    repeat = keras.layers.Concatenate(dtype="float32", name="three_channels")
    center = keras.layers.Rescaling(
        1.0, offset=[-mean for mean in CAFFE_MEANS], dtype="float32", name="caffe_means"
    )
    return lambda film: center(repeat([film, film, film]))
