"""``neumonia ficha``: las fichas como documentos sueltos."""

from neumonia.cards import TITLES


def test_la_ficha_de_un_modelo_sale_por_la_salida(run):
    done = run("ficha", "modelo", "--modelo", "vgg16")
    assert done.code == 0
    assert done.out.startswith("# Ficha de modelo: VGG16\n") and done.out.endswith("\n")
    assert "# Ficha de modelo: CNN" not in done.out


def test_sin_elegir_salen_todos_los_modelos_en_un_archivo(run, tmp_path):
    path = tmp_path / "fichas.md"
    done = run("ficha", "modelo", "--salida", path)
    assert done.code == 0 and str(path) in done.out
    text = path.read_text(encoding="utf-8")
    titles = [line for line in text.splitlines() if line.startswith("# ")]
    assert titles == [f"# Ficha de modelo: {title}" for title in TITLES.values()]


def test_la_ficha_de_los_datos(run):
    done = run("ficha", "datos")
    assert done.code == 0 and done.out.startswith("# Ficha de datos")


def test_un_modelo_que_no_existe_es_un_error_de_uso(run):
    assert run("ficha", "modelo", "--modelo", "resnet").code == 2
    assert run("ficha").code == 2
