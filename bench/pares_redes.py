"""Las redes y las radiografías con las que ``pares.py`` compara a los pares."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from neumonia.datasets.phantoms import make_films
from neumonia.errors import WeightsError
from neumonia.models import (
    assemble,
    build_cnn,
    build_head,
    compute_features,
    load_backbone,
    resolve_weights,
)
from neumonia.models.backend import load_keras
from neumonia.models.vgg16 import CAFFE_MEANS
from neumonia.training import compile_model

if TYPE_CHECKING:
    import keras

NETWORKS = ("cnn", "vgg16", "vgg16_anidada")
"""La CNN secuencial; VGG16 con todas sus capas a la vista; y la misma dentro de otro modelo."""

FILMS = 32
SIZE = 150
SEED = 1
# Épocas y paso de cada una. La cabeza aprende despacio para que sus logits se parezcan a los del
# estudio publicado. Con el paso de siempre llegan a 120, y ahí el Grad-CAM++ de tf-keras-vis se
# desborda y solo da NaN.
_CNN_FIT, _HEAD_FIT = (40, 1e-3), (4, 1e-4)


class Films(NamedTuple):
    """``images`` uint8 (N, H, W) y ``labels`` (N,), 0 o 1."""

    images: np.ndarray
    labels: np.ndarray


def phantom_films() -> Films:
    """Las radiografías de la maqueta que explican todos: nadie necesita descargar nada."""
    phantoms = make_films(FILMS, SIZE, SEED)
    return Films(phantoms.images, phantoms.manifest["label"].to_numpy())


def build_networks(names: list[str], films: Films) -> tuple[dict[str, "keras.Model"], dict | None]:
    """Las redes pedidas y de dónde salieron los pesos de VGG16, o ``None``.

    Las entrenamos un momento sobre las mismas radiografías, porque con una cabeza al azar casi
    todos los mapas de Grad-CAM son nulos y no habría qué correlacionar. No son redes útiles.
    """
    networks, weights = {}, None
    if "cnn" in names:
        networks["cnn"] = build_cnn(SIZE, SEED, augment=False)
        _train(networks["cnn"], films.images[..., None], films.labels, *_CNN_FIT)
    if {"vgg16", "vgg16_anidada"} & set(names):
        try:
            resolved = resolve_weights()
        except WeightsError as error:
            print(f"Sin VGG16: {error}")
            return networks, None
        weights = {"origin": resolved.origin, "sha256": resolved.sha256}
        backbone = load_backbone(SIZE, resolved.path)
        head = build_head(backbone.output_shape[1:], SEED)
        _train(head, compute_features(backbone, films.images), films.labels, *_HEAD_FIT)
        networks["vgg16_anidada"] = assemble(backbone, head, SIZE)
        networks["vgg16"] = flat_copy(backbone, head)
    return {name: networks[name] for name in NETWORKS if name in names}, weights


def flat_copy(backbone: "keras.Model", head: "keras.Model") -> "keras.Model":
    """Lo mismo que ``assemble``, con copias de las capas en un solo modelo funcional."""
    keras = load_keras()
    film = keras.Input((*backbone.input_shape[1:3], 1), name="film")
    tensor = keras.layers.Concatenate()([film] * 3)
    tensor = keras.layers.Rescaling(1.0, offset=[-mean for mean in CAFFE_MEANS])(tensor)
    for layer in [*backbone.layers[1:], *head.layers]:
        tensor = type(layer).from_config(layer.get_config())(tensor)
    model = keras.Model(film, tensor, name="vgg16_plana")
    model.set_weights([*backbone.get_weights(), *head.get_weights()])
    return model


def _train(
    model: "keras.Model", inputs: np.ndarray, labels: np.ndarray, epochs: int, rate: float
) -> None:
    load_keras().utils.set_random_seed(SEED)
    compile_model(model, rate)
    model.fit(inputs.astype(np.float32), labels, batch_size=8, epochs=epochs, verbose=0)
