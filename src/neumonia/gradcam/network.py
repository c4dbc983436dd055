"""Lo que los mapas piden a una red: sus capas, lo que entregan y el gradiente del logit."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from neumonia.errors import ConfigError, NeumoniaError
from neumonia.models.backend import load_keras
from neumonia.models.batches import compile_call
from neumonia.models.layers import walk_layers

if TYPE_CHECKING:
    import keras

# Signo con el que el logit de neumonía puntúa a cada clase.
TARGETS = {"PNEUMONIA": 1.0, "NORMAL": -1.0}


class _Call(NamedTuple):
    input: Any
    output: Any


def conv_layers(model: "keras.Model") -> list[str]:
    """Nombres de las convoluciones de ``model`` en orden; las anidadas como ``vgg16/block1_conv1``.

    Raises
    ------
    ConfigError
        Si el modelo no tiene ninguna.
    """
    names = list(_convolutions(model))
    if not names:
        raise ConfigError(
            "El modelo no tiene capas convolucionales 2D, y Grad-CAM necesita una. La cabeza de "
            "VGG16 sola no sirve: usemos el modelo completo, con su base."
        )
    return names


def find_layer(model: "keras.Model", name: str | None) -> tuple[str, "keras.layers.Layer"]:
    """Nombre completo y capa. Sin ``name``, la última convolución; también vale ``block3_conv3``.

    Raises
    ------
    ConfigError
        Si ninguna convolución, o más de una, responde a ``name``; con la lista de las que hay.
    """
    names = conv_layers(model)
    layers = _convolutions(model)
    if name is None:
        return names[-1], layers[names[-1]]
    matches = [full for full in names if full == name or full.split("/")[-1] == name]
    if len(matches) != 1:
        problem = "no existe" if not matches else "es ambigua"
        raise ConfigError(
            f"La capa convolucional {name!r} {problem}. Las de este modelo son: {', '.join(names)}."
        )
    return matches[0], layers[matches[0]]


def check_target(target: str) -> float:
    """Signo del logit para ``target``; ``ConfigError`` si no es PNEUMONIA ni NORMAL."""
    if target not in TARGETS:
        raise ConfigError(f"La clase {target!r} no existe; elijamos una de: {', '.join(TARGETS)}.")
    return TARGETS[target]


def differentiate(
    model: "keras.Model", layer: "keras.layers.Layer | None", sign: float
) -> Callable[[np.ndarray], tuple[np.ndarray, ...]]:
    """Compila lote -> (características, gradientes, logit) para la puntuación ``sign * logit``.

    Las características son la salida de ``layer``, (N, h, w, K), o el propio lote si ``layer`` es
    ``None``; los gradientes, la derivada de la puntuación respecto de ellas. El logit devuelto es
    siempre el de neumonía, (N,). Todo es float32 o float64, según la precisión de la red.

    Raises
    ------
    ConfigError
        Si la última capa no permite leer un logit.
    NeumoniaError
        Al usar la función, si la red entrega valores no finitos.
    """
    load_keras()
    import tensorflow as tf

    forward = _forward(model, layer)

    def step(batch: "tf.Tensor") -> tuple["tf.Tensor", "tf.Tensor", "tf.Tensor"]:
        # No derivamos los pesos: basta con seguir lo que sale de la imagen, congelados o no.
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(batch)
            features, logit = forward(batch)
            score = sign * logit
        return features, tape.gradient(score, features), logit

    return _as_numpy(compile_call(step, model.input_shape[1:]))


def observe(
    model: "keras.Model", layer: "keras.layers.Layer | None"
) -> Callable[[np.ndarray], tuple[np.ndarray, ...]]:
    """Compila lote -> (características, logit): como ``differentiate``, sin derivar."""
    return _as_numpy(compile_call(_forward(model, layer), model.input_shape[1:]))


def _forward(model: "keras.Model", layer: "keras.layers.Layer | None") -> Callable:
    last = _last_layer(model)
    read_logit = _logit_reader(last)

    def forward(batch: Any) -> tuple[Any, Any]:
        with ExitStack() as stack:
            inner = stack.enter_context(_recording(layer)) if layer is not None else None
            final = stack.enter_context(_recording(last))
            model(batch, training=False)
        logit = read_logit(final[-1])[:, 0]
        return batch if inner is None else inner[-1].output, logit

    return forward


def _as_numpy(call: Callable) -> Callable[[np.ndarray], tuple[np.ndarray, ...]]:
    def checked(batch: np.ndarray) -> tuple[np.ndarray, ...]:
        arrays = tuple(_to_numpy(tensor) for tensor in call(np.asarray(batch, dtype=np.float32)))
        if not all(np.isfinite(array).all() for array in arrays):
            raise NeumoniaError(
                "La red entrega valores no finitos: sus pesos están dañados o el entrenamiento "
                "divergió. Volvamos a entrenarla o a leerla del disco."
            )
        return arrays

    return checked


def _to_numpy(tensor: Any) -> np.ndarray:
    array = tensor.numpy()
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float32)


def _convolutions(model: "keras.Model") -> dict[str, "keras.layers.Layer"]:
    keras = load_keras()
    kinds = (
        keras.layers.Conv2D,
        keras.layers.Conv2DTranspose,
        keras.layers.DepthwiseConv2D,
        keras.layers.SeparableConv2D,
    )
    return {name: layer for name, layer in walk_layers(model) if isinstance(layer, kinds)}


def _last_layer(model: "keras.Model") -> "keras.layers.Layer":
    keras = load_keras()
    layer = model.layers[-1]
    return _last_layer(layer) if isinstance(layer, keras.Model) else layer


def _logit_reader(last: "keras.layers.Layer") -> Callable[[_Call], Any]:
    """Cómo obtener el logit, antes de la sigmoide, de una llamada a la última capa.

    Derivar la sigmoide multiplica los gradientes por p(1 - p): con p = 0,99999 los reduce cien mil
    veces y el mapa se llena de ruido numérico.
    """
    keras = load_keras()
    activation = getattr(last, "activation", keras.activations.linear)
    if tuple(last.output.shape[1:]) == (1,):
        if activation is keras.activations.linear:
            return lambda call: call.output
        if activation is keras.activations.sigmoid and isinstance(last, keras.layers.Activation):
            return lambda call: call.input
        if activation is keras.activations.sigmoid and isinstance(last, keras.layers.Dense):
            return lambda call: _preactivation(last, call.input)
    name = getattr(activation, "__name__", activation)
    raise ConfigError(
        f"La última capa, {last.name!r}, debe dar un solo valor por imagen: un logit o su "
        f"sigmoide. Entrega {tuple(last.output.shape)} con activación {name!r}."
    )


def _preactivation(dense: "keras.layers.Dense", inputs: Any) -> Any:
    import tensorflow as tf

    kernel = tf.convert_to_tensor(dense.kernel)
    product = tf.cast(inputs, kernel.dtype) @ kernel
    return product if dense.bias is None else product + dense.bias


@contextmanager
def _recording(layer: "keras.layers.Layer") -> Iterator[list[_Call]]:
    """Anota la entrada y la salida de cada llamada a ``layer`` mientras dura el bloque.

    Observar la capa, en lugar de construir otro modelo con dos salidas, sirve igual para una red
    secuencial, una anidada o una leída del disco, y no añade nodos al grafo de quien nos la presta.
    """
    calls: list[_Call] = []
    original = layer.call

    def observed(inputs: Any, *args: Any, **options: Any) -> Any:
        output = original(inputs, *args, **options)
        calls.append(_Call(inputs, output))
        return output

    layer.call = observed
    try:
        yield calls
    finally:
        del layer.call
