"""La revisión encuentra, con archivo y línea, lo que rompería el libro con cualquier motor."""

import pytest

from imprenta.build import read_book
from imprenta.config import load_config
from imprenta.errors import BookErrors

GOOD_FIGURE = (
    '```{python}\n#| label: fig-a\n#| fig-cap: "Leyenda."\n#| fig-alt: "Descripción."\nx\n```\n'
)


def findings(book) -> list[tuple[str, int, str]]:
    try:
        read_book(book.config)
    except BookErrors as error:
        return [(item.file, item.line, item.message) for item in error.problems]
    return []


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
            '::: {.callout-tip collapse="true"}\n## Título\n\n#### Dentro\n\n'
            "`<b>` y ``{{< x >}}``\n:::\n",
            "b.qmd": "# Dos {#sec-b}\n\n## Tres {#sec-tres}\n\n[arriba](#sec-tres)\n",
        }
    )
    assert findings(book) == []


CASES = {
    "referencia inexistente": ("Ver @fig-nada.", 3, "@fig-nada"),
    "cita inexistente": ("Según @nadie2000.", 3, "@nadie2000"),
    "cita entre corchetes": ("Según [véase @nadie2000, p. 3].", 3, "@nadie2000"),
    "referencia pegada a cita": ("\n@sec-a [@perez2018]", 4, "desaparece"),
    "mayúscula": ("@Fig-x", 3, "@Fig-x"),
    "imagen que falta": ("![Algo](z.png)", 3, "z.png"),
    "imagen sin alternativo": ("![](gris.png)", 3, "alternativo"),
    "imagen de la red": ("![a](https://example.org/a.png)", 3, "sin conexión"),
    "figura sin alternativo": ("![Leyenda](gris.png){#fig-z}", 3, "fig-alt"),
    "enlace roto": ("[x](z.qmd)", 3, "z.qmd"),
    "enlace a sección rota": ("[x](b.qmd#sec-z)", 3, "b.qmd#sec-z"),
    "sección de otro capítulo": ("[x](b.qmd#sec-a)", 3, "b.qmd#sec-a"),
    "ancla rota": ("[x](#sec-z)", 3, "#sec-z"),
    "enlace a html": ("[x](b.html)", 3, "b.html"),
    "enlace a archivo suelto": ("[x](gris.png)", 3, "gris.png"),
    "enlace fuera del libro": ("[x](suelto.qmd)", 3, "suelto.qmd"),
    "esquema raro": ("[x](javascript:alert)", 3, "javascript:alert"),
    "HTML": ("un <br> texto", 3, "<br>"),
    "código corto": ("{{< video x >}}", 3, "{{< video x >}}"),
    "LaTeX": ("a \\newpage b", 3, "\\newpage"),
    "clase en el texto": ("[x]{.rojo}", 3, ".rojo"),
    "bloque desconocido": ("::: {.panel-tabset}\nx\n:::", 3, ".panel-tabset"),
    "bloque sin llaves": ("::: callout-note\nx\n:::", 3, "callout-note"),
    "clave de bloque": ("::: {.callout-note icon=false}\nx\n:::", 3, "icon"),
    "bloque abierto": ("::: {.callout-note}\nx", 3, "no se cierra"),
    "cierre de más": ("x\n\n:::", 5, "no cierra"),
    "HTML directo": ("```{=html}\n<b>x</b>\n```", 3, "{=html}"),
    "celda dentro de un bloque": ("```python\na\n`{python} x`\n```", 5, "Quarto ejecutaría"),
    "segundo título": ("# Otro", 3, "un solo título"),
    "salto de nivel": ("### Hondo", 3, "de 1 a 3"),
    "jet": ("```{python}\na\nplt.imshow(x, cmap='jet')\n```", 5, "jet"),
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
    "leyenda sin tabla": ('```{python}\n#| tbl-cap: "a"\nx\n```', 3, "tbl-cap"),
    "celda como sección": ("```{python}\n#| label: sec-q\nx\n```", 3, "sec-q"),
    "referencia en la leyenda": (
        '```{python}\n#| label: fig-q\n#| fig-cap: "a @fig-z"\n#| fig-alt: "b"\nx\n```',
        5,
        "@fig-z",
    ),
    "etiqueta repetida": ("$$x$$ {#sec-b}", 1, "sec-b"),
}


@pytest.mark.parametrize("name", CASES)
def test_encuentra(book, name):
    text, line, message = CASES[name]
    book.image()
    (book.root / "suelto.qmd").write_text("# S\n")
    book.write({"a.qmd": f"# Uno {{#sec-a}}\n\n{text}\n", "b.qmd": "# Dos {#sec-b}\n"})
    found = findings(book)
    ((file, number, said),) = found
    assert (file, number) == ("b.qmd" if name == "etiqueta repetida" else "a.qmd", line)
    assert message in said


def test_un_capitulo_sin_titulo(book):
    book.write({"a.qmd": "texto\n"})
    ((file, line, said),) = findings(book)
    assert (file, line) == ("a.qmd", 1) and "título" in said


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


def test_citas_sin_pagina_de_referencias(book):
    book.write({"a.qmd": "# Uno\n\n@perez2018\n"}, references=False)
    ((file, line, said),) = findings(book)
    assert (file, line) == ("_quarto.yml", 1) and "#refs" in said


def test_una_bibliografia_rota_se_senala(book):
    book.write({"a.qmd": "# Uno\n"})
    (book.root / "refs.bib").write_text("@article{a, title={x\n")
    assert "bibliografía está mal escrita" in findings(book)[0][2]


def test_los_capitulos_del_proyecto_pasan_la_revision(root):
    assert len(read_book(load_config(root))) > 10
