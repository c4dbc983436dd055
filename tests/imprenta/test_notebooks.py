"""Los cuadernos: se leen con nbformat y se pueden volver a ejecutar fuera del libro."""

import re

import nbformat
import pytest
from nbclient import NotebookClient

from imprenta.build import build_notebooks


@pytest.fixture
def notebook(rich):
    return nbformat.read(rich.output / "cuadernos" / "01-datos.ipynb", as_version=4)


def test_hay_un_cuaderno_por_capitulo_con_codigo(rich):
    names = sorted(path.name for path in (rich.output / "cuadernos").iterdir())
    assert names == ["01-datos.ipynb", "02-modelo.ipynb"]
    assert 'href="../cuadernos/01-datos.ipynb"' in rich.page("book/01-datos.html")
    assert "cuadernos/" not in rich.page("book/ap.html")


def test_el_texto_queda_en_markdown_comun(notebook):
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    text = text.replace("\u00a0", " ")
    assert text.startswith("# 1 Los datos & más")
    assert "Figura 1.1 y según Pérez (2018b)" in text
    assert "$x^2$" in text and "$$b_0 = \\log\\frac{n_1}{n_0}$$" in text
    assert "> **Advertencia · Cuidado con `esto`**" in text
    assert "**Consejo · Solución**" in text
    assert "**Figura 1.1:** Una **figura**" in text
    assert "[la red](02-modelo.ipynb)" in text
    assert "el apéndice" in text and "ap.ipynb" not in text
    assert ":::" not in text and "{#" not in text and "@fig-gris" not in text


def test_codigo_salidas_y_orden(notebook):
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [1, 2, 3, 4, 5, 6]
    assert not any("#|" in cell.source for cell in code)
    assert "image/png" in code[1].outputs[0].data
    assert code[5].source.startswith("secreto")
    positions = [cell.source for cell in notebook.cells]
    before = next(i for i, text in enumerate(positions) if "Con una celda dentro" in text)
    assert positions[before + 1] == "1 + 1"


def test_las_imagenes_van_dentro(notebook):
    cell = next(cell for cell in notebook.cells if cell.get("attachments"))
    assert re.search(r"!\[Cuadro a mano\.\]\(attachment:gris\.png\)", cell.source)
    assert set(cell.attachments) == {"gris.png"}


def test_no_quedan_rutas_de_esta_maquina(book):
    book.write({"a.qmd": "# A\n\n```{python}\nimport os\nprint(os.getcwd())\nos.getcwd()\n```\n"})
    (path,) = build_notebooks(book.config, book.output, True, book.said.append)
    text = path.read_text(encoding="utf-8")
    assert str(book.root) not in text
    cells = nbformat.reads(text, as_version=4).cells
    assert cells[1].outputs[0].text == ".\n"
    assert (cells[1].execution_count, cells[1].outputs[1].execution_count) == (1, 1)


def test_el_cuaderno_se_vuelve_a_ejecutar_igual(notebook, tmp_path):
    def outputs():
        return [
            [
                {mime: str(value).strip() for mime, value in output.get("data", {}).items()}
                or output.get("text")
                for output in cell.outputs
            ]
            for cell in notebook.cells
            if cell.cell_type == "code"
        ]

    before = outputs()
    NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert outputs() == before
