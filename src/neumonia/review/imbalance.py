"""El desbalance, comparado con justicia: mismas características, misma red, mismas épocas.

Solo cambia cómo se trata que haya más neumonías que normales. Todas las estrategias entrenan la
cabeza de VGG16 con el mismo máximo de épocas, el mismo número de pasos por época y las mismas
semillas.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neumonia.evaluation import binary_metrics, mean_distribution, metric_distributions
from neumonia.evaluation.calibration import brier_score
from neumonia.evaluation.intervals import hierarchical_interval
from neumonia.evaluation.thresholds import threshold_balanced
from neumonia.files import digest, write_text
from neumonia.splits import patient_groups
from neumonia.study import Config, Study
from neumonia.study.store import Product, code_digest
from neumonia.training import sigmoid

METRICS = ("roc_auc", "specificity", "sensitivity", "accuracy")
RESAMPLES = 2000


@dataclass(frozen=True)
class Strategy:
    """Una manera de tratar el desbalance.

    Parameters
    ----------
    title : str
        Cómo se llama en las tablas.
    bias : bool
        Si el último sesgo empieza en ``log(n_pos/n_neg)``; si no, en cero.
    weights : bool
        Si la pérdida pesa cada clase al revés de su frecuencia.
    balanced : bool
        Si cada época ve tantas normales (repetidas) como neumonías (no todas).
    threshold : bool
        Si el umbral se elige en validación en vez de quedarse en 0.5.
    """

    title: str
    bias: bool = False
    weights: bool = False
    balanced: bool = False
    threshold: bool = False


STRATEGIES = {
    "nada": Strategy("sin tratar"),
    "sesgo": Strategy("sesgo inicial", bias=True),
    "pesos": Strategy("pesos de clase", weights=True),
    "muestreo": Strategy("muestreo equilibrado", balanced=True),
    "umbral": Strategy("sesgo inicial y umbral de validación", bias=True, threshold=True),
}


def class_weights(labels: np.ndarray) -> dict[int, float]:
    """Peso de cada clase, ``N / (2 n_clase)``: las dos suman lo mismo en la pérdida.

    Es la regla ``balanced`` de scikit-learn.
    """
    counts = np.bincount(np.asarray(labels), minlength=2)
    return {label: float(counts.sum() / (2 * counts[label])) for label in (0, 1)}


def balanced_rows(rows: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    """Tantas posiciones como ``rows``, mitad de cada clase.

    La clase escasa se repite, por igual; de la abundante quedan fuera las que no caben, las mismas
    en todas las épocas. Es el precio de no dar más pasos que las otras estrategias.

    Parameters
    ----------
    rows : int (M,)
    labels : int (N,)
    seed : int

    Returns
    -------
    int64 (M,)
    """
    rng = np.random.default_rng(seed)
    half = len(rows) // 2
    chosen = []
    for label, wanted in ((0, half), (1, len(rows) - half)):
        mine = rng.permutation(rows[labels[rows] == label])
        chosen.append(np.resize(mine, wanted))
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def run_imbalance(
    base: Config,
    splits: Sequence[str],
    seeds: Sequence[int],
    open_one: Callable[[Config], Study] = Study,
    report: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Compara ``STRATEGIES`` con las mismas semillas en cada partición.

    Returns
    -------
    dict
        ``splits[partición][estrategia]``: cada métrica de ``METRICS`` y ``brier`` como
        ``[media, low, high]`` sobre semillas y pacientes, ``thresholds`` y ``epochs`` (la mejor
        de cada semilla).
    """
    results: dict[str, Any] = {}
    for split in splits:
        studies = [open_one(base.with_changes(split=split, seed=seed)) for seed in seeds]
        results[split] = {}
        for key, strategy in STRATEGIES.items():
            results[split][key] = _summarize([_measure(study, strategy) for study in studies])
            report(f"desbalance · {split} · {strategy.title}")
    return {
        "seeds": list(seeds),
        "config": base.identity(),
        "titles": {key: strategy.title for key, strategy in STRATEGIES.items()},
        "splits": results,
    }


def _summarize(measured: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for metric in (*METRICS, "brier"):
        low, high = hierarchical_interval([one["drawn"][metric] for one in measured])
        found[metric] = [float(np.mean([one[metric] for one in measured])), low, high]
    found["thresholds"] = [one["threshold"] for one in measured]
    found["epochs"] = [one["best_epoch"] for one in measured]
    return found


def _measure(study: Study, strategy: Strategy) -> dict[str, Any]:
    product = trained_head(study, strategy)
    probabilities = sigmoid(np.load(product.folder / "logits.npy", allow_pickle=False))
    threshold = 0.5
    if strategy.threshold:
        val = study.rows("val")
        threshold = threshold_balanced(study.labels[val], probabilities[val])
    rows = study.rows("test")
    labels, scores = study.labels[rows], probabilities[rows]
    patients = patient_groups(study.dataset.manifest)[rows].astype(str)
    # La prueba oficial es la misma en todas las semillas: también lo son sus remuestreos.
    options = {"n": RESAMPLES, "seed": 0 if study.config.split == "oficial" else study.config.seed}
    drawn = metric_distributions(labels, scores, patients, METRICS, threshold=threshold, **options)
    drawn["brier"] = mean_distribution((scores - labels) ** 2, patients, **options)
    history = np.genfromtxt(product.folder / "history.csv", delimiter=",", names=True)
    best = np.atleast_1d(history["val_loss"]).argmin()
    return {
        **binary_metrics(labels, scores, threshold),
        "brier": brier_score(labels, scores),
        "best_epoch": int(best) + 1,
        "drawn": drawn,
    }


def trained_head(study: Study, strategy: Strategy) -> Product:
    """La cabeza de VGG16 entrenada con ``strategy``: ``logits.npy`` e ``history.csv``."""
    options = (strategy.bias, strategy.weights, strategy.balanced)
    recipe = {
        **study.recipe("vgg16"),
        "imbalance": options,
        "strategies": code_digest(__name__),
    }
    return study.store.get(
        "desbalance", recipe, lambda folder: _train(study, strategy, folder, digest(recipe))
    )


def _train(study: Study, strategy: Strategy, folder: Path, key: str) -> None:
    from neumonia.models.vgg16 import build_head
    from neumonia.training import fit, predict_logits

    c, features, labels = study.config, study.features, study.labels
    train = study.rows("train")
    head = build_head(features.shape[1:], c.seed, study.bias if strategy.bias else 0.0)
    seen = balanced_rows(train, labels, c.seed) if strategy.balanced else train
    history = fit(
        head,
        train=(features, labels, seen),
        val=(features, labels, study.rows("val")),
        epochs=c.epochs_head,
        batch_size=c.batch_head,
        patience=c.patience_head,
        seed=c.seed,
        workdir=study.work_folder(f"desbalance-{key}"),
        class_weight=class_weights(labels[train]) if strategy.weights else None,
    )
    write_text(folder / "history.csv", history.to_csv(index=False, lineterminator="\n"))
    np.save(folder / "logits.npy", predict_logits(head, features), allow_pickle=False)
