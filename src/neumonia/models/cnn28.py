"""Una red pequeña para radiografías de 28 píxeles, pensada para otra máquina de rayos X.

En PneumoniaMNIST la nitidez delata la clase en el entrenamiento y no en la prueba oficial. Cada
opción de ``Recipe28`` quita esa pista o la vuelve inútil; cuál conviene se decide sin la prueba.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from neumonia.models.backend import layer_seeds, load_keras
from neumonia.models.cnn import logit_layer
from neumonia.models.recipe28 import CHOSEN, Recipe28

if TYPE_CHECKING:
    import keras

SIZE = 28


def build_cnn28(
    seed: int, output_bias: float = 0.0, augment: bool = True, recipe: Recipe28 = CHOSEN
) -> "keras.Sequential":
    """Construye la red sin entrenar; dos llamadas iguales dan pesos iguales.

    Parameters
    ----------
    seed : int
        De ella salen las semillas de los pesos, de Dropout y del aumento de datos.
    output_bias : float
        Sesgo inicial de la última neurona; véase ``initial_bias``.
    augment : bool
        Si la red incluye las capas de aumento, que solo actúan durante el entrenamiento.
    recipe : Recipe28

    Returns
    -------
    keras.Sequential
        Entrada float (N, 28, 28, 1) en 0..255; salida: logit float32 (N, 1). Solo tiene capas de
        Keras, así que el archivo .keras se abre sin este paquete.

    Raises
    ------
    ConfigError
        Si ``seed`` no es un entero mayor o igual que 0.
    """
    keras = load_keras()
    seeds = layer_seeds(seed)
    augmentation = list(_augmentation(recipe, seeds))
    layers = [keras.Input((SIZE, SIZE, 1), name="film")]
    layers += augmentation if augment else []
    layers += _normalization(recipe.normalization)
    if augment and recipe.noise:
        layers.append(keras.layers.GaussianNoise(recipe.noise, seed=next(seeds), name="noise"))
    for block in range(1, recipe.blocks + 1):
        layers += [
            keras.layers.Conv2D(
                recipe.width * 2 ** (block - 1),
                3,
                padding="same",
                use_bias=False,
                kernel_initializer=keras.initializers.HeNormal(seed=next(seeds)),
                kernel_regularizer=keras.regularizers.L2(recipe.weight_decay)
                if recipe.weight_decay
                else None,
                name=f"conv{block}",
            ),
            keras.layers.BatchNormalization(momentum=0.9, name=f"norm{block}"),
            keras.layers.ReLU(name=f"relu{block}"),
            keras.layers.MaxPooling2D(2, name=f"pool{block}"),
        ]
    if recipe.head == "media":
        layers.append(keras.layers.GlobalAveragePooling2D(name="mean"))
    else:
        layers.append(keras.layers.Flatten(name="flatten"))
    layers.append(keras.layers.Dropout(recipe.dropout, seed=next(seeds), name="dropout"))
    initializer = keras.initializers.GlorotUniform(seed=next(seeds))
    layers.append(logit_layer(initializer, output_bias))
    return keras.Sequential(layers, name="cnn28")


def _augmentation(recipe: Recipe28, seeds: Iterator[int]) -> Iterator["keras.layers.Layer"]:
    keras = load_keras()
    layers = keras.layers
    if recipe.geometry:
        strong = recipe.geometry == 2
        options = {"fill_mode": "nearest", "interpolation": "bilinear"}
        zoom = (-0.25, 0.1) if strong else 0.1
        shift = 0.12 if strong else 0.07
        yield layers.RandomRotation(
            (10 if strong else 5) / 360, **options, seed=next(seeds), name="rotation"
        )
        # Dos sorteos, alto y ancho: el marco de la radiografía cambia con quien recorta.
        yield layers.RandomZoom(zoom, zoom, **options, seed=next(seeds), name="zoom")
        yield layers.RandomTranslation(
            shift, shift, **options, seed=next(seeds), name="translation"
        )
    if recipe.appearance:
        strong = recipe.appearance == 2
        # 0 es borrosa, 0,5 la deja igual y 1 la afila; dos pasadas alcanzan extremos mayores.
        for number in range(1, 3 if strong else 2):
            yield layers.RandomSharpness(
                (0.0, 1.0), value_range=(0, 255), seed=next(seeds), name=f"sharpness{number}"
            )
        amount = 0.5 if strong else 0.25
        yield layers.RandomContrast(amount, value_range=(0, 255), seed=next(seeds), name="contrast")
        yield layers.RandomBrightness(
            amount / 2, value_range=(0, 255), seed=next(seeds), name="brightness"
        )


def _normalization(name: str) -> list["keras.layers.Layer"]:
    keras = load_keras()
    layers = keras.layers
    if name == "escala":
        return [layers.Rescaling(1 / 255, name="rescaling")]
    if name == "estandar":
        return [_per_film("standardization")]
    if name == "suave":
        # Sin relleno, el promedio no mezcla el borde con ceros.
        return [
            layers.AveragePooling2D(3, strides=1, padding="valid", name="smooth1"),
            layers.AveragePooling2D(3, strides=1, padding="valid", name="smooth2"),
            _per_film("standardization"),
        ]
    film = keras.Input((SIZE, SIZE, 1), name="film")
    low = layers.AveragePooling2D(3, strides=1, padding="valid", name="smooth")(film)
    high = layers.Subtract(name="detail")([layers.Cropping2D(1, name="crop")(film), low])
    bands = [_per_film("standard_low")(low), _per_film("standard_detail")(high)]
    return [keras.Model(film, layers.Concatenate(name="stack")(bands), name="bands")]


def _per_film(name: str) -> "keras.layers.Layer":
    """Media cero y desviación uno en cada radiografía; una de un solo tono queda en cero."""
    keras = load_keras()
    return keras.layers.LayerNormalization(
        axis=(1, 2, 3), center=False, scale=False, epsilon=1e-3, name=name
    )
