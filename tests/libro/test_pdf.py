"""El PDF, leído con pdftotext."""

import re
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.skipif(shutil.which("pdftotext") is None, reason="falta pdftotext")


@pytest.fixture(scope="module")
def text(printed) -> str:
    (pdf,) = printed.site.glob("*.pdf")
    done = subprocess.run(["pdftotext", "-layout", str(pdf), "-"], capture_output=True, check=True)
    return done.stdout.decode()


def test_trae_todos_los_capitulos_y_las_referencias(text):
    for words in ("Prefacio", "Grad-CAM", "conclusiones", "Referencias", "Simonyan", "Selvaraju"):
        assert words in text, words


def test_nada_queda_en_ingles_ni_sin_resolver(text):
    assert not re.search(r"\b(Figure|Chapter|Equation|Contents|Bibliography) ?\d*\b", text)
    assert not re.search(r"@(fig|tbl|sec|eq)-\w|\?\?|\{python\}", text)


def test_las_soluciones_plegadas_estan_abiertas(text):
    assert "Una respuesta" in text


def test_avisa_que_no_es_para_diagnosticar(text):
    assert re.search(r"no (es|sirve|está)[^.]{0,40}diagn", text, re.I)
