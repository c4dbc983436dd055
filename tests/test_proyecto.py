"""El proyecto entero: dependencias, fronteras entre paquetes, archivos y README."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml

from neumonia.lab.readme import BEGIN, END, table_block

ROOT = Path(__file__).resolve().parent.parent
ORDER = (
    "errors", "text", "files", "progress", "datasets", "splits", "exploration",
    "models", "training", "robust",
    "evaluation", "baselines", "acquisition", "gradcam", "heat", "figures", "study", "likeness",
    "explain", "lab", "review", "cards", "cli",
)  # fmt: skip


@pytest.fixture(scope="module")
def metadata() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def modules() -> list[Path]:
    return sorted((ROOT / "src").rglob("*.py"))


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def test_conda_y_pip_piden_las_mismas_versiones(metadata):
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    conda = [item for item in environment["dependencies"] if isinstance(item, str)]
    pip = next(item["pip"] for item in environment["dependencies"] if isinstance(item, dict))
    wanted = {*metadata["dependencies"], *metadata["optional-dependencies"]["pruebas"]}
    assert set(pip) - {"-e ."} == wanted
    assert any(item.startswith("quarto>=1.9") for item in conda)


def test_cada_dependencia_esta_fijada_y_en_el_candado_con_su_resumen(metadata):
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pinned = [*metadata["dependencies"], *metadata["optional-dependencies"]["pruebas"]]
    for requirement in pinned:
        name, version = requirement.split("==")
        entry = re.search(
            rf"^{re.escape(name)}=={re.escape(version)}\b.*\\\n\s+--hash=sha256:", lock, re.M
        )
        assert entry, f"{requirement} no está en requirements.lock con su resumen"


def test_el_candado_no_nombra_ningun_registro():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    assert not re.search(r"^\s*--(?!hash=)", lock, re.M)


def test_quarto_es_un_extra_y_no_esta_en_el_candado(metadata):
    assert metadata["optional-dependencies"]["quarto"][0].startswith("quarto-cli==")
    assert "quarto" not in (ROOT / "requirements.lock").read_text(encoding="utf-8")


def test_la_ciencia_y_la_imprenta_no_se_conocen():
    for path in modules():
        other = "imprenta" if "neumonia" in path.relative_to(ROOT / "src").parts else "neumonia"
        wrong = {name for name in imported(path) if name.split(".")[0] == other}
        assert not wrong, f"{path} importa {wrong}"


def test_las_importaciones_de_neumonia_van_en_un_solo_sentido():
    rank = {name: position for position, name in enumerate(ORDER)}
    for path in (ROOT / "src" / "neumonia").rglob("*.py"):
        room = path.relative_to(ROOT / "src" / "neumonia").parts[0].removesuffix(".py")
        if room in ("__init__", "__main__"):
            continue
        for name in imported(path):
            parts = name.split(".")
            if parts[0] == "neumonia" and len(parts) > 1 and parts[1] in rank:
                assert rank[parts[1]] <= rank[room], f"{path.name}: {room} importa {name}"


def test_ningun_modulo_pasa_de_quinientas_lineas():
    long = {
        str(path.relative_to(ROOT)): lines
        for path in modules()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 500
    }
    assert not long


def test_importar_el_paquete_no_carga_las_bibliotecas_pesadas():
    code = (
        "import sys, neumonia, neumonia.study, neumonia.cli, neumonia.gradcam, neumonia.heat;"
        "import neumonia.figures, neumonia.review.runner;"
        "import imprenta.cli;"
        "heavy = ('tensorflow', 'keras', 'matplotlib.pyplot', 'kagglehub');"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_la_tabla_del_readme_es_la_de_los_estudios_publicados():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = readme[readme.index(BEGIN) : readme.index(END) + len(END)]
    assert block == table_block(ROOT)


def test_las_rutas_del_readme_existen():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    images = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", readme)
    assert images
    for path in images:
        assert (ROOT / path).is_file(), path
    for folder in ("book", "src/neumonia", "src/imprenta", "estudio", "tests"):
        assert f"`{folder}/`" in readme and (ROOT / folder).is_dir()


def test_las_ordenes_make_del_readme_existen():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for order in set(re.findall(r"\bmake (\w+)", readme)):
        assert re.search(rf"^{order}:", makefile, re.M), f"make {order}"


def git(*arguments: str) -> list[str]:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no estamos en un repositorio de git")
    return done.stdout.splitlines()


def test_ningun_archivo_publicado_lleva_pesos_modelos_ni_radiografias():
    files = git("ls-files")
    wrong = [f for f in files if f.endswith((".keras", ".h5", ".npz", ".npy", ".jpeg", ".jpg"))]
    # Los logits del examen de robustez: un número por radiografía y adquisición, y nada más.
    logits = [f for f in wrong if re.fullmatch(r"estudio/\w+/robustez/\w+/[\w-]+\.npz", f)]
    assert sorted(logits) == sorted(wrong)
    for name in logits:
        with np.load(ROOT / name, allow_pickle=False) as stored:
            assert set(stored.files) == {"stamp", "val", "val_views", "test_views"}
            assert max(stored[key].size for key in stored.files) < 20_000


def test_git_no_se_calla_ningun_resultado_publicado():
    folders = ["estudio/kermany", "estudio/pneumoniamnist"]
    assert git("ls-files", *folders)
    assert not git("ls-files", "--others", "--ignored", "--exclude-standard", *folders)
