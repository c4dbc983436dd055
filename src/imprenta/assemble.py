"""Del capítulo ejecutado al árbol común a todos los formatos.

El árbol es el de pandoc con unos Div propios, de clase ``i-…``, que los escritores de cada formato
convierten: ``i-celda``, ``i-codigo``, ``i-salida``, ``i-figura``, ``i-tabla``, ``i-ecuacion`` e
``i-aviso``. Cada celda se escribe en Markdown, en su lugar, y pandoc lee el capítulo de una vez.
"""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from imprenta.chapter import INLINE, Cell, Chapter, Text
from imprenta.errors import ImprentaError
from imprenta.execute import Executed
from imprenta.tree import (
    Node,
    attribute,
    each,
    own,
    own_kind,
    para,
    parts,
    plain,
    read_markdown,
    string,
    text_of,
    walk,
)

MARKDOWN_SPECIALS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~^$@'\"])")
EQUATION_LABEL = re.compile(r"^\{#(eq-[\w-]+)\}(.*)$")
BLANK = ("Space", "SoftBreak", "LineBreak")
MEDIA = "medio:"


@dataclass
class Page:
    """Un capítulo en forma de árbol. ``media`` son sus figuras, por nombre de archivo."""

    chapter: Chapter
    blocks: list[Node]
    title: list[Node]
    identifier: str
    media: dict[str, bytes]
    number: str = ""

    @property
    def plain_title(self) -> str:
        return f"{self.number} {text_of(self.title)}".strip()

    def local_images(self, root: Path) -> Iterator[tuple[Path, Path]]:
        """Archivo de cada imagen que no hizo una celda y su ruta relativa a la raíz del libro.

        Raises
        ------
        ImprentaError
            Si la imagen no existe o está fuera del libro: no viajaría con él.
        """
        targets = [node["c"][2][0] for node in each(self.blocks) if node["t"] == "Image"]
        for name in dict.fromkeys(map(unquote, targets)):
            source = (self.chapter.source.parent / name).resolve()
            if name.startswith(MEDIA):
                continue
            if not source.is_file() or not source.is_relative_to(root.resolve()):
                message = f"No existe la imagen {name} dentro del libro."
                raise ImprentaError(message, self.chapter.path)
            yield source, source.relative_to(root.resolve())


def assemble(executed: Executed) -> Page:
    """Une texto, código y salidas de un capítulo en un solo árbol.

    Raises
    ------
    ImprentaError
        Salidas que no pueden imprimirse o que no corresponden a las opciones de su celda.
    """
    chapter = executed.chapter
    media: dict[str, bytes] = {}
    pieces: list[str] = []
    for position, part in enumerate(chapter.parts):
        if isinstance(part, Text):
            pieces.append(_substitute(part, executed.inline.get(position, {}), chapter.path))
        else:
            outputs = executed.outputs.get(part.index, [])
            pieces.append(_cell_markdown(part, outputs, media, chapter.path))
    try:
        tree = walk(read_markdown("".join(pieces)), lambda node: _structure(node, chapter))
    except ImprentaError as error:
        raise ImprentaError(error.problem.message, chapter.path, error.problem.line) from error
    for position, node in enumerate(tree):
        if node["t"] == "Header" and node["c"][0] == 1:
            rest = tree[:position] + tree[position + 1 :]
            return Page(chapter, rest, node["c"][2], node["c"][1][0], media)
    raise ImprentaError("El capítulo no tiene título: comencemos con «# …».", chapter.path, 1)


# --- De las celdas a Markdown ------------------------------------------------------------------


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
    shown = str(data.get("text/plain", ""))
    problem = ""
    if "text/html" in data or any(mime.startswith("image/") for mime in data):
        problem = "no es texto: las tablas y figuras van en una celda."
    elif re.match(r"(np|numpy)\.\w+\(", shown):
        problem = f'se imprimiría como «{shown}»: démosle formato, por ejemplo f"{{valor:.3f}}".'
    elif len(shown) > 1 and shown[0] == shown[-1] and shown[0] in "'\"":
        shown = MARKDOWN_SPECIALS.sub(r"\\\1", shown[1:-1])
    if not problem and not shown.strip():
        problem = "no da ningún texto."
    if problem:
        raise ImprentaError(f"La expresión en línea `{code}` {problem}", path, line)
    return shown


def _cell_markdown(
    cell: Cell, outputs: list[dict[str, Any]], media: dict[str, bytes], path: str
) -> str:
    """La celda como un bloque ``i-celda``; sus figuras quedan en ``media``."""
    pieces: list[str] = []
    if cell.options.get("include", True):
        if cell.options.get("echo", True) and cell.code.strip():
            pieces.append(_block(_fence(cell.code, "python"), ".i-codigo"))
        for output in outputs:
            # Lo que va a stderr son avisos de las bibliotecas, que el libro no muestra.
            if output["output_type"] != "stream":
                pieces.append(_output_markdown(cell, output, media, path))
            elif output["name"] == "stdout" and output["text"].strip():
                pieces.append(_block(_fence(output["text"]), ".i-salida"))
        figures = sum("image/png" in output.get("data", {}) for output in outputs)
        if cell.label.startswith("fig-") and figures != 1:
            raise ImprentaError(
                f"La celda «{cell.label}» debe producir exactamente una imagen y produjo "
                f"{figures}. ¿La última línea devuelve la figura?",
                path,
                cell.line,
            )
    caption = cell.options.get("tbl-cap")
    if caption:
        pieces.append(_block(str(caption), ".i-leyenda"))
    label = cell.label if cell.label.startswith("tbl-") else ""
    return "\n" + _block("\n".join(pieces), f'.i-celda numero="{cell.index}" tabla="{label}"')


def _output_markdown(cell: Cell, output: dict[str, Any], media: dict[str, bytes], path: str) -> str:
    data = output["data"]
    if "text/markdown" in data:
        return data["text/markdown"] + "\n"
    if "image/png" in data:
        if "fig-alt" not in cell.options:
            raise ImprentaError(
                "La celda produce una figura sin «#| fig-alt:»: quien no la ve necesita ese "
                "texto. Demos también «#| label: fig-…» y «#| fig-cap:».",
                path,
                cell.line,
            )
        name = f"{cell.label}.png"
        media[name] = base64.b64decode(data["image/png"])
        alt = re.sub(r'([\\"])', r"\\\1", str(cell.options["fig-alt"])).replace("&", "&amp;")
        pixels = output["metadata"].get("image/png", {}).get("width", 0)
        width = f' width="{pixels / 96:.4g}in"' if pixels else ""
        picture = f'![]({MEDIA}{name}){{fig-alt="{alt}"{width}}}'
        inside = [_block(picture, ".i-cuerpo")]
        if "fig-cap" in cell.options:
            inside.append(_block(str(cell.options["fig-cap"]), ".i-leyenda"))
        return _block("\n".join(inside), f".i-figura #{cell.label}")
    if "text/html" in data or "text/plain" not in data:
        kinds = ", ".join(sorted(data)) or "nada"
        raise ImprentaError(
            f"No sabemos imprimir una salida de tipo {kinds}: devolvamos Markdown, una figura o "
            "texto.",
            path,
            cell.line,
        )
    return _block(_fence(data["text/plain"]), ".i-salida")


def _block(inside: str, attributes: str) -> str:
    return f"::: {{{attributes}}}\n\n{inside}\n\n:::\n"


def _fence(text: str, language: str = "") -> str:
    ticks = max([3, *(len(marks) + 1 for marks in re.findall("`+", text))]) * "`"
    return ticks + language + "\n" + text.rstrip("\n") + "\n" + ticks


# --- De las estructuras de Markdown a los Div propios ------------------------------------------


def _structure(node: Node, chapter: Chapter) -> Any:
    kind = node["t"]
    if kind == "Image":
        return _image(node)
    if kind == "Figure":
        picture = next(item for item in each(node["c"][2]) if item["t"] == "Image")
        return own("figura", [plain([picture])], node["c"][1][1][0]["c"], node["c"][0][0])
    if kind == "Table":
        (identifier, classes, pairs), (_, caption), *rest = node["c"]
        table = {"t": "Table", "c": [["", classes, pairs], [None, []], *rest]}
        return own("tabla", [table], caption[0]["c"] if caption else (), identifier)
    if kind == "Para" and [item["t"] for item in node["c"]] == ["Image"]:
        return plain(node["c"])
    if kind in ("Para", "Plain"):
        return _equations(node["c"])
    if kind in ("RawBlock", "RawInline"):
        if re.fullmatch(r"\s*<!--.*?-->\s*", node["c"][1], re.S):
            return []
        message = f"No se admite código {node['c'][0]} en el texto: {node['c'][1][:60]!r}."
        raise ImprentaError(message, chapter.path)
    if kind == "Div":
        return _cell(node, chapter) if own_kind(node) == "celda" else _callout(node)
    return None


def _image(node: Node) -> Node:
    """Imagen cuyo contenido es su texto alternativo y que solo conserva su ancho."""
    alt = attribute(node, "fig-alt") or text_of(node["c"][1])
    width = attribute(node, "width")
    pairs = [["width", width]] if width else []
    return {"t": "Image", "c": [["", [], pairs], [string(alt)], node["c"][2]]}


def _equations(inlines: list[Node]) -> list[Node] | None:
    """Un párrafo con «$$…$$ {#eq-…}», partido en lo de antes, la ecuación y lo de después."""
    for position, item in enumerate(inlines):
        if item["t"] != "Math" or item["c"][0]["t"] != "DisplayMath":
            continue
        after = [other for other in inlines[position + 1 :] if other["t"] not in BLANK][:1]
        match = EQUATION_LABEL.match(after[0]["c"]) if after and after[0]["t"] == "Str" else None
        if not match:
            continue
        formula = item["c"][1].strip() + (rf"\text{{{match[2]}}}" if match[2] else "")
        body = [plain([{"t": "Math", "c": [{"t": "DisplayMath"}, formula]}])]
        result = [own("ecuacion", body, identifier=match[1])]
        before = _trim(inlines[:position])
        rest = _trim(inlines[inlines.index(after[0], position) + 1 :])
        if before:
            result.insert(0, para(before))
        return result + (_equations(rest) or [para(rest)] if rest else [])
    return None


def _trim(inlines: list[Node]) -> list[Node]:
    kept = [n for n, item in enumerate(inlines) if item["t"] not in BLANK]
    return inlines[kept[0] : kept[-1] + 1] if kept else []


def _callout(node: Node) -> Node | None:
    classes, blocks = node["c"][0][1], list(node["c"][1])
    kind = next((name[8:] for name in classes if name.startswith("callout-")), "")
    if not kind:
        return None
    title = blocks.pop(0)["c"][2] if blocks and blocks[0]["t"] == "Header" else ()
    folded = "si" if attribute(node, "collapse") == "true" else ""
    return own("aviso", blocks, title, node["c"][0][0], tipo=kind, plegado=folded)


def _cell(node: Node, chapter: Chapter) -> Node:
    """Da a la tabla de una celda ``tbl-…`` su etiqueta y su leyenda."""
    label, inside = attribute(node, "tabla"), node["c"][1]
    caption = [item["c"][1][0]["c"] for item in inside if own_kind(item) == "leyenda"]
    inside = [item for item in inside if own_kind(item) != "leyenda"]
    cell = chapter.cells[int(attribute(node, "numero"))]
    if label and cell.options.get("include", True):
        found = [item for item in each(inside) if own_kind(item) == "tabla"]
        if len(found) != 1:
            raise ImprentaError(
                f"La celda «{label}» debe producir exactamente una tabla y produjo {len(found)}.",
                chapter.path,
                cell.line,
            )
        body, own_caption = parts(found[0])
        numbered = own("tabla", body, caption[0] if caption else own_caption, label)
        inside = walk(inside, lambda item: numbered if item == found[0] else None)
    return {"t": "Div", "c": [["", ["i-celda"], [["numero", str(cell.index)]]], inside]}
