"""De las predicciones del laboratorio a sus tablas, y leerlas: la regla, y qué hizo cada red.

La regla: gana la candidata con la mayor **peor** exactitud balanceada en las radiografías de
validación pasadas por adquisiciones imitadas, en media de sus semillas. El umbral de cada red es el
que hace mayor ese peor caso. Nada de la prueba interviene.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from neumonia.errors import DataError
from neumonia.evaluation import binary_metrics
from neumonia.evaluation.calibration import brier_score
from neumonia.evaluation.intervals import (
    hierarchical_interval,
    metric_distributions,
    percentile_interval,
)
from neumonia.evaluation.worst_case import worst_case, worst_case_distribution
from neumonia.files import project_root, write_text
from neumonia.lab.robustness import (
    ACQUISITIONS,
    COMMAND,
    OFFICIAL,
    Candidate,
    Outcome,
    candidate,
    films_of,
    outcomes,
)
from neumonia.study.published import read_table

METRICS = ("roc_auc", "accuracy", "sensitivity", "specificity")
RESAMPLES = 1000
HALF, EXAM = "0.5", "examen"
PAIRS = (
    ("cnn64-todo", "cnn64-nada"),
    ("cnn64-encuadre", "cnn64-nada"),
    ("cnn64-nitidez", "cnn64-encuadre"),
    ("cnn64-grises", "cnn64-encuadre"),
    ("cnn64-proporcion", "cnn64-encuadre"),
    ("cnn64-proporcion-nitidez", "cnn64-proporcion"),
    ("cnn64-proporcion-grises", "cnn64-proporcion"),
    ("cnn64-todo", "cnn64-proporcion"),
    ("cnn64-todo", "cnn64-todo-desparejo"),
    ("cnn64-todo", "cnn64-todo-crudo"),
    ("cnn112-todo", "cnn64-todo"),
    ("vgg64-todo", "cnn64-todo"),
    ("vgg64-todo", "vgg64-congelada"),
    ("vgg112-todo", "vgg64-todo"),
    ("cnn28-todo", "cnn28-nada"),
)
"""Las comparaciones que el capítulo cuenta: cada una cambia una sola cosa, salvo la primera."""
MEAN, TOGETHER = "media", "conjunto"
Triple = tuple[float, float | None, float | None]
_KEYS = ("network", "split", "part", "views", "threshold", "seed", "metric")


def together(networks: list[Outcome]) -> Outcome:
    """La red que promedia los logits de ``networks``, entrenadas sobre la misma partición."""
    first = networks[0]
    arrays = {
        name: np.mean([getattr(one, name) for one in networks], axis=0)
        for name in ("val", "val_views", "test_views")
    }
    return Outcome(first.network, first.split, -1, stamp={}, **arrays)


def rule_table(folder: Path) -> pd.DataFrame:
    """La clasificación del examen, de la mejor a la peor; la primera es la elegida.

    Returns
    -------
    DataFrame
        Índice ``network``; ``score``, ``low`` y ``high`` (peor exactitud balanceada, media de
        semillas, intervalo del 95 % por paciente), ``change`` (dónde está ese peor caso, en la
        mayoría de las semillas), ``threshold`` (media, como probabilidad), ``difference``,
        ``difference_low`` y ``difference_high`` (con la primera, pareada) y ``seeds``.
    """
    films = films_of(folder)["val"]
    labels, patients = films["label"].to_numpy(), films["patient"].to_numpy()
    rows, drawn = {}, {}
    for key, networks in outcomes(folder).items():
        worst = [worst_case(labels, one.val) for one in networks]
        drawn[key] = np.mean(
            [
                worst_case_distribution(labels, one.val, patients, case.threshold)
                for one, case in zip(networks, worst, strict=True)
            ],
            axis=0,
        )
        low, high = percentile_interval(drawn[key])
        columns = [case.column for case in worst]
        rows[key] = {
            "score": float(np.mean([case.score for case in worst])),
            "low": low,
            "high": high,
            "change": ACQUISITIONS[max(sorted(set(columns)), key=columns.count)],
            "threshold": float(np.mean(expit([case.threshold for case in worst]))),
            "seeds": len(networks),
        }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("network")
    table = table.sort_values("score", ascending=False, kind="stable")
    best = table.index[0]
    for key in table.index:
        low, high = percentile_interval(drawn[key] - drawn[best])
        table.loc[key, "difference"] = table.loc[key, "score"] - table.loc[best, "score"]
        table.loc[key, ["difference_low", "difference_high"]] = low, high
    return table


def measures(folder: Path, split: str = OFFICIAL) -> pd.DataFrame:
    """Qué hizo cada red en validación y en prueba.

    Returns
    -------
    DataFrame
        Una fila por medida: ``network``, ``split``, ``seed`` (un número; ``"media"``, la media de
        las redes sueltas; o ``"conjunto"``, la red que promedia sus logits), ``part``, ``views``
        (1, o 5 si promedia vistas desplazadas), ``threshold`` (``"0.5"`` o ``"examen"``),
        ``metric``, ``value``, ``low``, ``high`` (95 %, por paciente; la media, además, por semilla)
        y ``n``.
    """
    parts = films_of(folder, split)
    found: list[dict[str, object]] = []
    for key, networks in outcomes(folder, split).items():
        labels = parts["val"]["label"].to_numpy()
        members = {str(one.seed): one for one in networks} | {TOGETHER: together(networks)}
        cuts = {
            name: {HALF: 0.5, EXAM: float(expit(worst_case(labels, one.val).threshold))}
            for name, one in members.items()
        }
        for part, films in parts.items():
            for views in (1, 5):
                scores = {
                    name: expit(getattr(one, f"{part}_views")[:, :views].mean(axis=1))
                    for name, one in members.items()
                }
                for threshold in (HALF, EXAM):
                    where = {"network": key, "split": split, "part": part, "views": views}
                    found += [
                        where | {"threshold": threshold} | row
                        for row in _measured(
                            films, scores, {name: cut[threshold] for name, cut in cuts.items()}
                        )
                    ]
    return pd.DataFrame(found)


def _measured(
    films: pd.DataFrame, scores: dict[str, np.ndarray], cuts: dict[str, float]
) -> list[dict[str, object]]:
    labels, patients = films["label"].to_numpy(), films["patient"].to_numpy()
    rows, drawn, values = [], {}, {}
    for name, probabilities in scores.items():
        drawn[name] = metric_distributions(
            labels, probabilities, patients, METRICS, RESAMPLES, 0, cuts[name]
        )
        values[name] = binary_metrics(labels, probabilities, cuts[name])
        for metric in METRICS:
            low, high = percentile_interval(drawn[name][metric])
            rows.append(_row(name, metric, values[name][metric], low, high, len(films)))
        brier = brier_score(labels, probabilities)
        rows.append(_row(name, "brier", brier, None, None, len(films)))
    alone = [name for name in scores if name != TOGETHER]
    for metric in METRICS:
        low, high = hierarchical_interval([drawn[name][metric] for name in alone])
        mean = float(np.mean([values[name][metric] for name in alone]))
        rows.append(_row(MEAN, metric, mean, low, high, len(films)))
    return rows


def _row(
    seed: str, metric: str, value: float | None, low: float | None, high: float | None, n: int
) -> dict[str, object]:
    return {"seed": seed, "metric": metric, "value": value, "low": low, "high": high, "n": n}


def pairs_table(folder: Path, split: str = OFFICIAL) -> pd.DataFrame:
    """La diferencia entre dos candidatas en la prueba, pareada por paciente, con umbral 0.5.

    Returns
    -------
    DataFrame
        Una fila por cada par de ``PAIRS`` que esté y por métrica: ``network``, ``other``,
        ``split``, ``metric``, ``value`` (la primera menos la segunda, media de las semillas que
        comparten), ``low``, ``high`` (95 %, por paciente) y ``n``.
    """
    films = films_of(folder, split)["test"]
    labels, patients = films["label"].to_numpy(), films["patient"].to_numpy()
    found = outcomes(folder, split)
    drawn: dict[tuple[str, int], tuple[dict[str, float], dict[str, np.ndarray]]] = {}
    for key in {key for pair in PAIRS for key in pair} & set(found):
        for one in found[key]:
            p = expit(one.test_views[:, 0])
            drawn[key, one.seed] = (
                binary_metrics(labels, p),
                metric_distributions(labels, p, patients, METRICS, RESAMPLES, 0),
            )
    rows = []
    for first, second in PAIRS:
        shared = [seed for key, seed in drawn if key == first and (second, seed) in drawn]
        for metric in METRICS if shared else ():
            values, samples = (
                np.mean(
                    [drawn[first, s][i][metric] - drawn[second, s][i][metric] for s in shared],
                    axis=0,
                )
                for i in (0, 1)
            )
            low, high = percentile_interval(samples)
            where = {"network": first, "other": second, "split": split, "metric": metric}
            rows.append(where | {"value": float(values), "low": low, "high": high, "n": len(films)})
    return pd.DataFrame(rows)


def networks_table(folder: Path) -> pd.DataFrame:
    """De dónde salió cada red: título, tamaño, segundos, datos, código, versiones y máquina."""
    rows = []
    for split in sorted(path.name for path in folder.iterdir() if path.is_dir()):
        for key, networks in outcomes(folder, split).items():
            one = candidate(key)
            for stamp, seed in ((network.stamp, network.seed) for network in networks):
                rows.append(
                    {
                        "network": key,
                        "title": one.title,
                        "split": split,
                        "seed": seed,
                        "size": one.recipe.size,
                        "epochs": one.recipe.epochs,
                        "parameters": stamp["parameters"],
                        "seconds": stamp["seconds"],
                        "data": stamp["inputs"]["data"],
                        "method": stamp["inputs"]["method"],
                        "code": stamp["code"]["source_digest"],
                        "commit": stamp["code"]["commit"],
                        "tensorflow": stamp["packages"]["tensorflow"],
                        "keras": stamp["packages"]["keras"],
                        "processor": stamp["machine"]["processor"],
                        "cores": stamp["machine"]["cores"],
                    }
                )
    return pd.DataFrame(rows)


def write_tables(folder: Path) -> None:
    """Escribe ``examen.csv``, ``medidas.csv``, ``parejas.csv`` y ``redes.csv`` con lo que haya."""
    networks = networks_table(folder)
    splits = sorted(set(networks["split"]))
    tables = {
        "examen": rule_table(folder).reset_index(),
        "medidas": pd.concat([measures(folder, split) for split in splits]),
        "parejas": pd.concat([pairs_table(folder, split) for split in splits]),
        "redes": networks,
    }
    for name, table in tables.items():
        text = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
        write_text(folder / f"{name}.csv", text)


@dataclass(frozen=True)
class PublishedExam:
    """Las tablas de un examen: se leen, no se calculan."""

    folder: Path

    @cached_property
    def rule(self) -> pd.DataFrame:
        """``examen.csv``, con índice ``network`` y de la mejor a la peor; véase ``rule_table``."""
        return self._table("examen").set_index("network")

    @cached_property
    def measures(self) -> pd.DataFrame:
        """``medidas.csv``; véase ``measures``."""
        return self._table("medidas", "seed", "threshold")

    @cached_property
    def networks(self) -> pd.DataFrame:
        """``redes.csv``: de dónde salió cada red y cuánto tardó."""
        return self._table("redes")

    @cached_property
    def gaze(self) -> pd.DataFrame:
        """``mirada.csv``; véase ``neumonia.lab.gaze``."""
        return self._table("mirada")

    @cached_property
    def openings(self) -> pd.DataFrame:
        """``aperturas.csv``: cada vez que se abrió la prueba oficial antes de este examen."""
        return self._table("aperturas")

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """``parejas.csv``; véase ``pairs_table``."""
        return self._table("parejas")

    def difference(
        self, network: str, other: str, metric: str, split: str = OFFICIAL
    ) -> Triple | None:
        """``(diferencia, baja, alta)`` pareada de dos candidatas; ``None`` si no está publicada."""
        where = "network == @network and other == @other and metric == @metric and split == @split"
        rows = self.pairs.query(where)
        return None if rows.empty else tuple(rows.iloc[0][["value", "low", "high"]])

    @property
    def chosen(self) -> str:
        """La candidata que ganó el examen."""
        return str(self.rule.index[0])

    @property
    def winner(self) -> Candidate:
        """Su título y su receta."""
        return candidate(self.chosen)

    def value(
        self,
        network: str,
        metric: str,
        seed: str = MEAN,
        part: str = "test",
        views: int = 1,
        threshold: str = HALF,
        split: str = OFFICIAL,
    ) -> Triple:
        """``(valor, bajo, alto)`` de una medida; los extremos son ``None`` si no tiene intervalo.

        ``DataError`` si no está publicada.
        """
        wanted = (network, split, part, views, threshold, seed, metric)
        try:
            row = self._indexed.loc[wanted]
        except KeyError as error:
            raise DataError(f"No hay una medida {wanted} en {self.folder}.") from error
        low, high = (None if np.isnan(row[end]) else float(row[end]) for end in ("low", "high"))
        return float(row["value"]), low, high

    def all_seeds(self, network: str, metric: str, **where: str | int) -> list[float]:
        """El valor de cada red suelta, en el orden de sus semillas."""
        seeds = self.networks.query("network == @network and split == @OFFICIAL")["seed"]
        return [self.value(network, metric, seed=str(seed), **where)[0] for seed in sorted(seeds)]

    @property
    def threshold(self) -> float:
        """El umbral del examen para la elegida, que promedia los logits de sus semillas."""
        labels = films_of(self.folder)["val"]["label"].to_numpy()
        return float(expit(worst_case(labels, self._winning.val).threshold))

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """Prueba oficial de la elegida: ``image_id, patient, subtype, label, split`` y ``p``.

        ``p`` promedia los logits de sus semillas y de las cinco vistas.
        """
        table = films_of(self.folder)["test"]
        return table.assign(p=expit(self._winning.test_views.mean(axis=1)))

    @cached_property
    def _winning(self):
        return together(outcomes(self.folder)[self.chosen])

    @cached_property
    def _indexed(self) -> pd.DataFrame:
        return self.measures.set_index(list(_KEYS))

    def _table(self, name: str, *text: str) -> pd.DataFrame:
        return read_table(self.folder / f"{name}.csv", COMMAND, text)


def published_exam(dataset: str = "kermany", root: Path | None = None) -> PublishedExam | None:
    """El examen en ``estudio/<dataset>/robustez/`` del proyecto, o ``None`` si no lo hay."""
    folder = (root or project_root()) / "estudio" / dataset / "robustez"
    return PublishedExam(folder) if (folder / "examen.csv").is_file() else None
