"""Nodos del árbol de pandoc: construirlos y recorrerlos."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

Node = dict[str, Any]
Attr = list[Any]

# --- Constructores -----------------------------------------------------------------------------


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
    inner = dict(node)
    if isinstance(node.get("c"), list | dict):
        inner["c"] = walk(node["c"], action)
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


def parts(node: Node) -> tuple[list[Node], list[Node]]:
    """Cuerpo y leyenda (en línea) de un Div propio."""
    body = next((item["c"][1] for item in node["c"][1] if has_class(item, "i-cuerpo")), [])
    caption = next((item["c"][1] for item in node["c"][1] if has_class(item, "i-leyenda")), [])
    return body, caption[0]["c"] if caption else []
