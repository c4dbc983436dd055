"""El PDF: el árbol de todas las páginas → Typst → PDF, sin TeX ni tipografías del sistema."""

import json
import posixpath
import re
import shutil
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from imprenta.assemble import Page
from imprenta.config import BookConfig
from imprenta.errors import ImprentaError
from imprenta.images import local_images
from imprenta.layout import fold_lines, table_rows, table_size, typst_width
from imprenta.nodes import (
    Node,
    attribute,
    code_block,
    has_class,
    link,
    parts,
    plain,
    raw,
    raw_inline,
    text_of,
    walk,
)
from imprenta.pandoc import document, read_markdown, write
from imprenta.refs import Target
from imprenta.strings import word

WRITER = ["-t", "typst", "--wrap=none", "--syntax-highlighting=idiomatic"]
LONG_TABLE = 14
# pandoc envuelve cada tabla en una figura; la nuestra ya lo es y debe poder partirse.
NESTED_FIGURE = re.compile(
    r"#figure\(\n\s*(align\(\w+\)\[#table\(.*?\n\s*\)\])\n\s*, kind: table\n\s*\)", re.S
)


def write_pdf(
    pages: Sequence[Page], targets: dict[str, Target], config: BookConfig, output: Path
) -> list[str]:
    """Escribe el PDF del libro en ``output`` y devuelve los avisos de Typst.

    Raises
    ------
    ImprentaError
        Con el mensaje de Typst si el texto no se pudo componer.
    """
    import typst

    with tempfile.TemporaryDirectory(prefix="imprenta-pdf-") as name:
        folder = Path(name)
        for position, page in enumerate(pages):
            _place_images(page, position, config.root, folder)
        (folder / "imprenta.typ").write_text(
            (files("imprenta") / "plantillas" / "libro.typ").read_text(encoding="utf-8"),
            encoding="utf-8",
        )
        source = folder / "libro.typ"
        source.write_text(book_source(pages, targets, config), encoding="utf-8")
        try:
            body, warnings = typst.compile_with_warnings(
                str(source), root=str(folder), ignore_system_fonts=True, timestamp=0
            )
        except (typst.TypstError, RuntimeError) as error:
            raise ImprentaError(f"Typst no pudo componer el PDF: {error}") from error
        output.write_bytes(body)
    return [warning.message for warning in warnings]


def book_source(pages: Sequence[Page], targets: dict[str, Target], config: BookConfig) -> str:
    """Texto Typst del libro completo."""
    writer = TypstWriter(pages, targets, config)
    data = {
        "titulo": config.title,
        "subtitulo": config.subtitle,
        "autor": config.author,
        "fecha": config.date,
        "idioma": config.lang,
        "contenido": word(config.strings, "toc-title-document"),
        "aviso": _footer_text(config),
    }
    fields = ",\n  ".join(f"{key}: {literal(value)}" for key, value in data.items())
    head = f'#import "imprenta.typ": *\n#show: libro.with(\n  {fields},\n)\n\n'
    return head + "\n\n".join(writer.page(position) for position in range(len(pages))) + "\n"


def literal(text: str) -> str:
    """Cadena de Typst."""
    return json.dumps(text, ensure_ascii=False)


def _footer_text(config: BookConfig) -> str:
    return " ".join(text_of(read_markdown(text)["blocks"]) for text in config.footer)


def _place_images(page: Page, position: int, root: Path, folder: Path) -> None:
    target = folder / f"p{position}"
    target.mkdir()
    for name, body in page.media.items():
        (target / name).write_bytes(body)
    for source, place in local_images(page, root):
        destination = folder / "imagenes" / place
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, destination)


class TypstWriter:
    """Escribe páginas en Typst. Las etiquetas sin prefijo propio se distinguen por página."""

    def __init__(
        self, pages: Sequence[Page], targets: dict[str, Target], config: BookConfig
    ) -> None:
        self.pages, self.targets, self.config = pages, targets, config
        self.paths = {page.chapter.path: number for number, page in enumerate(pages)}

    def page(self, position: int) -> str:
        page = self.pages[position]
        tree = walk(page.blocks, lambda node: self._convert(node, position))
        title = write(document([plain(page.title)]), WRITER).strip()
        number = literal(page.number) if page.number else "none"
        appendix = ", apendice: true" if page.chapter.appendix and page.number else ""
        head = f"#capitulo({number}{appendix})[{title}] <{self._page_label(position)}>\n"
        if page.identifier:
            # Un destino propio para «#sec-…»; la etiqueta de página sirve a los enlaces a archivos.
            head += f"#ancla <{self._label(page.identifier, position)}>\n"
        return head + "\n" + NESTED_FIGURE.sub(r"#\1", write(document(tree), WRITER))

    def _page_label(self, position: int) -> str:
        return f"pagina-{position}"

    def _label(self, identifier: str, position: int) -> str:
        shared = identifier in self.targets or identifier.startswith("ref-")
        clean = re.sub(r"[^\w.:-]", "-", identifier)
        return clean if shared else f"p{position}--{clean}"

    def _convert(self, node: Node, position: int) -> Any:
        kind = node["t"]
        if kind == "Link":
            return self._link(node, position)
        if kind == "Image":
            return self._image(node, position)
        if kind == "Header":
            return self._heading(node, position)
        if kind == "Span" and node["c"][0][0]:
            return self._span(node, position)
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
                    return getattr(self, f"_{name}")(node, position)
            if node["c"][0][0] == "refs":
                return self._references(node)
            identifier, classes, pairs = node["c"][0]
            if identifier and not identifier.startswith("ref-"):
                return {
                    "t": "Div",
                    "c": [[self._label(identifier, position), classes, pairs], node["c"][1]],
                }
        return None

    def _link(self, node: Node, position: int) -> Node | list[Node]:
        target = node["c"][2][0]
        if target.startswith("#"):
            return link(node["c"][1], "#" + self._label(target[1:], position))
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            return link(node["c"][1], target)
        path, _, fragment = target.partition("#")
        folder = posixpath.dirname(self.pages[position].chapter.path)
        other = self.paths.get(posixpath.normpath(posixpath.join(folder, path)))
        if other is None:
            # En papel no hay archivo vecino que abrir: queda el texto.
            return list(node["c"][1])
        label = self._label(fragment, other) if fragment else self._page_label(other)
        return link(node["c"][1], "#" + label)

    def _image(self, node: Node, position: int) -> Node:
        return raw_inline("typst", f"#box({self._picture(node, position)})")

    def _picture(self, node: Node, position: int) -> str:
        target = unquote(node["c"][2][0])
        if target.startswith("medio:"):
            path = f"p{position}/{target[6:]}"
        else:
            folder = posixpath.dirname(self.pages[position].chapter.path)
            path = "imagenes/" + posixpath.normpath(posixpath.join(folder, target))
        width = typst_width(attribute(node, "width"))
        extra = f", width: {width}" if width else ""
        return f"image({literal(path)}, alt: {literal(text_of(node['c'][1]))}{extra})"

    def _heading(self, node: Node, position: int) -> list[Node]:
        level, (identifier, classes, pairs), inlines = node["c"]
        number = dict(pairs).get("numero", "")
        value = literal(number) if number else "none"
        listed = ", indice: false" if "unlisted" in classes else ""
        label = f" <{self._label(identifier, position)}>" if identifier else ""
        # En una sola línea: el texto del título no lleva saltos.
        return [
            raw("typst", f"#seccion({level}, {value}{listed})["),
            plain(inlines),
            raw("typst", f"]{label}"),
        ]

    def _span(self, node: Node, position: int) -> list[Node]:
        label = self._label(node["c"][0][0], position)
        return [raw_inline("typst", f"#ancla <{label}>"), *node["c"][1]]

    def _codigo(self, node: Node, position: int) -> list[Node]:
        return node["c"][1]

    def _bloque(self, node: Node, position: int) -> list[Node]:
        return node["c"][1]

    def _salida(self, node: Node, position: int) -> list[Node]:
        shown = [
            code_block(fold_lines(item["c"][1])) if item["t"] == "CodeBlock" else item
            for item in node["c"][1]
        ]
        return [
            raw("typst", f"#salida({literal(attribute(node, 'tipo'))})["),
            *shown,
            raw("typst", "]"),
        ]

    def _figura(self, node: Node, position: int) -> list[Node]:
        return self._float(node, position, "figura", "")

    def _tabla(self, node: Node, position: int) -> list[Node]:
        body, _ = parts(node)
        table = next((item for item in body if item["t"] == "Table"), None)
        size, rows = (table_size(table), table_rows(table)) if table else (1.0, 0)
        # Una tabla corta partida en dos páginas se lee peor que un hueco al pie.
        split = "partible: true, " if rows > LONG_TABLE else ""
        return self._float(node, position, "tabla", f"escala: {size}, {split}")

    def _float(self, node: Node, position: int, name: str, extra: str) -> list[Node]:
        body, caption = parts(node)
        number = attribute(node, "nombre")
        label = f" <{self._label(node['c'][0][0], position)}>" if node["c"][0][0] else ""
        value = literal(number) if number else "none"
        start = f"#{name}({extra}nombre: {value}, leyenda: "
        if caption:
            head = [raw("typst", start + "["), plain(caption), raw("typst", "])[")]
        else:
            head = [raw("typst", start + "none)[")]
        return [*head, *body, raw("typst", f"]{label}")]

    def _ecuacion(self, node: Node, position: int) -> list[Node]:
        number = attribute(node, "numero")
        label = self._label(node["c"][0][0], position)
        return [
            raw("typst", f"#numerada({literal(number)})["),
            plain(node["c"][1][0]["c"]),
            raw("typst", f"] <{label}>"),
        ]

    def _aviso(self, node: Node, position: int) -> list[Node]:
        kind = attribute(node, "tipo")
        body, caption = parts(node)
        name = literal(word(self.config.strings, f"callout-{kind}-title"))
        label = f" <{self._label(node['c'][0][0], position)}>" if node["c"][0][0] else ""
        return [
            raw("typst", f"#aviso({literal(kind)}, {name}, ["),
            plain(caption),
            raw("typst", "])["),
            *body,
            raw("typst", f"]{label}"),
        ]

    def _formato(self, node: Node, position: int) -> list[Node]:
        return node["c"][1] if "typst" in attribute(node, "solo").split() else []

    def _references(self, node: Node) -> list[Node]:
        return [raw("typst", "#referencias["), *node["c"][1], raw("typst", "]")]
