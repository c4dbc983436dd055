"""De las salidas de una celda a bloques: figuras, tablas, texto y Markdown."""

import base64
import re
import struct
from dataclasses import dataclass, field
from typing import Any

from imprenta.chapter import Cell
from imprenta.config import BookConfig
from imprenta.errors import ImprentaError
from imprenta.nodes import Node, code_block, div, image, para

IMAGES = {"image/svg+xml": ".svg", "image/png": ".png", "image/jpeg": ".jpg"}
HAS_TABLE = re.compile(r"<table[\s>]", re.I)


@dataclass
class CellBlocks:
    """Lo que una celda deja en la página, antes de saber en qué formato.

    ``markdown`` y ``html`` guardan trozos que pandoc leerá todos juntos; en ``blocks`` ocupan su
    sitio los Div ``i-pendiente`` con el tipo y el número del trozo.
    """

    code: list[Node] = field(default_factory=list)
    blocks: list[Node] = field(default_factory=list)
    figures: list[Node] = field(default_factory=list)
    markdown: list[str] = field(default_factory=list)
    html: list[str] = field(default_factory=list)
    media: dict[str, bytes] = field(default_factory=dict)


def setting(cell: Cell, config: BookConfig, name: str) -> Any:
    """Opción de la celda o, si no la da, la de ``execute`` en ``_quarto.yml``."""
    return cell.options.get(name, config.execute.get(name, True))


def cell_blocks(
    cell: Cell, outputs: list[dict[str, Any]], config: BookConfig, path: str
) -> CellBlocks:
    """Código y salidas de ``cell``.

    Raises
    ------
    ImprentaError
        La celda produce una figura sin etiqueta, varias figuras con una sola etiqueta, ninguna
        teniendo ``fig-cap``, o un tipo de salida que no puede imprimirse.
    """
    result = CellBlocks()
    if not cell.options.get("include", True):
        return result
    if setting(cell, config, "echo") and cell.code.strip():
        result.code.append(_code(cell))
    mode = setting(cell, config, "output")
    if mode is False:
        return result
    for output in outputs:
        kind = output["output_type"]
        if kind == "stream":
            _stream(result, output, cell, config, mode)
        elif kind == "error":
            text = "\n".join(output["traceback"]) or f"{output['ename']}: {output['evalue']}"
            result.blocks.append(_shown(text, "error"))
        elif kind in ("display_data", "execute_result"):
            _data(result, output, cell, path)
    _check_figures(result, cell, path)
    return result


def _code(cell: Cell) -> Node:
    node = code_block(cell.code, "python")
    fold = cell.options.get("code-fold", False)
    if fold is False:
        return div([node], "i-codigo")
    return div(
        [node],
        "i-codigo",
        plegado="abierto" if fold == "show" else "si",
        resumen=cell.options.get("code-summary", ""),
    )


def _shown(text: str, kind: str) -> Node:
    return div([code_block(text.rstrip("\n"))], "i-salida", tipo=kind)


def _stream(
    result: CellBlocks, output: dict[str, Any], cell: Cell, config: BookConfig, mode: Any
) -> None:
    if output["name"] == "stderr":
        if setting(cell, config, "warning") and output["text"].strip():
            result.blocks.append(_shown(output["text"], "avisos"))
    elif mode == "asis":
        result.blocks.append(pending("markdown", len(result.markdown)))
        result.markdown.append(output["text"])
    elif output["text"].strip():
        result.blocks.append(_shown(output["text"], "texto"))


def pending(kind: str, number: int) -> Node:
    return div([], "i-pendiente", tipo=kind, numero=str(number))


def _data(result: CellBlocks, output: dict[str, Any], cell: Cell, path: str) -> None:
    data = output["data"]
    if "text/markdown" in data:
        result.blocks.append(pending("markdown", len(result.markdown)))
        result.markdown.append(data["text/markdown"])
        return
    for mime, suffix in IMAGES.items():
        if mime in data:
            content = data[mime]
            body = content.encode() if mime == "image/svg+xml" else base64.b64decode(content)
            number = len(result.media) + 1
            stem = cell.options.label or f"celda-{cell.index + 1}"
            name = f"{stem}{'' if number == 1 else f'-{number}'}{suffix}"
            result.media[name] = body
            width = _width(output.get("metadata", {}).get(mime, {}), body, mime)
            result.figures.append(image(f"medio:{name}", "", width))
            return
    if "text/html" in data and HAS_TABLE.search(data["text/html"]):
        result.blocks.append(pending("html", len(result.html)))
        result.html.append(data["text/html"])
        return
    if "text/latex" in data:
        result.blocks.append(pending("markdown", len(result.markdown)))
        result.markdown.append(data["text/latex"])
        return
    if "text/html" in data and "text/plain" not in data:
        raise ImprentaError(
            "La salida solo existe como HTML y no cabría en el PDF: devolvamos una tabla, una "
            "figura o Markdown.",
            path,
            cell.line,
        )
    if "text/plain" in data:
        result.blocks.append(_shown(data["text/plain"], "texto"))
    elif data:
        raise ImprentaError(
            f"No sabemos imprimir una salida de tipo {', '.join(sorted(data))}.", path, cell.line
        )


def _check_figures(result: CellBlocks, cell: Cell, path: str) -> None:
    label = cell.options.label
    if label.startswith("fig-") and len(result.figures) != 1:
        raise ImprentaError(
            f"La celda «{label}» debe producir exactamente una imagen y produjo "
            f"{len(result.figures)}. ¿La última línea devuelve la figura?",
            path,
            cell.line,
        )
    if result.figures and not cell.options.get("fig-alt"):
        raise ImprentaError(
            "La celda produce una figura sin «#| fig-alt:»: quien no la ve necesita ese texto. "
            "Demos también «#| label: fig-…» y «#| fig-cap:».",
            path,
            cell.line,
        )


def _width(metadata: dict[str, Any], body: bytes, mime: str) -> str:
    """Ancho natural, en pulgadas: el declarado por la salida o el de los puntos por pulgada."""
    if "width" in metadata:
        return f"{float(metadata['width']) / 96:.4g}in"
    if mime == "image/png":
        size = png_size(body)
        if size:
            pixels, dpi = size
            return f"{pixels / dpi:.4g}in"
    return ""


def png_size(body: bytes) -> tuple[int, float] | None:
    """Ancho en píxeles y puntos por pulgada de un PNG (96 si no los declara)."""
    if body[:8] != b"\x89PNG\r\n\x1a\n" or len(body) < 24:
        return None
    width = struct.unpack(">I", body[16:20])[0]
    position, dpi = 8, 96.0
    while position + 12 <= len(body):
        length, kind = struct.unpack(">I4s", body[position : position + 8])
        if kind == b"pHYs" and length == 9:
            per_metre, _, unit = struct.unpack(">IIB", body[position + 8 : position + 17])
            if unit == 1 and per_metre:
                dpi = per_metre * 0.0254
        if kind == b"IDAT":
            break
        position += 12 + length
    return width, dpi


def figure_block(cell: Cell, picture: Node, caption: Node | None) -> Node:
    """Figura numerada de una celda, con su leyenda y su texto alternativo."""
    alt = cell.options.get("fig-alt", "")
    kind, content = picture["t"], picture["c"]
    content = [content[0], [{"t": "Str", "c": alt}], content[2]]
    body = para([{"t": kind, "c": content}])
    parts = [div([body], "i-cuerpo")]
    if caption is not None:
        parts.append(div([caption], "i-leyenda"))
    return div(parts, "i-figura", identifier=cell.options.label)
