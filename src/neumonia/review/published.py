"""Leer una revisión ya publicada en ``estudio/<datos>/revision/``: entera, a medias o ninguna."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from neumonia.errors import DataError
from neumonia.files import project_root, read_json

PART_NAMES = ("atajos", "protocolos", "desbalance")


@dataclass(frozen=True)
class PublishedReview:
    """Una revisión publicada: se lee, no se calcula. Cada parte puede faltar."""

    folder: Path

    def has(self, name: str) -> bool:
        """Si la parte ``name`` está publicada.

        Raises
        ------
        DataError
            Si la revisión no tiene ninguna parte con ese nombre.
        """
        return (self.folder / f"{_known(name)}.json").is_file()

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
