"""De las predicciones a los números que el libro cuenta."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from neumonia.evaluation import METRIC_NAMES, binary_metrics, metrics_with_intervals
from neumonia.exploration import class_balance, metadata_baseline
from neumonia.models.bias import initial_loss
from neumonia.splits import shared_patients

if TYPE_CHECKING:
    from neumonia.study.pipeline import Study

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


def summarize(study: "Study") -> dict[str, Any]:
    """El contenido de ``results.json``: depende solo de la configuración y de los datos."""
    manifest, split = study.dataset.manifest, study.split
    train_labels = study.labels[study.rows("train")]
    positives = int(train_labels.sum())
    negatives = int(train_labels.size - positives)
    baseline = metadata_baseline(manifest, split)
    return {
        "config": study.config.identity(),
        "data": {
            "name": study.dataset.name,
            "films": len(manifest),
            "patients": int(manifest.loc[manifest["patient"] != "", "patient"].nunique()),
            "fingerprint": study.dataset.fingerprint,
            "split_digest": study.split_digest,
            "balance": {
                part: {key: _plain(value) for key, value in row.items()}
                for part, row in class_balance(manifest, split).to_dict(orient="index").items()
            },
            "test_films_beside_training_patient": _leaked(manifest, split),
            "metadata_baseline_auc": _plain(baseline),
        },
        "bias": {
            "n_pos": positives,
            "n_neg": negatives,
            "b0": study.bias,
            "loss_at_zero": float(np.log(2.0)),
            "loss_at_b0": initial_loss(train_labels),
        },
        "models": {name: _model_results(study, name) for name in study.models},
        **({"robust": _model_results(study, "robusta")} if study.config.epochs_robust else {}),
        # El motivo nombra carpetas de esta máquina; el resultado, no.
        "vgg16_missing": study.vgg16_missing is not None,
    }


def _model_results(study: "Study", name: str) -> dict[str, Any]:
    history = study.history(name)
    layers = study.layers(name)
    best = history.loc[history["val_loss"].idxmin()]
    return {
        "parameters": int(layers["parameters"].sum()),
        "trainable_parameters": int(
            layers.loc[layers["trainable"].astype(bool), "parameters"].sum()
        ),
        "epochs_run": len(history),
        "best_epoch": int(best["epoch"]),
        "best_val_loss": float(best["val_loss"]),
        **evaluate(study.predictions, name, study.config.seed),
    }


def _leaked(manifest: pd.DataFrame, split: pd.Series) -> int:
    return int(shared_patients(manifest, split).loc["test", "films_shared"])


def _plain(value: Any) -> Any:
    """Número de Python, o ``None`` en lugar de NaN, para que JSON lo admita."""
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value
