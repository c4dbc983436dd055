"""El árbol de pandoc: leerlo, construir sus nodos, recorrerlo y escribirlo."""

import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from imprenta.errors import ImprentaError

Node = dict[str, Any]
Action = Callable[[Node], Any]
SPACE: Node = {"t": "Space"}

# --- Pandoc ------------------------------------------------------------------------------------


def run_pandoc(arguments: Sequence[str], text: str) -> str:
    """Ejecuta pandoc con ``text`` en la entrada y devuelve su salida.

    Raises
    ------
    ImprentaError
        Si pandoc falla o avisa de algo: un aviso suyo es una cita o un archivo que no encontró.
    """
    done = subprocess.run(
        [_pandoc(), *arguments], input=text.encode(), capture_output=True, check=False
    )
    complaint = done.stderr.decode(errors="replace").strip()
    if done.returncode or "[WARNING]" in complaint:
        raise ImprentaError(f"pandoc dice: {complaint or done.returncode}")
    return done.stdout.decode()


@lru_cache(maxsize=1)
def _pandoc() -> str:
    import pypandoc

    return pypandoc.get_pandoc_path()


def read_markdown(text: str) -> list[Node]:
    """Bloques de un texto en el Markdown del libro."""
    return json.loads(run_pandoc(["-f", "markdown", "-t", "json"], text))["blocks"]


@lru_cache(maxsize=1)
def _api_version() -> tuple[int, ...]:
    return tuple(json.loads(run_pandoc(["-t", "json"], ""))["pandoc-api-version"])


def write(blocks: Sequence[Node], *arguments: str, **meta: str | bool) -> str:
    """Escribe ``blocks`` con las opciones de pandoc ``arguments`` y los metadatos ``meta``."""
    values = {
        key.replace("_", "-"): {"t": "MetaBool" if value is True else "MetaString", "c": value}
        for key, value in meta.items()
    }
    doc = {"pandoc-api-version": _api_version(), "meta": values, "blocks": list(blocks)}
    return run_pandoc(["-f", "json", *arguments], json.dumps(doc))


# --- Constructores -----------------------------------------------------------------------------


def div(blocks: Sequence[Node], *classes: str, identifier: str = "", **pairs: str) -> Node:
    attributes = [identifier, list(classes), [list(pair) for pair in pairs.items()]]
    return {"t": "Div", "c": [attributes, list(blocks)]}


def own(
    kind: str,
    body: Sequence[Node],
    caption: Sequence[Node] = (),
    identifier: str = "",
    **pairs: str,
) -> Node:
    """Div propio ``i-kind``, con su cuerpo y su leyenda (en línea). Véase `parts`."""
    inside = [div(body, "i-cuerpo"), *([div([plain(caption)], "i-leyenda")] if caption else [])]
    return div(inside, f"i-{kind}", identifier=identifier, **pairs)


def string(text: str) -> Node:
    return {"t": "Str", "c": text}


def plain(inlines: Sequence[Node]) -> Node:
    return {"t": "Plain", "c": list(inlines)}


def para(inlines: Sequence[Node]) -> Node:
    return {"t": "Para", "c": list(inlines)}


def raw(fmt: str, text: str) -> Node:
    return {"t": "RawBlock", "c": [fmt, text]}


def raw_inline(fmt: str, text: str) -> Node:
    return {"t": "RawInline", "c": [fmt, text]}


def link(inlines: Sequence[Node], target: str, *classes: str) -> Node:
    return {"t": "Link", "c": [["", list(classes), []], list(inlines), [target, ""]]}


# --- Lectura y recorridos ----------------------------------------------------------------------


def own_kind(node: Node) -> str:
    """Nombre del Div propio («figura»), o "" si no lo es."""
    classes = node["c"][0][1] if node["t"] == "Div" else ()
    return next((name[2:] for name in classes if name.startswith("i-")), "")


def attribute(node: Node, name: str) -> str:
    """Valor de un atributo ``clave=valor`` de un Div, Header, Image o Link; "" si no lo tiene."""
    pairs = node["c"][1 if node["t"] == "Header" else 0][2]
    return next((value for key, value in pairs if key == name), "")


def parts(node: Node) -> tuple[list[Node], list[Node]]:
    """Cuerpo (o todo, si no lo separa) y leyenda (en línea) de un Div propio."""
    inside = node["c"][1]
    found = {own_kind(item): item["c"][1] for item in inside if own_kind(item)}
    caption = found.get("leyenda")
    return found.get("cuerpo", inside), caption[0]["c"] if caption else []


def walk(tree: Any, action: Action) -> Any:
    """Copia ``tree`` aplicando ``action`` a cada nodo, de las hojas a la raíz.

    ``action`` devuelve ``None`` para dejar el nodo como está, otro nodo para cambiarlo, o una
    lista de nodos para poner varios (o ninguno) en su lugar.
    """
    if isinstance(tree, list):
        result = []
        for item in tree:
            changed = walk(item, action)
            spread = isinstance(item, dict) and isinstance(changed, list)
            result.extend(changed if spread else [changed])
        return result
    if not isinstance(tree, dict):
        return tree
    inner = {key: walk(value, action) for key, value in tree.items()}
    changed = action(inner) if "t" in inner else None
    return inner if changed is None else changed


def each(tree: Any) -> Iterator[Node]:
    """Todos los nodos de ``tree``, en orden de lectura."""
    if isinstance(tree, list):
        for item in tree:
            yield from each(item)
    elif isinstance(tree, dict):
        if "t" in tree:
            yield tree
        for value in tree.values():
            yield from each(value)


def text_of(tree: Any) -> str:
    """Texto llano de unos elementos en línea: para índices, títulos y textos alternativos."""
    return _text(tree).strip()


def _text(tree: Any) -> str:
    if isinstance(tree, list):
        return "".join(map(_text, tree))
    if not isinstance(tree, dict):
        return ""
    kind, content = tree.get("t"), tree.get("c")
    if kind == "Str":
        return content
    if kind in ("Space", "SoftBreak", "LineBreak"):
        return " "
    if kind in ("Code", "Math", "CodeBlock"):
        return content[1]
    if kind == "Quoted":
        marks = "“”" if content[0]["t"] == "DoubleQuote" else "‘’"
        return marks[0] + _text(content[1]) + marks[1]
    return "" if kind in ("Note", "RawInline", "RawBlock") else _text(content)
