"""Lo común a todas las pruebas: dónde están los recursos que no viajan con el proyecto."""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def _shared_dir() -> Path | None:
    chosen = os.environ.get("NEUMONIA_COMPARTIDO")
    folder = Path(chosen) if chosen else ROOT.parent / "shared"
    return folder if (folder / "datos").is_dir() else None


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("real") and _shared_dir() is None:
        pytest.skip("faltan las radiografías y los pesos reales (../shared)")
    if item.get_closest_marker("quarto") and shutil.which("quarto") is None:
        pytest.skip("falta el programa quarto en el PATH")
    if item.get_closest_marker("navegador") and CHROMIUM is None:
        pytest.skip("falta chromium")


@pytest.fixture(scope="session")
def root() -> Path:
    """Carpeta del proyecto."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Carpeta con los datos y los pesos reales."""
    folder = _shared_dir()
    if folder is None:
        pytest.skip("faltan las radiografías y los pesos reales (../shared)")
    return folder


@pytest.fixture(autouse=True)
def _isolated(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cada prueba tiene su propia carpeta de trabajo y ninguna opción heredada del entorno."""
    for name in list(os.environ):
        if name.startswith("NEUMONIA_") and name != "NEUMONIA_COMPARTIDO":
            monkeypatch.delenv(name)
    monkeypatch.setenv("NEUMONIA_CACHE", str(tmp_path_factory.mktemp("cache")))
