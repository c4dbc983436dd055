"""El sitio: plantilla, navegación, índice de búsqueda, imágenes y hojas de estilo."""

import json
import re
import shutil
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from string import Template

from imprenta.assemble import Page
from imprenta.citations import references_page
from imprenta.config import BookConfig
from imprenta.html import Heading, HtmlWriter, media_folder, quote, relative
from imprenta.images import local_images
from imprenta.nodes import text_of
from imprenta.pandoc import read_markdown, write
from imprenta.refs import Target
from imprenta.strings import word

ASSETS = ("imprenta.css", "imprenta.js")
FOLDER = "recursos"


def write_site(
    pages: Sequence[Page],
    targets: dict[str, Target],
    config: BookConfig,
    output: Path,
    notebooks: dict[int, str],
) -> None:
    """Escribe el sitio completo en ``output``.

    ``notebooks`` da, por posición de página, la dirección de su cuaderno dentro del sitio.
    """
    addresses = [f"{page.chapter.stem}.html" for page in pages]
    writer = HtmlWriter(pages, targets, config.strings, addresses, references_page(pages))
    template = Template(_resource("pagina.html"))
    footer = _footer(config)
    index = []
    for position, page in enumerate(pages):
        body = writer.body(position)
        headings = writer.headings(position, config.toc_depth)
        target = output / addresses[position]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(
            template.substitute(
                _values(pages, position, addresses, config, headings, notebooks)
                | {"titulo": _title(writer, position, config), "cuerpo": body, "pie": footer}
            ),
            encoding="utf-8",
        )
        index.extend(_search_entries(page, addresses[position], body))
        _copy_media(page, config.root, output, target.parent / media_folder(addresses[position]))
    assets = output / FOLDER
    assets.mkdir(parents=True, exist_ok=True)
    for name in ASSETS:
        (assets / name).write_text(_resource(name), encoding="utf-8")
    data = json.dumps(index, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    # Un guion y no un JSON suelto: los navegadores no leen archivos vecinos desde file://.
    (assets / "busqueda.js").write_text(f"window.INDICE = {data};\n", encoding="utf-8")
    for sheet in config.css:
        destination = output / sheet
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(config.root / sheet, destination)


def _resource(name: str) -> str:
    return (files("imprenta") / "plantillas" / name).read_text(encoding="utf-8")


def _values(
    pages: Sequence[Page],
    position: int,
    addresses: list[str],
    config: BookConfig,
    headings: list[Heading],
    notebooks: dict[int, str],
) -> dict[str, str]:
    here = addresses[position]
    plain_title = _plain_title(pages[position])
    root = relative(here, "index.html").removesuffix("index.html")
    sheets = "".join(
        f'<link rel="stylesheet" href="{quote(relative(here, sheet))}" />\n' for sheet in config.css
    )
    return {
        "idioma": quote(config.lang),
        "titulo_ventana": quote(
            config.title if position == 0 else f"{plain_title} – {config.title}"
        ),
        "descripcion": quote(
            str(
                pages[position].chapter.front.get("description")
                or config.description
                or config.subtitle
                or config.title
            )
        ),
        "autor": quote(config.author),
        "raiz": quote(root),
        "recursos": quote(f"{root}{FOLDER}"),
        "hojas": sheets,
        "libro": quote(config.title),
        "capitulos": _chapters(pages, position, addresses),
        "indice": _contents(headings, config),
        "descargas": _downloads(here, position, config, notebooks),
        "vecinos": _neighbours(pages, position, addresses),
        "buscar": quote(word(config.strings, "search-label")),
        "sin_resultados": quote(word(config.strings, "search-no-results-text")),
        "alternar": quote(word(config.strings, "toggle-navigation")),
        "copiar": quote(word(config.strings, "copy-button-tooltip")),
        "copiado": quote(word(config.strings, "copy-button-tooltip-success")),
    }


def _plain_title(page: Page) -> str:
    return f"{page.number} {text_of(page.title)}".strip()


def _title(writer: HtmlWriter, position: int, config: BookConfig) -> str:
    page = writer.pages[position]
    identifier = f' id="{quote(page.identifier)}"' if page.identifier else ""
    if position:
        return f"<h1{identifier}>{writer.title(position)}</h1>"
    lines = [f'<p class="libro-titulo">{quote(config.title)}</p>']
    if config.subtitle:
        lines.append(f'<p class="libro-subtitulo">{quote(config.subtitle)}</p>')
    if config.author:
        date = f" · {quote(config.date)}" if config.date else ""
        lines.append(f'<p class="libro-autor">{quote(config.author)}{date}</p>')
    cover = "\n".join(lines)
    return f'<div class="portada">{cover}</div>\n<h1{identifier}>{writer.title(position)}</h1>'


def _chapters(pages: Sequence[Page], position: int, addresses: list[str]) -> str:
    items = []
    for number, page in enumerate(pages):
        current = ' aria-current="page"' if number == position else ""
        label = f'<span class="numero">{page.number}</span> ' if page.number else ""
        items.append(
            f'<li><a href="{quote(relative(addresses[position], addresses[number]))}"{current}>'
            f"{label}{quote(text_of(page.title))}</a></li>"
        )
    return "<ol>\n" + "\n".join(items) + "\n</ol>"


def _contents(headings: list[Heading], config: BookConfig) -> str:
    if not headings:
        return ""
    items = []
    for heading in headings:
        number = f'<span class="numero">{heading.number}</span> ' if heading.number else ""
        items.append(
            f'<li class="nivel-{heading.level}"><a href="#{quote(heading.identifier)}">'
            f"{number}{quote(heading.text)}</a></li>"
        )
    title = quote(word(config.strings, "toc-title-website"))
    return (
        f'<nav class="indice" aria-labelledby="indice-titulo"><p id="indice-titulo">{title}</p>'
        "<ul>\n" + "\n".join(items) + "\n</ul></nav>"
    )


def _downloads(here: str, position: int, config: BookConfig, notebooks: dict[int, str]) -> str:
    links = [f'<a href="{quote(relative(here, config.pdf_name))}">Libro en PDF</a>']
    if position in notebooks:
        links.append(
            f'<a href="{quote(relative(here, notebooks[position]))}" download>'
            "Cuaderno de este capítulo</a>"
        )
    return "\n".join(f"<li>{item}</li>" for item in links)


def _neighbours(pages: Sequence[Page], position: int, addresses: list[str]) -> str:
    items = []
    for step, relation, label in ((-1, "prev", "Anterior"), (1, "next", "Siguiente")):
        other = position + step
        if 0 <= other < len(pages):
            items.append(
                f'<a class="{relation}" rel="{relation}" '
                f'href="{quote(relative(addresses[position], addresses[other]))}">'
                f'<span class="rotulo">{label}</span> '
                f'<span class="nombre">{quote(_plain_title(pages[other]))}</span></a>'
            )
    return "\n".join(items)


def _footer(config: BookConfig) -> str:
    paragraphs = []
    for text in config.footer:
        document = read_markdown(text)
        paragraphs.append(write(document, ["-t", "html5", "--wrap=none"]).strip())
    return "\n".join(paragraphs)


def _search_entries(page: Page, address: str, body: str) -> list[dict[str, str]]:
    """Una entrada por sección: dónde está, cómo se titula y qué dice."""
    title = _plain_title(page)
    entries = []
    pieces = re.split(r'<h([2-4])[^>]*?\sid="([^"]+)"[^>]*>(.*?)</h\1>', body, flags=re.S)
    entries.append({"d": address, "t": title, "s": "", "x": _words(pieces[0])})
    for start in range(1, len(pieces), 4):
        _, identifier, heading, text = pieces[start : start + 4]
        entries.append(
            {"d": f"{address}#{identifier}", "t": title, "s": _words(heading), "x": _words(text)}
        )
    return entries


def _words(markup: str) -> str:
    markup = re.sub(r"<(annotation|script|style)\b.*?</\1>", " ", markup, flags=re.S)
    text = re.sub(r"<[^>]+>", " ", markup)
    for entity, char in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        text = text.replace(entity, char)
    return re.sub(r"\s+", " ", text).strip()


def _copy_media(page: Page, root: Path, output: Path, folder: Path) -> None:
    if page.media:
        folder.mkdir(parents=True, exist_ok=True)
        for name, body in page.media.items():
            (folder / name).write_bytes(body)
    for source, place in local_images(page, root):
        destination = output / place
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, destination)
