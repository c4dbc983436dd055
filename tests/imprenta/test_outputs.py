"""De salidas de celda a bloques: qué se imprime, qué se calla y qué se rechaza."""

import base64

import pytest

from imprenta.assemble import assemble, inline_markdown
from imprenta.build import read_book
from imprenta.errors import ImprentaError
from imprenta.execute import Executed
from imprenta.nodes import each, has_class, text_of
from imprenta.outputs import png_size


def page(book, options: str, *outputs, code: str = "x", text: str = ""):
    """Página de un capítulo con una celda cuyas salidas damos nosotros."""
    book.write({"a.qmd": f"# A\n\n```{{python}}\n{options}{code}\n```\n\n{text}"})
    chapter = read_book(book.config)[1]
    return assemble(Executed(chapter, {0: list(outputs)}, {}, 0.0, True), book.config)


def result(**data):
    bundle = {name.replace("_", "/"): value for name, value in data.items()}
    return {"output_type": "display_data", "data": bundle, "metadata": {}}


def stream(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def encoded(body: bytes) -> str:
    return base64.b64encode(body).decode()


FIGURE = '#| label: fig-a\n#| fig-cap: "L."\n#| fig-alt: "Alt."\n'


def test_el_ancho_de_un_png_sale_de_sus_puntos_por_pulgada(png):
    width, dpi = png_size(png(600, 1, 150))
    assert width == 600 and dpi == pytest.approx(150, abs=0.1)
    assert png_size(png(600, 1)) == (600, 96.0)
    assert png_size(b"GIF89a") is None


@pytest.mark.parametrize(
    ("metadata", "good", "expected"),
    [
        ({}, True, "4in"),
        ({"image/png": {"width": 480}}, True, "5in"),
        ({}, False, ""),
    ],
)
def test_el_ancho_de_la_figura(book, png, metadata, good, expected):
    body = encoded(png(600, 1, 150) if good else b"roto")
    output = {"output_type": "display_data", "data": {"image/png": body}, "metadata": metadata}
    tree = page(book, FIGURE, output).blocks
    picture = next(node for node in each(tree) if node["t"] == "Image")
    assert dict(picture["c"][0][2]).get("width", "") == expected
    assert text_of(picture["c"][1]) == "Alt."


def test_un_svg_se_guarda_como_svg(book):
    made = page(
        book,
        FIGURE,
        {
            "output_type": "display_data",
            "metadata": {},
            "data": {"image/svg+xml": "<svg/>", "image/png": ""},
        },
    )
    assert made.media == {"fig-a.svg": b"<svg/>"}


def test_markdown_gana_a_la_imagen_y_al_html(book):
    made = page(book, "", result(text_markdown="**si**", text_html="<table></table>"))
    assert "si" in text_of(made.blocks)
    assert any(node["t"] == "Strong" for node in each(made.blocks))


def test_stderr_solo_con_warning_true(book):
    assert "ojo" not in text_of(page(book, "", stream("ojo", "stderr")).blocks)
    assert "ojo" in text_of(page(book, "#| warning: true\n", stream("ojo", "stderr")).blocks)


@pytest.mark.parametrize(
    ("options", "code", "output"),
    [
        ("", True, True),
        ("#| echo: false\n", False, True),
        ("#| output: false\n", True, False),
        ("#| include: false\n", False, False),
    ],
)
def test_echo_output_include(book, options, code, output):
    text = text_of(page(book, options, stream("salió"), code="entró").blocks)
    assert ("entró" in text, "salió" in text) == (code, output)


def test_asis_se_lee_como_markdown(book):
    made = page(book, "#| output: asis\n", stream("| a |\n|---|\n| 1 |\n"))
    assert any(node["t"] == "Table" for node in each(made.blocks))


def test_latex_se_lee_como_formula(book):
    made = page(book, "", result(text_latex="$x^2$", text_plain="x**2"))
    assert any(node["t"] == "Math" for node in each(made.blocks))


def test_plegado_con_resumen_propio(book):
    made = page(book, '#| code-fold: show\n#| code-summary: "Ver"\n')
    fold = next(node for node in each(made.blocks) if has_class(node, "i-codigo"))
    assert dict(fold["c"][0][2]) == {"plegado": "abierto", "resumen": "Ver"}


BAD = {
    "figura sin etiqueta": ("", [result(image_png="")], "sin «#| fig-alt:»"),
    "fig sin imagen": (FIGURE, [stream("hola")], "produjo 0"),
    "fig con dos imágenes": (FIGURE, [result(image_png="")] * 2, "produjo 2"),
    "tbl sin tabla": ('#| label: tbl-a\n#| tbl-cap: "T"\n', [stream("hola")], "produjo 0"),
    "solo html": ("", [result(text_html="<b>x</b>")], "solo existe como HTML"),
    "tipo desconocido": (
        "",
        [{"output_type": "display_data", "metadata": {}, "data": {"video/mp4": "x"}}],
        "video/mp4",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_rechaza_salidas_que_no_corresponden(book, name):
    options, outputs, message = BAD[name]
    with pytest.raises(ImprentaError, match=message) as caught:
        page(book, options, *outputs)
    assert (caught.value.problem.file, caught.value.problem.line) == ("a.qmd", 3)


def test_una_salida_vacia_no_deja_nada(book):
    assert "i-salida" not in str(page(book, "", result(), stream("  \n")).blocks)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"text/plain": "3.5"}, "3.5"),
        ({"text/plain": "'hola'"}, "hola"),
        ({"text/plain": "'a_b*c'"}, r"a\_b\*c"),
        ({"text/plain": "'0.5', 'x'", "text/markdown": " **x** "}, "**x**"),
        ({"text/plain": "True"}, "True"),
    ],
)
def test_el_codigo_en_linea_sigue_las_reglas_de_quarto(data, expected):
    assert inline_markdown("x", data, "a.qmd", 1) == expected


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"text/plain": "np.float64(0.5)"}, "démosle formato"),
        ({"text/plain": "x", "text/html": "<b>"}, "no es texto"),
        ({"text/plain": "x", "image/png": ""}, "no es texto"),
        ({"text/plain": "''"}, "ningún texto"),
    ],
)
def test_el_codigo_en_linea_que_saldria_mal_se_rechaza(data, message):
    with pytest.raises(ImprentaError, match=message):
        inline_markdown("x", data, "a.qmd", 4)


def test_html_fuera_de_lugar_y_titulo_ausente(book):
    with pytest.raises(ImprentaError, match="No se admite código"):
        page(book, "", text="a <b>c</b>\n")
    book.write({"a.qmd": "texto\n"})
    chapter = read_book(book.config)[1]
    with pytest.raises(ImprentaError, match="no tiene título"):
        assemble(Executed(chapter, {}, {}, 0.0, True), book.config)
