"""¿Mira otra cosa la red que resiste otro equipo? Cada medida, pareada con la de la red de siempre.

Un número mejor en la prueba no dice por qué. Aquí se pregunta de cuatro maneras: dónde cae el calor
en radiografías reales, si señala la opacidad donde sabemos dónde está, qué logra la misma receta en
una regresión que no puede ver formas, y cuánto se parecen las decisiones a las de una regresión que
solo ve cómo se tomó la radiografía.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from neumonia.acquisition import acquisition_statistics
from neumonia.baselines import file_properties
from neumonia.baselines.classify import fit_baseline, logistic_pipeline
from neumonia.baselines.features import small_pixels
from neumonia.datasets.phantoms import phantom_masks
from neumonia.evaluation import binary_metrics, bootstrap_by_patient, mean_interval
from neumonia.evaluation.intervals import paired_differences
from neumonia.files import write_text
from neumonia.gradcam import grad_cam
from neumonia.heat import outside_shares, pointing_game
from neumonia.models.augmentation import augment
from neumonia.study import ROBUST, Config, Study
from neumonia.study.provenance import sign

SEEDS = (0, 1, 2)
METHODS = ("grad_cam", "hires_cam")
PLAIN = "cnn"
DIFFERENCE = "diferencia"
KEYS = ("experiment", "seed", "network", "method", "label", "metric")
COLUMNS = (*KEYS, "value", "low", "high", "n")
_CLASSES = ("NORMAL", "PNEUMONIA")
_COPIES = 8
_TOGETHER = 128
_QUANTILES = {"p5": 0.05, "mediana": 0.5, "p95": 0.95}


def run_gaze(
    folder: Path,
    real: Config,
    phantoms: Config,
    originals: Path | None = None,
    seeds: tuple[int, ...] = SEEDS,
    report: Callable[[str], None] = print,
) -> Path:
    """Mide todo y escribe ``mirada.csv``, con las columnas ``COLUMNS``, y de dónde salió.

    ``real`` es el estudio de radiografías reales, con la prueba oficial, y ``phantoms`` el de la
    maqueta; los dos con ``epochs_robust``. Con ``originals`` (carpeta o zip de archivos
    originales), además, su proporción por clase.
    """
    rows: list[dict[str, Any]] = []
    used: list[Study] = []
    for seed in seeds:
        report(f"Radiografías reales, semilla {seed}")
        study = Study(real.with_changes(seed=seed), progress=False)
        used.append(study)
        rows += _stamped(seed, [*heat(study), *habits(study)])
        report(f"Maqueta, semilla {seed}")
        lab = Study(phantoms.with_changes(seed=seed, data_seed=phantoms.seed), progress=False)
        used.append(lab)
        rows += _stamped(seed, pointing(lab))
    report("Regresión sobre los píxeles")
    rows += _stamped(real.seed, regression(Study(real, progress=False)))
    if originals is not None:
        report("Proporción de los archivos originales")
        rows += _stamped(real.seed, proportions(originals))
    table = pd.DataFrame(rows)[list(COLUMNS)]
    text = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    path = Path(folder) / "mirada.csv"
    write_text(path, text)
    sign(path.parent, "mirada", used)
    return path


def heat(study: Study) -> list[dict[str, Any]]:
    """Qué parte del calor cae fuera del tórax, en cada clase de la prueba."""
    test, labels, patients = _test(study)
    rows = []
    for method in METHODS:
        shares = {name: _outside(study, name, method, test) for name in (PLAIN, ROBUST)}
        # Un mapa nulo no tiene calor que repartir: solo se comparan los que lo tienen en las dos.
        both = np.isfinite(shares[PLAIN]) & np.isfinite(shares[ROBUST])
        for label in (0, 1):
            mine = both & (labels == label)
            values = {name: share[mine] for name, share in shares.items()}
            rows += _paired(values, patients[mine], "calor", method, label, "outside")
    return rows


def _outside(study: Study, name: str, method: str, rows: np.ndarray) -> np.ndarray:
    model, found = study.model(name), []
    for start in range(0, len(rows), _TOGETHER):
        films = np.asarray(study.images[rows[start : start + _TOGETHER]])
        found.append(outside_shares(grad_cam(model, films, method=method))["outside"].to_numpy())
    return np.concatenate(found)


def pointing(study: Study) -> list[dict[str, Any]]:
    """Si el punto más caliente cae en la opacidad, en las neumonías de prueba de la maqueta."""
    test, labels, patients = _test(study)
    sick = test[labels == 1]
    films = np.asarray(study.images[sick])
    masks = phantom_masks(study.dataset, sick, study.config.size)
    rows = []
    for method in METHODS:
        values = {
            name: pointing_game(grad_cam(study.model(name), films, method=method), masks)
            for name in (PLAIN, ROBUST)
        }
        rows += _paired(values, patients[labels == 1], "maqueta", method, 1, "pointing_game")
    return rows


def habits(study: Study) -> list[dict[str, Any]]:
    """Cuánto se parece el orden de cada red al de una regresión que solo ve la adquisición.

    La correlación de rangos (Spearman), dentro de cada clase de la prueba: si es 0, la red no
    ordena por cómo se tomó la radiografía.
    """
    statistics = acquisition_statistics(np.asarray(study.images)).to_numpy()
    habit = fit_baseline(statistics, study.labels, study.split).probability
    test, labels, patients = _test(study)
    rows = []
    for label in (0, 1):
        mine = labels == label
        reference = _standardised(habit[test][mine])
        values = {
            name: reference * _standardised(study.logits(name)[test][mine])
            for name in (PLAIN, ROBUST)
        }
        rows += _paired(values, patients[mine], "costumbre", "", label, "spearman")
    return rows


def regression(study: Study) -> list[dict[str, Any]]:
    """La regresión logística sobre los píxeles, con y sin el mismo aumento: área en la prueba."""
    train, (test, truth, patients) = study.rows("train"), _test(study)
    films, labels = np.asarray(study.images), study.labels
    copies = [films[train], *(augment(films[train], seed) for seed in range(_COPIES))]
    pixels = [small_pixels(copy) for copy in copies]
    scores = {}
    for name, used in ((PLAIN, pixels[:1]), (ROBUST, pixels)):
        model = logistic_pipeline().fit(np.concatenate(used), np.tile(labels[train], len(used)))
        scores[name] = model.predict_proba(small_pixels(films[test]))[:, 1]
    rows = []
    common = {"experiment": "regresion", "method": "", "label": "", "metric": "roc_auc"}
    for name, values in scores.items():
        low, high = bootstrap_by_patient(truth, values, patients)
        area = binary_metrics(truth, values)["roc_auc"]
        rows.append(
            common | {"network": name, "value": area, "low": low, "high": high, "n": len(test)}
        )
    pair = (scores[ROBUST], scores[PLAIN])
    change = paired_differences(truth, *pair, patients, metrics=("roc_auc",)).loc["roc_auc"]
    return [*rows, common | {"network": DIFFERENCE, **change.to_dict(), "n": len(test)}]


def proportions(originals: Path) -> list[dict[str, Any]]:
    """Ancho entre alto de los archivos originales: cuantiles por clase."""
    table = file_properties(originals).table
    common = {"experiment": "proporcion", "network": "", "method": ""}
    return [
        {
            **common,
            "label": _CLASSES[int(label)],
            "metric": name,
            "value": float(group["aspect"].quantile(rank)),
            "n": len(group),
        }
        for label, group in table.groupby("label")
        for name, rank in _QUANTILES.items()
    ]


def _test(study: Study) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Posiciones, etiquetas y pacientes de la prueba."""
    rows = study.rows("test")
    return rows, study.labels[rows], study.dataset.manifest["patient"].to_numpy()[rows]


def _standardised(values: np.ndarray) -> np.ndarray:
    ranks = rankdata(values)
    return (ranks - ranks.mean()) / ranks.std()


def _paired(
    values: dict[str, np.ndarray],
    patients: np.ndarray,
    experiment: str,
    method: str,
    label: int,
    metric: str,
) -> list[dict[str, Any]]:
    """La media de cada red y la de su diferencia, robusta menos la de siempre, por paciente."""
    values = values | {DIFFERENCE: values[ROBUST] - values[PLAIN]}
    where = {"experiment": experiment, "method": method, "label": _CLASSES[label], "metric": metric}
    rows = []
    for name, mine in values.items():
        measured = dict(zip(("value", "low", "high"), mean_interval(mine, patients), strict=True))
        rows.append({**where, "network": name, **measured, "n": len(mine)})
    return rows


def _stamped(seed: int, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "seed": seed} for row in rows]
