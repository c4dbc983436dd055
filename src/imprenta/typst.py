"""El PDF: el árbol de todas las páginas → Typst → PDF, sin TeX ni tipografías del sistema."""

import posixpath
import re
import shutil
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from imprenta.assemble import MEDIA, Page
from imprenta.config import BookConfig
from imprenta.errors import ImprentaError
from imprenta.refs import Target
from imprenta.tree import (
    Node,
    attribute,
    each,
    link,
    parts,
    plain,
    raw,
    raw_inline,
    read_markdown,
    text_of,
    walk,
    write,
)
from imprenta.writer import Writer, literal

TYPST = ("-t", "typst", "--wrap=none", "--syntax-highlighting=idiomatic")
PAGE_INCHES = 6.1
COLUMNS = 82
LONG_TABLE = 14
# Texto más ancho de una tabla, en letras, y la escala de letra con que aún cabe.
TABLE_SCALES = ((78, 1.0), (92, 0.88), (108, 0.78), (128, 0.68))
INCH = {"px": 96, "in": 1, "cm": 2.54, "mm": 25.4, "pt": 72}
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
        style = (files("imprenta") / "plantillas" / "libro.typ").read_bytes()
        (folder / "imprenta.typ").write_bytes(style)
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


def _place_images(page: Page, position: int, root: Path, folder: Path) -> None:
    (folder / f"p{position}").mkdir()
    for name, body in page.media.items():
        (folder / f"p{position}" / name).write_bytes(body)
    for source, place in page.local_images(root):
        destination = folder / "imagenes" / place
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, destination)


def book_source(pages: Sequence[Page], targets: dict[str, Target], config: BookConfig) -> str:
    """Texto Typst del libro completo."""
    writer = TypstWriter(pages, targets, config)
    data = {
        "titulo": config.title,
        "subtitulo": config.subtitle,
        "autor": config.author,
        "idioma": config.lang,
        "contenido": config.words["toc-title-document"],
        "aviso": text_of(read_markdown(config.footer)),
    }
    fields = ",\n  ".join(f"{key}: {literal(value)}" for key, value in data.items())
    head = f'#import "imprenta.typ": *\n#show: libro.with(\n  {fields},\n)\n\n'
    return head + "\n\n".join(map(writer.page, range(len(pages)))) + "\n"


class TypstWriter(Writer):
    """Escribe páginas en Typst. Las etiquetas sin prefijo propio se distinguen por página."""

    fmt, blocks = "typst", "bloques.typ"

    def page(self, position: int) -> str:
        page = self.pages[position]
        title = write([plain(page.title)], *TYPST).strip()
        number = literal(page.number) if page.number else "none"
        appendix = ", apendice: true" if page.chapter.appendix and page.number else ""
        head = f"#capitulo({number}{appendix})[{title}] <pagina-{position}>\n"
        if page.identifier:
            # Un destino propio para «#sec-…»; la etiqueta de página sirve a los enlaces a archivos.
            head += f"#ancla <{self.identifier(page.identifier, position)}>\n"
        body = write(self.convert(page.blocks, position), *TYPST)
        return head + "\n" + NESTED_FIGURE.sub(r"#\1", body)

    def identifier(self, name: str, position: int) -> str:
        shared = name in self.targets or name.startswith("ref-")
        clean = re.sub(r"[^\w.:-]", "-", name)
        return clean if shared else f"p{position}--{clean}"

    def _beside(self, path: str, position: int) -> str:
        """Ruta, desde la raíz del libro, de ``path`` visto desde la página."""
        folder = posixpath.dirname(self.pages[position].chapter.path)
        return posixpath.normpath(posixpath.join(folder, path))

    def _link(self, node: Node, position: int) -> Node | list[Node]:
        _, inlines, (target, _) = node["c"]
        path, _, fragment = target.partition("#")
        if ":" in path:
            return link(inlines, target)
        paths = [page.chapter.path for page in self.pages]
        other = paths.index(self._beside(path, position)) if path else position
        label = self.identifier(fragment, other) if fragment else f"pagina-{other}"
        return link(inlines, f"#{label}")

    def _image(self, node: Node, position: int) -> Node:
        target = unquote(node["c"][2][0])
        if target.startswith(MEDIA):
            path = f"p{position}/{target.removeprefix(MEDIA)}"
        else:
            path = f"imagenes/{self._beside(target, position)}"
        width = typst_width(attribute(node, "width"))
        extra = f", width: {width}" if width else ""
        alt = literal(text_of(node["c"][1]))
        return raw_inline("typst", f"#box(image({literal(path)}, alt: {alt}{extra}))")

    def _header(self, node: Node, position: int) -> list[Node]:
        level, (identifier, classes, _), inlines = node["c"]
        number = attribute(node, "numero")
        value = literal(number) if number else "none"
        listed = ", indice: false" if "unlisted" in classes else ""
        label = f" <{self.identifier(identifier, position)}>" if identifier else ""
        start = raw("typst", f"#seccion({level}, {value}{listed})[")
        return [start, plain(inlines), raw("typst", f"]{label}")]

    def _span(self, node: Node, position: int) -> list[Node] | None:
        name = node["c"][0][0]
        if not name:
            return None
        return [
            raw_inline("typst", f"#ancla <{self.identifier(name, position)}>"),
            *node["c"][1],
        ]

    def _div(self, node: Node, position: int) -> list[Node] | None:
        if node["c"][0][0] != "refs":
            return None
        return [raw("typst", "#referencias["), *node["c"][1], raw("typst", "]")]

    def _salida(self, node: Node, position: int) -> list[Node]:
        def fold(item: Node) -> Node | None:
            kind, content = item["t"], item.get("c")
            return (
                {"t": kind, "c": [content[0], fold_lines(content[1])]}
                if kind == "CodeBlock"
                else None
            )

        return self.block("salida", node, position, walk(node["c"][1], fold))

    def _tabla(self, node: Node, position: int) -> list[Node]:
        rows = [row for item in parts(node)[0] if item["t"] == "Table" for row in _rows(item)]
        # Una tabla corta partida en dos páginas se lee peor que un hueco al pie.
        return self.block(
            "tabla", node, position, escala=table_scale(rows), partible=len(rows) > LONG_TABLE
        )


def fold_lines(text: str, columns: int = COLUMNS) -> str:
    """Parte los renglones que no caben a lo ancho de la página."""
    rows = []
    for row in text.split("\n"):
        while len(row) > columns:
            cut = row.rfind(" ", columns // 2, columns)
            cut = cut + 1 if cut > 0 else columns
            rows.append(row[:cut].rstrip())
            row = "    " + row[cut:]
        rows.append(row)
    return "\n".join(rows)


def typst_width(width: str) -> str:
    """Ancho de imagen de Markdown → Typst, sin pasar nunca del ancho de la caja de texto."""
    if not width or width.endswith("%"):
        return width
    match = re.fullmatch(rf"([\d.]+)\s*({'|'.join(INCH)})?", width)
    inches = float(match[1]) / INCH[match[2] or "px"] if match else PAGE_INCHES
    return "100%" if inches >= PAGE_INCHES else f"{inches:.4g}in"


def table_scale(rows: list[list[Any]]) -> float:
    """Escala de letra para que la tabla quepa a lo ancho, estimada por su texto más largo."""
    widths: dict[int, int] = {}
    for row in rows:
        for column, cell in enumerate(row):
            texts = [
                text_of(node) for node in each(cell) if node["t"] in ("Plain", "Para", "CodeBlock")
            ]
            widest = max(map(len, texts), default=0)
            widths[column] = max(widths.get(column, 0), min(widest, 28))
    total = sum(widths.values()) + 3 * len(widths)
    return next((scale for limit, scale in TABLE_SCALES if total <= limit), 0.6)


def _rows(table: Node) -> list[list[Any]]:
    """Los bloques de cada celda, por filas y con la cabecera."""
    head, bodies, foot = table["c"][3:6]
    rows = [*head[1], *foot[1]]
    for body in bodies:
        rows += [*body[2], *body[3]]
    return [[cell[4] for cell in row[1]] for row in rows]
