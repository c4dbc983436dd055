"""Un capítulo se parte en texto y celdas sin perder ni una línea."""

import pytest

from imprenta.chapter import Cell, Text, mask_prose, read_chapter
from imprenta.errors import ImprentaError


def read(tmp_path, text):
    (tmp_path / "a.qmd").write_text(text, encoding="utf-8")
    return read_chapter(tmp_path, "a.qmd")


def test_celdas_y_texto_conservan_sus_lineas(tmp_path):
    chapter = read(
        tmp_path,
        "# Uno\n\ntexto `{python} x`\n\n"
        "```{python}\n#| label: a\n#| echo: false\n\nx = 1\ny = 2\n```\nfin\n",
    )
    first, cell, last = chapter.parts
    assert isinstance(first, Text) and isinstance(cell, Cell) and isinstance(last, Text)
    assert (first.line, cell.line, last.line) == (1, 5, 12)
    assert cell.code == "x = 1\ny = 2"
    assert chapter.text.split("\n")[cell.code_line - 1] == "x = 1"
    assert cell.options.label == "a"
    assert cell.options.line("label", 0) == 6
    assert cell.options.get("echo") is False
    assert first.expressions() == ["x"]


def test_un_bloque_mas_largo_muestra_una_celda_sin_ejecutarla(tmp_path):
    chapter = read(tmp_path, "# A\n\n````\n```{python}\nx\n```\n````\n")
    assert chapter.cells == ()
    assert [(fence.first, fence.last) for fence in chapter.fences] == [(3, 7)]


def test_la_portada_y_el_titulo_sin_numero(tmp_path):
    chapter = read(tmp_path, "---\ntitle: Uno\ndescription: dos\n---\n\ntexto\n")
    assert chapter.front == {"title": "Uno", "description": "dos"}
    assert chapter.parts[0].line == 5
    assert not chapter.unnumbered
    assert read(tmp_path, "# A {.unnumbered}\n").unnumbered
    assert read(tmp_path, "# A {#x .unnumbered}\n").unnumbered
    assert read(tmp_path, "# A {-}\n").unnumbered
    assert not read(tmp_path, "# A {#sec-x}\n").unnumbered
    assert read(tmp_path, "---\ntitle: 'A {.unnumbered}'\n---\n").unnumbered
    assert not read(tmp_path, "texto sin título").unnumbered


def test_un_titulo_dentro_de_una_celda_no_es_titulo(tmp_path):
    chapter = read(tmp_path, "```{python}\n# comentario {.unnumbered}\n```\n\n# Uno\n")
    assert not chapter.unnumbered


BAD = {
    "celda sin cerrar": ("# A\n\n```{python}\nx\n", 3, "no se cierra"),
    "otro lenguaje": ("# A\n\n```{r}\nx\n```\n", 3, "solo ejecuta celdas"),
    "opciones entre llaves": ("# A\n\n```{python echo=false}\nx\n```\n", 3, "#| clave"),
    "celda en una lista": ("- a\n\n  ```{python}\n  x\n  ```\n", 3, "primera columna"),
    "celda en una cita": ("> ```{python}\n> x\n> ```\n", 1, "primera columna"),
    "portada abierta": ("---\ntitle: A\n", 1, "no se cierra"),
    "portada rota": ("---\ntitle: [A\n---\n", 2, "mal formada"),
    "portada sin claves": ("---\n- a\n---\n", 1, "claves y valores"),
    "portada con de más": ("---\ntitle: A\njupyter: python3\n---\n", 3, "jupyter"),
}


@pytest.mark.parametrize("name", BAD)
def test_rechaza_con_archivo_y_linea(tmp_path, name):
    text, line, message = BAD[name]
    with pytest.raises(ImprentaError, match=message) as caught:
        read(tmp_path, text)
    assert (caught.value.problem.file, caught.value.problem.line) == ("a.qmd", line)
    assert str(caught.value).startswith(f"a.qmd:{line}: ")


def test_un_archivo_que_no_es_utf8_o_no_existe(tmp_path):
    (tmp_path / "a.qmd").write_bytes("# Año".encode("latin-1"))
    with pytest.raises(ImprentaError, match="UTF-8"):
        read_chapter(tmp_path, "a.qmd")
    with pytest.raises(ImprentaError, match="No se puede leer"):
        read_chapter(tmp_path, "b.qmd")


def test_saltos_de_windows_y_marca_de_orden(tmp_path):
    (tmp_path / "a.qmd").write_bytes("\ufeff# A\r\n\r\n```{python}\r\nx\r\n```".encode())
    chapter = read_chapter(tmp_path, "a.qmd")
    assert chapter.cells[0].code == "x"
    assert "\r" not in chapter.text


def test_la_mascara_borra_codigo_y_formulas_sin_mover_nada():
    text = "a `@no` b $@no$ c <!-- @no\n @no --> d\n$$\n@no\n$$ fin ``x ` @no`` 5$ y 6$ @si"
    masked = mask_prose(text)
    assert len(masked) == len(text)
    assert masked.count("\n") == text.count("\n")
    assert "@no" not in masked
    assert masked.endswith("@si")
    assert masked.index("@si") == text.index("@si")


def test_la_mascara_no_cruza_parrafos():
    assert "@si" in mask_prose("un ` suelto\n\n@si otro `")
