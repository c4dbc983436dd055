"""VGG16 con pesos al azar: cuánto aporta la arquitectura y cuánto lo aprendido en ImageNet.

Si una cabeza sobre estas características, que nadie entrenó, separa las clases casi igual, el
mérito no es de ImageNet.

Fuente: He et al. (2015), arXiv:1502.01852, para la inicialización.
"""

from typing import TYPE_CHECKING

import numpy as np

from neumonia.models.backend import layer_seeds, load_keras
from neumonia.models.vgg16 import build_backbone
from neumonia.models.weights import VGG16_LAYERS

if TYPE_CHECKING:
    import keras

# La entrada al modo de Caffe oscila decenas de grises alrededor de cero: dividida entre 64 es de
# orden 1. Con ReLU y sin sesgos, la red solo cambia de escala; no pierde nada.
_INPUT_SCALE = 64.0


def build_random_backbone(size: int, seed: int, precision: str = "float32") -> "keras.Model":
    """VGG16 sin cabeza, congelada, con pesos normales de He que solo dependen de ``seed``.

    Sirve donde sirve ``load_backbone``: en ``compute_features`` y en ``assemble``. Los sesgos son
    cero y el primer núcleo se divide entre 64, para que las características sean de orden 1. Las de
    ImageNet son mayores, más dispersas y cambian más de una radiografía a otra: antes de comparar
    dos cabezas conviene estandarizar, o se compara también la escala.

    Parameters
    ----------
    size : int
        Lado de la imagen en píxeles, al menos 32.
    seed : int, mayor o igual que 0
    precision : {"float32", "mixed_bfloat16"}

    Raises
    ------
    ConfigError
        Si ``size``, ``seed`` o ``precision`` están fuera de su dominio.
    """
    seeds = layer_seeds(seed)
    drawn = [next(seeds) for _ in VGG16_LAYERS]
    backbone = build_backbone(size, precision)
    keras = load_keras()
    for position, (name, layer_seed) in enumerate(zip(VGG16_LAYERS, drawn, strict=True)):
        layer = backbone.get_layer(name)
        kernel, bias = layer.get_weights()
        values = keras.initializers.HeNormal(seed=layer_seed)(kernel.shape, dtype="float32")
        values = keras.ops.convert_to_numpy(values)
        if position == 0:
            values = values / np.float32(_INPUT_SCALE)
        layer.set_weights([values, np.zeros_like(bias)])
    backbone.trainable = False
    return backbone
