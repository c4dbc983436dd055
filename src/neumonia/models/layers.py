"""La red como tabla: una fila por capa."""

from typing import TYPE_CHECKING

import pandas as pd

from neumonia.models.backend import load_keras

if TYPE_CHECKING:
    import keras


def layer_table(model: "keras.Model") -> pd.DataFrame:
    """Describe las capas de ``model`` en el orden en que actúan.

    Un modelo anidado se abre: sus capas aparecen como ``vgg16/block1_conv1`` en lugar de una sola
    fila, de modo que la suma de ``parameters`` es la del modelo entero. Las capas de entrada, que
    no calculan nada, se omiten.

    Returns
    -------
    DataFrame
        Columnas ``layer``, ``type`` y ``output_shape`` (texto, sin la dimensión del lote);
        ``parameters`` (int), ``trainable`` (bool: tiene pesos que el entrenamiento cambia) y
        ``bytes`` (int, memoria de los pesos).
    """
    return pd.DataFrame(
        [_describe(name, layer) for name, layer in walk_layers(model)],
        columns=["layer", "type", "output_shape", "parameters", "trainable", "bytes"],
    )


def walk_layers(model: "keras.Model", prefix: str = "") -> list[tuple[str, "keras.layers.Layer"]]:
    """Pares (ruta, capa) de ``model`` y de sus modelos anidados, sin las capas de entrada."""
    keras = load_keras()
    found = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found += walk_layers(layer, f"{prefix}{layer.name}/")
        elif not isinstance(layer, keras.layers.InputLayer):
            found.append((prefix + layer.name, layer))
    return found


def _describe(name: str, layer: "keras.layers.Layer") -> dict:
    return {
        "layer": name,
        "type": type(layer).__name__,
        "output_shape": str(tuple(layer.output.shape[1:])),
        "parameters": layer.count_params(),
        "trainable": bool(layer.trainable_weights),
        "bytes": sum(weight.value.dtype.size * _size(weight) for weight in layer.weights),
    }


def _size(weight: "keras.Variable") -> int:
    count = 1
    for length in weight.shape:
        count *= length
    return count
