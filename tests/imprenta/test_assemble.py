"""De salidas de celda a bloques: qué se imprime, qué se calla y qué se rechaza."""

import base64

import pytest

from imprenta.assemble import assemble, inline_markdown
from imprenta.chapter import read_chapter
from imprenta.errors import ImprentaError
from imprenta.execute import Executed
from imprenta.tree import each, own_kind, text_of

FIGURE = '#| label: fig-a\n#| fig-cap: "L."\n#| fig-alt: "Un \\"alt\\" & más."\n'
TABLE = '#| label: tbl-a\n#| tbl-cap: "T"\n'
MARKDOWN_TABLE = "| a |\n|---|\n| 1 |\n"


def page(root, options: str, *outputs, code: str = "x", text: str = ""):
    """Página de un capítulo con una celda cuyas salidas damos nosotros."""
    cell = f"```{{python}}\n{options}{code}\n```\n\n"
    (root / "a.qmd").write_text(f"# A\n\n{cell}{text}", encoding="utf-8")
    return assemble(Executed(read_chapter(root, "a.qmd"), {0: list(outputs)}, {}))


def result(metadata=None, **data):
    bundle = {name.replace("_", "/"): value for name, value in data.items()}
    return {"output_type": "display_data", "data": bundle, "metadata": metadata or {}}


def stream(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def kinds(made) -> list[str]:
    return [own_kind(node) or node["t"] for node in each(made.blocks)]


@pytest.mark.parametrize(("metadata", "width"), [({"image/png": {"width": 480}}, "5in"), ({}, "")])
def test_una_figura_lleva_su_alternativo_y_su_ancho(tmp_path, metadata, width):
    made = page(tmp_path, FIGURE, result(metadata, image_png=base64.b64encode(b"x").decode()))
    assert made.media == {"fig-a.png": b"x"}
    picture = next(node for node in each(made.blocks) if node["t"] == "Image")
    assert dict(picture["c"][0][2]).get("width", "") == width
    assert text_of(picture["c"][1]) == 'Un "alt" & más.'


def test_markdown_gana_a_la_imagen_y_al_html(tmp_path):
    output = result(text_markdown="**si**", text_html="<table></table>", image_png="")
    made = page(tmp_path, "", output)
    assert text_of(made.blocks) == "xsi" and "Strong" in kinds(made)


def test_stderr_y_lo_vacio_no_se_imprimen(tmp_path):
    made = page(tmp_path, "", stream("ojo", "stderr"), stream("  \n"))
    assert text_of(made.blocks) == "x" and "salida" not in kinds(made)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", (True, True)),
        ("#| echo: false\n", (False, True)),
        ("#| include: false\n", (False,) * 2),
    ],
)
def test_echo_e_include(tmp_path, options, expected):
    text = text_of(page(tmp_path, options, stream("salió"), code="entró").blocks)
    assert ("entró" in text, "salió" in text) == expected


def test_lo_que_parece_markdown_dentro_del_codigo_no_lo_es(tmp_path):
    text = "```\n:::\n# no\n````\n  sangría"
    made = page(tmp_path, "", stream(text), code='"""```\n:::\n"""')
    blocks = [node["c"][1] for node in each(made.blocks) if node["t"] == "CodeBlock"]
    assert blocks == ['"""```\n:::\n"""', text]


BAD = {
    "figura sin alternativo": ("", [result(image_png="")], "fig-alt"),
    "fig sin imagen": (FIGURE, [stream("hola")], "produjo 0"),
    "fig con dos imágenes": (FIGURE, [result(image_png="")] * 2, "produjo 2"),
    "tbl sin tabla": (TABLE, [stream("hola")], "produjo 0"),
    "tbl con dos tablas": (TABLE, [result(text_markdown=MARKDOWN_TABLE)] * 2, "produjo 2"),
    "tabla de pandas": ("", [result(text_html="<table>", text_plain="x")], "text/html"),
    "tipo desconocido": ("", [result(video_mp4="x")], "video/mp4"),
    "sin datos": ("", [result()], "nada"),
}


@pytest.mark.parametrize("name", BAD)
def test_rechaza_salidas_que_no_corresponden(tmp_path, name):
    options, outputs, message = BAD[name]
    with pytest.raises(ImprentaError, match=message) as caught:
        page(tmp_path, options, *outputs)
    assert (caught.value.problem.file, caught.value.problem.line) == ("a.qmd", 3)


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


def test_html_fuera_de_lugar_y_titulo_ausente(tmp_path):
    with pytest.raises(ImprentaError, match="No se admite código"):
        page(tmp_path, "", text="a <b>c</b>\n")
    (tmp_path / "a.qmd").write_text("texto\n")
    with pytest.raises(ImprentaError, match="no tiene título"):
        assemble(Executed(read_chapter(tmp_path, "a.qmd"), {}, {}))


def test_dos_ecuaciones_en_un_parrafo_lo_parten(tmp_path):
    made = page(tmp_path, "", text="Antes $$x$$ {#eq-a}, y $$y$$ {#eq-b} fin. $$z$$\n")
    assert [own_kind(node) or node["t"] for node in made.blocks[1:]] == [
        "Para",
        "ecuacion",
        "Para",
        "ecuacion",
        "Para",
    ]
    assert [node["c"][0][0] for node in made.blocks if own_kind(node) == "ecuacion"] == [
        "eq-a",
        "eq-b",
    ]
