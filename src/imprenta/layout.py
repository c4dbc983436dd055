"""Medidas para el papel: renglones, anchos de imagen y letra de las tablas."""

import re
from typing import Any

from imprenta.nodes import Node, each, text_of

PAGE_INCHES = 6.1
COLUMNS = 82


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
    match = re.fullmatch(r"([\d.]+)\s*(px|in|cm|mm|pt|em)?", width)
    if not match:
        return "100%"
    value, unit = float(match[1]), match[2] or "px"
    inches = value / {"px": 96, "in": 1, "cm": 2.54, "mm": 25.4, "pt": 72, "em": 6.9}[unit]
    return "100%" if inches >= PAGE_INCHES else f"{inches:.4g}in"


def table_size(table: Node) -> float:
    """Escala de letra para que la tabla quepa a lo ancho, estimada por su texto más largo."""
    widths: dict[int, int] = {}
    for node in _rows(table):
        for column, cell in enumerate(node):
            widest = max((len(piece) for piece in _lines(cell)), default=0)
            widths[column] = max(widths.get(column, 0), min(widest, 28))
    total = sum(widths.values()) + 3 * len(widths)
    for limit, scale in ((78, 1.0), (92, 0.88), (108, 0.78), (128, 0.68)):
        if total <= limit:
            return scale
    return 0.6


def table_rows(table: Node) -> int:
    """Número de filas, con la cabecera."""
    return len(_rows(table))


def _rows(table: Node) -> list[list[Any]]:
    head, bodies, foot = table["c"][3], table["c"][4], table["c"][5]
    rows = list(head[1]) + list(foot[1])
    for body in bodies:
        rows += list(body[2]) + list(body[3])
    return [[cell[4] for cell in row[1]] for row in rows]


def _lines(blocks: Any) -> list[str]:
    return [text_of(node) for node in each(blocks) if node["t"] in ("Plain", "Para", "CodeBlock")]
