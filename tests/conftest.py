"""Lo común a todas las pruebas: dónde están los recursos que no viajan con el proyecto."""

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def _shared_dir() -> Path | None:
    chosen = os.environ.get("NEUMONIA_COMPARTIDO")
    folder = Path(chosen) if chosen else ROOT.parent / "shared"
    return folder if (folder / "datos").is_dir() else None


@cache
def _registry_answers() -> bool:
    """Si pip, tal como está configurado en esta máquina, encuentra un paquete del candado."""
    pinned = re.search(r"^wheel==\S+", (ROOT / "requirements.lock").read_text("utf-8"), re.M)
    question = ["download", "--no-deps", "--quiet", "--retries=0", "--timeout=10", pinned[0]]
    with TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "pip", *question, "--dest", folder], capture_output=True
        )
    return done.returncode == 0


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Con varios procesos, cada archivo va entero a uno, y el libro impreso se hace una vez."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "libro" if nodeid.startswith("tests/libro/") else nodeid.split("::", 1)[0]

    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Lo más largo, primero: si quedara para el final, un proceso esperaría al otro."""
    long = ("test_instalacion.py", "libro")
    items.sort(key=lambda item: not any(name in item.path.parts for name in long))


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("real") and _shared_dir() is None:
        pytest.skip("faltan las radiografías y los pesos reales (../shared)")
    if item.get_closest_marker("quarto") and shutil.which("quarto") is None:
        pytest.skip("falta el programa quarto en el PATH")
    if item.get_closest_marker("red") and not _registry_answers():
        pytest.skip("no hay red, o el registro de paquetes no responde")
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


@pytest.fixture(scope="session")
def _phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Las maquetas ya generadas: las mismas para todas las pruebas, que no las alteran."""
    return tmp_path_factory.mktemp("maqueta")


@pytest.fixture(autouse=True)
def _isolated(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, _phantoms: Path
) -> None:
    """Cada prueba tiene su propia carpeta de trabajo y ninguna opción heredada del entorno."""
    for name in list(os.environ):
        if name.startswith("NEUMONIA_") and name != "NEUMONIA_COMPARTIDO":
            monkeypatch.delenv(name)
    cache = tmp_path_factory.mktemp("cache")
    (cache / "maqueta").symlink_to(_phantoms, target_is_directory=True)
    monkeypatch.setenv("NEUMONIA_CACHE", str(cache))
