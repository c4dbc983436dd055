"""El árbol de pandoc: leerlo, recorrerlo y volver a escribirlo."""

import json
import re
import subprocess
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

from imprenta.errors import ImprentaError

Node = dict[str, Any]
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
    fragments = [re.sub(r"<(style|script)\b.*?</\1\s*>", "", item, flags=re.S | re.I)
                 for item in fragments]
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


# --- Constructores -----------------------------------------------------------------------------

Attr = list[Any]


def attr(identifier: str = "", classes: Iterable[str] = (), pairs: Iterable[Any] = ()) -> Attr:
    return [identifier, list(classes), [list(pair) for pair in pairs]]


def div(blocks: Sequence[Node], *classes: str, identifier: str = "", **pairs: str) -> Node:
    return {"t": "Div", "c": [attr(identifier, classes, pairs.items()), list(blocks)]}


def span(inlines: Sequence[Node], *classes: str, identifier: str = "") -> Node:
    return {"t": "Span", "c": [attr(identifier, classes), list(inlines)]}


def string(text: str) -> Node:
    return {"t": "Str", "c": text}


SPACE: Node = {"t": "Space"}


def plain(inlines: Sequence[Node]) -> Node:
    return {"t": "Plain", "c": list(inlines)}


def para(inlines: Sequence[Node]) -> Node:
    return {"t": "Para", "c": list(inlines)}


def raw(fmt: str, text: str) -> Node:
    return {"t": "RawBlock", "c": [fmt, text]}


def raw_inline(fmt: str, text: str) -> Node:
    return {"t": "RawInline", "c": [fmt, text]}


def code_block(text: str, *classes: str) -> Node:
    return {"t": "CodeBlock", "c": [attr("", classes), text]}


def link(inlines: Sequence[Node], target: str, *classes: str) -> Node:
    return {"t": "Link", "c": [attr("", classes), list(inlines), [target, ""]]}


def image(target: str, alt: str, width: str = "") -> Node:
    pairs = [["width", width]] if width else []
    return {"t": "Image", "c": [attr("", (), pairs), [string(alt)] if alt else [], [target, ""]]}


# --- Recorridos --------------------------------------------------------------------------------


def has_class(node: Node, name: str) -> bool:
    return node.get("t") in ("Div", "Span") and name in node["c"][0][1]


def attribute(node: Node, name: str, default: str = "") -> str:
    """Valor de un atributo ``clave=valor`` de un Div, Span, Image o Link."""
    return next((value for key, value in node["c"][0][2] if key == name), default)


def walk(tree: Any, action: Callable[[Node], Any]) -> Any:
    """Copia ``tree`` aplicando ``action`` a cada nodo, de las hojas a la raíz.

    ``action`` devuelve ``None`` para dejar el nodo como está, otro nodo para cambiarlo, o una
    lista de nodos para poner varios (o ninguno) en su lugar.
    """
    if isinstance(tree, list):
        result = []
        for item in tree:
            if isinstance(item, dict) and "t" in item:
                changed = _visit(item, action)
                result.extend(changed) if isinstance(changed, list) else result.append(changed)
            else:
                result.append(walk(item, action))
        return result
    if isinstance(tree, dict):
        if "t" in tree:
            return _visit(tree, action)
        return {key: walk(value, action) for key, value in tree.items()}
    return tree


def _visit(node: Node, action: Callable[[Node], Any]) -> Any:
    inner = {key: walk(value, action) if key == "c" else value for key, value in node.items()}
    changed = action(inner)
    return inner if changed is None else changed


def each(tree: Any) -> Iterable[Node]:
    """Todos los nodos de ``tree``, en orden de lectura."""
    if isinstance(tree, list):
        for item in tree:
            yield from each(item)
    elif isinstance(tree, dict):
        if "t" in tree:
            yield tree
        for key, value in tree.items():
            if key != "t":
                yield from each(value)


def text_of(tree: Any) -> str:
    """Texto llano de unos elementos en línea: para índices, títulos y textos alternativos."""
    pieces = []

    def gather(item: Any) -> None:
        if isinstance(item, list):
            for child in item:
                gather(child)
        elif isinstance(item, dict) and "t" in item:
            kind, content = item["t"], item.get("c")
            if kind == "Str":
                pieces.append(content)
            elif kind in ("Space", "SoftBreak", "LineBreak"):
                pieces.append(" ")
            elif kind in ("Code", "Math", "CodeBlock"):
                pieces.append(content[1])
            elif kind == "Quoted":
                marks = "“”" if content[0]["t"] == "DoubleQuote" else "‘’"
                pieces.append(marks[0])
                gather(content[1])
                pieces.append(marks[1])
            elif kind not in ("Note", "RawInline", "RawBlock"):
                gather(content)
        elif isinstance(item, dict):
            gather(list(item.values()))

    gather(tree)
    return "".join(pieces).strip()
