"""El libro impreso una vez, sobre un estudio pequeño, para todas las pruebas que lo miran."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"size": 32, "epochs_cnn": 2, "epochs_head": 3, "epochs_robust": 2}


@dataclass(frozen=True)
class Printed:
    """Una copia del libro, el resultado de imprimirlo y con qué variables."""

    root: Path
    log: str
    environment: dict[str, str]

    @property
    def site(self) -> Path:
        return self.root / "_book"

    def pages(self) -> list[Path]:
        return sorted(self.site.rglob("*.html"))

    def run(self, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        """Ejecuta un módulo de Python dentro de la copia."""
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=self.root,
            env={**self.environment, **extra},
            capture_output=True,
            text=True,
            timeout=900,
        )


def copy_book(destination: Path) -> Path:
    """Copia lo que hace falta para imprimir, sin nada de lo ya construido."""
    for name in ("book", "estudio"):
        shutil.copytree(ROOT / name, destination / name, ignore=_built)
    for name in ("index.qmd", "_quarto.yml", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, destination / name)
    (destination / "src").symlink_to(ROOT / "src")
    return destination


def _built(folder: str, names: list[str]) -> set[str]:
    """Lo oculto, y los estudios que cada cual publica en su máquina."""
    own = {"maqueta", "kermany64"} if Path(folder) == ROOT / "estudio" else set()
    return {name for name in names if name.startswith(".")} | own


def book_environment(cache: Path) -> dict[str, str]:
    """Entorno con el estudio pequeño y, si están, los pesos reales ya descargados."""
    shared = Path(os.environ.get("NEUMONIA_COMPARTIDO", ROOT.parent / "shared"))
    weights = shared / "pesos" / "vgg16_imagenet_notop.h5"
    clean = {k: v for k, v in os.environ.items() if not k.startswith("NEUMONIA_")}
    return {
        **clean,
        "NEUMONIA_CACHE": str(cache),
        "NEUMONIA_AJUSTES": json.dumps(SMALL),
        "IMPRENTA_SIN_DESCARGA": "1",
        **({"NEUMONIA_VGG16": str(weights)} if weights.is_file() else {}),
    }


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache-libro")


@pytest.fixture
def book_copy(tmp_path) -> Path:
    """Otra copia del libro, sin imprimir."""
    return copy_book(tmp_path)


@pytest.fixture(scope="session")
def printed(tmp_path_factory, cache) -> Printed:
    """El libro impreso con pandoc y Typst."""
    root = copy_book(tmp_path_factory.mktemp("libro"))
    book = Printed(root, "", book_environment(cache))
    study = book.run("neumonia", "estudio")
    assert study.returncode == 0, study.stderr[-3000:]
    done = book.run("imprenta", "libro", "--motor", "pandoc")
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    return Printed(root, done.stdout, book.environment)
