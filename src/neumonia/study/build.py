"""Cómo se construye cada producto caro del estudio. Aquí, y solo aquí, se entrena."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from neumonia.files import write_text

if TYPE_CHECKING:
    from neumonia.study.pipeline import Study


def train_cnn(study: "Study", folder: Path, key: str) -> None:
    """Entrena la CNN y deja modelo, historial, tabla de capas y logits en ``folder``."""
    from neumonia.models.cnn import build_cnn
    from neumonia.training import predict_logits

    c = study.config
    model = build_cnn(c.size, c.seed, output_bias=study.bias, precision=c.precision)
    history = _fit(
        study, model, study.images, c.epochs_cnn, c.patience_cnn, c.batch_cnn, f"cnn-{key}"
    )
    _save(folder, model, history, predict_logits(model, study.images, progress=study.progress))
    shutil.rmtree(study.work_folder(f"cnn-{key}"))


def compute_vgg16_features(study: "Study", folder: Path) -> None:
    """Pasa cada radiografía una sola vez por la base congelada de VGG16."""
    from neumonia.models.vgg16 import compute_features, load_backbone

    c = study.config
    backbone = load_backbone(c.size, study.vgg16_weights.path, precision=c.precision)
    features = compute_features(backbone, study.images, progress=study.progress)
    np.save(folder / "features.npy", features, allow_pickle=False)


def train_vgg16(study: "Study", folder: Path, key: str) -> None:
    """Entrena la cabeza sobre las características y guarda la red completa, base incluida."""
    from neumonia.models.vgg16 import assemble, build_head, load_backbone
    from neumonia.training import predict_logits

    c = study.config
    features = study.features
    head = build_head(features.shape[1:], c.seed, output_bias=study.bias)
    history = _fit(
        study, head, features, c.epochs_head, c.patience_head, c.batch_head, f"vgg16-{key}"
    )
    logits = predict_logits(head, features, progress=study.progress)
    # La base en float32: la red guardada debe dar lo mismo en cualquier procesador.
    backbone = load_backbone(c.size, study.vgg16_weights.path)
    _save(folder, assemble(backbone, head, c.size), history, logits)
    shutil.rmtree(study.work_folder(f"vgg16-{key}"))


def train_robust(study: "Study", folder: Path) -> None:
    """Entrena la CNN con otra toma en cada época y deja lo mismo que ``train_cnn``."""
    from neumonia.robust import build, fit
    from neumonia.training import predict_logits

    recipe, seed = study.robust_recipe, study.config.seed
    train, val = study.rows("train"), study.rows("val")
    model = build(recipe, seed)
    images, progress = study.images, study.progress
    history = fit(model, recipe, images, study.labels, train, val, seed, progress)
    _save(folder, model, history, predict_logits(model, images, progress=progress))


def explain_examples(study: "Study", name: str, per_outcome: int, folder: Path) -> None:
    """Grad-CAM de unos ejemplos de prueba, hacia las dos clases."""
    from neumonia.gradcam import grad_cam_raw

    chosen = study.examples(name, per_outcome)
    rows = chosen["row"].to_numpy()
    model = study.model(name)
    stored: dict[str, Any] = {
        "row": rows.astype(np.int64),
        "outcome": chosen["outcome"].to_numpy().astype("U2"),
        "probability": chosen["probability"].to_numpy(),
    }
    for target in ("PNEUMONIA", "NORMAL"):
        cam = grad_cam_raw(model, study.images[rows], target=target)
        stored[target] = cam.heatmaps
        stored[f"all_negative_{target}"] = cam.all_negative
    np.savez_compressed(folder / "maps.npz", **stored)


def _fit(
    study: "Study",
    model: Any,
    x: np.ndarray,
    epochs: int,
    patience: int,
    batch_size: int,
    key: str,
) -> pd.DataFrame:
    from neumonia.training import fit

    train, val = study.rows("train"), study.rows("val")
    labels = study.labels
    return fit(
        model,
        train=(x, labels, train),
        val=(x, labels, val),
        epochs=epochs,
        batch_size=batch_size,
        patience=patience,
        seed=study.config.seed,
        workdir=study.work_folder(key),
        progress=study.progress,
    )


def _save(folder: Path, model: Any, history: pd.DataFrame, logits: np.ndarray) -> None:
    from neumonia.models.layers import layer_table

    model.save(folder / "model.keras")
    write_text(folder / "history.csv", history.to_csv(index=False, lineterminator="\n"))
    write_text(folder / "layers.csv", layer_table(model).to_csv(index=False, lineterminator="\n"))
    np.save(folder / "logits.npy", logits, allow_pickle=False)
