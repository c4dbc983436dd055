"""«estabilidad»: ¿aguanta el mapa lo que no debería importar: ruido, un píxel, otra semilla?

Qué parecido es poco lo dice ``between_films``, que compara radiografías de pacientes distintos.

Fuente: Arun y otros (2021), arXiv:2008.02766, llaman repetibilidad y reproducibilidad al acuerdo
entre redes; Kindermans y otros (2017), arXiv:1711.00867, estudian los desplazamientos.
"""

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from neumonia.evaluation import mean_interval
from neumonia.gradcam import grad_cam
from neumonia.lab.networks import FAST, Exam, Explain, Network, auc_row, open_exam
from neumonia.lab.sanity import (
    OTHER_FILM,
    between_films,
    constant_maps,
    run_explainer,
    spearman,
    ssim,
    top_overlap,
)
from neumonia.study import Study

if TYPE_CHECKING:
    import keras

    from neumonia.study.experiment import Bench

ONE_PIXEL, OTHER_SEED = "1 píxel", "otra semilla"
SIGMAS = (2, 5, 10)
SHIFTS = ((0, 1), (1, 0))
MEASURES = {"ssim": ssim, "spearman": spearman, "overlap": top_overlap}
# A 150 píxeles, cada semilla de la CNN tardaría una hora.
_SMALL_CNN = {"size": 64, "epochs_cnn": 8, "precision": "mixed_bfloat16"}


def run(bench: "Bench") -> pd.DataFrame:
    """Cuánto se parece el mapa de una radiografía al de la misma, apenas cambiada.

    Returns
    -------
    DataFrame
        ``change`` («ruido 2»…, «1 píxel», «otra semilla» u «otra radiografía»), ``seed``,
        ``n_null`` y las columnas comunes. Cada semilla deja además su ``roc_auc`` y el ``size`` de
        sus radiografías.
    """
    exam = open_exam(bench)
    table = measure(exam)
    # En la maqueta, otra semilla es otra partición: las redes no compartirían la prueba.
    if bench.base.dataset != "kermany":
        return table
    rows: list[dict[str, Any]] = []
    for key in ("cnn", "vgg16"):
        if key in exam.study.models:
            small = _SMALL_CNN if key == "cnn" else {}
            changes = {"split": "oficial", "data_seed": bench.base.seed, **small}
            studies = {seed: bench.open(seed=seed, **changes) for seed in bench.seeds}
            rows += [{"network": key, **row} for row in agreement(exam, key, studies)]
    return pd.concat([table, pd.DataFrame(rows)], ignore_index=True)


def measure(exam: Exam) -> pd.DataFrame:
    """El ruido, el píxel y el nivel del azar, con cada red y método rápido."""
    rows: list[dict[str, Any]] = []
    for network in exam.networks:
        chosen = exam.sample(exam.study.rows("test"), few=network.slow)
        films, patients = exam.images(chosen), exam.patients(chosen)
        for method in FAST:
            exam.report(f"Estabilidad: {network.title}, {method}")
            who = {"network": network.key, "method": method}
            rows += [{**who, **row} for row in _changes(exam, network, method, films, patients)]
    return pd.DataFrame(rows)


def noisy(films: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Las radiografías con el mismo ruido gaussiano a cada intensidad de ``SIGMAS``, en 0..255."""
    noise = np.random.default_rng(seed).standard_normal(films.shape, dtype=np.float32)
    return {f"ruido {s}": np.clip(films + np.float32(s) * noise, 0, 255) for s in SIGMAS}


def shifted_pairs(
    model: "keras.Model", explain: Explain, films: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Por cada uno de ``SHIFTS`` (abajo, derecha), los mapas originales y los desplazados, vueltos.

    Sin el píxel del borde: lo que entró por él, que repite a su vecino, no cuenta.
    """
    original = run_explainer(explain, model, films)[:, 1:-1, 1:-1]
    pairs = []
    for down, right in SHIFTS:
        moved = run_explainer(explain, model, shift_images(films, down, right))
        pairs.append((original, shift_images(moved, -down, -right)[:, 1:-1, 1:-1]))
    return pairs


def shift_images(images: np.ndarray, down: int, right: int) -> np.ndarray:
    """Desplaza (N, H, W) un número entero de píxeles; el hueco repite el borde."""
    height, width = images.shape[1:]
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    return images[:, rows[:, None], columns]


def agreement(exam: Exam, key: str, studies: dict[int, Study]) -> list[dict[str, Any]]:
    """Cuánto coinciden los mapas de redes que solo se distinguen en la semilla, y su área.

    Es la media, en cada radiografía, de todos los pares de redes; ``n_null`` cuenta las
    radiografías donde alguna da un mapa constante. Los estudios comparten la prueba.
    """
    first = next(iter(studies.values()))
    test = first.rows("test")
    chosen = exam.sample(test, few=key == "vgg16")
    films = np.asarray(first.images[chosen])
    everyone = first.dataset.manifest["patient"].to_numpy(dtype=object)
    rows: list[dict[str, Any]] = []
    for seed, study in studies.items():
        auc = auc_row(study.labels[test], study.logits(key)[test], everyone[test], exam.draw)
        rows.append({"seed": seed, **auc})
        rows.append({"seed": seed, "metric": "size", "value": first.config.size})
    models = [study.model(key) for study in studies.values()]
    for method in FAST:
        exam.report(f"Acuerdo entre semillas: {key}, {method}")
        maps = [grad_cam(model, films, method=method) for model in models]
        pairs = list(combinations(maps, 2))
        scores = {
            name: sum(score(*pair) for pair in pairs) / len(pairs)
            for name, score in MEASURES.items()
        }
        silent = int(np.any([constant_maps(found) for found in maps], axis=0).sum())
        who = {"method": method, "change": OTHER_SEED, "n_null": silent}
        rows += [{**who, **row} for row in _summary(scores, everyone[chosen], exam.draw)]
    return rows


def _changes(
    exam: Exam, network: Network, method: str, films: np.ndarray, patients: np.ndarray
) -> list[dict[str, Any]]:
    explain = network.explain(method)
    original = run_explainer(explain, network.model, films)
    rows: list[dict[str, Any]] = []

    def compare(change: str, first: np.ndarray, second: np.ndarray) -> list[dict[str, Any]]:
        scores = {name: score(first, second) for name, score in MEASURES.items()}
        who = {"change": change, "n_null": int(constant_maps(second).sum())}
        return [{**who, **row} for row in _summary(scores, patients, exam.draw)]

    for change, films_changed in noisy(films, exam.seed).items():
        rows += compare(change, original, run_explainer(explain, network.model, films_changed))
    shifted = shifted_pairs(network.model, explain, films)
    # Hacia un lado y hacia otro, en una sola fila por medida: la peor de las dos.
    both = [compare(ONE_PIXEL, *pair) for pair in shifted]
    rows += [min(found, key=lambda row: row["value"]) for found in zip(*both, strict=True)]
    level = between_films(original, patients, exam.draw)
    wanted = ("metric", "value", "low", "high", "n", "n_null")
    return rows + [{"change": OTHER_FILM, **{key: row[key] for key in wanted}} for row in level]


def _summary(
    scores: dict[str, np.ndarray], patients: np.ndarray, draw: tuple[int, int]
) -> list[dict[str, Any]]:
    rows = []
    for metric, values in scores.items():
        value, low, high = mean_interval(values, patients, *draw)
        ends = {"value": value, "low": low, "high": high, "n": len(values)}
        rows.append({"metric": metric, **ends})
    return rows
