"""La revisión encuentra, con archivo y línea, lo que rompería el libro con cualquier motor."""

import pytest

from imprenta.build import read_book
from imprenta.lint import check_book

GOOD_FIGURE = (
    '```{python}\n#| label: fig-a\n#| fig-cap: "Leyenda."\n#| fig-alt: "Descripción."\nx\n```\n'
)


def findings(book) -> list[tuple[str, int, str]]:
    return [
        (item.file, item.line, item.message)
        for item in check_book(read_book(book.config), book.config)
    ]


def test_un_libro_correcto_no_tiene_defectos(book):
    book.image()
    book.write(
        {
            "a.qmd": "# Uno {#sec-a}\n\nVéanse @fig-a, [@fig-a; @sec-b], @eq-x, -@tbl-x y "
            "@perez2018.\n\n"
            + GOOD_FIGURE
            + "\n$$x$$ {#eq-x}\n\n| a |\n|---|\n| 1 |\n\n: Tabla {#tbl-x}\n\n"
            '![Gris](gris.png){#fig-g fig-alt="Un cuadro"}\n\n![Adorno](gris.png)\n\n'
            "[otro](b.qmd#sec-b), [red](https://example.org), [correo](mailto:a@example.org), "
            "<https://example.org>, <ana@example.org>, ana@example.org, 3 < 4 y 5 > 2.\n\n"
            "::: {.callout-note}\n## Título\n\n#### Dentro\n\n`<b>` y ``{{< x >}}``\n:::\n\n"
            '::: {.content-visible when-format="html"}\n```{=html}\n<b>hola</b>\n```\n:::\n',
            "b.qmd": "# Dos {#sec-b}\n\n## Tres\n\n[arriba](#tres)\n",
        }
    )
    assert findings(book) == []


CASES = {
    "referencia inexistente": ("Ver @fig-nada.", 3, "@fig-nada no existe"),
    "cita inexistente": ("Según @nadie2000.", 3, "@nadie2000 no está en la bibliografía"),
    "cita entre corchetes": ("Según [véase @nadie2000, p. 3].", 3, "@nadie2000"),
    "referencia pegada a cita": ("\n@sec-a [@perez2018]", 4, "desaparece"),
    "mayúscula": ("@Fig-x", 3, "usemos fig-"),
    "imagen que falta": ("![Algo](z.png)", 3, "No existe la imagen"),
    "imagen sin alternativo": ("![](gris.png)", 3, "texto alternativo"),
    "imagen de la red": ("![a](https://example.org/a.png)", 3, "sin conexión"),
    "figura sin alternativo": ("![Leyenda](gris.png){#fig-z}", 3, "fig-alt"),
    "figura sin leyenda": ('![](gris.png){#fig-z fig-alt="x"}', 3, "leyenda"),
    "enlace roto": ("[x](z.qmd)", 3, "no existe"),
    "enlace a sección rota": ("[x](b.qmd#sec-z)", 3, "sección que no existe"),
    "ancla rota": ("[x](#sec-z)", 3, "sección que no existe"),
    "enlace a html": ("[x](b.html)", 3, "como archivo .qmd"),
    "enlace a archivo suelto": ("[x](gris.png)", 3, "no viaja con el libro"),
    "enlace fuera del libro": ("[x](suelto.qmd)", 3, "no es un capítulo"),
    "enlace vacío": ("[x]()", 3, "no tiene destino"),
    "esquema raro": ("[x](javascript:alert)", 3, "esquema"),
    "HTML": ("un <br> texto", 3, "No se admite HTML"),
    "código corto": ("{{< video x >}}", 3, "código corto"),
    "LaTeX": ("a \\newpage b", 3, "LaTeX"),
    "clase en el texto": ("[x]{.rojo}", 3, "«.rojo»"),
    "bloque desconocido": ("::: {.panel-tabset}\nx\n:::", 3, "«.panel-tabset»"),
    "bloque sin llaves": ("::: callout-note\nx\n:::", 3, "con llaves"),
    "bloque sin clase": ('::: {title="x"}\nx\n:::', 3, "no sabe qué hacer"),
    "clave de bloque": ("::: {.callout-note icon=false}\nx\n:::", 3, "«icon»"),
    "formato ajeno": ('::: {.content-visible when-format="docx"}\nx\n:::', 3, "«docx»"),
    "bloque abierto": ("::: {.callout-note}\nx", 3, "no se cierra"),
    "cierre de más": ("x\n\n:::", 5, "no cierra ningún bloque"),
    "HTML directo": ("```{=html}\n<b>x</b>\n```", 3, "content-visible"),
    "LaTeX directo": ("```{=latex}\nx\n```", 3, "content-visible"),
    "celda dentro de un bloque": ("```python\na\n`{python} x`\n```", 5, "Quarto ejecutaría"),
    "segundo título": ("# Otro", 3, "un solo título"),
    "salto de nivel": ("### Hondo", 3, "salta de 1 a 3"),
    "jet": ("```{python}\na\nplt.imshow(x, cmap='jet')\n```", 5, "mapa de colores"),
    "figura sin etiqueta": (
        '```{python}\n#| fig-cap: "a"\n#| fig-alt: "b"\nx\n```',
        3,
        "label: fig-",
    ),
    "celda sin fig-alt": ('```{python}\n#| label: fig-q\n#| fig-cap: "a"\nx\n```', 3, "fig-alt"),
    "celda sin fig-cap": ('```{python}\n#| label: fig-q\n#| fig-alt: "a"\nx\n```', 3, "fig-cap"),
    "alt igual a la leyenda": (
        '```{python}\n#| label: fig-q\n#| fig-cap: "a"\n#| fig-alt: "a"\nx\n```',
        6,
        "repite",
    ),
    "tabla sin leyenda": ("```{python}\n#| label: tbl-q\nx\n```", 3, "tbl-cap"),
    "leyenda sin tabla": ('```{python}\n#| tbl-cap: "a"\nx\n```', 3, "no empieza por «tbl-»"),
    "celda como sección": ("```{python}\n#| label: sec-q\nx\n```", 3, "no puede empezar"),
    "referencia en la leyenda": (
        '```{python}\n#| label: fig-q\n#| fig-cap: "a @fig-z"\n#| fig-alt: "b"\nx\n```',
        5,
        "@fig-z",
    ),
    "etiqueta repetida": ("$$x$$ {#sec-b}", 1, "ya se usa"),
}


@pytest.mark.parametrize("name", CASES)
def test_encuentra(book, name):
    text, line, message = CASES[name]
    book.image()
    (book.root / "suelto.qmd").write_text("# S\n")
    book.write({"a.qmd": f"# Uno {{#sec-a}}\n\n{text}\n", "b.qmd": "# Dos {#sec-b}\n"})
    found = findings(book)
    assert [item for item in found if message in item[2]], found
    place = {(file, number) for file, number, said in found if message in said}
    assert place == {("b.qmd" if name == "etiqueta repetida" else "a.qmd", line)}
    assert len(found) == 1 or name in ("figura sin etiqueta",), found


def test_un_capitulo_sin_titulo(book):
    book.write({"a.qmd": "texto\n"})
    assert findings(book) == [
        ("a.qmd", 1, "El capítulo no tiene título: comencemos con «# Título {#sec-nombre}».")
    ]


def test_un_capitulo_sin_numero_no_remite_ni_numera(book):
    book.image()
    book.write(
        {
            "a.qmd": "# Uno {#sec-a}\n\n" + GOOD_FIGURE,
            "b.qmd": "# Dos {.unnumbered}\n\nVer @fig-a.\n\n![x](gris.png){#fig-z fig-alt='y'}\n\n"
            + GOOD_FIGURE.replace("label: fig-a", "label: fig-b"),
        }
    )
    assert [(line, "sin número" in said) for _, line, said in findings(book)] == [
        (3, True),
        (5, True),
        (8, True),
    ]


def test_number_sections_false_pide_unnumbered(book):
    book.write({"a.qmd": "---\nnumber-sections: false\n---\n\n# Uno\n"})
    assert "unnumbered" in findings(book)[0][2]
    book.write({"a.qmd": "---\nnumber-sections: false\n---\n\n# Uno {.unnumbered}\n"})
    assert findings(book) == []


def test_una_etiqueta_en_la_portada_no_llega_a_quarto(book):
    book.write({"a.qmd": "---\ntitle: 'Uno {#sec-a}'\n---\n\ntexto\n"})
    assert "Quarto no reconoce" in findings(book)[0][2]


def test_citas_sin_pagina_de_referencias(book):
    book.write({"a.qmd": "# Uno\n\n@perez2018\n"}, references=False)
    assert findings(book) == [
        (
            "_quarto.yml",
            1,
            "Hay citas y ningún capítulo contiene «::: {#refs}», donde va la bibliografía.",
        )
    ]


def test_una_bibliografia_rota_se_senala(book):
    book.write({"a.qmd": "# Uno\n"})
    (book.root / "refs.bib").write_text("@article{a, title={x\n")
    assert "bibliografía está mal escrita" in findings(book)[0][2]


def test_los_capitulos_del_proyecto_pasan_la_revision(root):
    from imprenta.config import load_config

    config = load_config(root)
    assert [str(item) for item in check_book(read_book(config), config)] == []
