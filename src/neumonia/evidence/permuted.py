"""Una red que memoriza etiquetas sorteadas, y su gemela que memoriza las verdaderas.

Las dos se entrenan igual, sin aumento y con las mismas radiografías: solo cambian las etiquetas.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neumonia.files import read_json, write_json
from neumonia.models.backend import load_keras
from neumonia.study import Study, recipes
from neumonia.trust import permuted_labels

if TYPE_CHECKING:
    import keras

# Memorizar con la CNN a 150 píxeles cuesta una hora; la cabeza de VGG16, segundos.
PERMUTABLE = {"maqueta": ("cnn", "vgg16"), "kermany": ("vgg16",)}
N_TRAIN = 400
EPOCHS = {"cnn": 60, "vgg16": 40}
_CODE = {"cnn": "neumonia.models.cnn", "vgg16": "neumonia.models.vgg16"}


@dataclass(frozen=True, eq=False)
class Permuted:
    """Las dos redes, con cuántas radiografías aprendieron y cuánto memorizó la permutada."""

    reference: "keras.Model"
    model: "keras.Model"
    n_train: int
    train_accuracy: float


def open_permuted(study: Study, key: str) -> Permuted:
    """Las gemelas de ``"cnn"`` o ``"vgg16"``; se entrenan una vez y se guardan.

    Raises
    ------
    WeightsError
        Si se pide VGG16 y no hay pesos.
    """
    truth = study.labels
    rows = _train_rows(study)
    patients = study.dataset.manifest["patient"].to_numpy(dtype=object)
    drawn = truth.copy()
    drawn[rows] = permuted_labels(truth[rows], patients[rows], study.config.seed)
    folders = [_trained(study, key, rows, labels) for labels in (truth, drawn)]
    load = load_keras().saving.load_model
    models = [load(folder / "model.keras", compile=False) for folder in folders]
    accuracy = read_json(folders[1] / "training.json")["train_accuracy"]
    return Permuted(*models, n_train=len(rows), train_accuracy=accuracy)


def _train_rows(study: Study) -> np.ndarray:
    rows = np.random.default_rng(study.config.seed).permutation(study.rows("train"))
    return np.sort(rows[:N_TRAIN])


def _trained(study: Study, key: str, rows: np.ndarray, labels: np.ndarray) -> Path:
    recipe = {
        **recipes.training_recipe(study, EPOCHS[key], EPOCHS[key], 32, _CODE[key]),
        "rows": rows.tolist(),
        "labels": labels[rows].tolist(),
        "weights": study.vgg16_weights.sha256 if key == "vgg16" else None,
    }
    return study.store.get(
        f"memoria-{key}", recipe, lambda folder: _memorise(study, key, rows, labels, folder)
    ).folder


def _memorise(study: Study, key: str, rows: np.ndarray, labels: np.ndarray, folder: Path) -> None:
    from neumonia.training import fit, predict_logits

    model, inputs, whole = _build(study, key)
    # El paro y los mejores pesos se deciden con lo mismo que se memoriza.
    data = (inputs, labels, rows)
    fit(model, data, data, EPOCHS[key], 32, EPOCHS[key], study.config.seed)
    logits = predict_logits(model, inputs, rows=rows)
    accuracy = float(((logits > 0) == (labels[rows] == 1)).mean())
    write_json(folder / "training.json", {"train_accuracy": accuracy})
    whole().save(folder / "model.keras")


def _build(study: Study, key: str) -> tuple["keras.Model", np.ndarray, Any]:
    """La red por entrenar, lo que recibe y la función que da la red completa."""
    c = study.config
    if key == "cnn":
        from neumonia.models.cnn import build_cnn

        model = build_cnn(c.size, c.seed, output_bias=study.bias, augment=False)
        return model, study.images, lambda: model
    from neumonia.models.vgg16 import assemble, build_head, load_backbone

    features = study.features
    head = build_head(features.shape[1:], c.seed, output_bias=study.bias)
    return (
        head,
        features,
        lambda: assemble(load_backbone(c.size, study.vgg16_weights.path), head, c.size),
    )
