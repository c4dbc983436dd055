"""Leer una revisión ya publicada en ``estudio/<datos>/revision/``: entera, a medias o ninguna."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from neumonia.errors import DataError
from neumonia.files import project_root, read_json

PART_NAMES = (
    "atajos",
    "protocolos",
    "desbalance",
    "ensayos",
    "elegido",
    "simulacro",
    "segunda",
)
_WITH_PREDICTIONS = ("elegido", "segunda")


@dataclass(frozen=True)
class PublishedReview:
    """Una revisión publicada: se lee, no se calcula. Cada parte puede faltar."""

    folder: Path

    def has(self, name: str) -> bool:
        """Si la parte ``name`` está publicada; una elegida, con sus predicciones.

        Raises
        ------
        DataError
            Si la revisión no tiene ninguna parte con ese nombre.
        """
        files = [f"{_known(name)}.json"] + ([f"{name}.csv"] if name in _WITH_PREDICTIONS else [])
        return all((self.folder / file).is_file() for file in files)

    def part(self, name: str) -> dict[str, Any]:
        """Contenido de ``<name>.json``.

        Raises
        ------
        DataError
            Si la parte no existe o aún no está publicada.
        """
        if not self.has(name):
            raise DataError(_missing(name, self.folder))
        return read_json(self.folder / f"{name}.json")

    @property
    def latest_chosen(self) -> str:
        """``"segunda"`` si está publicada; si no, ``"elegido"``."""
        return "segunda" if self.has("segunda") else "elegido"

    def predictions(self, name: str) -> pd.DataFrame:
        """Prueba oficial de ``"elegido"`` o ``"segunda"``: ``image_id, patient, subtype, label,
        split``, ``p_<semilla>`` y ``p``, la del promedio.

        Raises
        ------
        DataError
            Si aún no está publicada o no se puede leer.
        """
        if not self.has(name):
            raise DataError(_missing(name, self.folder))
        path = self.folder / f"{name}.csv"
        text = dict.fromkeys(("image_id", "patient", "subtype", "split"), str)
        try:
            return pd.read_csv(
                path, keep_default_na=False, float_precision="round_trip", dtype=text
            )
        except (OSError, ValueError) as error:
            raise DataError(f"No se puede leer {path} ({error}). Publiquemos otra vez.") from error

    @cached_property
    def earlier_trials(self) -> pd.DataFrame:
        """Los ensayos hechos antes de fijar el examen; vacío si no se publicaron.

        ``examen`` (1 o 2: las dos versiones que se descartaron), ``ensayo``, ``lado``, ``epocas``,
        ``radiografias_por_epoca``, ``auc_validacion`` y ``auc_contra``. Son anotaciones de aquel
        día, con un código que ya no existe: no se pueden repetir ni llevan intervalo.
        """
        path = self.folder / "ensayos-previos.csv"
        return pd.read_csv(path) if path.is_file() else pd.DataFrame()

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """Parte → datos, pesos, código, versiones y máquina; vacío si no hay ninguna."""
        path = self.folder / "provenance.json"
        return read_json(path) if path.is_file() else {}


def published_review(dataset: str = "kermany", root: Path | None = None) -> PublishedReview:
    """La revisión en ``estudio/<dataset>/revision/`` del proyecto, aunque todavía no tenga partes.

    Parameters
    ----------
    dataset : str
    root : Path, optional
        Raíz del proyecto; por omisión, ``project_root()``.
    """
    return PublishedReview((root or project_root()) / "estudio" / dataset / "revision")


def _known(name: str) -> str:
    if name not in PART_NAMES:
        raise DataError(f"La revisión no tiene la parte {name!r}: {', '.join(PART_NAMES)}.")
    return name


def _missing(name: str, folder: Path) -> str:
    return (
        f"La parte «{name}» de la revisión aún no está publicada en {folder}. "
        f"Se hace con: neumonia revision {name} --datos {folder.parent.name} --salida {folder}"
    )
