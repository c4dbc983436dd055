"""De la página en forma de árbol al fragmento HTML de su cuerpo."""

import html as escape_module
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from imprenta.assemble import Page
from imprenta.nodes import (
    Node,
    attribute,
    has_class,
    link,
    parts,
    plain,
    raw,
    raw_inline,
    span,
    string,
    text_of,
    walk,
)
from imprenta.pandoc import document, write
from imprenta.refs import Target
from imprenta.strings import word

WRITER = [
    "-t",
    "html5",
    "--mathml",
    "--wrap=none",
    "--email-obfuscation=none",
    "--syntax-highlighting=pygments",
]
# Trazos en una caja de 16 × 16: no dependen de que el sistema tenga el símbolo.
ICONS = {
    "note": "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zm-.9 3h1.8v1.8H7.1zm0 3h1.8v5H7.1z",
    "tip": "M13.5 3.2 6.2 10.6 2.6 7 1.3 8.3l4.9 4.9 8.6-8.7z",
    "warning": "M8 1 .6 14.5h14.8zM7.1 6h1.8v4.400H7.1zm0 5.3h1.8v1.8H7.1z",
    "important": "M5 1 1 5v6l4 4h6l4-4V5l-4-4zm2.1 3h1.8v5H7.1zm0 6.2h1.8V12H7.1z",
    "caution": "M8 1 1 8l7 7 7-7zM7.1 4.8h1.8v4H7.1zm0 5h1.8v1.8H7.1z",
}


@dataclass(frozen=True)
class Heading:
    """Entrada del índice de una página."""

    level: int
    identifier: str
    number: str
    text: str


def quote(text: str) -> str:
    return escape_module.escape(text, quote=True)


class HtmlWriter:
    """Escribe páginas HTML de un libro cuyos destinos y direcciones ya se conocen.

    Parameters
    ----------
    addresses : list[str]
        Dirección de cada página dentro del sitio (``book/01-datos.html``).
    """

    def __init__(
        self,
        pages: Sequence[Page],
        targets: dict[str, Target],
        strings: dict[str, str],
        addresses: Sequence[str],
        references: int | None,
    ) -> None:
        self.pages, self.targets, self.strings = pages, targets, strings
        self.addresses, self.references = list(addresses), references

    def body(self, position: int) -> str:
        """HTML del contenido de la página, sin su título."""
        page = self.pages[position]
        tree = walk(page.blocks, lambda node: self._convert(node, position))
        text = write(document(tree, {"lang": {"t": "MetaString", "c": "es"}}), WRITER)
        # El pie de notas lleva su título, y un bloque de código que se desplaza debe poder
        # alcanzarse con el teclado.
        text = text.replace("<hr />\n<ol>", "<ol>").replace("<pre", '<pre tabindex="0"')
        return re.sub(
            r'(<section id="footnotes"[^>]*>)',
            lambda m: (
                f'{m[1]}\n<h2 id="notas-al-pie">'
                f"{quote(word(self.strings, 'section-title-footnotes'))}</h2>"
            ),
            text,
        ).replace('class="footnotes footnotes-end-of-document"', 'class="notas"')

    def title(self, position: int) -> str:
        """HTML del título, con su número."""
        page = self.pages[position]
        text = write(document([plain(page.title)]), WRITER).strip()
        number = f'<span class="numero">{page.number}</span> ' if page.number else ""
        return number + text

    def headings(self, position: int, depth: int) -> list[Heading]:
        """Secciones de la página hasta el nivel ``depth``, fuera de avisos."""
        found = []
        for block in self.pages[position].blocks:
            if block["t"] == "Header" and block["c"][0] <= depth:
                level, (identifier, classes, pairs), inlines = block["c"]
                if "unlisted" not in classes:
                    found.append(
                        Heading(level, identifier, dict(pairs).get("numero", ""), text_of(inlines))
                    )
        return found

    def _convert(self, node: Node, position: int) -> Any:
        kind = node["t"]
        if kind == "Link":
            return self._link(node, position)
        if kind == "Image":
            return self._image(node, position)
        if kind == "Header":
            return _heading(node)
        if kind == "Div":
            for name in (
                "codigo",
                "salida",
                "figura",
                "tabla",
                "ecuacion",
                "aviso",
                "formato",
                "bloque",
            ):
                if has_class(node, f"i-{name}"):
                    return getattr(self, f"_{name}")(node)
        return None

    def _link(self, node: Node, position: int) -> Node:
        target = node["c"][2][0]
        classes = node["c"][0][1]
        if target.startswith("#"):
            target = self._anchor(target[1:], position)
        elif not re.match(r"[a-z][a-z0-9+.-]*:", target):
            path, _, fragment = target.partition("#")
            if path.endswith(".qmd"):
                target = path.removesuffix(".qmd") + ".html" + (f"#{fragment}" if fragment else "")
        if node["c"][0][0]:
            return {"t": "Link", "c": [node["c"][0], node["c"][1], [target, ""]]}
        return link(node["c"][1], target, *classes)

    def _anchor(self, identifier: str, position: int) -> str:
        found = self.targets.get(identifier)
        page = found.page if found else position
        if identifier.startswith("ref-") and self.references is not None:
            page = self.references
        if page == position:
            return f"#{identifier}"
        return f"{relative(self.addresses[position], self.addresses[page])}#{identifier}"

    def _image(self, node: Node, position: int) -> Node:
        target = node["c"][2][0]
        if target.startswith("medio:"):
            target = f"{media_folder(self.addresses[position])}/{target[6:]}"
        alt = text_of(node["c"][1])
        width = attribute(node, "width")
        style = f' style="width:{quote(css_length(width))}"' if width else ""
        return raw_inline(
            "html", f'<img src="{quote(target)}" alt="{quote(alt)}"{style} loading="lazy" />'
        )

    def _codigo(self, node: Node) -> list[Node]:
        fold = attribute(node, "plegado")
        if not fold:
            return [raw("html", '<div class="codigo">'), *node["c"][1], raw("html", "</div>")]
        summary = attribute(node, "resumen") or word(self.strings, "code-summary")
        opened = " open" if fold == "abierto" else ""
        start = f'<details class="codigo plegado"{opened}><summary>{quote(summary)}</summary>'
        return [raw("html", start), *node["c"][1], raw("html", "</details>")]

    def _salida(self, node: Node) -> list[Node]:
        return [
            raw("html", f'<div class="salida salida-{attribute(node, "tipo")}">'),
            *node["c"][1],
            raw("html", "</div>"),
        ]

    def _bloque(self, node: Node) -> list[Node]:
        if not node["c"][1]:
            return []
        return [raw("html", '<div class="celda">'), *node["c"][1], raw("html", "</div>")]

    def _figura(self, node: Node) -> list[Node]:
        body, caption = parts(node)
        blocks = [plain(item["c"]) if item["t"] == "Para" else item for item in body]
        start = f'<figure class="figura"{_id(node)}>'
        result = [raw("html", start), *blocks]
        if caption:
            result += [
                raw("html", "<figcaption>"),
                plain([*_number(node), *caption]),
                raw("html", "</figcaption>"),
            ]
        return [*result, raw("html", "</figure>")]

    def _tabla(self, node: Node) -> list[Node]:
        body, caption = parts(node)
        name = attribute(node, "nombre") or (text_of(caption) if caption else "Tabla")
        if caption:
            inlines = [*_number(node), *caption]
            body = [_captioned(item, inlines) if item["t"] == "Table" else item for item in body]
        start = (
            f'<div class="tabla"{_id(node)} role="region" tabindex="0" aria-label="{quote(name)}">'
        )
        return [raw("html", start), *body, raw("html", "</div>")]

    def _ecuacion(self, node: Node) -> list[Node]:
        number = attribute(node, "numero")
        inlines = node["c"][1][0]["c"]
        return [
            raw("html", f'<div class="ecuacion"{_id(node)}>'),
            plain(inlines),
            raw("html", f'<span class="numero">({number})</span></div>'),
        ]

    def _aviso(self, node: Node) -> list[Node]:
        kind = attribute(node, "tipo")
        body, caption = parts(node)
        label = word(self.strings, f"callout-{kind}-title")
        icon = (
            '<svg class="icono" viewBox="0 0 16 16" aria-hidden="true" focusable="false">'
            f'<path fill-rule="evenodd" d="{ICONS[kind]}"/></svg> '
        )
        head = f'{icon}<span class="clase">{quote(label)}</span>'
        title = [raw_inline("html", head)]
        if caption:
            title += [
                raw_inline("html", ' <span class="titulo">'),
                *caption,
                raw_inline("html", "</span>"),
            ]
        if attribute(node, "plegado"):
            return [
                raw("html", f'<details class="aviso aviso-{kind}"{_id(node)}><summary>'),
                plain(title),
                raw("html", '</summary><div class="cuerpo">'),
                *body,
                raw("html", "</div></details>"),
            ]
        return [
            raw(
                "html", f'<div class="aviso aviso-{kind}"{_id(node)} role="note"><p class="cabeza">'
            ),
            plain(title),
            raw("html", '</p><div class="cuerpo">'),
            *body,
            raw("html", "</div></div>"),
        ]

    def _formato(self, node: Node) -> list[Node]:
        return node["c"][1] if "html" in attribute(node, "solo").split() else []


def media_folder(address: str) -> str:
    """Carpeta de las imágenes de una página, relativa a ella, como la nombra Quarto."""
    return f"{posixpath.basename(address).removesuffix('.html')}_files/figure-html"


def relative(start: str, target: str) -> str:
    """Dirección de ``target`` vista desde la página ``start``."""
    return posixpath.relpath(target, posixpath.dirname(start) or ".")


def css_length(width: str) -> str:
    return width if re.search(r"[a-z%]$", width) else f"{width}px"


def _id(node: Node) -> str:
    identifier = node["c"][0][0]
    return f' id="{quote(identifier)}"' if identifier else ""


def _number(node: Node) -> list[Node]:
    name = attribute(node, "nombre")
    return [span([string(f"{name}:")], "numero"), {"t": "Space"}] if name else []


def _captioned(table: Node, inlines: list[Node]) -> Node:
    content = list(table["c"])
    content[1] = [None, [plain(inlines)]]
    return {"t": "Table", "c": content}


def _heading(node: Node) -> Node:
    level, (identifier, classes, pairs), inlines = node["c"]
    number = dict(pairs).get("numero", "")
    if number:
        inlines = [span([string(number)], "numero"), {"t": "Space"}, *inlines]
    kept = [pair for pair in pairs if pair[0] != "numero"]
    return {"t": "Header", "c": [level, [identifier, classes, kept], inlines]}
