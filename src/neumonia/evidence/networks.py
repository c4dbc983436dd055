"""Las redes que se examinan: las dos del estudio y la CNN que promedia en lugar de aplanar."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neumonia.errors import ConfigError
from neumonia.files import digest, write_text
from neumonia.gradcam import conv_layers, explainer
from neumonia.study import Study, recipes
from neumonia.trust import Explain

if TYPE_CHECKING:
    import keras

TITLES = {"cnn": "CNN", "cnn_promedio": "CNN con promedio", "vgg16": "VGG16"}
POOLED_EPOCHS = 12
# Las últimas convoluciones de los tres últimos bloques.
_VGG16_LAYERS = ("vgg16/block3_conv3", "vgg16/block4_conv3", "vgg16/block5_conv3")


@dataclass(frozen=True, eq=False)
class Network:
    """Una red entrenada y lo que hace falta para examinar sus mapas.

    Attributes
    ----------
    key : {"cnn", "cnn_promedio", "vgg16"}
    product : str
        La clave de su producto: la identifica.
    model : keras.Model
    logits : float64 (N,), uno por radiografía del estudio
    layers : tuple de str
        Las convoluciones que se examinan; la última es la de por omisión.
    slow : bool
        Si cada pasada cuesta tanto que conviene mirar menos radiografías.
    """

    key: str
    product: str
    model: "keras.Model"
    logits: np.ndarray
    layers: tuple[str, ...]
    slow: bool

    @property
    def title(self) -> str:
        return TITLES[self.key]

    def explain(self, method: str, layer: str | None = None) -> Explain:
        """``(red, radiografías) -> mapas``, con el método y la capa ya elegidos.

        Se prepara una vez por red, aunque le cambien los pesos.
        """
        prepared: dict[int, tuple[Any, Callable]] = {}

        def run(model: "keras.Model", films: np.ndarray) -> np.ndarray:
            if id(model) not in prepared:
                # Con la red guardada al lado, su identificador no puede pasar a otra.
                prepared[id(model)] = (model, explainer(model, layer=layer, method=method))
            return prepared[id(model)][1](films).heatmaps

        return run


def open_network(study: Study, key: str) -> Network:
    """La red ``key`` del estudio, entrenada si hace falta.

    Raises
    ------
    ConfigError
        Si no existe.
    WeightsError
        Si se pide VGG16 y no hay pesos.
    """
    if key not in TITLES:
        raise ConfigError(f"No hay una red {key!r}. Las que hay: {', '.join(TITLES)}.")
    if key == "cnn_promedio":
        from neumonia.models.backend import load_keras

        folder = _pooled(study)
        model = load_keras().saving.load_model(folder / "model.keras", compile=False)
        logits = np.load(folder / "logits.npy", allow_pickle=False)
    else:
        model, logits = study.model(key), study.logits(key)
        folder = study.product(key).folder
    layers = _VGG16_LAYERS if key == "vgg16" else tuple(conv_layers(model))
    return Network(key, folder.name, model, logits, layers, slow=key == "vgg16")


def _pooled(study: Study) -> Path:
    c = study.config
    recipe = recipes.training_recipe(
        study, POOLED_EPOCHS, c.patience_cnn, c.batch_cnn, "neumonia.models.pooled_cnn"
    )
    return study.store.get(
        "cnn_promedio", recipe, lambda folder: _train_pooled(study, folder, digest(recipe))
    ).folder


def _train_pooled(study: Study, folder: Path, key: str) -> None:
    from neumonia.models.pooled_cnn import build_pooled_cnn
    from neumonia.training import fit, predict_logits

    c, labels = study.config, study.labels
    work = study.work_folder(f"cnn_promedio-{key}")
    model: Any = build_pooled_cnn(c.size, c.seed, output_bias=study.bias, precision=c.precision)
    history = fit(
        model,
        (study.images, labels, study.rows("train")),
        (study.images, labels, study.rows("val")),
        POOLED_EPOCHS,
        c.batch_cnn,
        c.patience_cnn,
        c.seed,
        workdir=work,
        progress=study.progress,
    )
    np.save(folder / "logits.npy", predict_logits(model, study.images), allow_pickle=False)
    write_text(folder / "history.csv", history.to_csv(index=False, lineterminator="\n"))
    model.save(folder / "model.keras")
    shutil.rmtree(work)
