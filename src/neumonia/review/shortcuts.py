"""Qué parte de lo logrado es atajo: referencias simples, deriva de adquisición y VGG16 al azar."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neumonia.acquisition import (
    acquisition_statistics,
    domain_features,
    domain_table,
    drift_table,
    official_domain,
)
from neumonia.baselines import (
    baseline_features,
    evaluate_baselines,
)
from neumonia.models.weights import ResolvedWeights
from neumonia.splits import patient_groups
from neumonia.study import Config, Study
from neumonia.study.store import code_digest

SPLITS = ("paciente", "oficial")
RANDOM_SEEDS = (0, 1, 2)
# Para comparar pesos no hace falta más: con 64 píxeles, la base tarda menos de un minuto.
SMALL = {"size": 64, "precision": "mixed_bfloat16"}
IMAGENET = "VGG16 de ImageNet, promedio"
RANDOM = "VGG16 al azar, promedio"


def run_shortcuts(
    base: Config,
    open_one: Callable[[Config], Study] = Study,
    report: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Mide las referencias en cada partición y la deriva entre la prueba oficial y el resto.

    Returns
    -------
    dict
        ``baselines[partición]``: una fila por referencia, con intervalos; ``weights[partición]``:
        cabeza logística sobre VGG16 con pesos de ImageNet y al azar; ``domain`` y ``drift``.
    """
    found: dict[str, Any] = {"baselines": {}, "weights": {}}
    first = open_one(base.with_changes(split="oficial", seed=0))
    labels, groups = first.labels, patient_groups(first.dataset.manifest).astype(str)
    features = baseline_features(first.images)
    pooled = _pooled_features(open_one(base.with_changes(**SMALL)), report)
    for split in SPLITS:
        study = open_one(base.with_changes(split=split, seed=0))
        report(f"referencias · {split}")
        table = evaluate_baselines(None, labels, study.split, groups, features=features)
        found["baselines"][split] = _records(table)
        table = evaluate_baselines(None, labels, study.split, groups, features=pooled)
        found["weights"][split] = _records(table.drop(index="majority"))
    report("adquisición")
    statistics = acquisition_statistics(first.images)
    domain = official_domain(first.dataset.manifest)
    sets = domain_features(first.images, statistics)
    found["domain"] = _records(domain_table(sets, domain, labels, groups))
    found["drift"] = _records(drift_table(statistics, domain, labels, groups))
    return found


def _pooled_features(study: Study, report: Callable[[str], None]) -> dict[str, np.ndarray]:
    """Promedio espacial de la última capa: ImageNet y varias veces al azar, float32 (N, 512)."""
    found = {}
    if study.vgg16_missing is None:
        found[IMAGENET] = _pooled(study, study.vgg16_weights)
        report(f"{IMAGENET}: listo")
    for seed in RANDOM_SEEDS:
        found[f"{RANDOM}, semilla {seed}"] = _pooled(study, seed)
        report(f"{RANDOM}, semilla {seed}: listo")
    return found


def _pooled(study: Study, weights: ResolvedWeights | int) -> np.ndarray:
    imagenet = isinstance(weights, ResolvedWeights)
    recipe = {
        "images": study.images_recipe,
        "weights": weights.sha256 if imagenet else f"azar {weights}",
        "precision": study.config.precision,
        "code": code_digest("neumonia.models.vgg16", "neumonia.models.random_vgg16", __name__),
    }

    def build(folder: Path) -> None:
        from neumonia.models.random_vgg16 import build_random_backbone
        from neumonia.models.vgg16 import compute_features, load_backbone

        c = study.config
        if imagenet:
            backbone = load_backbone(c.size, weights.path, precision=c.precision)
        else:
            backbone = build_random_backbone(c.size, weights, precision=c.precision)
        features = compute_features(backbone, study.images, progress=study.progress)
        np.save(folder / "pooled.npy", features.mean(axis=(1, 2)), allow_pickle=False)

    product = study.store.get("promedios", recipe, build)
    return np.load(product.folder / "pooled.npy", allow_pickle=False)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Las filas como JSON: el índice pasa a ser una columna y NaN, ``None``."""
    frame = table if isinstance(table.index, pd.RangeIndex) else table.reset_index()
    return [{key: _plain(value) for key, value in row.items()} for row in frame.to_dict("records")]


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and np.isnan(value) else value
