"""Un cuaderno ``.ipynb`` ejecutado por capítulo, que se entiende fuera del libro."""

import base64
import json
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

from imprenta.assemble import MEDIA, Page
from imprenta.config import BookConfig
from imprenta.execute import Executed
from imprenta.files import atomic_write
from imprenta.refs import Target
from imprenta.tree import (
    SPACE,
    Node,
    attribute,
    div,
    own_kind,
    para,
    parts,
    raw,
    string,
    text_of,
    walk,
    write,
)
from imprenta.writer import Writer

FOLDER = "cuadernos"
MARKDOWN = (
    "-t",
    "markdown_strict+tex_math_dollars+pipe_tables+backtick_code_blocks+raw_html",
    "--wrap=none",
)
MARK = re.compile(r"^<!-- celda (\d+) -->$", re.M)


def notebook_addresses(pages: Sequence[Page]) -> dict[int, str]:
    """Dirección del cuaderno de cada página que tiene celdas, dentro de la salida."""
    return {
        number: f"{FOLDER}/{posixpath.basename(page.chapter.stem)}.ipynb"
        for number, page in enumerate(pages)
        if page.chapter.cells
    }


def write_notebooks(
    executed: Sequence[Executed],
    pages: Sequence[Page],
    targets: dict[str, Target],
    config: BookConfig,
    output: Path,
) -> list[Path]:
    """Escribe los cuadernos y devuelve sus rutas."""
    written = []
    writer = NotebookWriter(pages, targets, config)
    for number, address in notebook_addresses(pages).items():
        notebook = writer.notebook(executed[number], number)
        nbformat.validate(notebook)
        path = output / address
        atomic_write(path, (nbformat.writes(notebook) + "\n").encode())
        written.append(path)
    return written


class NotebookWriter(Writer):
    """Escribe cada capítulo en el Markdown que entiende cualquier visor de cuadernos."""

    def __init__(
        self, pages: Sequence[Page], targets: dict[str, Target], config: BookConfig
    ) -> None:
        super().__init__(pages, targets, config)
        self.siblings = {posixpath.basename(name) for name in notebook_addresses(pages).values()}
        self.attachments: dict[str, dict[str, str]] = {}

    def notebook(self, executed: Executed, position: int) -> NotebookNode:
        """Cuaderno de un capítulo: texto en Markdown común y celdas con sus salidas."""
        page = self.pages[position]
        self.attachments = {}
        title = {"t": "Header", "c": [1, ["", [], []], [string(page.plain_title)]]}
        tree = _without_divs(self.convert(page.blocks, position))
        first, *rest = MARK.split(write([title, *tree], *MARKDOWN))
        after = dict(zip(map(int, rest[::2]), rest[1::2], strict=True))
        cells = [self._text(first, "texto")]
        for count, cell in enumerate(page.chapter.cells, 1):
            node = new_code_cell(cell.code, id=f"celda-{cell.index}", execution_count=count)
            node.outputs = [
                self._output(item, count) for item in executed.outputs.get(cell.index, [])
            ]
            cells += [node, self._text(after.get(cell.index, ""), f"texto-{cell.index}")]
        notebook = new_notebook(cells=[cell for cell in cells if cell.source.strip()])
        notebook.metadata = {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
            "title": f"{text_of(page.title)} – {self.config.title}",
        }
        return notebook

    def _text(self, text: str, identifier: str) -> NotebookNode:
        cell = new_markdown_cell(text.strip(), id=identifier)
        used = {name: data for name, data in self.attachments.items() if f":{name})" in text}
        if used:
            cell.attachments = used
        return cell

    def _output(self, item: dict[str, Any], count: int) -> NotebookNode:
        """Salida sin rutas de esta máquina."""
        text = json.dumps(item, ensure_ascii=False).replace(str(self.config.root), ".")
        home = str(Path.home())
        output = json.loads(text.replace(home, "~") if home != "/" else text)
        if item["output_type"] == "execute_result":
            output["execution_count"] = count
        return nbformat.from_dict(output)

    def _celda(self, node: Node, position: int) -> list[Node]:
        # La celda trae su figura; aquí solo va la leyenda, detrás de ella.
        mark = raw("html", f"<!-- celda {attribute(node, 'numero')} -->")
        return [mark, *(item for item in node["c"][1] if own_kind(item) == "pie")]

    def _figura(self, node: Node, position: int) -> list[Node]:
        body, caption = parts(node)
        name = attribute(node, "nombre")
        label = [{"t": "Strong", "c": [string(f"{name}:")]}, SPACE] if name else []
        return [*body, *([div([para([*label, *caption])], "i-pie")] if caption else [])]

    _tabla = _figura

    def _ecuacion(self, node: Node, position: int) -> list[Node]:
        formula = parts(node)[0][0]["c"]
        return [para([*formula, SPACE, string(f"({attribute(node, 'numero')})")])]

    def _aviso(self, node: Node, position: int) -> list[Node]:
        body, caption = parts(node)
        name = self.config.words[f"callout-{attribute(node, 'tipo')}-title"]
        shown = [string(name), *([string(" · "), *caption] if caption else [])]
        title = para([{"t": "Strong", "c": shown}])
        # Una celda no cabe dentro de una cita: entonces el aviso queda como texto seguido.
        if any(item["t"] == "RawBlock" for item in body):
            return [title, *body]
        return [{"t": "BlockQuote", "c": [title, *body]}]

    def _pie(self, node: Node, position: int) -> None:
        return None

    def _div(self, node: Node, position: int) -> list[Node]:
        return node["c"][1]

    _codigo = _salida = _span = _div

    def _header(self, node: Node, position: int) -> Node:
        level, _, inlines = node["c"]
        number = attribute(node, "numero")
        shown = [string(number), SPACE, *inlines] if number else inlines
        return {"t": "Header", "c": [level, ["", [], []], shown]}

    def _image(self, node: Node, position: int) -> Node | list[Node]:
        target = node["c"][2][0]
        if target.startswith(MEDIA):
            return []
        source = self.pages[position].chapter.source.parent / unquote(target)
        mime = mimetypes.guess_type(source.name)[0] or "image/png"
        self.attachments[source.name] = {mime: base64.b64encode(source.read_bytes()).decode()}
        return {"t": "Image", "c": [["", [], []], node["c"][1], [f"attachment:{source.name}", ""]]}

    def _link(self, node: Node, position: int) -> Node | list[Node]:
        _, inlines, (target, _) = node["c"]
        path = target.partition("#")[0]
        if path.endswith(".qmd"):
            target = posixpath.basename(path).removesuffix(".qmd") + ".ipynb"
        if ":" in path or target in self.siblings:
            return {"t": "Link", "c": [["", [], []], inlines, [target, ""]]}
        return list(inlines)

    def _note(self, node: Node, position: int) -> list[Node]:
        # Los cuadernos no tienen notas al pie: quedan entre paréntesis.
        inlines = [item for block in node["c"] for item in block.get("c", ())]
        return [SPACE, string("("), *inlines, string(")")]


def _without_divs(tree: list[Node]) -> list[Node]:
    return walk(tree, lambda node: node["c"][1] if node["t"] == "Div" else None)
