"""Del capítulo ejecutado al árbol común a todos los formatos.

El árbol es el de pandoc con unos Div propios, de clase ``i-…``, que los escritores de cada formato
convierten: ``i-codigo``, ``i-salida``, ``i-figura``, ``i-tabla``, ``i-ecuacion``, ``i-aviso``.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from imprenta.chapter import INLINE, Cell, Chapter, Text
from imprenta.config import BookConfig
from imprenta.errors import ImprentaError
from imprenta.execute import Executed
from imprenta.nodes import Node, attribute, div, each, has_class, plain, walk
from imprenta.outputs import CellBlocks, cell_blocks, figure_block
from imprenta.pandoc import read_html_fragments, read_markdown
from imprenta.structures import Action, structures_of

MARKDOWN_SPECIALS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~^$@'\"])")


@dataclass
class Page:
    """Un capítulo en forma de árbol. ``media`` son sus imágenes, por nombre de archivo."""

    chapter: Chapter
    blocks: list[Node]
    title: list[Node]
    identifier: str
    media: dict[str, bytes] = field(default_factory=dict)
    number: str = ""


def assemble(executed: Executed, config: BookConfig) -> Page:
    """Une texto, código y salidas de un capítulo en un solo árbol.

    Raises
    ------
    ImprentaError
        Salidas que no pueden imprimirse o que no corresponden a las opciones de su celda.
    """
    chapter = executed.chapter
    cells: dict[int, CellBlocks] = {}
    pieces: list[str] = []
    if chapter.front.get("title"):
        pieces.append(f"# {chapter.front['title']}\n\n")
    for position, part in enumerate(chapter.parts):
        if isinstance(part, Text):
            pieces.append(_substitute(part, executed.inline.get(position, {}), chapter.path))
            continue
        blocks = cell_blocks(part, executed.outputs.get(part.index, []), config, chapter.path)
        cells[part.index] = blocks
        pieces.append(_placeholder(part, blocks))
    try:
        document = read_markdown("".join(pieces))
    except ImprentaError as error:
        raise ImprentaError(str(error), chapter.path) from error
    media: dict[str, bytes] = {}
    for blocks in cells.values():
        media.update(blocks.media)
    structures = structures_of(chapter)
    tree = _fill_cells(walk(document["blocks"], structures), chapter, cells, structures)
    return _page(chapter, tree, media)


def _substitute(part: Text, values: dict[str, dict[str, Any]], path: str) -> str:
    def value(match: re.Match[str]) -> str:
        code = match["code"].strip()
        bundle = values[code]
        return match["before"] + inline_markdown(code, bundle["data"], path, bundle["line"])

    return INLINE.sub(value, part.text)


def inline_markdown(code: str, data: dict[str, Any], path: str, line: int) -> str:
    """Markdown de una expresión en línea, con las reglas de Quarto.

    Un texto se escribe literal (con la puntuación protegida), un número tal cual y un objeto
    ``Markdown`` como Markdown.
    """
    if "text/markdown" in data:
        return data["text/markdown"].strip()
    if "text/html" in data or any(mime.startswith("image/") for mime in data):
        raise ImprentaError(
            f"La expresión en línea `{code}` no es texto: las tablas y figuras van en una celda.",
            path,
            line,
        )
    shown = str(data.get("text/plain", ""))
    if re.match(r"(np|numpy)\.\w+\(", shown):
        raise ImprentaError(
            f"La expresión en línea `{code}` se imprimiría como «{shown}»: démosle formato, por "
            'ejemplo f"{valor:.3f}".',
            path,
            line,
        )
    if len(shown) > 1 and shown[0] == shown[-1] and shown[0] in "'\"":
        shown = MARKDOWN_SPECIALS.sub(r"\\\1", shown[1:-1])
    if not shown.strip():
        raise ImprentaError(f"La expresión en línea `{code}` no da ningún texto.", path, line)
    return shown


def _placeholder(cell: Cell, blocks: CellBlocks) -> str:
    caption = cell.options.get("fig-cap") or cell.options.get("tbl-cap") or ""
    inner = [f"::: {{.i-leyenda}}\n{caption}\n:::\n\n"] if caption else []
    for number, text in enumerate(blocks.markdown):
        inner.append(f'::: {{.i-markdown numero="{number}"}}\n\n{text}\n\n:::\n\n')
    body = "".join(inner)
    return f'\n::: {{.i-celda numero="{cell.index}"}}\n\n{body}:::\n\n'


def _fill_cells(
    tree: list[Node], chapter: Chapter, cells: dict[int, CellBlocks], structures: Action
) -> list[Node]:
    """Pone en cada hueco ``i-celda`` el código y las salidas que le corresponden."""
    fragments = [html for index in sorted(cells) for html in cells[index].html]
    parsed = iter(walk(read_html_fragments(fragments), structures))
    tables = {index: [next(parsed) for _ in cells[index].html] for index in sorted(cells)}

    def fill(node: Node) -> list[Node] | None:
        if not has_class(node, "i-celda"):
            return None
        index = int(attribute(node, "numero"))
        cell, blocks = chapter.cells[index], cells[index]
        inside = node["c"][1]
        caption = next((item["c"][1] for item in inside if has_class(item, "i-leyenda")), None)
        written = [item["c"][1] for item in inside if has_class(item, "i-markdown")]
        body: list[Node] = []
        for block in blocks.blocks:
            if has_class(block, "i-pendiente"):
                source = written if attribute(block, "tipo") == "markdown" else tables[index]
                body.extend(source[int(attribute(block, "numero"))])
            else:
                body.append(block)
        shown = _floats(cell, blocks, body, caption, chapter)
        result = [*blocks.code, *shown]
        return [div(result, "i-bloque", numero=str(index))]

    return walk(tree, fill)


def _floats(
    cell: Cell, blocks: CellBlocks, body: list[Node], caption: list[Node] | None, chapter: Chapter
) -> list[Node]:
    leyenda = plain(caption[0]["c"]) if caption else None
    if cell.options.label.startswith("tbl-") and (blocks.blocks or blocks.figures):
        found = [node for node in each(body) if has_class(node, "i-tabla")]
        if len(found) != 1:
            raise ImprentaError(
                f"La celda «{cell.options.label}» debe producir exactamente una tabla y produjo "
                f"{len(found)}.",
                chapter.path,
                cell.line,
            )
        inner = found[0]["c"][1]
        parts = [inner[0], *([div([leyenda], "i-leyenda")] if leyenda else inner[1:])]
        numbered = div(parts, "i-tabla", identifier=cell.options.label)
        return walk(body, lambda node: numbered if node == found[0] else None)
    return body + [figure_block(cell, picture, leyenda) for picture in blocks.figures]


def _page(chapter: Chapter, tree: list[Node], media: dict[str, bytes]) -> Page:
    for position, node in enumerate(tree):
        if node["t"] == "Header" and node["c"][0] == 1:
            rest = tree[:position] + tree[position + 1 :]
            return Page(chapter, rest, node["c"][2], node["c"][1][0], media)
    raise ImprentaError(
        "El capítulo no tiene título: comencemos con «# Título {#sec-nombre}».", chapter.path, 1
    )
