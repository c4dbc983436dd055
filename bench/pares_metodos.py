"""Cómo se pide un mapa a cada par: una función por biblioteca, con la forma más favorable a ella.

Los pares reciben la radiografía ya en float32 y entregan NumPy en el tamaño de la imagen, como
nosotros. Explicamos el logit de neumonía con todos.
"""

from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from neumonia.gradcam import METHODS
from neumonia.gradcam.maps import normalise, resize_bilinear
from neumonia.gradcam.network import find_layer
from neumonia.models.backend import load_keras

if TYPE_CHECKING:
    import keras

# float32 (N, H, W, 1) -> mapas de las N radiografías.
Explain = Callable[[np.ndarray], np.ndarray]

PACKAGES = {"tf-keras-vis": "tf-keras-vis", "xplique": "xplique", "keras.io": "keras"}
"""Par -> paquete que dice su versión; la receta de keras.io solo usa Keras."""

# Lo que ``neumonia`` tapa en oclusión: un octavo del lado, y avanza la mitad.
_PATCH, _STRIDE = 19, 9

_BICUBIC = "Amplía el mapa con interpolación bicúbica; nosotros, bilineal."


class Maps(NamedTuple):
    """``full`` da mapas (N, H, W); ``small``, si el par lo permite, los de antes de ampliar."""

    full: Explain
    small: Explain | None = None


class Case(NamedTuple):
    """Un par con un método. ``prepare(model, layer)`` recibe ``"vgg16/block5_conv3"`` o similar.

    ``reused`` es cierto si lo que el par construye o compila se conserva entre llamadas. ``light``
    es una versión muy reducida, con la que solo comprobamos si el método corre en redes lentas.
    """

    peer: str
    method: str
    prepare: Callable[["keras.Model", str], Maps]
    reused: bool = False
    light: Callable[["keras.Model", str], Maps] | None = None
    note: str | None = None


def peer_version(peer: str) -> str | None:
    """Versión instalada del paquete de ``peer``; ``None`` si falta."""
    try:
        return version(PACKAGES[peer])
    except PackageNotFoundError:
        return None


def cases() -> Iterator[Case]:
    """Todo lo que se compara, sin importar qué está instalado."""
    yield Case("neumonia", "grad_cam", compiled_once, reused=True)
    yield Case("keras.io", "grad_cam", keras_recipe, reused=True)
    yield Case("tf-keras-vis", "grad_cam", _tf_keras_vis("Gradcam"))
    yield Case("xplique", "grad_cam", _xplique("GradCAM"), reused=True, note=_BICUBIC)
    yield Case("xplique", "grad_cam", _xplique_anew("GradCAM"), note=_BICUBIC)
    yield Case(
        "tf-keras-vis",
        "grad_cam++",
        _tf_keras_vis("GradcamPlusPlus"),
        note="Divide además los coeficientes de cada canal por su suma, que puede ser negativa o "
        "casi nula.",
    )
    yield Case(
        "xplique",
        "grad_cam++",
        _xplique("GradCAMPP"),
        reused=True,
        note="Donde el artículo suma las activaciones de un canal, este par las promedia.",
    )
    yield Case("tf-keras-vis", "gradient", _tf_keras_vis_gradient)
    yield Case("xplique", "gradient", _xplique("Saliency"), reused=True)
    yield Case(
        "tf-keras-vis",
        "score_cam",
        _tf_keras_vis("Scorecam"),
        light=_tf_keras_vis("Scorecam", max_N=4),
        note="Aplica softmax a la salida: con un solo logit vale 1 en todos los canales, que "
        "pesan igual. Además, lo tapado queda en negro y no en gris.",
    )
    yield Case(
        "xplique",
        "occlusion",
        _xplique_occlusion(_PATCH, _STRIDE),
        reused=True,
        light=_xplique_occlusion(75, 75),
        note="Suma las bajadas donde los cuadrados se solapan; nosotros las promediamos. Le "
        "damos el gris medio de cada radiografía.",
    )


def compiled_once(model: "keras.Model", layer: str) -> Maps:
    """Nuestro Grad-CAM con la red compilada una vez, y no en cada llamada a ``grad_cam``."""
    _, conv = find_layer(model, layer)
    explain = METHODS["grad_cam"].prepare(model, conv, 1.0, 32)

    def small(films: np.ndarray) -> np.ndarray:
        return np.maximum(explain(films).maps, 0)

    return Maps(lambda films: normalise(resize_bilinear(small(films), *films.shape[1:3])), small)


def keras_recipe(model: "keras.Model", layer: str) -> Maps:
    """El Grad-CAM de la guía de keras.io, escrito de nuevo: una radiografía cada vez.

    La guía monta el modelo de dos salidas en cada llamada; aquí se monta una sola vez.
    """
    import tensorflow as tf

    keras = load_keras()
    conv: Any = model
    for part in layer.split("/"):
        conv = conv.get_layer(part)
    both = keras.Model(model.inputs, [conv.output, model.output])

    def explain_one(film: np.ndarray) -> "tf.Tensor":
        with tf.GradientTape() as tape:
            features, prediction = both([film[None]])
            chosen = prediction[:, 0]
        importance = tf.reduce_mean(tape.gradient(chosen, features), axis=[0, 1, 2])
        heat = tf.nn.relu(tf.tensordot(features[0], importance, axes=1))
        return tf.math.divide_no_nan(heat, tf.reduce_max(heat))

    def small(films: np.ndarray) -> np.ndarray:
        return np.stack([explain_one(film).numpy() for film in films])

    def full(films: np.ndarray) -> np.ndarray:
        size = films.shape[1:3]
        return np.stack(
            [tf.image.resize(explain_one(film)[..., None], size).numpy()[..., 0] for film in films]
        )

    return Maps(full, small)


def _logit(output: Any) -> Any:
    return output[:, 0]


def _tf_keras_vis(name: str, **options: Any) -> Callable:
    def prepare(model: "keras.Model", layer: str) -> Maps:
        from tf_keras_vis import gradcam, gradcam_plus_plus, scorecam

        kinds = {**vars(gradcam_plus_plus), **vars(scorecam), **vars(gradcam)}
        explainer = kinds[name](model)

        def explain(films: np.ndarray, **output: bool) -> np.ndarray:
            place = layer.split("/")[-1]
            maps = explainer(_logit, films, penultimate_layer=place, **options, **output)
            return np.asarray(maps)

        return Maps(explain, lambda films: explain(films, expand_cam=False, normalize_cam=False))

    return prepare


def _tf_keras_vis_gradient(model: "keras.Model", layer: str) -> Maps:
    from tf_keras_vis.saliency import Saliency

    explainer = Saliency(model)
    return Maps(lambda films: np.asarray(explainer(_logit, films)))


def _xplique(name: str) -> Callable:
    def prepare(model: "keras.Model", layer: str) -> Maps:
        from xplique import attributions

        options = {} if name == "Saliency" else {"conv_layer": layer.split("/")[-1]}
        explainer = getattr(attributions, name)(model, **options)
        return Maps(lambda films: _first_channel(explainer(films, _ones(films))))

    return prepare


def _xplique_anew(name: str) -> Callable:
    def prepare(model: "keras.Model", layer: str) -> Maps:
        return Maps(lambda films: _xplique(name)(model, layer).full(films))

    return prepare


def _xplique_occlusion(patch: int, stride: int) -> Callable:
    def prepare(model: "keras.Model", layer: str) -> Maps:
        import tensorflow as tf
        from xplique.attributions import Occlusion

        explainer = Occlusion(model, patch_size=patch, patch_stride=stride)

        def one(film: np.ndarray) -> np.ndarray:
            # Como tensor: con un número, xplique volvería a compilar en cada radiografía.
            explainer.occlusion_value = tf.constant(film.mean())
            return _first_channel(explainer(film[None], _ones(film[None])))[0]

        return Maps(lambda films: np.stack([one(film) for film in films]))

    return prepare


def _ones(films: np.ndarray) -> np.ndarray:
    return np.ones((len(films), 1), np.float32)


def _first_channel(maps: Any) -> np.ndarray:
    return maps.numpy()[..., 0]
