"""Leer un estudio ya publicado en ``estudio/<datos>/<partición>/``."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from neumonia.errors import DataError
from neumonia.files import project_root, read_json


@dataclass(frozen=True)
class PublishedFolder:
    """Una carpeta con resultados y su procedencia: se lee, no se calcula."""

    folder: Path

    @cached_property
    def results(self) -> dict[str, Any]:
        """Contenido de ``results.json``."""
        return read_json(self.folder / "results.json")

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """Contenido de ``provenance.json``."""
        return read_json(self.folder / "provenance.json")


class Published(PublishedFolder):
    """Un estudio de dos redes, publicado."""

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """``image_id, patient, label, split, p_cnn, p_vgg16``."""
        # Solo una probabilidad puede faltar: un paciente llamado «NA» es un paciente.
        return self._table(
            "predictions.csv",
            dtype={"image_id": str, "patient": str, "split": str},
            na_values={"p_cnn": [""], "p_vgg16": [""]},
        )

    def history(self, name: str) -> pd.DataFrame:
        """Historial de ``"cnn"`` o ``"vgg16"``, una fila por época."""
        return self._part("history.csv", name)

    def layers(self, name: str) -> pd.DataFrame:
        """Tabla de capas de ``"cnn"`` o ``"vgg16"``."""
        return self._part("layers.csv", name)

    def metrics(self, part: str = "test") -> dict[str, dict[str, Any]]:
        """Métricas por modelo en ``"val"`` o ``"test"``.

        Raises
        ------
        DataError
            Si se pide otra parte.
        """
        if part not in ("val", "test"):
            raise DataError(f"Hay métricas de 'val' y de 'test', no de {part!r}.")
        return {name: values[part] for name, values in self.results["models"].items()}

    def figure(self, name: str) -> Path:
        """Ruta de la figura ``name``.

        Raises
        ------
        DataError
            Si el estudio no la tiene.
        """
        path = self.folder / "figures" / f"{name}.png"
        if not path.is_file():
            known = ", ".join(sorted(read_json(self.folder / "figures" / "figures.json")))
            raise DataError(f"El estudio no tiene la figura {name!r}. Las que hay: {known}.")
        return path

    def _part(self, file: str, name: str) -> pd.DataFrame:
        table = self._table(file)
        part = table[table["model"] == name].drop(columns="model").reset_index(drop=True)
        if part.empty:
            raise DataError(f"El estudio publicado no tiene el modelo {name!r}.")
        return part.apply(pd.to_numeric, errors="coerce") if file == "history.csv" else part

    def _table(self, file: str, **options: Any) -> pd.DataFrame:
        path = self.folder / file
        try:
            return pd.read_csv(path, keep_default_na=False, float_precision="round_trip", **options)
        except (OSError, ValueError) as error:
            raise DataError(f"No se puede leer {path} ({error}). Publiquemos otra vez.") from error


def published(dataset: str, split: str, root: Path | None = None) -> Published:
    """Abre ``estudio/<dataset>/<split>/`` del proyecto.

    Raises
    ------
    DataError
        Si no está publicado.
    """
    folder = (root or project_root()) / "estudio" / dataset / split
    if not (folder / "results.json").is_file():
        raise DataError(
            f"No hay un estudio publicado en {folder}. "
            f"Se hace con: neumonia estudio --datos {dataset} --particion {split} --salida {folder}"
        )
    return Published(folder)
