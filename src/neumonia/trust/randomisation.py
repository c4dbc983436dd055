"""Borrar lo que una red aprendió, capa a capa, o las etiquetas con que aprende.

Fuente: Adebayo y otros (2018), *Sanity Checks for Saliency Maps*, arXiv:1810.03292.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation.checks import check_both_classes, check_labels
from neumonia.evaluation.patients import patient_codes
from neumonia.models.backend import layer_seeds, load_keras
from neumonia.models.layers import walk_layers
from neumonia.trust.checks import check_maps

if TYPE_CHECKING:
    import keras

# (red, placas (N, H, W) en 0..255) -> mapas (N, H, W) en 0..1.
Explain = Callable[["keras.Model", np.ndarray], np.ndarray]


def cascading_randomisation(
    model: "keras.Model", explain: Explain, images: np.ndarray, seed: int
) -> Iterator[tuple[str, np.ndarray]]:
    """Borra lo aprendido capa a capa, de la última a la primera, y explica tras cada borrado.

    El borrado se acumula: en el paso k son azar las k últimas capas con pesos. Cada tensor se
    vuelve a sortear de una normal con su propia media y su propia desviación. Así las activaciones
    y los gradientes conservan su escala, y lo que cambie en el mapa se debe a que la red ya no sabe
    lo que sabía, no a que se haya apagado o saturado. Un tensor de un solo número se sortea con su
    valor absoluto como desviación; uno constante (un sesgo que sigue en cero) no tiene nada
    aprendido y se queda como está; uno sin negativos (las varianzas de BatchNormalization) sigue
    sin ellos.

    Trabajamos sobre una copia hecha al llamar: la red que nos dan no se toca, aunque dejemos el
    recorrido a medias.

    Parameters
    ----------
    model : keras.Model
        Secuencial o funcional; los modelos anidados se abren (``vgg16/block5_conv3``).
    explain : función (red, placas) -> mapas (N, H, W) en 0..1
    images : (N, H, W) en 0..255
    seed : int >= 0

    Yields
    ------
    (str, ndarray (N, H, W))
        La capa recién borrada y los mapas de la red en ese estado.

    Raises
    ------
    ConfigError
        Si el modelo no tiene pesos o no se puede copiar, o la semilla no es válida.
    DataError
        Si los mapas no tienen la forma de las placas o salen de 0..1.
    """
    layers = [name for name, layer in walk_layers(model) if layer.weights]
    if not layers:
        raise ConfigError("El modelo no tiene ninguna capa con pesos: no hay nada que borrar.")
    rng = np.random.default_rng(next(layer_seeds(seed)))
    return _cascade(_clone(model), layers[::-1], explain, images, rng)


def permuted_labels(labels: ArrayLike, patients: ArrayLike, seed: int) -> np.ndarray:
    """Reparte las etiquetas al azar entre pacientes: todas las placas de uno reciben la misma.

    Permutar placa a placa daría al mismo paciente etiquetas opuestas, y memorizarlas sería más
    difícil que aprender las verdaderas. Sin paciente conocido (``""``), cada placa va por su
    cuenta. La proporción de pacientes positivos no cambia; la de placas, apenas.

    Parameters
    ----------
    labels : (N,) 0 = NORMAL, 1 = PNEUMONIA
    patients : (N,)
    seed : int

    Returns
    -------
    int8 (N,)

    Raises
    ------
    DataError
        Datos no válidos, una sola clase, o un paciente con placas de las dos.
    """
    truth = check_labels(labels)
    check_both_classes(truth, "una permutación que cambie algo")
    codes = patient_codes(patients, truth.size)
    by_patient = np.zeros(codes.max() + 1, np.int8)
    by_patient[codes] = truth
    mixed = np.flatnonzero(by_patient[codes] != truth)
    if mixed.size:
        name = np.asarray(patients, dtype=object)[mixed[0]]
        raise DataError(
            f"El paciente {name!r} tiene placas de las dos clases y no podemos darle una sola "
            "etiqueta. Distingamos sus episodios con identificadores distintos."
        )
    return np.random.default_rng(seed).permutation(by_patient)[codes]


def run_explainer(explain: Explain, model: "keras.Model", images: np.ndarray) -> np.ndarray:
    """Los mapas de ``explain``, comprobados: en 0..1 y con la forma de ``images``.

    Raises
    ------
    DataError
        Si no lo están.
    """
    maps = check_maps(explain(model, images))
    if maps.shape != np.shape(images):
        raise DataError(
            f"El método entregó mapas {maps.shape} para placas {np.shape(images)}: debe dar uno "
            "por placa y de su tamaño."
        )
    return maps


def _clone(model: "keras.Model") -> "keras.Model":
    keras = load_keras()
    try:
        copy = keras.models.clone_model(model)
        copy.set_weights(model.get_weights())
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"No podemos copiar el modelo {model.name!r} para borrar sus capas: debe ser "
            "secuencial o funcional."
        ) from error
    return copy


def _cascade(
    model: "keras.Model",
    names: list[str],
    explain: Explain,
    images: np.ndarray,
    rng: np.random.Generator,
) -> Iterator[tuple[str, np.ndarray]]:
    layers = dict(walk_layers(model))
    for name in names:
        layer = layers[name]
        layer.set_weights([_redraw(tensor, rng) for tensor in layer.get_weights()])
        yield name, run_explainer(explain, model, images)


def _redraw(tensor: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    spread = tensor.std() if tensor.size > 1 else np.abs(tensor).max()
    drawn = rng.normal(tensor.mean(), spread, tensor.shape)
    return np.abs(drawn) if tensor.min() >= 0 else drawn
