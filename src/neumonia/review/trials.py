"""Los ensayos: todo lo que se probó para acertar con otro equipo, y cómo se eligió.

Cada ensayo se ajusta sin los pacientes apartados por ``acquisition_holdout`` y se juzga en las
radiografías que contradicen el atajo. Ninguno predice una sola radiografía de la prueba oficial.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neumonia.errors import ConfigError
from neumonia.files import digest, read_json, write_json, write_text
from neumonia.models.augmentation import PROFILES
from neumonia.models.bias import initial_bias
from neumonia.review.holdout import Holdout
from neumonia.study import Study, recipes
from neumonia.study.store import Product, code_digest
from neumonia.training import sigmoid

if TYPE_CHECKING:
    import keras

KINDS = ("cabeza", "ajuste", "cnn")
CODE = (
    "neumonia.models.augmentation",
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


@dataclass(frozen=True)
class Trial:
    """Un modelo por probar.

    Parameters
    ----------
    title : str
        Cómo se llama en la tabla.
    kind : {"cabeza", "ajuste", "cnn"}
        Cabeza sobre VGG16 congelada, VGG16 con bloques descongelados, o la CNN desde cero.
    size : int
        Lado de entrada en píxeles.
    profile : str
        Aumento, de ``PROFILES``; una cabeza no lo admite.
    trainable_from : str
        Primer bloque que se entrena, en un ajuste.
    normalization : str
        De ``neumonia.normalization``.
    pooling : {"average", "max", "flatten"}
    epochs : int
        Máximo de épocas; cada una ve tantas neumonías como normales.
    learning_rate : float
    """

    title: str
    kind: str = "ajuste"
    size: int = 96
    profile: str = "ninguno"
    trainable_from: str = "block3"
    normalization: str = "ninguna"
    pooling: str = "average"
    epochs: int = 2
    learning_rate: float = 1e-4
    batch_size: int = 32
    precision: str = "mixed_bfloat16"

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.profile not in PROFILES:
            raise ConfigError(f"El ensayo {self.title!r} pide algo que no existe: {self}.")


def _head(title: str, **changes: Any) -> Trial:
    return Trial(title, "cabeza", epochs=12, learning_rate=1e-3, **changes)


TRIALS = {
    "congelada": _head("VGG16 congelada"),
    "congelada-max": _head("VGG16 congelada, máximo en vez de promedio", pooling="max"),
    "congelada-plana": _head("VGG16 congelada, sin promediar", pooling="flatten"),
    "congelada-ecualizar": _head("VGG16 congelada, ecualizada", normalization="ecualizar"),
    "congelada-estandarizar": _head("VGG16 congelada, estandarizada", normalization="estandarizar"),
    "congelada-recortar": _head("VGG16 congelada, sin el marco", normalization="recortar"),
    "congelada-suavizar": _head("VGG16 congelada, suavizada", normalization="suavizar"),
    "congelada-150": _head("VGG16 congelada, 150 px", size=150),
    "cnn-geometrico": Trial(
        "CNN desde cero, aumento geométrico", "cnn", profile="geometrico", epochs=8,
        learning_rate=1e-3,
    ),
    "cnn-encuadre": Trial(
        "CNN desde cero, aumento de encuadre", "cnn", profile="encuadre", epochs=8,
        learning_rate=1e-3,
    ),
    "block3-ninguno": Trial("ajuste desde block3, sin aumento"),
    "block3-geometrico": Trial("ajuste desde block3, geométrico", profile="geometrico"),
    "block3-adquisicion": Trial("ajuste desde block3, adquisición", profile="adquisicion"),
    "block3-fuerte": Trial("ajuste desde block3, fuerte", profile="fuerte"),
    "block3-encuadre": Trial("ajuste desde block3, encuadre", profile="encuadre"),
    "block3-encuadre-ecualizar": Trial(
        "ajuste desde block3, encuadre, ecualizada", profile="encuadre", normalization="ecualizar"
    ),
    "block3-encuadre-recortar": Trial(
        "ajuste desde block3, encuadre, sin el marco", profile="encuadre", normalization="recortar"
    ),
    "block5-encuadre": Trial(
        "ajuste desde block5, encuadre", trainable_from="block5", profile="encuadre"
    ),
    "block1-encuadre": Trial(
        "ajuste entero, encuadre", trainable_from="block1", profile="encuadre", learning_rate=5e-5
    ),
    "block3-encuadre-64": Trial("ajuste desde block3, encuadre, 64 px", size=64, profile="encuadre"),
    "block3-encuadre-128": Trial(
        "ajuste desde block3, encuadre, 128 px", size=128, profile="encuadre"
    ),
    "block3-encuadre-largo": Trial(
        "ajuste desde block3, encuadre, el doble de épocas", profile="encuadre", epochs=4
    ),
}  # fmt: skip


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
    write_json(folder / "parameters.json", {"trainable": _trainable(model)})
    if trial.kind != "cabeza":
        model.save(folder / "model.keras")


def _trainable(model: "keras.Model") -> int:
    return int(sum(np.prod(weight.shape) for weight in model.trainable_weights))


def judge(study: Study, holdout: Holdout, product: Product) -> dict[str, Any]:
    """Lo que se publica de un ensayo: AUC, sensibilidad y especificidad en cada parte.

    Las decisiones se toman con logit 0: el entrenamiento está equilibrado.
    """
    from neumonia.evaluation import binary_metrics, bootstrap_by_patient
    from neumonia.splits import patient_groups

    logits = np.load(product.folder / "logits.npy", allow_pickle=False)
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
    found["trainable_parameters"] = read_json(product.folder / "parameters.json")["trainable"]
    return found


def run_trials(
    open_size: Callable[[int], Study],
    trials: dict[str, Trial],
    report: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Todos los ensayos, en el orden dado, y el mejor según la ROC-AUC contra el atajo.

    Parameters
    ----------
    open_size : callable
        Abre el estudio con ese tamaño de imagen; la partición debe ser la oficial.
    """
    from neumonia.review.holdout import acquisition_holdout

    holdout = acquisition_holdout(open_size(150))
    rows: dict[str, Any] = {}
    for key, trial in trials.items():
        study = open_size(trial.size)
        product = run_trial(study, holdout, trial)
        rows[key] = {**asdict(trial), **judge(study, holdout, product)}
        auc = rows[key]["contrary"]["roc_auc"][0]
        report(f"{key}: {auc:.3f} contra el atajo ({product.seconds:.0f} s)")
    labels = study.labels
    return {
        "holdout": {
            name: {"n": len(part), "positives": int(labels[part].sum())}
            for name, part in (
                ("train", holdout.train), ("val", holdout.val), ("contrary", holdout.contrary),
            )
        },
        "trials": rows,
        "chosen": max(rows, key=lambda key: rows[key]["contrary"]["roc_auc"][0]),
    }  # fmt: skip
