"""Pandoc: del Markdown o el HTML al árbol, y del árbol a cada formato."""

import json
import re
import subprocess
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from imprenta.errors import ImprentaError
from imprenta.nodes import Node, text_of, walk

READER = "markdown"
NUMBER = re.compile(r"[-+−]?[\d.,]+(e[-+]?\d+)?\s*%?|NaN|—|–|-")


@lru_cache(maxsize=1)
def pandoc_path() -> str:
    """Ruta del ejecutable que trae ``pypandoc-binary``."""
    import pypandoc

    return pypandoc.get_pandoc_path()


def run_pandoc(arguments: Sequence[str], text: str) -> str:
    """Ejecuta pandoc con ``text`` en la entrada y devuelve su salida.

    Raises
    ------
    ImprentaError
        Si pandoc falla o avisa de algo: un aviso suyo es una cita o un archivo que no encontró.
    """
    done = subprocess.run(
        [pandoc_path(), *arguments], input=text.encode(), capture_output=True, check=False
    )
    complaint = done.stderr.decode(errors="replace").strip()
    if done.returncode or "[WARNING]" in complaint:
        raise ImprentaError(f"pandoc dice: {complaint or done.returncode}")
    return done.stdout.decode()


def read_markdown(text: str) -> Node:
    """Markdown del libro → documento de pandoc."""
    return json.loads(run_pandoc(["-f", READER, "-t", "json"], text))


def read_html_fragments(fragments: Sequence[str]) -> list[list[Node]]:
    """Varios trozos de HTML → sus bloques, con una sola llamada a pandoc."""
    if not fragments:
        return []
    # pandas acompaña sus tablas de una hoja de estilo propia; el libro tiene la suya.
    fragments = [
        re.sub(r"<(style|script)\b.*?</\1\s*>", "", item, flags=re.S | re.I) for item in fragments
    ]
    joined = "".join(f'<div class="trozo">{fragment}</div>' for fragment in fragments)
    document = json.loads(run_pandoc(["-f", "html", "-t", "json"], joined))
    return [walk(block["c"][1], _plain_table) for block in document["blocks"]]


def _plain_table(node: Node) -> Any:
    """Quita los Div que envuelven una tabla y alinea a la derecha sus columnas de números."""
    if node["t"] == "Div":
        return node["c"][1]
    if node["t"] != "Table":
        return None
    content = list(node["c"])
    rows = [row for body in content[4] for row in body[3]]
    alignments = []
    for column, (align, width) in enumerate(content[2]):
        cells = [text_of(row[1][column][4]) for row in rows if column < len(row[1])]
        numeric = bool(cells) and all(NUMBER.fullmatch(cell) for cell in cells)
        alignments.append([{"t": "AlignRight"} if numeric else align, width])
    content[2] = alignments
    return {"t": "Table", "c": content}


def document(blocks: Sequence[Node], meta: Node | None = None) -> Node:
    return {"pandoc-api-version": api_version(), "meta": meta or {}, "blocks": list(blocks)}


@lru_cache(maxsize=1)
def api_version() -> tuple[int, ...]:
    return tuple(read_markdown("")["pandoc-api-version"])


def write(doc: Node, arguments: Sequence[str]) -> str:
    return run_pandoc(["-f", "json", *arguments], json.dumps(doc))
