"""Los ensayos: todo lo que se probó para acertar con otro equipo, y cómo se eligió.

Cada ensayo se ajusta sin los pacientes apartados por ``acquisition_holdout`` y se juzga en las
radiografías que contradicen el atajo. Ninguno predice una sola radiografía de la prueba oficial.
"""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neumonia.evaluation import binary_metrics, bootstrap_by_patient
from neumonia.files import digest, read_json, write_json, write_text
from neumonia.models.acquisition_layers import PROFILES
from neumonia.models.bias import initial_bias
from neumonia.review.catalogue import ENSEMBLES, LATER, Trial
from neumonia.review.holdout import Holdout, acquisition_holdout
from neumonia.splits import patient_groups
from neumonia.study import Study, recipes
from neumonia.study.store import Product, code_digest
from neumonia.training import sigmoid

if TYPE_CHECKING:
    import keras

CODE = (
    "neumonia.models.acquisition_layers",
    "neumonia.models.finetune",
    "neumonia.models.vgg16",
    "neumonia.models.cnn",
    "neumonia.models.batches",
    "neumonia.normalization",
    "neumonia.training",
    "neumonia.training_state",
    "neumonia.review.holdout",
    "neumonia.review.fitting",
)


# Las estadísticas de adquisición se miden siempre a este tamaño.
HOLDOUT_SIZE = 150


def run_trial(study: Study, holdout: Holdout, trial: Trial) -> Product:
    """Entrena un ensayo y guarda ``logits.npy`` (NaN fuera de val y de las apartadas).

    Salvo las cabezas, también guarda ``model.keras``, que sirve para probar el promedio de vistas.

    Parameters
    ----------
    study : Study
        Con ``config.size`` igual a ``trial.size``.
    """
    recipe = {
        "images": recipes.images_recipe(study),
        "weights": None if trial.kind == "cnn" else study.vgg16_weights.sha256,
        "trial": {key: value for key, value in asdict(trial).items() if key != "title"},
        "profile": asdict(PROFILES[trial.profile]),
        "rows": digest([holdout.train.tolist(), holdout.val.tolist(), holdout.contrary.tolist()]),
        "seed": study.config.seed,
        "code": code_digest(*CODE),
    }
    return study.store.get(
        "ensayo", recipe, lambda folder: _run(study, holdout, trial, folder, digest(recipe))
    )


def _run(study: Study, holdout: Holdout, trial: Trial, folder: Path, key: str) -> None:
    from neumonia.review.fitting import balanced_subset, fit_trial
    from neumonia.training import predict_logits

    labels = study.labels
    rows = balanced_subset(holdout.train, labels, study.config.seed)
    bias = initial_bias(labels[rows])
    judged = np.sort(np.concatenate([holdout.val, holdout.contrary]))
    model, inputs, history = fit_trial(study, trial, rows, holdout.val, judged, bias, key)
    logits = np.full(len(labels), np.nan)
    logits[judged] = predict_logits(model, inputs, rows=judged)
    np.save(folder / "logits.npy", logits, allow_pickle=False)
    write_text(folder / "history.csv", history.to_csv(index=False, lineterminator="\n"))
    write_json(folder / "parameters.json", {"trainable": trainable_parameters(model)})
    if trial.kind != "cabeza":
        model.save(folder / "model.keras")


def trainable_parameters(model: "keras.Model") -> int:
    """Cuántos números ajusta el entrenamiento."""
    return int(sum(np.prod(weight.shape) for weight in model.trainable_weights))


def judge(study: Study, holdout: Holdout, logits: np.ndarray) -> dict[str, Any]:
    """Lo que se publica de un ensayo: AUC, sensibilidad y especificidad en cada parte.

    Las decisiones se toman con logit 0: el entrenamiento está equilibrado.

    Parameters
    ----------
    logits : float64 (N,)
        Basta con los de ``holdout.val`` y ``holdout.contrary``.
    """
    groups = patient_groups(study.dataset.manifest).astype(str)
    found: dict[str, Any] = {}
    for name, rows in (("val", holdout.val), ("contrary", holdout.contrary)):
        labels, scores = study.labels[rows], sigmoid(logits[rows])
        metrics = binary_metrics(labels, scores)
        low, high = bootstrap_by_patient(labels, scores, groups[rows], "roc_auc")
        found[name] = {
            "n": metrics["n"],
            "roc_auc": [metrics["roc_auc"], low, high],
            "sensitivity": metrics["sensitivity"],
            "specificity": metrics["specificity"],
        }
    return found


def run_trials(
    open_size: Callable[[int], Study],
    trials: dict[str, Trial],
    report: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Todos los ensayos, en el orden dado, y el mejor según la ROC-AUC contra el atajo.

    Los combinados (promedio de vistas o de redes) se miden, pero no compiten: el elegido es una
    sola receta de entrenamiento.

    Parameters
    ----------
    open_size : callable
        Abre el estudio con ese tamaño de imagen; la partición debe ser la oficial.
    trials : dict
        Clave → ensayo; de ``TRIALS`` o una parte. Los de ``LATER`` se miden y no compiten.

    Returns
    -------
    dict
        ``holdout`` (cuántas radiografías hay en cada parte), ``trials`` y ``combined`` (clave →
        opciones y medidas) y ``chosen`` (clave del elegido).
    """
    first = open_size(HOLDOUT_SIZE)
    holdout = acquisition_holdout(first)
    rows: dict[str, Any] = {}
    products: dict[str, Product] = {}
    logits: dict[str, np.ndarray] = {}
    for key, trial in trials.items():
        product = run_trial(open_size(trial.size), holdout, trial)
        products[key] = product
        logits[key] = np.load(product.folder / "logits.npy", allow_pickle=False)
        trainable = read_json(product.folder / "parameters.json")["trainable"]
        measured = judge(first, holdout, logits[key])
        rows[key] = {
            **asdict(trial),
            "trainable_parameters": trainable,
            "later": key in LATER,
            **measured,
        }
        report(f"{key}: {measured['contrary']['roc_auc'][0]:.3f} ({product.seconds:.0f} s)")
    competing = [key for key in rows if not rows[key]["later"]]
    chosen = max(competing, key=lambda key: rows[key]["contrary"]["roc_auc"][0])
    combined = {}
    if trials[chosen].kind != "cabeza":
        trial = trials[chosen]
        views = viewed_logits(open_size(trial.size), holdout, trial, products[chosen])
        title = f"{trial.title}, promedio de vistas"
        combined["vistas"] = {"title": title, **judge(first, holdout, views)}
    for key, (title, members) in ENSEMBLES.items():
        if set(members) <= set(logits):
            mean = np.mean([logits[member] for member in members], axis=0)
            combined[key] = {"title": title, **judge(first, holdout, mean)}
    parts = {"train": holdout.train, "val": holdout.val, "contrary": holdout.contrary}
    labels = first.labels
    return {
        "holdout": {
            name: {"n": len(part), "positives": int(labels[part].sum())}
            for name, part in parts.items()
        },
        "trials": rows,
        "combined": combined,
        "chosen": chosen,
    }


def viewed_logits(study: Study, holdout: Holdout, trial: Trial, product: Product) -> np.ndarray:
    """Logits con promedio de vistas de un ensayo ya entrenado; NaN donde no se juzga."""
    recipe = {"model": product.key, "code": code_digest("neumonia.review.views")}

    def build(folder: Path) -> None:
        from neumonia.models.backend import load_keras
        from neumonia.review.fitting import prepared
        from neumonia.review.views import averaged_logits

        model = load_keras().saving.load_model(product.folder / "model.keras", compile=False)
        judged = np.sort(np.concatenate([holdout.val, holdout.contrary]))
        found = np.full(len(study.labels), np.nan)
        images = prepared(study, trial.normalization)
        found[judged] = averaged_logits(model, images, judged, progress=study.progress)
        np.save(folder / "logits.npy", found, allow_pickle=False)

    folder = study.store.get("vistas", recipe, build).folder
    return np.load(folder / "logits.npy", allow_pickle=False)
