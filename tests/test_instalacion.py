"""La instalación en una máquina nueva: con el pip de cada Python y con las órdenes del README."""

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
VERSIONS = ("3.11", "3.12", "3.13")
OLD_PIP = "23.0.1"
"""El de Debian 12: busca ``paquete[extra]`` aparte del ``paquete`` ya fijado."""


def locked() -> dict[str, Requirement]:
    """Lo que fija el candado, por su nombre normalizado."""
    lines = re.findall(r"^([\w.\-\[\],]+==[^\s\\]+)", LOCK.read_text(encoding="utf-8"), re.M)
    found = [Requirement(line) for line in lines]
    return {normal(item.name): item for item in found}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def demanded(name: str, extras: set[str]) -> list[Requirement]:
    """Lo que pide, en esta máquina, una distribución instalada con esos extras."""
    try:
        requires = distribution(name).requires or []
    except PackageNotFoundError:
        return []  # el candado sirve a varias versiones de Python: esta no la usa
    return [
        item
        for item in map(Requirement, requires)
        if not item.marker or any(item.marker.evaluate({"extra": one}) for one in {"", *extras})
    ]


def test_el_candado_fija_todo_lo_que_piden_sus_paquetes_tambien_con_extras():
    pins = locked()
    assert len(pins) > 50
    missing = []
    for name, pin in pins.items():
        for wanted in demanded(name, pin.extras):
            mine = pins.get(normal(wanted.name))
            if mine is None or not wanted.extras <= mine.extras:
                missing.append(f"{name} pide {wanted}")
            else:
                [version] = [item.version for item in mine.specifier]
                assert wanted.specifier.contains(version, prereleases=True), f"{name}: {wanted}"
    assert not missing


def pythons() -> dict[str, str]:
    """Un intérprete por cada versión admitida que haya en la máquina."""
    folders = [Path(item) for item in os.environ.get("PATH", "").split(os.pathsep) if item]
    folders += [
        version
        for folder in folders
        if folder.name == "shims"
        for version in sorted(folder.parent.glob("versions/*/bin"))
    ]
    found = {}
    for version in VERSIONS:
        for program in [folder / f"python{version}" for folder in folders]:
            wanted = tuple(map(int, version.split(".")))
            question = f"import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != {wanted})"
            if program.is_file() and not subprocess.call(
                [program, "-c", question], stderr=subprocess.DEVNULL
            ):
                found.setdefault(version, str(program))
    return found


CASES = [*((version, None) for version in VERSIONS), ("3.11", OLD_PIP)]


@pytest.fixture(scope="module")
def resolutions(tmp_path_factory) -> dict[tuple[str, str | None], Future]:
    """Pip resolviendo el candado en un entorno vacío de cada caso, de dos en dos."""
    available = pythons()
    pool = ThreadPoolExecutor(2)
    return {
        case: pool.submit(_resolve, available[case[0]], case[1], tmp_path_factory.mktemp("vacio"))
        for case in CASES
        if case[0] in available
    }


def _resolve(python: str, pip: str | None, folder: Path) -> subprocess.CompletedProcess[str]:
    subprocess.run([python, "-m", "venv", folder], check=True)
    base = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install"]
    if pip:
        subprocess.run([*base, "--quiet", f"pip=={pip}"], check=True)
    order = [*base, "--dry-run", "--require-hashes", "-r", LOCK]
    return subprocess.run(order, capture_output=True, text=True, timeout=900)


@pytest.mark.red
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}, pip {case[1] or 'propio'}")
def test_cada_python_resuelve_el_candado_con_su_pip(resolutions, case):
    if case not in resolutions:
        pytest.skip(f"no hay Python {case[0]} en esta máquina")
    done = resolutions[case].result()
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]
    assert "Would install" in done.stdout and "tensorflow-" in done.stdout


@pytest.mark.red
def test_las_ordenes_sin_make_del_readme_instalan_hacen_el_libro_y_pasan_las_pruebas(tmp_path):
    """Al pie de la letra, sobre un libro de una página, una red pequeña y un archivo de pruebas."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"### Sin make.*?```bash\n(.*?)```", readme, re.S)[1]
    assert block.count(".venv\\Scripts\\activate") == 1
    block = block.replace(".venv\\Scripts\\activate", "source .venv/bin/activate")

    copy = tmp_path / "proyecto"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "estudio", "_book", "bench"))
    (copy / "estudio").symlink_to(ROOT / "estudio")
    settings = (copy / "_quarto.yml").read_text(encoding="utf-8")
    settings = re.sub(r"(?m)^    - book/(?!referencias).*\n", "", settings)
    settings = settings.replace("  appendices:\n", "")
    (copy / "_quarto.yml").write_text(settings, encoding="utf-8")
    (copy / "index.qmd").write_text("# Prueba\n\nUna página.\n", encoding="utf-8")

    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "python").symlink_to(Path(sys.base_prefix) / "bin" / Path(sys.executable).name)
    done = subprocess.run(
        ["bash", "-e"],
        input=block,
        cwd=copy,
        env={
            **{k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "PYTHONPATH")},
            "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
            "NEUMONIA_DATOS": "maqueta",
            "NEUMONIA_AJUSTES": '{"n_films": 120, "size": 32, "epochs_cnn": 1, "epochs_robust": 1}',
            "NEUMONIA_VGG16": str(tmp_path / "no-esta.h5"),
            "PYTEST_ADDOPTS": "tests/neumonia/test_text.py --no-cov -p no:cacheprovider",
        },
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (copy / "_book" / "index.html").is_file()
    assert list((copy / "_book").glob("*.pdf"))
    assert re.search(r"\d+ passed", done.stdout)
