"""El modelo elegido, medido una sola vez en la prueba oficial.

Se eligió en ``trials`` sin predecir ninguna radiografía de la prueba. Aquí se entrena con todo el
entrenamiento oficial y varias semillas; lo que se publica es el promedio de sus logits.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neumonia.evaluation import binary_metrics, metrics_with_intervals
from neumonia.evaluation.comparison import seed_spread
from neumonia.files import digest, write_text
from neumonia.models.acquisition_layers import PROFILES
from neumonia.models.bias import initial_bias
from neumonia.review.catalogue import Trial
from neumonia.review.trials import CODE
from neumonia.splits import patient_groups
from neumonia.study import Study, recipes
from neumonia.study.store import Product, code_digest
from neumonia.training import sigmoid

METRICS = ("specificity", "sensitivity", "accuracy", "roc_auc")
SUBTYPES = ("bacteria", "virus")


def final_recipe(study: Study, trial: Trial) -> dict[str, Any]:
    """Lo que identifica un entrenamiento final."""
    return {
        "images": recipes.images_recipe(study),
        "weights": study.vgg16_weights.sha256,
        "trial": {key: value for key, value in asdict(trial).items() if key != "title"},
        "profile": asdict(PROFILES[trial.profile]),
        "split": study.split_digest,
        "seed": study.config.seed,
        "code": code_digest(*CODE, "neumonia.review.views"),
    }


def train_final(study: Study, trial: Trial) -> Product:
    """Entrena ``trial`` con el entrenamiento oficial entero, equilibrado.

    Deja ``model.keras``, ``history.csv`` y ``logits.npy``: los de validación y prueba, con
    promedio de vistas (salvo en una cabeza, que no ve la imagen); NaN en las demás.
    """
    recipe = final_recipe(study, trial)
    return study.store.get(
        "elegido", recipe, lambda folder: _train(study, trial, folder, digest(recipe))
    )


def _train(study: Study, trial: Trial, folder: Path, key: str) -> None:
    from neumonia.review.fitting import balanced_subset, fit_trial
    from neumonia.review.views import averaged_logits
    from neumonia.training import predict_logits

    labels = study.labels
    rows = balanced_subset(study.rows("train"), labels, study.config.seed)
    val, test = study.rows("val"), study.rows("test")
    judged = np.sort(np.concatenate([val, test]))
    bias = initial_bias(labels[rows])
    model, inputs, history = fit_trial(study, trial, rows, val, judged, bias, key)
    logits = np.full(len(labels), np.nan)
    if trial.kind == "cabeza":
        # Recibe características: no hay imagen que desplazar.
        logits[judged] = predict_logits(model, inputs, rows=judged)
    else:
        logits[judged] = averaged_logits(model, inputs, judged, progress=study.progress)
    np.save(folder / "logits.npy", logits, allow_pickle=False)
    write_text(folder / "history.csv", history.to_csv(index=False, lineterminator="\n"))
    model.save(folder / "model.keras")


def run_chosen(
    open_seed: Callable[[int], Study],
    key: str,
    trial: Trial,
    seeds: Sequence[int],
    report: Callable[[str], None] = lambda text: None,
    train: Callable[[Study, Trial], Product] = train_final,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Entrena con cada semilla y mide el promedio en la prueba oficial.

    ``train`` deja ``logits.npy`` con los de la prueba.

    Returns
    -------
    results : dict
        ``test`` (métrica → ``[valor, low, high]`` del promedio, intervalos por paciente),
        ``counts`` (tn, fp, fn, tp), ``seeds`` (cada semilla sola), ``spread``, ``subgroups``
        (sensibilidad en bacterianas y virales) y lo que identifica el modelo.
    predictions : DataFrame
        ``image_id, patient, subtype, label, split`` y ``p_<semilla>``, ``p`` (del promedio).
    """
    columns: dict[str, np.ndarray] = {}
    measured = []
    for seed in seeds:
        study = open_seed(seed)
        product = train(study, trial)
        columns[f"p_{seed}"] = np.load(product.folder / "logits.npy", allow_pickle=False)
        test = study.rows("test")
        values = binary_metrics(study.labels[test], sigmoid(columns[f"p_{seed}"][test]))
        measured.append({"seed": seed, **{name: values[name] for name in METRICS}})
        report(f"semilla {seed}: entrenada en {product.seconds:.0f} s")
    # La validación cambia con la semilla; la prueba, no.
    manifest = study.dataset.manifest
    table = manifest.loc[test, ["image_id", "patient", "subtype", "label"]].reset_index(drop=True)
    table["split"] = "test"
    for name, logits in columns.items():
        table[name] = sigmoid(logits[test])
    table["p"] = sigmoid(np.mean(list(columns.values()), axis=0)[test])
    table["patient_group"] = patient_groups(manifest)[test]
    results = {
        "key": key,
        "trial": asdict(trial),
        "threshold": 0.5,
        "spread": {name: asdict(seed_spread([one[name] for one in measured])) for name in METRICS},
        "seeds": measured,
        **evaluate_chosen(table),
    }
    return results, table.drop(columns="patient_group")


def evaluate_chosen(table: pd.DataFrame) -> dict[str, Any]:
    """Métricas del promedio con sus intervalos, y sensibilidad por tipo de neumonía."""
    labels, scores = table["label"].to_numpy(), table["p"].to_numpy()
    groups = table["patient_group"].astype(str).to_numpy()
    frame = metrics_with_intervals(labels, scores, groups)
    counts = binary_metrics(labels, scores)
    subgroups = {}
    for name in SUBTYPES:
        # Con las mismas normales, para que la sensibilidad y la AUC sean de ese tipo.
        mine = ((table["subtype"] == name) | (table["label"] == 0)).to_numpy()
        if table["subtype"].eq(name).any():
            found = metrics_with_intervals(labels[mine], scores[mine], groups[mine])
            subgroups[name] = {
                "n": int(labels[mine].sum()),
                **{metric: _triple(found, metric) for metric in ("sensitivity", "roc_auc")},
            }
    return {
        "test": {name: _triple(frame, name) for name in frame.index},
        "counts": {name: counts[name] for name in ("n", "tn", "fp", "fn", "tp")},
        "subgroups": subgroups,
    }


def _triple(frame: pd.DataFrame, metric: str) -> list[float | None]:
    values = (float(frame.loc[metric, column]) for column in ("value", "low", "high"))
    # JSON no tiene NaN: lo que no está definido es None.
    return [None if np.isnan(value) else value for value in values]
