"""El PDF: se lee con otro programa (poppler) y se comprueba qué dice y cómo."""

import re
import shutil
import subprocess

import pytest

from imprenta import typst
from imprenta.errors import ImprentaError
from imprenta.tree import each, read_markdown
from imprenta.typst import _rows, fold_lines, table_scale, typst_width

needs_poppler = pytest.mark.skipif(
    not (shutil.which("pdftotext") and shutil.which("pdfinfo")), reason="falta poppler-utils"
)


def run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, check=True).stdout.decode(errors="replace")


def words(rich) -> str:
    text = run("pdftotext", "-layout", str(rich.output / rich.config.pdf_name), "-")
    return re.sub(r"\s+", " ", text)


@needs_poppler
def test_el_pdf_dice_lo_mismo_que_el_sitio(rich):
    text = words(rich)
    for expected in (
        "Un libro: de prueba",
        "Pequeño",
        "Ana Ejemplo",
        "Tabla de contenidos",
        "no para diagnóstico",
        "Capítulo 1",
        "Los datos & más",
        "1.1 Partes",
        "Como muestra Figura 1.1 y según Pérez (2018b)",
        "Figura 1.1: Una figura con",
        "Tabla 1.1: Datos.",
        "Tabla 1.2: Resultados a mano",
        "Figura 1.2: Un cuadro",
        "Ecuación 1.1",
        "(1.1)",
        "Apéndice A",
        "Ecuación A.1",
        "Volvamos a Capítulo 1",
        "Consejo · Solución",
        "Con una celda dentro:",
        "Advertencia · Cuidado con esto",
        "Literal: a_b*c <i>.",
        "Pérez, Ana. 2018a.",
    ):
        assert expected in text, expected
    for absent in (
        "esto no se imprime",
        "no debe verse",
        "esto no se ve",
        "@fig-gris",
    ):
        assert absent not in text, absent


@needs_poppler
def test_el_pdf_declara_idioma_titulo_y_estructura(rich):
    path = str(rich.output / rich.config.pdf_name)
    info = run("pdfinfo", path)
    assert re.search(r"Title:\s+Un libro: de prueba", info)
    assert re.search(r"Author:\s+Ana Ejemplo", info)
    assert re.search(r"Tagged:\s+yes", info)
    assert re.search(r"Page size:\s+595.* x 841.*\(A4\)", info)
    body = (rich.output / rich.config.pdf_name).read_bytes()
    assert b"/Lang (es)" in body or b"/Lang(es)" in body


@needs_poppler
def test_las_figuras_del_pdf_llevan_texto_alternativo(rich):
    structure = run("pdfinfo", "-struct", str(rich.output / rich.config.pdf_name))
    assert "Figure" in structure and "Table" in structure
    body = (rich.output / rich.config.pdf_name).read_bytes()
    assert body.count(b"/Alt") >= 2


@needs_poppler
def test_las_tipografias_van_incrustadas(rich):
    rows = run("pdffonts", str(rich.output / rich.config.pdf_name)).splitlines()[2:]
    assert rows and all(re.search(r"\byes\s+(yes|no)\s+(yes|no)\s+\d+", row) for row in rows)


@needs_poppler
def test_ninguna_linea_se_sale_del_papel(rich):
    import xml.etree.ElementTree as tree

    text = run("pdftotext", "-bbox", str(rich.output / rich.config.pdf_name), "-")
    found = tree.fromstring(text)
    boxes = [
        (float(word.get("xMin")), float(word.get("xMax")), word.text)
        for word in found.iter("{http://www.w3.org/1999/xhtml}word")
    ]
    assert len(boxes) > 200
    assert [box for box in boxes if box[0] < 60 or box[1] > 595 - 60] == []


@needs_poppler
def test_los_enlaces_internos_llegan_a_su_pagina(rich):
    from imprenta.build import prepare, read_book
    from imprenta.execute import execute_book
    from imprenta.typst import book_source  # el texto Typst que produjo el PDF

    config = rich.config
    executed = execute_book(read_book(config), config, True, rich.said.append)
    pages, targets = prepare(executed, config)
    source = book_source(pages, targets, config)
    for link in (
        "#link(<fig-gris>)",
        "#link(<sec-modelo>)",
        "#link(<sec-capas>)",
        "#link(<pagina-2>)",
        "#link(<ref-perez2018>)",
    ):
        assert link in source, link
    assert 'alt: "Cuadro gris con \\"comillas\\" & más."' in source
    # La tabla no queda dentro de una segunda figura.
    assert "kind: table" not in source


def test_un_error_de_typst_se_cuenta(rich, monkeypatch):
    monkeypatch.setattr(typst, "book_source", lambda *_: "#esto-no-existe")
    with pytest.raises(ImprentaError, match=r"Typst no pudo componer el PDF: .*esto-no-existe"):
        typst.write_pdf([], {}, rich.config, rich.output / "x.pdf")
    assert not (rich.output / "x.pdf").exists()


def test_los_avisos_de_typst_se_devuelven(rich, monkeypatch, tmp_path):
    monkeypatch.setattr(typst, "book_source", lambda *_: '#set text(font: "No Existe")\nhola')
    warnings = typst.write_pdf([], {}, rich.config, tmp_path / "x.pdf")
    assert any("no existe" in warning for warning in warnings)


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        ("", ""),
        ("40%", "40%"),
        ("96px", "1in"),
        ("96", "1in"),
        ("2.54cm", "1in"),
        ("25.4mm", "1in"),
        ("72pt", "1in"),
        ("8in", "100%"),
        ("raro", "100%"),
    ],
)
def test_anchos_de_imagen(width, expected):
    assert typst_width(width) == expected


def test_los_renglones_largos_se_parten():
    assert (
        fold_lines("corto\n" + "a" * 25, 10)
        == "corto\n" + "a" * 10 + "\n    aaaaaa\n    aaaaaa\n    aaa"
    )
    folded = fold_lines("uno dos tres cuatro", 10).split("\n")
    assert all(len(row) <= 10 for row in folded)
    assert " ".join(row.strip() for row in folded) == "uno dos tres cuatro"


def test_la_letra_de_una_tabla_baja_con_su_ancho():
    def table(columns: int, text: str):
        row = "|" + "|".join([text] * columns) + "|"
        rule = "|" + "|".join(["---"] * columns) + "|"
        tree = read_markdown(f"{row}\n{rule}\n{row}\n")
        return table_scale(_rows(next(node for node in each(tree) if node["t"] == "Table")))

    sizes = [table(columns, "diez letra") for columns in (2, 6, 8, 9, 12)]
    assert sizes[0] == 1.0 and sizes == sorted(sizes, reverse=True) and sizes[-1] == 0.6
