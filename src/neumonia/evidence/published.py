"""Leer una prueba de confianza ya publicada en ``estudio/confianza/<datos>/``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from neumonia.errors import DataError
from neumonia.files import project_root, read_json
from neumonia.study.parts import read_part


@dataclass(frozen=True)
class PublishedEvidence:
    """Una prueba publicada: se lee, no se calcula. Cada parte puede faltar."""

    folder: Path

    def has(self, name: str) -> bool:
        """Si la parte ``name`` está publicada."""
        return (self.folder / f"{name}.json").is_file()

    def part(self, name: str) -> dict[str, Any]:
        """Contenido de ``<name>.json``.

        Raises
        ------
        DataError
            Si la parte no está publicada.
        """
        return read_part(self.folder, name, f"confianza --datos {self.folder.name}")

    def table(self, name: str, key: str = "rows") -> pd.DataFrame:
        """Las filas ``key`` de la parte ``name``.

        Raises
        ------
        DataError
            Si la parte no está publicada o no tiene esas filas.
        """
        found = self.part(name)
        if key not in found:
            raise DataError(f"{name}.json no tiene {key!r}. Tiene: {', '.join(found)}.")
        return pd.DataFrame(found[key])

    @property
    def provenance(self) -> dict[str, Any]:
        """Parte → datos, pesos, código, versiones, máquina y segundos; vacío si no hay ninguna."""
        path = self.folder / "provenance.json"
        return read_json(path) if path.is_file() else {}


def published_evidence(dataset: str, root: Path | None = None) -> PublishedEvidence:
    """La prueba en ``estudio/confianza/<dataset>/`` del proyecto, aunque todavía no tenga partes.

    Parameters
    ----------
    dataset : {"maqueta", "kermany"}
    root : Path, optional
        Raíz del proyecto; por omisión, ``project_root()``.
    """
    return PublishedEvidence((root or project_root()) / "estudio" / "confianza" / dataset)
