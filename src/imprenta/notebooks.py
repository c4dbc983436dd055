"""Un cuaderno ``.ipynb`` ejecutado por capítulo, que se entiende fuera del libro."""

import base64
import mimetypes
import posixpath
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import nbformat
from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from imprenta.assemble import Page
from imprenta.config import BookConfig
from imprenta.execute import Executed, is_evaluated
from imprenta.files import atomic_write
from imprenta.nodes import (
    SPACE,
    Node,
    attribute,
    div,
    has_class,
    para,
    parts,
    raw,
    string,
    text_of,
    walk,
)
from imprenta.pandoc import document, write
from imprenta.strings import word

FOLDER = "cuadernos"
WRITER = [
    "-t",
    "markdown_strict+tex_math_dollars+pipe_tables+backtick_code_blocks+raw_html",
    "--wrap=none",
]
MARK = re.compile(r"^<!-- celda (\d+) -->$", re.M)


def notebook_addresses(pages: Sequence[Page]) -> dict[int, str]:
    """Dirección del cuaderno de cada página que tiene celdas, dentro de la salida."""
    return {
        number: f"{FOLDER}/{posixpath.basename(page.chapter.stem)}.ipynb"
        for number, page in enumerate(pages)
        if page.chapter.cells
    }


def write_notebooks(
    executed: Sequence[Executed], pages: Sequence[Page], config: BookConfig, output: Path
) -> list[Path]:
    """Escribe los cuadernos y devuelve sus rutas."""
    written = []
    addresses = notebook_addresses(pages)
    siblings = {posixpath.basename(address) for address in addresses.values()}
    for number, address in addresses.items():
        notebook = to_notebook(executed[number], pages[number], config, siblings)
        nbformat.validate(notebook)
        path = output / address
        atomic_write(path, (nbformat.writes(notebook) + "\n").encode())
        written.append(path)
    return written


def to_notebook(
    executed: Executed, page: Page, config: BookConfig, siblings: set[str]
) -> NotebookNode:
    """Cuaderno de un capítulo: texto en Markdown común y celdas con sus salidas.

    ``siblings`` son los nombres de los cuadernos a los que se puede enlazar.
    """
    writer = _Flattener(page, config, siblings)
    tree = walk(walk(page.blocks, writer.convert), _without_divs)
    title = string(f"{page.number} {text_of(page.title)}".strip())
    head = {"t": "Header", "c": [1, ["", [], []], [title]]}
    text = write(document([head, *tree]), WRITER)
    notebook = new_notebook()
    notebook.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
        "title": f"{text_of(page.title)} – {config.title}",
    }
    pieces = MARK.split(text)
    shown = {int(pieces[n]): pieces[n + 1] for n in range(1, len(pieces), 2)}
    cells = [_markdown(pieces[0], writer.attachments, "texto")]
    for cell in page.chapter.cells:
        node = new_code_cell(cell.code, id=f"celda-{cell.index}")
        if is_evaluated(cell, config):
            node.outputs = [_output(item, config) for item in executed.outputs.get(cell.index, [])]
        else:
            node.metadata["tags"] = ["sin-ejecutar"]
        cells.append(node)
        cells.append(
            _markdown(shown.get(cell.index, ""), writer.attachments, f"texto-{cell.index}")
        )
    notebook.cells = [cell for cell in cells if cell.source.strip()]
    for number, cell in enumerate(cell for cell in notebook.cells if cell.cell_type == "code"):
        if "sin-ejecutar" not in cell.metadata.get("tags", []):
            cell.execution_count = number + 1
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = number + 1
    return notebook


def _markdown(text: str, attachments: dict[str, dict[str, str]], identifier: str) -> NotebookNode:
    cell = new_markdown_cell(text.strip(), id=identifier)
    used = {name: data for name, data in attachments.items() if f"attachment:{name}" in text}
    if used:
        cell.attachments = used
    return cell


def _output(item: dict[str, Any], config: BookConfig) -> NotebookNode:
    """Salida sin rutas de esta máquina."""
    root, home = str(config.root), str(Path.home())

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            value = value.replace(root, ".")
            return value.replace(home, "~") if home != "/" else value
        if isinstance(value, list):
            return [clean(entry) for entry in value]
        return value

    fields = {key: clean(value) for key, value in item.items() if key not in ("data", "metadata")}
    if "data" in item:
        fields["data"] = {
            mime: clean(value) if mime.startswith("text/") else value
            for mime, value in item["data"].items()
        }
        fields["metadata"] = item.get("metadata", {})
    if item["output_type"] == "execute_result":
        fields["execution_count"] = None
    return nbformat.from_dict(fields)


def _without_divs(node: Node) -> list[Node] | None:
    return node["c"][1] if node["t"] == "Div" else None


class _Flattener:
    """Convierte los Div propios en Markdown que cualquier visor de cuadernos entiende."""

    def __init__(self, page: Page, config: BookConfig, siblings: set[str]) -> None:
        self.page, self.config, self.siblings = page, config, siblings
        self.attachments: dict[str, dict[str, str]] = {}

    def convert(self, node: Node) -> Any:
        kind = node["t"]
        if kind == "Div":
            return self._division(node)
        if kind == "Span":
            return node["c"][1]
        if kind == "Header":
            return self._heading(node)
        if kind == "Image":
            return self._image(node)
        if kind == "Link":
            return self._link(node)
        if kind == "Note":
            # Los cuadernos no tienen notas al pie: quedan entre paréntesis.
            inlines = [item for block in node["c"] for item in block.get("c", ())]
            return [SPACE, string("("), *inlines, string(")")]
        if kind in ("RawBlock", "RawInline") and not MARK.match(node["c"][1]):
            return []
        return None

    def _division(self, node: Node) -> list[Node] | None:
        if has_class(node, "i-bloque"):
            # La celda trae su figura; aquí solo va la leyenda, detrás de ella.
            mark = raw("html", f"<!-- celda {attribute(node, 'numero')} -->")
            return [mark, *(item for item in node["c"][1] if has_class(item, "i-pie"))]
        if has_class(node, "i-pie"):
            return None
        if has_class(node, "i-cuerpo") or has_class(node, "i-leyenda"):
            return None
        body, caption = parts(node)
        if has_class(node, "i-aviso"):
            return self._callout(node, body, caption)
        if has_class(node, "i-figura") or has_class(node, "i-tabla"):
            name = attribute(node, "nombre")
            label = [{"t": "Strong", "c": [string(f"{name}:")]}, SPACE] if name else []
            return [*body, *([div([para([*label, *caption])], "i-pie")] if caption else [])]
        if has_class(node, "i-ecuacion"):
            return [para([*node["c"][1][0]["c"], SPACE, string(f"({attribute(node, 'numero')})")])]
        if has_class(node, "i-formato"):
            return node["c"][1] if "html" in attribute(node, "solo").split() else []
        return node["c"][1]

    def _callout(self, node: Node, body: list[Node], caption: list[Node]) -> list[Node]:
        name = word(self.config.strings, f"callout-{attribute(node, 'tipo')}-title")
        title = para(
            [{"t": "Strong", "c": [string(name), *([string(" · "), *caption] if caption else [])]}]
        )
        # Una celda no cabe dentro de una cita: entonces el aviso queda como texto seguido.
        if any(item["t"] == "RawBlock" for item in body):
            return [title, *body]
        return [{"t": "BlockQuote", "c": [title, *body]}]

    def _heading(self, node: Node) -> Node:
        level, (_, _, pairs), inlines = node["c"]
        number = dict(pairs).get("numero", "")
        shown = [string(number), SPACE, *inlines] if number else inlines
        return {"t": "Header", "c": [level, ["", [], []], shown]}

    def _image(self, node: Node) -> Node | list[Node]:
        target = node["c"][2][0]
        if target.startswith("medio:") or "://" in target:
            return []
        source = self.page.chapter.source.parent / unquote(target)
        mime = mimetypes.guess_type(source.name)[0] or "image/png"
        self.attachments[source.name] = {mime: base64.b64encode(source.read_bytes()).decode()}
        return {"t": "Image", "c": [["", [], []], node["c"][1], [f"attachment:{source.name}", ""]]}

    def _link(self, node: Node) -> Node | list[Node]:
        target = node["c"][2][0]
        if re.match(r"(https?|mailto|doi):", target):
            return {"t": "Link", "c": [["", [], []], node["c"][1], [target, ""]]}
        path = target.partition("#")[0]
        if path.endswith(".qmd"):
            name = posixpath.basename(path).removesuffix(".qmd") + ".ipynb"
            if name not in self.siblings:
                return list(node["c"][1])
            return {"t": "Link", "c": [["", [], []], node["c"][1], [name, ""]]}
        return list(node["c"][1])
