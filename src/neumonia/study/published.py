"""Leer lo publicado en ``estudio/``: las tablas, y con ellas el estudio de dos redes."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from neumonia.errors import DataError
from neumonia.files import project_root, read_json

NUMBERS = ("value", "low", "high", "n")


def read_table(
    path: Path, command: str, text: tuple[str, ...] = (), numbers: tuple[str, ...] = NUMBERS
) -> pd.DataFrame:
    """Una tabla publicada: los textos que faltan son ``""`` y los números, NaN.

    Parameters
    ----------
    command : str
        La orden que la hace, para decirla si falta.
    text : columnas que son texto aunque parezcan números
    numbers : columnas que son números aunque estén vacías

    Raises
    ------
    DataError
        Si la tabla falta o está dañada.
    """
    if not path.is_file():
        raise DataError(f"Falta {path}: hagámosla antes con «{command}».")
    try:
        table = pd.read_csv(
            path,
            # Un paciente llamado «NA» es un paciente.
            keep_default_na=False,
            na_values=[""],
            float_precision="round_trip",
            dtype=dict.fromkeys(text, str),
        )
    except (OSError, ValueError) as error:
        raise DataError(f"No se puede leer {path} ({error}). Se hace con «{command}».") from error
    for name, column in table.items():
        empty = column.isna().all() and name not in numbers
        if empty or (column.hasnans and not pd.api.types.is_numeric_dtype(column)):
            table[name] = column.astype(object).where(column.notna(), "")
    return table


@dataclass(frozen=True)
class Published:
    """Un estudio de dos redes, publicado: se lee, no se calcula."""

    folder: Path

    @cached_property
    def results(self) -> dict[str, Any]:
        return read_json(self.folder / "results.json")

    @cached_property
    def provenance(self) -> dict[str, Any]:
        return read_json(self.folder / "provenance.json")

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """``image_id, patient, label, split, p_cnn, p_vgg16``."""
        text, numbers = ("image_id", "patient", "split"), ("p_cnn", "p_vgg16")
        return self._table("predictions.csv", text, numbers)

    def history(self, name: str) -> pd.DataFrame:
        """Historial de ``"cnn"`` o ``"vgg16"``, una fila por época."""
        return self._part("history.csv", name).apply(pd.to_numeric, errors="coerce")

    def layers(self, name: str) -> pd.DataFrame:
        """Tabla de capas de ``"cnn"`` o ``"vgg16"``."""
        return self._part("layers.csv", name)

    def metrics(self, part: str = "test") -> dict[str, dict[str, Any]]:
        """Métricas por modelo en ``"val"`` o ``"test"``; ``DataError`` si se pide otra parte."""
        if part not in ("val", "test"):
            raise DataError(f"Hay métricas de 'val' y de 'test', no de {part!r}.")
        return {name: values[part] for name, values in self.results["models"].items()}

    def figure(self, name: str) -> Path:
        """Ruta de la figura ``name``; ``DataError`` si el estudio no la tiene."""
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
        return part

    def _table(self, file: str, *columns: tuple[str, ...]) -> pd.DataFrame:
        return read_table(self.folder / file, "neumonia estudio --salida DIR", *columns)


def published(dataset: str, split: str, root: Path | None = None) -> Published:
    """Abre ``estudio/<dataset>/<split>/`` del proyecto; ``DataError`` si no está publicado."""
    folder = (root or project_root()) / "estudio" / dataset / split
    if not (folder / "results.json").is_file():
        raise DataError(
            f"No hay un estudio publicado en {folder}. "
            f"Se hace con: neumonia estudio --datos {dataset} --particion {split} --salida {folder}"
        )
    return Published(folder)
