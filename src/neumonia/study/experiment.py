"""Un experimento: se calcula una vez, se guarda, y se publica como una tabla con su procedencia."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from neumonia.errors import DataError
from neumonia.files import atomic_path, project_root, read_json, write_text
from neumonia.study.config import Config
from neumonia.study.pipeline import Study
from neumonia.study.provenance import sign
from neumonia.study.published import read_table

COLUMNS = ("experiment", "network", "method", "metric", "value", "low", "high", "n")
"""Las columnas que toda tabla tiene; un experimento puede añadir otras."""
FIGURES = "figures"


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
    """Calcula el experimento, si no estaba, y publica su tabla, que devuelve, figuras y firma."""
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
    folder = Path(folder)
    for source in (found.folder / f"{experiment.name}.csv", *found.folder.rglob("*.png")):
        with atomic_path(folder / source.relative_to(found.folder)) as temporary:
            shutil.copyfile(source, temporary)
    sign(folder, experiment.name, [study, *bench.used])
    return folder / f"{experiment.name}.csv"


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
        """La tabla de un experimento; véase ``read_table``."""
        return read_table(
            self.folder / f"{name}.csv",
            f"neumonia laboratorio {name} --datos {self.folder.name} "
            f"--salida {os.path.relpath(self.folder)}",
        )

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
    """Lo publicado en ``estudio/laboratorio/<dataset>/`` del proyecto, o de ``root``."""
    return PublishedTables((root or project_root()) / "estudio" / "laboratorio" / dataset)
