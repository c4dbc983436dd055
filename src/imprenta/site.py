"""El sitio: el cuerpo de cada página en HTML, la navegación, la búsqueda y las imágenes."""

import html
import json
import posixpath
import re
import shutil
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from imprenta.assemble import MEDIA, Page
from imprenta.config import BookConfig
from imprenta.refs import Target, references_page
from imprenta.tree import (
    SPACE,
    Node,
    attribute,
    link,
    parts,
    plain,
    raw_inline,
    read_markdown,
    text_of,
    write,
)
from imprenta.writer import Writer, template

HTML = ("-t", "html5", "--mathml", "--wrap=none", "--email-obfuscation=none")
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
    writer = HtmlWriter(pages, targets, config)
    layout = template("pagina.html")
    footer = Markup(write(read_markdown(config.footer), *HTML).strip())
    index = []
    for position, page in enumerate(pages):
        address, body = writer.addresses[position], writer.body(position)
        others = writer.navigation(position)
        target = output / address
        target.parent.mkdir(parents=True, exist_ok=True)
        text = layout.render(
            libro=config,
            raiz="../" * address.count("/"),
            paginas=others,
            esta=others[position],
            anterior=others[position - 1] if position else None,
            siguiente=others[position + 1] if position + 1 < len(pages) else None,
            id=page.identifier,
            titulo=Markup(write([plain(page.title)], *HTML).strip()),
            secciones=_headings(page, config.toc_depth),
            cuaderno=notebooks.get(position, ""),
            cuerpo=Markup(body),
            pie=footer,
        )
        target.write_text(text.lstrip() + "\n", encoding="utf-8")
        index.extend(_search_entries(page, address, body))
        media = target.parent / _media_folder(address)
        for name, data in page.media.items():
            media.mkdir(parents=True, exist_ok=True)
            (media / name).write_bytes(data)
        for source, place in page.local_images(config.root):
            _copy(source, output / place)
    assets = output / FOLDER
    assets.mkdir(parents=True, exist_ok=True)
    for name in ("imprenta.css", "imprenta.js"):
        (assets / name).write_bytes((files("imprenta") / "plantillas" / name).read_bytes())
    data = json.dumps(index, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    # Un guion y no un JSON suelto: los navegadores no leen archivos vecinos desde file://.
    (assets / "busqueda.js").write_text(f"window.INDICE = {data};\n", encoding="utf-8")
    if config.css:
        _copy(config.root / config.css, output / config.css)


def _copy(source: Path, destination: Path) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, destination)


def _media_folder(address: str) -> str:
    """Carpeta de las imágenes de una página, relativa a ella, como la nombra Quarto."""
    return f"{posixpath.basename(address).removesuffix('.html')}_files/figure-html"


def _relative(start: str, target: str) -> str:
    """Dirección de ``target`` vista desde la página ``start``."""
    return posixpath.relpath(target, posixpath.dirname(start) or ".")


def _headings(page: Page, depth: int) -> list[dict[str, Any]]:
    """Secciones de la página hasta el nivel ``depth``, fuera de los avisos."""
    found = []
    for block in page.blocks:
        if block["t"] == "Header" and block["c"][0] <= depth:
            level, (identifier, classes, _), inlines = block["c"]
            if "unlisted" not in classes:
                number, text = attribute(block, "numero"), text_of(inlines)
                found.append({"nivel": level, "id": identifier, "numero": number, "texto": text})
    return found


def _search_entries(page: Page, address: str, body: str) -> list[dict[str, str]]:
    """Una entrada por sección: dónde está, cómo se titula y qué dice."""
    title = page.plain_title
    pieces = re.split(r'<h[2-4][^>]*?\sid="([^"]+)"[^>]*>(.*?)</h[2-4]>', body, flags=re.S)
    entries = [{"d": address, "t": title, "s": "", "x": _words(pieces[0])}]
    for identifier, heading, text in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
        place = f"{address}#{identifier}"
        entries.append({"d": place, "t": title, "s": _words(heading), "x": _words(text)})
    return entries


def _words(markup: str) -> str:
    markup = re.sub(r"<annotation\b.*?</annotation>", " ", markup, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", markup)).split())


class HtmlWriter(Writer):
    """Escribe el cuerpo de las páginas. ``addresses`` es la dirección de cada una en el sitio."""

    fmt, blocks = "html", "bloques.html"

    def __init__(
        self, pages: Sequence[Page], targets: dict[str, Target], config: BookConfig
    ) -> None:
        super().__init__(pages, targets, config)
        self.addresses = [f"{page.chapter.stem}.html" for page in pages]
        self.references = references_page(pages)

    def navigation(self, position: int) -> list[dict[str, str]]:
        """Todas las páginas, con su enlace visto desde la página ``position``."""
        here = self.addresses[position]
        return [
            {
                "enlace": _relative(here, address),
                "numero": page.number,
                "titulo": text_of(page.title),
                "nombre": page.plain_title,
            }
            for page, address in zip(self.pages, self.addresses, strict=True)
        ]

    def body(self, position: int) -> str:
        """HTML del contenido de la página, sin su título."""
        tree = self.convert(self.pages[position].blocks, position)
        text = write(tree, *HTML, "--syntax-highlighting=pygments", lang="es")
        # El pie de notas lleva su título, y un bloque de código que se desplaza debe poder
        # alcanzarse con el teclado.
        notes = escape(self.config.words["section-title-footnotes"])
        text = text.replace("<hr />\n<ol>", "<ol>").replace("<pre", '<pre tabindex="0"')
        text = re.sub(
            r'(<section id="footnotes"[^>]*>)',
            lambda match: f'{match[1]}\n<h2 id="notas-al-pie">{notes}</h2>',
            text,
        )
        return text.replace('class="footnotes footnotes-end-of-document"', 'class="notas"')

    def _link(self, node: Node, position: int) -> Node:
        (identifier, classes, _), inlines, (target, _) = node["c"]
        path, _, fragment = target.partition("#")
        if not path:
            target = self._anchor(fragment, position)
        elif path.endswith(".qmd") and ":" not in path:
            target = path.removesuffix(".qmd") + ".html" + (f"#{fragment}" if fragment else "")
        if identifier:
            return {"t": "Link", "c": [node["c"][0], inlines, [target, ""]]}
        return link(inlines, target, *classes)

    def _anchor(self, identifier: str, position: int) -> str:
        page = self.targets[identifier].page if identifier in self.targets else position
        if identifier.startswith("ref-") and self.references is not None:
            page = self.references
        if page == position:
            return f"#{identifier}"
        return f"{_relative(self.addresses[position], self.addresses[page])}#{identifier}"

    def _image(self, node: Node, position: int) -> Node:
        target = node["c"][2][0]
        if target.startswith(MEDIA):
            folder = _media_folder(self.addresses[position])
            target = f"{folder}/{target.removeprefix(MEDIA)}"
        width = attribute(node, "width")
        style = Markup(' style="width:{}"').format(width) if width else ""
        image = Markup('<img src="{}" alt="{}"{} loading="lazy" />')
        return raw_inline("html", str(image.format(target, text_of(node["c"][1]), style)))

    def _header(self, node: Node, position: int) -> Node:
        level, (identifier, classes, _), inlines = node["c"]
        number = attribute(node, "numero")
        if number:
            inlines = [_number(number), SPACE, *inlines]
        return {"t": "Header", "c": [level, [identifier, classes, []], inlines]}

    def _celda(self, node: Node, position: int) -> list[Node]:
        return self.block("celda", node, position) if node["c"][1] else []

    def _tabla(self, node: Node, position: int) -> list[Node]:
        body, caption = parts(node)
        name = attribute(node, "nombre")
        if caption:
            inlines = [*([_number(f"{name}:"), SPACE] if name else []), *caption]
            for table in (item for item in body if item["t"] == "Table"):
                table["c"][1] = [None, [plain(inlines)]]
        label = name or text_of(caption) or "Tabla"
        return self.block("tabla", node, position, body, rotulo=label)


def _number(text: str) -> Node:
    return raw_inline("html", f'<span class="numero">{escape(text)}</span>')
