"""Los conjuntos de radiografías, con una sola puerta: ``open_dataset``."""

import os
from pathlib import Path

from neumonia.datasets.base import (
    CLASSES,
    COLUMNS,
    INFO,
    SPLITS,
    Dataset,
    ImportReport,
    Skipped,
    tidy_manifest,
)
from neumonia.errors import ConfigError, DataError
from neumonia.files import cache_dir

NAMES = ("kermany64", "kermany", "pneumoniamnist", "maqueta")

__all__ = [
    "CLASSES",
    "COLUMNS",
    "INFO",
    "NAMES",
    "SPLITS",
    "Dataset",
    "ImportReport",
    "Skipped",
    "default_root",
    "download_dataset",
    "import_dataset",
    "library",
    "open_dataset",
    "tidy_manifest",
]


def library(name: str) -> Path:
    """Carpeta donde ``importar`` y ``descargar`` dejan el conjunto ``name``."""
    return cache_dir() / "datos" / _known(name)


def default_root(name: str) -> Path:
    """De dónde se abre ``name`` si no se indica: ``NEUMONIA_RAIZ`` o ``library(name)``."""
    chosen = os.environ.get("NEUMONIA_RAIZ")
    return Path(chosen).expanduser() if chosen else library(name)


def open_dataset(
    name: str,
    root: Path | str | None = None,
    seed: int = 0,
    n_films: int = 1200,
    size: int = 128,
    difficulty: float = 0.5,
    progress: bool = True,
) -> Dataset:
    """Abre un conjunto por su nombre.

    ``kermany64`` viaja con el paquete y la maqueta se genera aquí mismo, con ``seed``, ``n_films``,
    ``size`` y ``difficulty``; los otros dos se leen de ``root``: carpeta importada, carpeta
    original, zip oficial (kermany) o .npz (pneumoniamnist); por omisión, ``default_root(name)``. En
    pneumoniamnist ``size`` dice cuál archivo preferir si hay varios. ``progress`` muestra el avance
    de una primera importación.

    Raises
    ------
    ConfigError
        Si el nombre no existe.
    DataError
        Si los datos no están; el mensaje dice qué orden los trae.
    """
    _known(name)
    if name == "maqueta":
        from neumonia.datasets.phantoms import open_phantoms

        return open_phantoms(n_films=n_films, size=size, seed=seed, difficulty=difficulty)
    if name == "kermany64":
        from neumonia.datasets.mosaic import open_kermany64

        return open_kermany64(root if root is not None else os.environ.get("NEUMONIA_RAIZ") or None)
    place = Path(root).expanduser() if root is not None else default_root(name)
    if not place.exists():
        raise DataError(
            f"No encontramos los datos de «{name}» en {place}. Los traemos con «neumonia datos "
            f"descargar {name}», o con «neumonia datos importar RUTA» si ya los tenemos en un "
            "archivo o carpeta."
        )
    if name == "kermany":
        from neumonia.datasets.chest_xray import open_kermany

        return open_kermany(place, progress)
    from neumonia.datasets.pneumoniamnist import open_pneumoniamnist

    return open_pneumoniamnist(place, size)


def import_dataset(
    source: Path | str,
    destination: Path | str | None = None,
    progress: bool = True,
    replace: bool = False,
) -> ImportReport:
    """Importa a la biblioteca un .npz (pneumoniamnist) o un zip o carpeta (kermany)."""
    source = Path(source).expanduser()
    if source.suffix.lower() == ".npz":
        from neumonia.datasets.pneumoniamnist import import_npz

        return import_npz(source, destination or library("pneumoniamnist"))
    from neumonia.datasets.chest_xray import import_kermany

    return import_kermany(source, destination or library("kermany"), progress, replace)


def download_dataset(
    name: str,
    destination: Path | str | None = None,
    size: int = 28,
    progress: bool = True,
    replace: bool = False,
) -> ImportReport:
    """Descarga ``kermany`` o ``pneumoniamnist`` de su origen oficial a la biblioteca."""
    if _known(name) == "maqueta":
        raise ConfigError("La maqueta no se descarga: el paquete la genera en segundos.")
    if name == "kermany64":
        raise ConfigError("kermany64 no se descarga: viaja con el libro.")
    if name == "kermany":
        from neumonia.datasets.chest_xray import download_kermany

        return download_kermany(destination or library(name), progress, replace)
    from neumonia.datasets.pneumoniamnist import download_pneumoniamnist

    return download_pneumoniamnist(destination or library(name), size, progress)


def _known(name: str) -> str:
    if name not in NAMES:
        raise ConfigError(f"No existe el conjunto «{name}». Los nombres son: {', '.join(NAMES)}.")
    return name
