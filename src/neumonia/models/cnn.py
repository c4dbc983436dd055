"""La red convolucional pequeña, capa por capa."""

from typing import TYPE_CHECKING

import numpy as np

from neumonia.errors import ConfigError, DataError
from neumonia.models.backend import check_precision, layer_seeds, load_keras

if TYPE_CHECKING:
    import keras

# Una convolución sin relleno quita 2 píxeles y cuatro reducciones dividen por 16.
MIN_SIZE = 18

ROTATION_DEGREES = 5
ZOOM = 0.1
SHIFT = 0.1
SHEAR = 0.02


def build_cnn(
    size: int,
    seed: int,
    output_bias: float = 0.0,
    augment: bool = True,
    precision: str = "float32",
) -> "keras.Sequential":
    """Construye la CNN sin entrenar; dos llamadas iguales dan pesos iguales.

    Parameters
    ----------
    size : int
        Lado de la imagen en píxeles, al menos 18.
    seed : int
        De ella salen las semillas de los pesos, de Dropout y del aumento de datos.
    output_bias : float
        Sesgo inicial de la última neurona; véase ``initial_bias``.
    augment : bool
        Si la red incluye las capas de aumento, que solo actúan durante el entrenamiento.
    precision : {"float32", "mixed_bfloat16"}
        Con ``mixed_bfloat16`` las convoluciones calculan con 8 bits de mantisa; el aumento y la
        última neurona siguen en float32.

    Returns
    -------
    keras.Sequential
        Entrada float (N, size, size, 1) en 0..255; salida: logit float32 (N, 1).

    Raises
    ------
    ConfigError
        Si ``size``, ``seed`` o ``precision`` están fuera de su dominio.
    """
    if size < MIN_SIZE:
        raise ConfigError(
            f"La CNN necesita imágenes de al menos {MIN_SIZE} píxeles de lado y pedimos {size}."
        )
    check_precision(precision)
    keras = load_keras()
    seeds = layer_seeds(seed)

    def initializer():
        return keras.initializers.GlorotUniform(seed=next(seeds))

    def convolution(filters: int, name: str, padding: str = "same"):
        return keras.layers.Conv2D(
            filters,
            3,
            padding=padding,
            activation="relu",
            kernel_initializer=initializer(),
            dtype=precision,
            name=name,
        )

    def pooling(name: str):
        return keras.layers.MaxPooling2D(2, dtype=precision, name=name)

    def dropout(rate: float, name: str):
        return keras.layers.Dropout(rate, seed=next(seeds), dtype=precision, name=name)

    layers = [
        keras.Input((size, size, 1), name="film"),
        keras.layers.Rescaling(1 / 255, dtype="float32", name="rescaling"),
        *(augmentation_layers(next(seeds)) if augment else []),
        convolution(32, "conv1", padding="valid"),
        pooling("pool1"),
        convolution(32, "conv2"),
        pooling("pool2"),
        dropout(0.25, "dropout2"),
        convolution(64, "conv3"),
        pooling("pool3"),
        dropout(0.25, "dropout3"),
        convolution(64, "conv4"),
        pooling("pool4"),
        keras.layers.Flatten(dtype=precision, name="flatten"),
        keras.layers.Dense(
            64,
            activation="relu",
            kernel_initializer=initializer(),
            dtype=precision,
            name="dense",
        ),
        dropout(0.5, "dropout"),
        logit_layer(initializer(), output_bias),
    ]
    return keras.Sequential(layers, name="cnn")


def logit_layer(initializer: "keras.Initializer", output_bias: float) -> "keras.layers.Dense":
    """La última neurona de las dos redes: lineal, en float32 y con sesgo inicial."""
    keras = load_keras()
    return keras.layers.Dense(
        1,
        kernel_initializer=initializer,
        bias_initializer=keras.initializers.Constant(float(output_bias)),
        dtype="float32",
        name="logit",
    )


def augmentation_layers(seed: int) -> list["keras.layers.Layer"]:
    """Giro de ±5°, zoom de ±10 %, traslación de ±10 % y cizalla de ±2 %, en ese orden.

    No hay reflejos: una radiografía reflejada pondría el corazón a la derecha. Los bordes que
    quedan vacíos repiten el píxel vecino, porque un marco negro sería una pista ajena al pulmón.
    Cada remuestreo lineal difumina un poco; por eso la traslación y la cizalla, que mueven
    píxeles casi enteros, toman el vecino más próximo. En inferencia no hacen nada.
    """
    keras = load_keras()
    seeds = layer_seeds(seed)

    def options(name: str, interpolation: str) -> dict:
        return {
            "fill_mode": "nearest",
            "interpolation": interpolation,
            "seed": next(seeds),
            "dtype": "float32",
            "name": name,
        }

    return [
        keras.layers.RandomRotation(ROTATION_DEGREES / 360, **options("rotation", "bilinear")),
        keras.layers.RandomZoom(ZOOM, **options("zoom", "bilinear")),
        keras.layers.RandomTranslation(SHIFT, SHIFT, **options("translation", "nearest")),
        # Con un número, Keras 3.15 guarda el intervalo (-f, f) y se niega a leerlo del disco; con
        # (0, f) sortea aparte el signo, el intervalo es el mismo y el modelo se puede recargar.
        keras.layers.RandomShear((0.0, SHEAR), (0.0, SHEAR), **options("shear", "nearest")),
    ]


def augment(images: np.ndarray, seed: int) -> np.ndarray:
    """Aplica a cada imagen el aumento que la CNN ve al entrenar.

    Parameters
    ----------
    images : ndarray (N, H, W)
        Valores en 0..255.
    seed : int

    Returns
    -------
    ndarray uint8 (N, H, W)

    Raises
    ------
    DataError
        Si ``images`` no tiene tres dimensiones.
    """
    images = np.asarray(images)
    if images.ndim != 3:
        raise DataError(f"Esperamos imágenes (N, alto, ancho) y su forma es {images.shape}.")
    batch = images[..., None].astype(np.float32)
    for layer in augmentation_layers(seed):
        batch = layer(batch, training=True)
    return np.clip(np.rint(np.asarray(batch)[..., 0]), 0, 255).astype(np.uint8)
