"""Las dos redes del libro: una CNN pequeña y VGG16 con una cabeza nueva.

Ambas entregan un **logit** (el logaritmo de la razón entre las probabilidades de neumonía y de
normalidad), nunca una probabilidad. Importar este paquete no carga Keras: cada función lo hace
cuando la llamamos.
"""

from neumonia.models.bias import initial_bias, initial_loss
from neumonia.models.cnn import augment, augmentation_layers, build_cnn
from neumonia.models.layers import layer_table
from neumonia.models.vgg16 import (
    assemble,
    build_backbone,
    build_head,
    compute_features,
    load_backbone,
)
from neumonia.models.weights import ResolvedWeights, resolve_weights, tensors_sha256

__all__ = [
    "ResolvedWeights",
    "assemble",
    "augment",
    "augmentation_layers",
    "build_backbone",
    "build_cnn",
    "build_head",
    "compute_features",
    "initial_bias",
    "initial_loss",
    "layer_table",
    "load_backbone",
    "resolve_weights",
    "tensors_sha256",
]
