"""``neumonia ficha``: las fichas como documentos sueltos."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _project(monkeypatch, tmp_path):
    """Un proyecto con un estudio publicado de verdad y sin revisión."""
    home = tmp_path / "estudio" / "kermany"
    home.mkdir(parents=True)
    (home / "paciente").symlink_to(ROOT / "estudio" / "kermany" / "paciente")
    monkeypatch.setenv("NEUMONIA_PROYECTO", str(tmp_path))


def test_la_ficha_de_un_modelo_sale_por_la_salida(run):
    done = run("ficha", "modelo", "--modelo", "vgg16")
    assert done.code == 0
    assert done.out.startswith("# Ficha de modelo: VGG16\n")
    assert "# Ficha de modelo: CNN" not in done.out
    assert done.out.endswith("\n")


def test_sin_elegir_salen_todos_los_modelos_en_un_archivo(run, tmp_path):
    path = tmp_path / "fichas.md"
    done = run("ficha", "modelo", "--salida", path)
    assert done.code == 0 and str(path) in done.out
    text = path.read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if line.startswith("# ")] == [
        "# Ficha de modelo: CNN",
        "# Ficha de modelo: VGG16",
    ]


def test_la_ficha_de_los_datos(run):
    done = run("ficha", "datos")
    assert done.code == 0 and done.out.startswith("# Ficha de datos")


def test_pedir_el_elegido_antes_de_publicarlo_se_explica(run):
    done = run("ficha", "modelo", "--modelo", "elegido")
    assert done.code == 1
    assert "No hay resultados publicados de 'elegido'" in done.err


def test_un_modelo_que_no_existe_es_un_error_de_uso(run):
    assert run("ficha", "modelo", "--modelo", "resnet").code == 2
    assert run("ficha").code == 2
