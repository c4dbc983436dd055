"""Leer un examen de robustez ya publicado en ``estudio/<datos>/robustez/``."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from neumonia.errors import DataError
from neumonia.evaluation.worst_case import worst_case
from neumonia.files import project_root
from neumonia.lab.exam import EXAM, HALF, MEAN, TOGETHER, together
from neumonia.lab.robustness import OFFICIAL, Candidate, candidate, films_of, outcomes

Triple = tuple[float, float | None, float | None]
_KEYS = ("network", "split", "part", "views", "threshold", "seed", "metric")


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
        """``medidas.csv``; véase ``neumonia.lab.exam.measures``."""
        return self._table("medidas", dtype={"seed": str, "threshold": str})

    @cached_property
    def networks(self) -> pd.DataFrame:
        """``redes.csv``: de dónde salió cada red y cuánto tardó."""
        return self._table("redes")

    @cached_property
    def gaze(self) -> pd.DataFrame:
        """``mirada.csv``; véase ``neumonia.lab.gaze``."""
        text = ["network", "method", "label"]
        table = self._table("mirada")
        return table.assign(**table[text].fillna(""))

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

        Raises
        ------
        DataError
            Si no está publicada.
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

    def _table(self, name: str, **options: object) -> pd.DataFrame:
        path = self.folder / f"{name}.csv"
        try:
            return pd.read_csv(path, float_precision="round_trip", **options)
        except (OSError, ValueError) as error:
            raise DataError(
                f"No se puede leer {path} ({error}). Se hace con: neumonia robustez "
                f"--salida {self.folder}"
            ) from error


def published_exam(dataset: str = "kermany", root: Path | None = None) -> PublishedExam | None:
    """El examen en ``estudio/<dataset>/robustez/`` del proyecto, o ``None`` si no lo hay."""
    folder = (root or project_root()) / "estudio" / dataset / "robustez"
    return PublishedExam(folder) if (folder / "examen.csv").is_file() else None


__all__ = ["EXAM", "HALF", "MEAN", "TOGETHER", "PublishedExam", "published_exam"]
