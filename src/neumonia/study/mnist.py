"""PneumoniaMNIST a 28 píxeles contra la tabla publicada: cinco semillas y la prueba oficial.

La red, el aumento, las épocas y la regla del umbral salen de ``neumonia.study.mnist_search`` y
``neumonia.study.mnist_second``, que no abren la prueba. Aquí se entrena lo elegido y se mide en
ella.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from neumonia.datasets import Dataset
from neumonia.errors import ConfigError
from neumonia.evaluation import METRIC_NAMES, binary_metrics, metrics_with_intervals
from neumonia.study.mnist_published import compare
from neumonia.study.mnist_search import Choice
from neumonia.study.mnist_second import CHOSEN
from neumonia.study.mnist_training import (
    Films,
    acquisition_groups,
    duplicate_groups,
    train_product,
)
from neumonia.study.store import Store
from neumonia.training import sigmoid

KIND = "mnist-cnn28"
RESAMPLES = 2000


@dataclass(frozen=True)
class MnistRun:
    """Lo que deja ``run_mnist``: cifras, predicciones, historiales y lo que tardó cada semilla.

    ``seconds`` queda fuera de ``results`` para que dos corridas den resultados idénticos.
    """

    results: dict[str, Any]
    predictions: pd.DataFrame
    history: pd.DataFrame
    seconds: dict[str, float]
    dataset: Dataset


def run_mnist(
    dataset: Dataset,
    store: Store,
    seeds: Sequence[int] = range(5),
    choice: Choice = CHOSEN,
    progress: bool = False,
    report: Callable[[str], None] | None = None,
) -> MnistRun:
    """Entrena ``choice`` con cada semilla y la mide en la prueba oficial.

    Cada semilla es un producto de ``store``: si se interrumpe, se sigue donde quedó.

    Parameters
    ----------
    dataset : Dataset
        PneumoniaMNIST.
    store : Store
    seeds : secuencia de int, al menos una y sin repetir
    choice : Choice
        La configuración y cómo se elige su umbral.
    progress : bool
        Si mostramos cada época.
    report : callable, optional
        Recibe una línea por semilla terminada.

    Raises
    ------
    DataError
        Si ``dataset`` no es PneumoniaMNIST.
    ConfigError
        Si no hay semillas o alguna se repite.
    """
    seeds = [int(seed) for seed in seeds]
    if not seeds or len(set(seeds)) != len(seeds):
        raise ConfigError(f"Necesitamos al menos una semilla, sin repetir; recibimos {seeds}.")
    films = Films(dataset)
    groups = acquisition_groups(films)
    everything = np.arange(len(films.labels))
    probabilities, histories, seconds = {}, {}, {}
    for seed in seeds:
        product = train_product(
            films,
            choice.trial,
            store,
            seed,
            train=films.rows("train"),
            val=films.rows("val"),
            predict=everything,
            groups=groups,
            kind=KIND,
            keep_model=True,
            progress=progress,
        )
        logits = np.load(product.folder / "logits.npy", allow_pickle=False)
        probabilities[f"p_{seed}"] = sigmoid(choice.combine(logits))
        histories[str(seed)] = pd.read_csv(product.folder / "history.csv")
        seconds[str(seed)] = product.seconds
        if report is not None:
            report(f"Semilla {seed}: {product.seconds:.0f} s")
    predictions = pd.DataFrame(
        {
            "image_id": films.manifest["image_id"],
            "label": films.labels,
            "split": films.split,
            **probabilities,
        }
    )
    results = _results(films, predictions, seeds, choice, histories)
    history = pd.concat(histories, names=["seed", None]).reset_index(level=0)
    return MnistRun(results, predictions, history, seconds, dataset)


def _results(
    films: Films,
    predictions: pd.DataFrame,
    seeds: list[int],
    choice: Choice,
    histories: dict[str, pd.DataFrame],
) -> dict[str, Any]:
    val, test = films.rows("val"), films.rows("test")
    repeated = films.manifest["sha256"].iloc[test].duplicated().to_numpy()
    parts = {"val": val, "test": test, "test_unique": test[~repeated]}

    def measure(scores: np.ndarray) -> dict[str, Any]:
        cut = choice.cut(films.labels[val], scores[val])
        measured = {
            name: binary_metrics(films.labels[rows], scores[rows], cut)
            for name, rows in parts.items()
        }
        half = binary_metrics(films.labels[test], scores[test], 0.5)
        intervals = metrics_with_intervals(
            films.labels[test], scores[test], [""] * len(test), cut, RESAMPLES
        )
        return {
            "threshold": cut,
            **measured,
            "test_at_half": half,
            "intervals": {
                name: [_number(row["low"]), _number(row["high"])]
                for name, row in intervals.iterrows()
            },
        }

    columns = [f"p_{seed}" for seed in seeds]
    each = [
        {
            "seed": seed,
            "best_epoch": int(histories[str(seed)]["val_loss"].idxmin()) + 1,
            **measure(predictions[column].to_numpy()),
        }
        for seed, column in zip(seeds, columns, strict=True)
    ]
    summary = {
        part: _summary([item[part] for item in each])
        for part in ("val", "test", "test_unique", "test_at_half")
    }
    return {
        "dataset": films.dataset.name,
        "fingerprint": films.dataset.fingerprint,
        "films": {part: int((films.split == part).sum()) for part in ("train", "val", "test")},
        "films_used": {name: len(rows) for name, rows in parts.items()},
        "duplicates": duplicates_summary(films),
        "choice": choice.describe(),
        "interval_unit": "radiografía",
        "resamples": RESAMPLES,
        "seeds": each,
        "summary": summary,
        "ensemble": measure(predictions[columns].mean(axis=1).to_numpy()),
        "comparison": compare(summary["test"]),
    }


def _summary(measured: list[dict[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Media, desviación entre semillas (n - 1; ``None`` con una sola) y extremos.

    Lo que no está definido en alguna semilla vale ``None``.
    """
    table = pd.DataFrame(measured)[list(METRIC_NAMES)].astype(float)
    return {
        name: {
            "mean": _number(values.mean(skipna=False)),
            "sd": _number(values.std(skipna=False)),
            "min": _number(values.min(skipna=False)),
            "max": _number(values.max(skipna=False)),
        }
        for name, values in table.items()
    }


def _number(value: float) -> float | None:
    """JSON no admite NaN."""
    return None if np.isnan(value) else float(value)


def duplicates_summary(films: Films) -> dict[str, Any]:
    """Cuántos grupos de píxeles idénticos hay, dónde están y cuántos cruzan de parte."""
    table = duplicate_groups(films.manifest)
    return {
        "groups": len(table),
        "films": int(table["films"].sum()),
        "groups_by_splits": {k: int(v) for k, v in table["splits"].value_counts().items()},
        "crossing": int(table["splits"].str.contains("/").sum()),
        "labels_disagree": int((table["labels"] > 1).sum()),
        "removed_from_val": int((films.split == "val").sum() - len(films.rows("val"))),
    }
