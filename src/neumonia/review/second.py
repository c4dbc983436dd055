"""Segunda vuelta: otro examen sin la prueba oficial, y la segunda vez que se abre.

El primer elegido ordenó bien las radiografías de la prueba y cortó mal. El examen nuevo pregunta
por las decisiones: cuántas acierta con el umbral en 0.5 cuando a la validación se le imita otro
equipo. Los candidatos se entrenan con todo el entrenamiento oficial y ninguno predice la prueba
hasta que uno está elegido.
"""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from neumonia.acquisition.simulated import CHANGES, simulate
from neumonia.evaluation.robustness import ORIGINAL, decisions_under_changes
from neumonia.files import digest, read_json, write_json, write_text
from neumonia.models.bias import initial_bias
from neumonia.review.catalogue import CANDIDATES, MIXED, TRIALS, Trial
from neumonia.review.chosen import final_recipe, train_final
from neumonia.review.trials import trainable_parameters
from neumonia.splits import patient_groups
from neumonia.study import Study
from neumonia.study.store import Product, code_digest
from neumonia.training import sigmoid


def train_candidate(study: Study, trial: Trial) -> Product:
    """Entrena con el entrenamiento oficial y deja ``model.keras``; no predice nada.

    Un ensayo que ya abrió la prueba (el primer elegido) no se entrena otra vez.
    """
    if trial in TRIALS.values():
        return train_final(study, trial)
    recipe = final_recipe(study, trial)

    def build(folder: Path) -> None:
        from neumonia.review.fitting import balanced_subset, fit_trial

        rows = balanced_subset(study.rows("train"), study.labels, study.config.seed)
        val = study.rows("val")
        bias = initial_bias(study.labels[rows])
        model, _, history = fit_trial(study, trial, rows, val, val, bias, digest(recipe))
        write_text(folder / "history.csv", history.to_csv(index=False, lineterminator="\n"))
        model.save(folder / "model.keras")

    return study.store.get("candidato", recipe, build)


def simulate_product(study: Study, trial: Trial, product: Product) -> Product:
    """Lo que da el modelo de ``product`` en la validación, tal como es y con cada cambio.

    Deja ``logits.npz``, con ``"original"`` y cada nombre de ``CHANGES``, y ``parameters.json``.
    """
    recipe = {
        "model": product.key,
        "changes": list(CHANGES),
        "code": code_digest("neumonia.acquisition.simulated", "neumonia.normalization"),
    }

    def build(folder: Path) -> None:
        from neumonia.models.backend import load_keras
        from neumonia.normalization import normalize
        from neumonia.training import predict_logits

        model = load_keras().saving.load_model(product.folder / "model.keras", compile=False)
        films = np.asarray(study.images[study.rows("val")])
        found = {}
        for name in (ORIGINAL, *CHANGES):
            seen = films if name == ORIGINAL else simulate(films, name)
            found[name] = predict_logits(model, normalize(seen, trial.normalization))
        np.savez(folder / "logits.npz", allow_pickle=False, **found)
        write_json(folder / "parameters.json", {"trainable": trainable_parameters(model)})

    return study.store.get("simulacro", recipe, build)


def simulated_logits(product: Product) -> dict[str, np.ndarray]:
    """Lo que dejó ``simulate_product``: nombre → float64 (N,)."""
    with np.load(product.folder / "logits.npz", allow_pickle=False) as saved:
        return {name: saved[name] for name in (ORIGINAL, *CHANGES)}


def judge(
    labels: np.ndarray, patients: np.ndarray, logits: dict[str, np.ndarray]
) -> dict[str, Any]:
    """``decisions_under_changes`` con logit 0: el entrenamiento está equilibrado."""
    probabilities = {name: sigmoid(values) for name, values in logits.items()}
    return decisions_under_changes(labels, patients, probabilities)


def run_second(
    open_size: Callable[[int], Study], report: Callable[[str], None] = lambda text: None
) -> dict[str, Any]:
    """Todos los candidatos con una semilla, y el que mejor decide con otro equipo imitado.

    Returns
    -------
    dict
        ``n`` y ``positives`` de la validación, ``candidates`` y ``combined`` (clave → opciones y
        lo de ``judge``) y ``chosen``. Los promedios se miden y no compiten.
    """
    measured: dict[str, Any] = {}
    logits: dict[str, dict[str, np.ndarray]] = {}
    for key, trial in CANDIDATES.items():
        study = open_size(trial.size)
        val = study.rows("val")
        labels = study.labels[val]
        groups = patient_groups(study.dataset.manifest)[val]
        product = train_candidate(study, trial)
        simulated = simulate_product(study, trial, product)
        logits[key] = simulated_logits(simulated)
        measured[key] = {
            **asdict(trial),
            "trainable_parameters": read_json(simulated.folder / "parameters.json")["trainable"],
            **judge(labels, groups, logits[key]),
        }
        report(f"{key}: {measured[key]['score'][0]:.3f} ({product.seconds:.0f} s)")
    combined = {}
    for key, (title, members) in MIXED.items():
        mean = {
            name: np.mean([logits[member][name] for member in members], axis=0)
            for name in logits[members[0]]
        }
        combined[key] = {"title": title, **judge(labels, groups, mean)}
    return {
        "n": len(labels),
        "positives": int(labels.sum()),
        "candidates": measured,
        "combined": combined,
        "chosen": max(measured, key=lambda key: measured[key]["score"][0]),
    }


def open_candidate(study: Study, trial: Trial) -> Product:
    """``logits.npy`` de validación y prueba, con promedio de vistas: la segunda apertura."""
    product = train_candidate(study, trial)
    recipe = {"model": product.key, "code": code_digest("neumonia.review.views")}

    def build(folder: Path) -> None:
        from neumonia.models.backend import load_keras
        from neumonia.review.fitting import prepared
        from neumonia.review.views import averaged_logits

        model = load_keras().saving.load_model(product.folder / "model.keras", compile=False)
        images = prepared(study, trial.normalization)
        judged = np.sort(np.concatenate([study.rows("val"), study.rows("test")]))
        logits = np.full(len(study.labels), np.nan)
        logits[judged] = averaged_logits(model, images, judged, progress=study.progress)
        np.save(folder / "logits.npy", logits, allow_pickle=False)

    return study.store.get("segunda", recipe, build)
