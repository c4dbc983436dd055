"""Ajuste fino de VGG16: descongelar sus últimos bloques y entrenarlos con una tasa pequeña.

Fuente: Yosinski et al. (2014), arXiv:1411.1792; guía de ajuste fino de Keras.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from neumonia.errors import ConfigError
from neumonia.models.backend import layer_seeds, load_keras
from neumonia.models.cnn import logit_layer
from neumonia.models.vgg16 import assemble, load_backbone

if TYPE_CHECKING:
    import keras

BLOCKS = ("block1", "block2", "block3", "block4", "block5")
POOLINGS = ("flatten", "average", "max", "average_max")


def build_pooled_head(
    feature_shape: tuple[int, ...],
    seed: int,
    output_bias: float = 0.0,
    pooling: str = "average",
    dropout: float = 0.4,
) -> "keras.Model":
    """Cabeza sin capa oculta: resumir el mapa de características, apagar algunas y el logit.

    Con ``average`` son 513 parámetros, y el mapa de activación de clase es exacto.

    Parameters
    ----------
    feature_shape : tuple
        (h, w, canales).
    seed : int
    output_bias : float
        Véase ``initial_bias``.
    pooling : {"average", "max", "average_max", "flatten"}
    dropout : float en [0, 1)

    Raises
    ------
    ConfigError
        Si ``pooling`` no existe.
    """
    if pooling not in POOLINGS:
        raise ConfigError(f"No conocemos el resumen {pooling!r}. Los que hay: {POOLINGS}.")
    keras = load_keras()
    seeds = layer_seeds(seed)
    initializer = keras.initializers.GlorotUniform(seed=next(seeds))
    pool = {
        "average": keras.layers.GlobalAveragePooling2D,
        "max": keras.layers.GlobalMaxPooling2D,
        "flatten": keras.layers.Flatten,
    }
    features = keras.Input(tuple(feature_shape), name="features")
    if pooling == "average_max":
        both = [pool[name](dtype="float32", name=name)(features) for name in ("average", "max")]
        x = keras.layers.Concatenate(dtype="float32", name="pool")(both)
    else:
        x = pool[pooling](dtype="float32", name="pool")(features)
    x = keras.layers.Dropout(dropout, seed=next(seeds), name="dropout")(x)
    return keras.Model(features, logit_layer(initializer, output_bias)(x), name="head")


def build_finetuned(
    size: int,
    weights: Path | str,
    seed: int,
    output_bias: float = 0.0,
    trainable_from: str = "block4",
    pooling: str = "average",
    precision: str = "float32",
) -> "keras.Model":
    """VGG16 de ImageNet con los bloques desde ``trainable_from`` listos para entrenarse.

    Parameters
    ----------
    size, weights, precision
        Como en ``load_backbone``.
    seed, output_bias, pooling
        Como en ``build_pooled_head``.
    trainable_from : {"block1", ..., "block5", "head"}
        Primer bloque que se entrena; los anteriores quedan congelados. Con ``"head"``, todos.

    Returns
    -------
    keras.Model
        Entrada float (N, size, size, 1) en 0..255; salida: logit float32 (N, 1).

    Raises
    ------
    ConfigError
        Si una opción está fuera de su dominio.
    WeightsError
        Si faltan los pesos o no son los de ImageNet.
    """
    if trainable_from not in (*BLOCKS, "head"):
        raise ConfigError(
            f"VGG16 no tiene el bloque {trainable_from!r}. Los que hay: {', '.join(BLOCKS)}."
        )
    backbone = load_backbone(size, weights, precision=precision)
    backbone.trainable = True
    frozen = BLOCKS if trainable_from == "head" else BLOCKS[: BLOCKS.index(trainable_from)]
    for layer in backbone.layers:
        layer.trainable = not layer.name.startswith(frozen)
    head = build_pooled_head(backbone.output_shape[1:], seed, output_bias, pooling)
    return assemble(backbone, head, size)
