"""De las predicciones a los números que el libro cuenta."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from neumonia.datasets import Dataset
from neumonia.evaluation import METRIC_NAMES, binary_metrics, metrics_with_intervals
from neumonia.exploration import class_balance, metadata_baseline
from neumonia.models.bias import initial_bias, initial_loss
from neumonia.splits import shared_patients
from neumonia.study.config import Config

PARTS = ("train", "val", "test")
THRESHOLD = 0.5


def evaluate(predictions: pd.DataFrame, model: str, seed: int) -> dict[str, Any]:
    """Métricas de ``model`` en validación y prueba, con intervalos de 95 % en prueba.

    Los intervalos remuestrean pacientes, no radiografías: dos imágenes del mismo paciente no
    son dos pruebas independientes.
    """
    parts: dict[str, Any] = {}
    for part in ("val", "test"):
        rows = predictions[predictions["split"] == part]
        values = (rows["label"].to_numpy(), rows[f"p_{model}"].to_numpy())
        parts[part] = binary_metrics(*values, threshold=THRESHOLD)
        if part == "test":
            table = metrics_with_intervals(
                *values, rows["patient"].to_numpy(), threshold=THRESHOLD, seed=seed
            )
            parts["test_interval"] = {
                name: [_plain(table.loc[name, "low"]), _plain(table.loc[name, "high"])]
                for name in METRIC_NAMES
            }
    return parts


def summarize(
    config: Config,
    dataset: Dataset,
    split: pd.Series,
    split_digest: str,
    networks: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]],
    predictions: pd.DataFrame,
) -> dict[str, Any]:
    """El contenido de ``results.json``: depende solo de la configuración y de los datos.

    ``networks`` da el historial y la tabla de capas de cada red que hay.
    """
    manifest = dataset.manifest
    train_labels = manifest["label"].to_numpy()[(split == "train").to_numpy()]
    positives = int(train_labels.sum())
    measured = {
        name: {**_training(*tables), **evaluate(predictions, name, config.seed)}
        for name, tables in networks.items()
    }
    robust = {"robust": measured.pop("robusta")} if "robusta" in measured else {}
    return {
        "config": config.identity(),
        "data": {
            "name": dataset.name,
            "films": len(manifest),
            "patients": int(manifest.loc[manifest["patient"] != "", "patient"].nunique()),
            "fingerprint": dataset.fingerprint,
            "split_digest": split_digest,
            "balance": {
                part: {key: _plain(value) for key, value in row.items()}
                for part, row in class_balance(manifest, split).to_dict(orient="index").items()
            },
            "test_films_beside_training_patient": _leaked(manifest, split),
            "metadata_baseline_auc": _plain(metadata_baseline(manifest, split)),
        },
        "bias": {
            "n_pos": positives,
            "n_neg": int(train_labels.size - positives),
            "b0": initial_bias(train_labels),
            "loss_at_zero": float(np.log(2.0)),
            "loss_at_b0": initial_loss(train_labels),
        },
        "models": measured,
        **robust,
        # El motivo nombra carpetas de esta máquina; el resultado, no.
        "vgg16_missing": "vgg16" not in networks,
    }


def _training(history: pd.DataFrame, layers: pd.DataFrame) -> dict[str, Any]:
    best = history.loc[history["val_loss"].idxmin()]
    trainable = layers["trainable"].astype(bool)
    return {
        "parameters": int(layers["parameters"].sum()),
        "trainable_parameters": int(layers.loc[trainable, "parameters"].sum()),
        "epochs_run": len(history),
        "best_epoch": int(best["epoch"]),
        "best_val_loss": float(best["val_loss"]),
    }


def _leaked(manifest: pd.DataFrame, split: pd.Series) -> int:
    return int(shared_patients(manifest, split).loc["test", "films_shared"])


def _plain(value: Any) -> Any:
    """Número de Python, o ``None`` en lugar de NaN, para que JSON lo admita."""
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value
