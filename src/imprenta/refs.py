"""Numeración por capítulo y referencias cruzadas, con las reglas de los libros de Quarto."""

import re
import string as alphabet
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from imprenta.assemble import Page
from imprenta.errors import ImprentaError
from imprenta.nodes import SPACE, Node, has_class, link, string, walk

KINDS = ("fig", "tbl", "sec", "eq")
REFERENCE = re.compile(r"^(fig|tbl|sec|eq)-[\w.-]+$")
NAMES = {
    "fig": "Figura",
    "tbl": "Tabla",
    "sec": "Sección",
    "eq": "Ecuación",
    "ch": "Capítulo",
    "apx": "Apéndice",
}
LANGUAGE_KEYS = {
    "fig": "crossref-fig-title",
    "tbl": "crossref-tbl-title",
    "sec": "crossref-sec-prefix",
    "eq": "crossref-eq-prefix",
    "ch": "crossref-ch-prefix",
    "apx": "crossref-apx-prefix",
}
NBSP = "\u00a0"


@dataclass(frozen=True)
class Target:
    """Algo a lo que se puede remitir: «Figura 1.2» en la página ``page``."""

    identifier: str
    name: str
    number: str
    page: int

    @property
    def text(self) -> str:
        return f"{self.name}{NBSP}{self.number}"


def names(strings: dict[str, str]) -> dict[str, str]:
    """Nombres de las cosas numeradas, con los cambios de ``language:``."""
    return {kind: strings.get(LANGUAGE_KEYS[kind], NAMES[kind]) for kind in NAMES}


def number_pages(pages: Sequence[Page], strings: dict[str, str]) -> dict[str, Target]:
    """Numera capítulos, secciones, figuras, tablas y ecuaciones. Cambia los árboles de ``pages``.

    Cada elemento numerado recibe el atributo ``numero`` («2.1»), y las figuras y tablas también
    ``nombre`` («Figura 2.1»).

    Raises
    ------
    ImprentaError
        Etiqueta repetida.
    """
    words = names(strings)
    targets: dict[str, Target] = {}
    chapter = appendix = 0
    for position, page in enumerate(pages):
        is_appendix = page.chapter.appendix
        if not page.chapter.unnumbered:
            if is_appendix:
                appendix += 1
                page.number = alphabet.ascii_uppercase[appendix - 1]
            else:
                chapter += 1
                page.number = str(chapter)
        counter = _Counter(page, position, words, targets)
        if page.number and page.identifier.startswith("sec-"):
            counter.add(page.identifier, words["apx" if is_appendix else "ch"], page.number)
        page.blocks = walk(page.blocks, counter.visit)
    return targets


class _Counter:
    def __init__(
        self, page: Page, position: int, words: dict[str, str], targets: dict[str, Target]
    ) -> None:
        self.page, self.position, self.words, self.targets = page, position, words, targets
        self.counts = {"fig": 0, "tbl": 0, "eq": 0}
        self.sections = [0] * 7

    def add(self, identifier: str, name: str, number: str) -> None:
        if identifier in self.targets:
            raise ImprentaError(
                f"La etiqueta «{identifier}» ya está en uso en otro lugar del libro.",
                self.page.chapter.path,
            )
        self.targets[identifier] = Target(identifier, name, number, self.position)

    def visit(self, node: Node) -> Node | None:
        if node["t"] == "Header":
            return self._heading(node)
        for kind, name in (("fig", "i-figura"), ("tbl", "i-tabla"), ("eq", "i-ecuacion")):
            if has_class(node, name) and node["c"][0][0].startswith(f"{kind}-"):
                return self._float(node, kind)
        return None

    def _float(self, node: Node, kind: str) -> Node:
        self.counts[kind] += 1
        number = f"{self.page.number}.{self.counts[kind]}".lstrip(".")
        identifier = node["c"][0][0]
        self.add(identifier, self.words[kind], number)
        _, classes, pairs = node["c"][0]
        extra = [["numero", number], ["nombre", f"{self.words[kind]}{NBSP}{number}"]]
        return {"t": "Div", "c": [[identifier, classes, pairs + extra], node["c"][1]]}

    def _heading(self, node: Node) -> Node:
        level, (identifier, classes, pairs), inlines = node["c"]
        if level < 2:
            raise ImprentaError(
                "Un capítulo tiene un solo título de primer nivel («# …»); las secciones llevan "
                "dos almohadillas o más.",
                self.page.chapter.path,
            )
        number = ""
        if self.page.number and "unnumbered" not in classes:
            self.sections[level] += 1
            self.sections[level + 1 :] = [0] * (6 - level)
            number = ".".join([self.page.number, *map(str, self.sections[2 : level + 1])])
            if identifier.startswith("sec-"):
                self.add(identifier, self.words["sec"], number)
        pairs = pairs + ([["numero", number]] if number else [])
        return {"t": "Header", "c": [level, [identifier, classes, pairs], inlines]}


def resolve(pages: Sequence[Page], targets: dict[str, Target]) -> None:
    """Cambia cada referencia cruzada por un enlace con su texto. Las citas quedan para citeproc.

    Raises
    ------
    ImprentaError
        Referencia a algo que no existe, o mezclada con citas dentro de los mismos corchetes.
    """
    for page in pages:
        page.blocks = walk(page.blocks, lambda node, page=page: _citation(node, page, targets))
        page.title = walk(page.title, lambda node, page=page: _citation(node, page, targets))


def _citation(node: Node, page: Page, targets: dict[str, Target]) -> Any:
    if node["t"] != "Cite":
        return None
    citations = node["c"][0]
    cross = [bool(REFERENCE.match(item["citationId"])) for item in citations]
    if not any(cross):
        return None
    path = page.chapter.path
    if not all(cross):
        raise ImprentaError(
            "Unos corchetes mezclan citas y referencias cruzadas: separémoslas.", path
        )
    result: list[Node] = []
    for item in citations:
        target = targets.get(item["citationId"])
        if target is None:
            raise ImprentaError(f"La referencia @{item['citationId']} no existe.", path)
        if result:
            result += [string(","), SPACE]
        result += _reference(item, target)
    return result


def _reference(item: dict[str, Any], target: Target) -> list[Node]:
    prefix, mode = item["citationPrefix"], item["citationMode"]["t"]
    if mode == "SuppressAuthor":
        text: list[Node] = [string(target.number)]
    elif prefix:
        text = [*prefix, string(NBSP + target.number)]
    else:
        text = [string(target.text)]
    return [link(text, f"#{target.identifier}", "ref-cruzada"), *item["citationSuffix"]]
