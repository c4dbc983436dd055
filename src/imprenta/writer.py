"""Lo común a los escritores de cada formato: recorrer la página y cambiar los bloques propios."""

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from imprenta.assemble import Page
from imprenta.config import BookConfig
from imprenta.refs import Target
from imprenta.tree import Node, own_kind, parts, plain, raw, walk

SLOT = re.compile(r"«(cuerpo|leyenda)»")


def literal(text: str) -> str:
    """Cadena de Typst."""
    return json.dumps(text, ensure_ascii=False)


@lru_cache(maxsize=1)
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("imprenta", "plantillas"),
        autoescape=lambda name: str(name).endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["literal"] = literal
    return environment


def template(name: str) -> Template:
    """Plantilla de ``plantillas/``; las ``.html`` protegen solas sus valores."""
    return _templates().get_template(name)


class Writer:
    """Recorre una página y convierte sus nodos con un método por tipo: ``_link``, ``_image``…

    Un Div propio (``i-figura``) pasa por ``_figura``, si existe, o por la macro ``figura`` de
    ``bloques``, donde «cuerpo» y «leyenda» marcan su sitio.
    """

    fmt = ""
    blocks = ""

    def __init__(
        self, pages: Sequence[Page], targets: dict[str, Target], config: BookConfig
    ) -> None:
        self.pages, self.targets, self.config = pages, targets, config
        self.macros = template(self.blocks).module if self.blocks else None

    def convert(self, tree: list[Node], position: int) -> list[Node]:
        """Los bloques de la página ``position``, listos para pandoc."""
        return walk(tree, lambda node: self._node(node, position))

    def _node(self, node: Node, position: int) -> Any:
        kind = own_kind(node)
        if kind in ("cuerpo", "leyenda", "pagina"):
            return None
        method = getattr(self, f"_{kind or node['t'].lower()}", None)
        if method:
            return method(node, position)
        return self.block(kind, node, position) if kind else None

    def identifier(self, name: str, position: int) -> str:
        """La etiqueta ``name`` de la página, como se escribe en este formato."""
        return name

    def block(
        self, kind: str, node: Node, position: int, body: list[Node] | None = None, **values: Any
    ) -> list[Node]:
        """Div propio escrito con su macro; ``body`` cambia su cuerpo."""
        inside, caption = parts(node)
        body = inside if body is None else body
        name, _, pairs = node["c"][0]
        shown = {"numero": "", "nombre": "", **dict(pairs), **values}
        shown["id"] = self.identifier(name, position) if name else ""
        shown["leyenda"], shown["palabras"] = bool(caption), self.config.words
        text = getattr(self.macros, kind)(shown)
        result: list[Node] = []
        for number, piece in enumerate(SLOT.split(text)):
            if number % 2 == 0:
                result += [raw(self.fmt, piece.strip())] if piece.strip() else []
            else:
                result += body if piece == "cuerpo" else [plain(caption)] if caption else []
        return result
