"""La CNN que promedia en lugar de aplanar: la misma idea, con una cabeza que conserva el lugar."""

from typing import TYPE_CHECKING

from neumonia.errors import ConfigError
from neumonia.models.backend import check_precision, layer_seeds, load_keras
from neumonia.models.cnn import augmentation_layers, logit_layer

if TYPE_CHECKING:
    import keras

# Tres reducciones dividen por 8, y el último mapa debe tener más de una posición.
MIN_SIZE = 16
FILTERS = (32, 32, 64, 64)


def build_pooled_cnn(
    size: int,
    seed: int,
    output_bias: float = 0.0,
    augment: bool = True,
    precision: str = "float32",
) -> "keras.Sequential":
    """Cuatro convoluciones, el promedio de cada canal y el logit; misma semilla, misma red.

    El logit es la suma de los promedios, cada uno con su peso. El gradiente de un canal es entonces
    el mismo en todas sus posiciones, y en ``conv4`` Grad-CAM, HiResCAM y el mapa de activación de
    clase coinciden. Sin la normalización por lotes, a esta red le cuesta mucho más empezar a
    aprender.

    Parameters
    ----------
    size : int
        Lado de la imagen en píxeles, al menos 16.
    seed, output_bias, augment, precision
        Como en ``build_cnn``.

    Returns
    -------
    keras.Sequential
        Entrada float (N, size, size, 1) en 0..255; salida: logit float32 (N, 1). El último mapa
        mide ``size // 8`` de lado.

    Raises
    ------
    ConfigError
        Si ``size``, ``seed`` o ``precision`` están fuera de su dominio.

    Fuente: Lin, Chen y Yan (2013), *Network In Network*, arXiv:1312.4400; Zhou y otros (2016),
    *Learning Deep Features for Discriminative Localization*, arXiv:1512.04150.
    """
    if size < MIN_SIZE:
        raise ConfigError(
            f"Esta CNN necesita imágenes de al menos {MIN_SIZE} píxeles de lado y pedimos {size}."
        )
    check_precision(precision)
    keras = load_keras()
    seeds = layer_seeds(seed)
    layers = [
        keras.Input((size, size, 1), name="film"),
        keras.layers.Rescaling(1 / 255, dtype="float32", name="rescaling"),
        *(augmentation_layers(next(seeds)) if augment else []),
    ]
    for number, filters in enumerate(FILTERS, 1):
        layers.append(
            keras.layers.Conv2D(
                filters,
                3,
                padding="same",
                activation="relu",
                kernel_initializer=keras.initializers.HeNormal(seed=next(seeds)),
                dtype=precision,
                name=f"conv{number}",
            )
        )
        if number < len(FILTERS):
            layers.append(keras.layers.BatchNormalization(dtype=precision, name=f"norm{number}"))
            layers.append(keras.layers.MaxPooling2D(2, dtype=precision, name=f"pool{number}"))
    layers.append(keras.layers.GlobalAveragePooling2D(dtype="float32", name="average"))
    layers.append(logit_layer(keras.initializers.GlorotUniform(seed=next(seeds)), output_bias))
    return keras.Sequential(layers, name="cnn_pooled")
