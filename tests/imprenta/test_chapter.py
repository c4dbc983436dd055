"""Un capítulo se parte en texto y celdas sin perder ni una línea."""

import pytest

from imprenta.chapter import Cell, Text, mask_prose, read_chapter
from imprenta.errors import ImprentaError


def read(tmp_path, text):
    (tmp_path / "a.qmd").write_text(text, encoding="utf-8")
    return read_chapter(tmp_path, "a.qmd")


def test_celdas_y_texto_conservan_sus_lineas(tmp_path):
    text = (
        "# Uno\n\ntexto `{python} x` y `{python} x`\n\n"
        "```{python}\n#| label: a\n#| fig-cap: >\n#|   dos\n#|   líneas\n#| echo: false\n\n"
        "x = 1\ny = 2\n```\nfin\n"
    )
    chapter = read(tmp_path, text)
    first, cell, last = chapter.parts
    assert isinstance(first, Text) and isinstance(cell, Cell) and isinstance(last, Text)
    assert (first.line, cell.line, last.line) == (1, 5, 15)
    assert cell.code == "x = 1\ny = 2"
    assert text.split("\n")[cell.code_line - 1] == "x = 1"
    assert cell.options == {"label": "a", "fig-cap": "dos líneas", "echo": False}
    assert cell.lines == {"label": 6, "fig-cap": 7, "echo": 10}
    assert first.expressions() == ["x"]


def test_una_celda_sin_opciones(tmp_path):
    (cell,) = read(tmp_path, "```{python}\n#|\n# comentario\nx\n```\n").cells
    assert (cell.options, cell.label, cell.code) == ({}, "", "# comentario\nx")


def test_un_bloque_mas_largo_muestra_una_celda_sin_ejecutarla(tmp_path):
    chapter = read(tmp_path, "# A\n\n````\n```{python}\nx\n```\n````\n")
    assert chapter.cells == ()
    assert [(fence.first, fence.last) for fence in chapter.fences] == [(3, 7)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# A {.unnumbered}\n", True),
        ("# A {#x .unnumbered}\n", True),
        ("# A {-}\n", True),
        ("# A {#sec-x}\n", False),
        ("texto sin título", False),
        ("```{python}\n# comentario {.unnumbered}\n```\n\n# Uno\n", False),
    ],
)
def test_el_titulo_sin_numero(tmp_path, text, expected):
    assert read(tmp_path, text).unnumbered is expected


def options(*rows: str) -> str:
    return "# A\n\n```{python}\n" + "\n".join(rows) + "\nx\n```\n"


BAD = {
    "celda sin cerrar": ("# A\n\n```{python}\nx\n", 3, "no se cierra"),
    "otro lenguaje": ("# A\n\n```{r}\nx\n```\n", 3, "{r}"),
    "opciones entre llaves": ("# A\n\n```{python echo=false}\nx\n```\n", 3, "#| clave"),
    "celda en una lista": ("- a\n\n  ```{python}\n  x\n  ```\n", 3, "primera columna"),
    "celda en una cita": ("> ```{python}\n> x\n> ```\n", 1, "primera columna"),
    "portada": ("---\ntitle: A\n---\n", 1, "portada"),
    "opción desconocida": (options("#| fig-width: 6"), 4, "fig-width"),
    "booleana": (options("#| echo: a veces"), 4, "echo"),
    "texto que no lo es": (options("#| fig-cap: 3"), 4, "fig-cap"),
    "texto vacío": (options('#| fig-cap: " "'), 4, "fig-cap"),
    "código en la leyenda": (options('#| fig-cap: "hay `{python} n`"'), 4, "fig-cap"),
    "repetida": (options("#| echo: true", "#| echo: false"), 5, "echo"),
    "dos puntos": (options("#| echo: true", "#| fig-cap: Uno: dos"), 5, "comillas"),
    "sin clave": (options("#| hola"), 4, "clave: valor"),
    "etiqueta": (options("#| label: fig uno"), 4, "fig uno"),
    "tardía": (options("x = 1", "#| echo: false"), 5, "al comienzo"),
}


@pytest.mark.parametrize("name", BAD)
def test_rechaza_con_archivo_y_linea(tmp_path, name):
    text, line, message = BAD[name]
    with pytest.raises(ImprentaError) as caught:
        read(tmp_path, text)
    assert (caught.value.problem.file, caught.value.problem.line) == ("a.qmd", line)
    assert message in str(caught.value) and str(caught.value).startswith(f"a.qmd:{line}: ")


def test_un_archivo_que_no_es_utf8_o_no_existe(tmp_path):
    (tmp_path / "a.qmd").write_bytes("# Año".encode("latin-1"))
    with pytest.raises(ImprentaError, match="UTF-8"):
        read_chapter(tmp_path, "a.qmd")
    with pytest.raises(ImprentaError, match=r"b\.qmd"):
        read_chapter(tmp_path, "b.qmd")


def test_saltos_de_windows_y_marca_de_orden(tmp_path):
    (tmp_path / "a.qmd").write_bytes("\ufeff# A\r\n\r\n```{python}\r\nx\r\n```".encode())
    chapter = read_chapter(tmp_path, "a.qmd")
    assert chapter.cells[0].code == "x"
    assert chapter.parts[0].text == "# A\n\n"


def test_la_mascara_borra_codigo_y_formulas_sin_mover_nada():
    text = "a `@no` b $@no$ c <!-- @no\n @no --> d\n$$\n@no\n$$ fin ``x ` @no`` 5$ y 6$ @si"
    masked = mask_prose(text)
    assert len(masked) == len(text)
    assert masked.count("\n") == text.count("\n")
    assert "@no" not in masked
    assert masked.index("@si") == text.index("@si")
    assert "@si" in mask_prose("un ` suelto\n\n@si otro `")
