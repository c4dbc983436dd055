"""El sitio impreso: páginas completas, enlaces vivos, texto alternativo y nada de fuera."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml

ENGLISH = re.compile(
    r"\b(Table of contents|Figure \d|Table \d|Equation \d|Chapter \d|Previous|Next|Search|"
    r"Source Code|Note|Warning|Tip|References)\b"
)


class PageReader(HTMLParser):
    """Lo que hay que mirar de una página."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.images: list[dict[str, str]] = []
        self.links: list[str] = []
        self.resources: list[str] = []
        self.ids: list[str] = []
        self.language = ""
        self.prose: list[str] = []
        self._skip: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = {name: value or "" for name, value in attrs}
        if "id" in values:
            self.ids.append(values["id"])
        if tag == "html":
            self.language = values.get("lang", "")
        if tag == "img":
            self.images.append(values)
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in ("img", "script") and "src" in values:
            self.resources.append(values["src"])
        if tag == "link" and "href" in values:
            self.resources.append(values["href"])
        if tag in ("script", "style", "pre", "code", "annotation"):
            self._skip.append(tag)

    def handle_endtag(self, tag):
        if self._skip and self._skip[-1] == tag:
            self._skip.pop()

    def handle_data(self, data):
        if not self._skip:
            self.prose.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.prose).split())


@pytest.fixture(scope="module")
def readers(printed) -> dict[Path, PageReader]:
    return {path: PageReader(path.read_text(encoding="utf-8")) for path in printed.pages()}


def test_hay_una_pagina_y_un_cuaderno_por_capitulo(printed):
    chapters = yaml.safe_load((printed.root / "_quarto.yml").read_text(encoding="utf-8"))["book"][
        "chapters"
    ]
    for chapter in chapters:
        assert (printed.site / chapter).with_suffix(".html").is_file(), chapter
    notebooks = {path.stem for path in (printed.site / "cuadernos").rglob("*.ipynb")}
    for name in ("01-datos", "03-cnn", "06-gradcam"):
        assert any(name in stem for stem in notebooks), name
    assert len(list(printed.site.glob("*.pdf"))) == 1


def test_todas_las_paginas_estan_en_espanol(readers):
    for path, page in readers.items():
        assert page.language.startswith("es"), path.name
        assert not ENGLISH.search(page.text), (path.name, ENGLISH.search(page.text))


def test_ninguna_referencia_queda_sin_resolver(readers):
    for path, page in readers.items():
        assert not re.search(r"@(fig|tbl|sec|eq)-|\?\?|\[@|\{python\}", page.text), path.name


def test_cada_imagen_existe_y_dice_lo_que_se_ve(readers):
    count = 0
    for path, page in readers.items():
        for image in page.images:
            assert len(image.get("alt", "")) > 20, (path.name, image)
            if not image["src"].startswith("data:"):
                assert (path.parent / unquote(image["src"])).is_file(), (path.name, image["src"])
            count += 1
    assert count >= 15


def test_cada_enlace_interno_llega(readers):
    ids = {path.resolve(): set(page.ids) for path, page in readers.items()}
    for path, page in readers.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path.resolve()
            assert target.is_file(), (path.name, link)
            if parts.fragment and target in ids:
                assert unquote(parts.fragment) in ids[target], (path.name, link)


def test_ninguna_pagina_pide_nada_a_la_red(readers):
    for path, page in readers.items():
        remote = [item for item in page.resources if urlsplit(item).scheme in ("http", "https")]
        assert not remote, (path.name, remote)
        assert not re.search(r"(?:@import|url\()\s*['\"]?https?:", path.read_text("utf-8"))


def test_los_identificadores_no_se_repiten(readers):
    for path, page in readers.items():
        repeated = {name for name in page.ids if page.ids.count(name) > 1}
        assert not repeated, (path.name, repeated)


def test_cada_pagina_avisa_que_no_es_para_diagnosticar(readers):
    for path, page in readers.items():
        assert re.search(r"no (es|sirve|está) .{0,30}diagn", page.text, re.I), path.name


def test_ningun_capitulo_muestra_un_error_ni_una_ruta_de_la_maquina(printed, readers):
    for path in printed.pages():
        text = path.read_text(encoding="utf-8")
        assert "Traceback" not in text and str(printed.root) not in text, path.name


def test_la_segunda_impresion_reutiliza_y_da_los_mismos_bytes(printed):
    before = {path: path.read_bytes() for path in printed.pages()}
    done = printed.run("imprenta", "libro", "--motor", "pandoc")
    assert done.returncode == 0, done.stderr
    assert "no cambiaron" in done.stdout
    assert {path: path.read_bytes() for path in printed.pages()} == before


def test_sin_pesos_de_vgg16_el_libro_lo_dice_y_no_se_rompe(printed, book_copy):
    book = replace(printed, root=book_copy)
    missing = {"NEUMONIA_VGG16": str(book_copy / "no-existe.h5")}
    study = book.run("neumonia", "estudio", **missing)
    assert study.returncode == 0, study.stderr[-2000:]
    assert "Sin VGG16" in study.stderr
    done = book.run("imprenta", "libro", "--motor", "pandoc", **missing)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    chapter = (book.site / "book" / "04-transferencia.html").read_text(encoding="utf-8")
    assert "NEUMONIA_VGG16" in chapter or "no hay pesos" in chapter.lower()
