"""Un experimento: se calcula una vez, se guarda, y se publica como una tabla con su procedencia."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from neumonia.errors import DataError
from neumonia.files import project_root, read_json, write_text
from neumonia.study.config import Config
from neumonia.study.parts import publish_part
from neumonia.study.pipeline import Study

COLUMNS = ("experiment", "network", "method", "metric", "value", "low", "high", "n")
"""Las columnas que toda tabla tiene; un experimento puede añadir otras."""
FIGURES = "figures"
_NUMBERS = ("value", "low", "high", "n")


@dataclass(eq=False)
class Bench:
    """Lo que un experimento necesita: los datos de partida, las semillas y a quién avisar.

    Parameters
    ----------
    base : Config
    seeds : tuple of int
        Las de las redes que se comparan entre sí.
    report : callable
        Recibe una línea de avance.
    originals : Path, optional
        Carpeta o zip con los archivos originales.
    figures : Path
        Carpeta donde dejar figuras PNG; la da ``run_experiment``.
    """

    base: Config
    seeds: tuple[int, ...] = (0, 1, 2)
    report: Callable[[str], None] = lambda text: None
    originals: Path | None = None
    figures: Path = field(default_factory=Path)
    used: list[Study] = field(default_factory=list)

    def open(self, **changes: Any) -> Study:
        """El estudio de ``base`` con esos cambios; queda anotado en la procedencia."""
        study = Study(self.base.with_changes(**changes), progress=False)
        self.used.append(study)
        return study


@dataclass(frozen=True)
class Experiment:
    """Un experimento.

    Attributes
    ----------
    name : str, el de su tabla
    datasets : tuple de str, con qué radiografías se hace
    run : función (Bench) -> tabla con ``metric`` y ``value``, y las demás columnas que tenga
    version : int
        Sube cuando cambia el método: lo ya calculado deja de valer.
    """

    name: str
    datasets: tuple[str, ...]
    run: Callable[[Bench], pd.DataFrame]
    version: int = 1


def run_experiment(experiment: Experiment, bench: Bench, folder: Path) -> Path:
    """Calcula el experimento, si no estaba, y publica ``<name>.csv``, sus figuras y su firma.

    Returns
    -------
    Path
        La tabla publicada.
    """
    study = Study(bench.base, progress=False)
    recipe = {
        "experiment": experiment.name,
        "version": experiment.version,
        "data": study.dataset.fingerprint,
        "config": bench.base.identity(),
        "seeds": list(bench.seeds),
        "originals": bench.originals is not None,
    }

    def build(product: Path) -> None:
        table = experiment.run(replace(bench, figures=product / FIGURES))
        write_text(product / f"{experiment.name}.csv", tidy_text(table, experiment.name))

    found = study.store.get(f"experimento-{experiment.name}", recipe, build)
    publish_part(found.folder, Path(folder), experiment.name, [study, *bench.used])
    return Path(folder) / f"{experiment.name}.csv"


def tidy_text(table: pd.DataFrame, name: str) -> str:
    """La tabla como CSV: primero ``COLUMNS`` y después las suyas, con seis cifras."""
    table = table.assign(experiment=name)
    rest = [column for column in table.columns if column not in COLUMNS]
    return table.reindex(columns=[*COLUMNS, *rest]).to_csv(
        index=False, float_format="%.6g", lineterminator="\n"
    )


@dataclass(frozen=True)
class PublishedTables:
    """Los experimentos publicados de unos datos: se leen, no se calculan. Cada uno puede faltar."""

    folder: Path

    def has(self, name: str) -> bool:
        return (self.folder / f"{name}.csv").is_file()

    def table(self, name: str) -> pd.DataFrame:
        """La tabla de un experimento; los textos que faltan son ``""`` y los números, NaN.

        Raises
        ------
        DataError
            Si no está publicado, con la orden que lo hace, o no se puede leer.
        """
        path = self.folder / f"{name}.csv"
        if not path.is_file():
            raise DataError(
                f"Falta {path.name}: calculémoslo antes con «neumonia laboratorio {name} "
                f"--datos {self.folder.name} --salida {os.path.relpath(self.folder)}»."
            )
        try:
            table = pd.read_csv(path, keep_default_na=False, na_values=[""])
        except (OSError, ValueError) as error:
            raise DataError(f"No se puede leer {path} ({error}): hagámoslo de nuevo.") from error
        for column in table:
            empty = table[column].isna().all() and column not in _NUMBERS
            if empty or not pd.api.types.is_numeric_dtype(table[column]):
                table[column] = table[column].astype(object).where(table[column].notna(), "")
        return table

    def figure(self, name: str) -> Path:
        """La ruta de una figura publicada; ``DataError`` si no está."""
        path = self.folder / FIGURES / f"{name}.png"
        if not path.is_file():
            raise DataError(f"Falta la figura {path}.")
        return path

    @property
    def provenance(self) -> dict[str, Any]:
        """Experimento → datos, pesos, código, versiones, máquina y segundos."""
        path = self.folder / "provenance.json"
        return read_json(path) if path.is_file() else {}


def published_tables(dataset: str, root: Path | None = None) -> PublishedTables:
    """Lo publicado en ``estudio/laboratorio/<dataset>/`` del proyecto.

    Parameters
    ----------
    dataset : str
    root : Path, optional
        Raíz del proyecto; por omisión, ``project_root()``.
    """
    return PublishedTables((root or project_root()) / "estudio" / "laboratorio" / dataset)
