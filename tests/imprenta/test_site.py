"""El sitio impreso: numeración, referencias, accesibilidad y validez, leídas del HTML."""

import json
import posixpath
import re
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest

from imprenta.build import prepare, read_book
from imprenta.errors import BookErrors, ImprentaError
from imprenta.execute import Executed

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}


class Page(HTMLParser):
    """Lee una página y comprueba que cada etiqueta se cierre en su orden."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.stack: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag, attrs):
        assert len({name for name, _ in attrs}) == len(attrs), f"atributo repetido en <{tag}>"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.stack and self.stack[-1] == tag, f"</{tag}> cierra {self.stack[-3:]}"
        self.stack.pop()

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words).replace("\u00a0", " "))

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def ids(self) -> list[str]:
        return [attributes["id"] for _, attributes in self.tags if attributes.get("id")]


def pages(rich) -> dict[str, Page]:
    return {
        path.relative_to(rich.output).as_posix(): Page(path.read_text(encoding="utf-8"))
        for path in sorted(rich.output.rglob("*.html"))
    }


def test_estan_todas_las_paginas_y_son_html_bien_formado(rich):
    assert list(pages(rich)) == [
        "book/01-datos.html",
        "book/02-modelo.html",
        "book/ap.html",
        "index.html",
        "referencias.html",
    ]


def test_ningun_identificador_se_repite(rich):
    for name, page in pages(rich).items():
        assert len(page.ids) == len(set(page.ids)), name


def test_todos_los_enlaces_y_recursos_locales_existen(rich):
    site = pages(rich)
    links = 0
    for name, page in site.items():
        for tag, attributes in page.tags:
            target = attributes.get("href") or attributes.get("src")
            if not target or re.match(r"(https?|mailto):", target):
                assert tag in ("a",) or not target, (name, tag, target)
                continue
            path, _, fragment = target.partition("#")
            place = posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(path)))
            place = name if not path else place
            assert (rich.output / place).is_file(), (name, target)
            if fragment:
                assert unquote(fragment) in site[place].ids, (name, target)
            links += 1
    assert links > 60


def test_las_referencias_cruzadas_llevan_el_numero_de_quarto(rich):
    text = pages(rich)["book/01-datos.html"].text
    assert "Como muestra Figura 1.1 y según Pérez (2018b) y (Pérez 2018a, 3), hay 5856" in text
    assert (
        "Véanse Capítulo 2, Sección 1.1, Tabla 1.1, Tabla 1.2, Ecuación 1.1, 1.1, fig. 1.2 y "
        "Figura 1.1, Figura 1.2."
    ) in text
    assert "Figura 1.1: Una figura con" in text and ", de Pérez (2018b)." in text
    assert "Figura 1.2: Un cuadro" in text
    assert "Tabla 1.1: Datos." in text and "Tabla 1.2: Resultados a mano" in text
    assert "(1.1)" in text
    second = pages(rich)["book/02-modelo.html"].text
    assert "Volvamos a Capítulo 1, a Figura 1.1 y a Apéndice A." in second
    appendix = pages(rich)["book/ap.html"].text
    assert "A Apéndice técnico" in appendix and "Según Ecuación A.1." in appendix


def test_el_texto_literal_no_se_interpreta(rich):
    text = pages(rich)["book/01-datos.html"].text
    assert "Literal: a_b*c <i>. En código no hay citas: @fig-nada." in text
    assert "hola <mundo> 1" in text
    assert "esto no se imprime" not in text
    assert "no debe verse" not in text


def test_el_html_tiene_idioma_regiones_y_salto_al_contenido(rich):
    for name, page in pages(rich).items():
        assert page.all("html")[0]["lang"] == "es"
        assert len(page.all("main")) == 1 and len(page.all("h1")) == 1, name
        assert page.all("a")[0] == {"class": "saltar", "href": "#contenido"}
        assert page.all("meta")[1]["name"] == "viewport"
        assert "no para diagnóstico" in page.text
        assert all(
            item.get("aria-label") or item.get("aria-labelledby") for item in page.all("nav")
        )


def test_las_imagenes_llevan_su_texto_alternativo(rich):
    images = pages(rich)["book/01-datos.html"].all("img")
    assert [image["alt"] for image in images] == [
        'Cuadro gris con "comillas" & más.',
        "Cuadro a mano.",
    ]
    assert images[0]["src"] == "01-datos_files/figure-html/fig-gris.png"
    assert images[1]["style"] == "width:40%"


def test_las_tablas_llevan_leyenda_y_se_alcanzan_con_el_teclado(rich):
    page = pages(rich)["book/01-datos.html"]
    regions = [item for item in page.all("div") if item.get("role") == "region"]
    assert [item.get("id") for item in regions] == ["tbl-df", "tbl-mano", None]
    assert all(item["tabindex"] == "0" and item["aria-label"] for item in regions)
    assert len(page.all("caption")) == 2
    assert any("right" in item.get("style", "") for item in page.all("td"))
    assert all(item["tabindex"] == "0" for item in page.all("pre"))


def test_los_avisos_dicen_su_clase_con_palabras(rich):
    text = pages(rich)["book/01-datos.html"].text
    assert "Consejo Solución" in text and "Advertencia Cuidado con esto" in text and "Nota" in text
    summaries = rich.page("book/01-datos.html").count("<details")
    assert summaries == 1


def test_las_formulas_son_mathml(rich):
    page = rich.page("book/01-datos.html")
    assert page.count("<math") >= 5
    assert "mathjax" not in page.lower() and "katex" not in page.lower()


def test_las_citas_enlazan_a_la_pagina_de_referencias(rich):
    page = rich.page("book/01-datos.html")
    assert 'href="../referencias.html#ref-perez2018"' in page
    assert "Pérez, Ana. 2018b. «Uno»" in pages(rich)["referencias.html"].text


def test_las_salidas_se_ven_sin_color_y_stderr_no(rich):
    text = pages(rich)["book/02-modelo.html"].text
    assert "rojo" in text and "esto no se ve" not in text
    assert "\x1b" not in rich.page("book/02-modelo.html")


def test_la_navegacion_numera_y_marca_la_pagina_actual(rich):
    page = pages(rich)["book/01-datos.html"]
    current = [item for item in page.all("a") if item.get("aria-current") == "page"]
    assert [item["href"] for item in current] == ["01-datos.html"]
    rels = {item["rel"]: item["href"] for item in page.all("a") if item.get("rel")}
    assert rels == {"prev": "../index.html", "next": "02-modelo.html"}
    first = pages(rich)["index.html"]
    assert [item["rel"] for item in first.all("a") if item.get("rel")] == ["next"]
    assert "Un libro: de prueba" in first.text and "Ana Ejemplo" in first.text


def test_el_indice_de_la_pagina_lista_sus_secciones(rich):
    page = rich.page("book/01-datos.html")
    index = page[page.index('<nav class="indice"') : page.index("</nav>", page.index("indice"))]
    assert re.findall(r'href="#([\w-]+)"', index) == ["sec-partes", "tablas", "final"]
    assert '<nav class="indice"' not in rich.page("referencias.html")


def test_el_indice_de_busqueda_es_un_guion_con_todas_las_secciones(rich):
    text = rich.page("recursos/busqueda.js")
    data = json.loads(text.removeprefix("window.INDICE = ").rstrip(";\n"))
    assert {"d": "book/ap.html", "t": "A Apéndice técnico", "s": ""}.items() <= next(
        item for item in data if item["d"] == "book/ap.html"
    ).items()
    section = next(item for item in data if item["d"] == "book/01-datos.html#sec-partes")
    assert section["s"] == "1.1 Partes" and "hola <mundo> 1" in section["x"]


def test_nada_se_pide_a_la_red(rich):
    for path in rich.output.rglob("*"):
        if path.suffix in (".html", ".css", ".js"):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"""(src|@import|url\()\s*=?\s*["'(]?https?:""", text), path


def test_dos_impresiones_son_iguales_byte_a_byte(rich, tmp_path):
    from imprenta.build import build

    again = tmp_path / "otra"
    again.mkdir()
    build(rich.config, again, True, rich.said.append)
    first = {
        path.relative_to(rich.output): path.read_bytes()
        for path in rich.output.rglob("*")
        if path.is_file()
    }
    second = {
        path.relative_to(again): path.read_bytes() for path in again.rglob("*") if path.is_file()
    }
    assert first.keys() == second.keys()
    assert [str(name) for name in first if first[name] != second[name]] == []


def test_contraste_de_los_colores_en_claro_y_en_oscuro(rich):
    """Todo color de texto sobre sus fondos llega a 4,5:1 (WCAG 2.2, criterio 1.4.3)."""
    css = rich.page("recursos/imprenta.css")
    blocks = re.findall(r":root \{(.*?)\n\s*\}", css, re.S)
    assert len(blocks) == 2
    for block in blocks:
        colours = dict(re.findall(r"--([\w-]+): (#\w{6})", block))
        backs = [colours["fondo"], colours["fondo-2"]]
        for name, colour in colours.items():
            if name not in ("fondo", "fondo-2", "linea"):
                assert min(contrast(colour, back) for back in backs) >= 4.5, name


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_el_contraste_se_mide_bien():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_una_imagen_fuera_del_libro_se_rechaza(book):
    (book.root.parent / "fuera.png").write_bytes(b"x")
    book.write({"a.qmd": "# A\n\n![x](../fuera.png)\n"})
    with pytest.raises(ImprentaError, match="No existe la imagen"):
        book.build()


def test_hojas_de_estilo_propias_y_palabras_cambiadas(book):
    (book.root / "estilo").mkdir()
    (book.root / "estilo" / "mio.css").write_text("p {}\n")
    book.write(
        {"book/a.qmd": "# A\n\n::: {.callout-tip}\nx\n:::\n"},
        extra='language:\n  callout-tip-title: "Truco"\n',
    )
    path = book.root / "_quarto.yml"
    path.write_text(
        path.read_text().replace("toc: true\n    html", "css: estilo/mio.css\n    html")
    )
    book.build()
    assert 'href="../estilo/mio.css"' in book.page("book/a.html")
    assert (book.output / "estilo" / "mio.css").read_text() == "p {}\n"
    assert "Truco" in book.page("book/a.html")


def test_los_defectos_de_varios_capitulos_se_dicen_juntos(book):
    book.write({"a.qmd": "texto\n", "b.qmd": "texto\n"})
    with pytest.raises(BookErrors) as caught:
        book.build()
    assert [item.file for item in caught.value.problems] == ["a.qmd", "b.qmd"]


GENERATED = {
    "referencia": ("@fig-nada", "@fig-nada"),
    "mezcla": ("[@sec-a; @perez2018]", "mezclan"),
    "cita": ("@nadie", "nadie"),
    "segundo título": ("# Otro", "un solo título"),
    "etiqueta repetida": ("## Otro {#sec-a}", "sec-a"),
}


@pytest.mark.parametrize("name", GENERATED)
def test_lo_que_escribe_una_celda_y_no_se_resuelve_detiene_la_impresion(book, name):
    """La revisión lee los capítulos; lo que sus celdas generan se comprueba al armarlo."""
    text, message = GENERATED[name]
    book.write({"a.qmd": "# A {#sec-a}\n\n```{python}\n#| echo: false\nx\n```\n"})
    executed = [
        Executed(chapter, {0: [result(text)]} if chapter.path == "a.qmd" else {}, {})
        for chapter in read_book(book.config)
    ]
    with pytest.raises(ImprentaError, match=message):
        prepare(executed, book.config)


def result(text: str) -> dict:
    return {"output_type": "display_data", "data": {"text/markdown": text}, "metadata": {}}
