"""Numeración por capítulo, referencias cruzadas y citas, con las reglas de los libros de Quarto."""

import json
import re
import string as alphabet
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from imprenta.assemble import Page
from imprenta.config import BookConfig
from imprenta.errors import ImprentaError
from imprenta.tree import (
    SPACE,
    Node,
    attribute,
    div,
    each,
    link,
    own_kind,
    run_pandoc,
    string,
    walk,
    write,
)

REFERENCE = re.compile(r"^(fig|tbl|sec|eq)-[\w.-]+$")
NUMBERED = {"figura": "fig", "tabla": "tbl", "ecuacion": "eq"}
NBSP = "\u00a0"


@dataclass(frozen=True)
class Target:
    """Algo a lo que se puede remitir: «Figura 1.2» en la página ``page``."""

    name: str
    number: str
    page: int

    @property
    def text(self) -> str:
        return f"{self.name}{NBSP}{self.number}"


def number_pages(pages: Sequence[Page], words: dict[str, str]) -> dict[str, Target]:
    """Numera capítulos, secciones, figuras, tablas y ecuaciones. Cambia los árboles de ``pages``.

    Cada elemento numerado recibe el atributo ``numero`` («2.1»), y las figuras y tablas también
    ``nombre`` («Figura 2.1»).

    Raises
    ------
    ImprentaError
        Etiqueta repetida.
    """
    targets: dict[str, Target] = {}
    counts = {False: 0, True: 0}
    for position, page in enumerate(pages):
        appendix = page.chapter.appendix
        if not page.chapter.unnumbered:
            counts[appendix] += 1
            count = counts[appendix]
            page.number = alphabet.ascii_uppercase[count - 1] if appendix else str(count)
        counter = _Counter(page, position, words, targets)
        if page.number and page.identifier.startswith("sec-"):
            counter.add(page.identifier, "apx-prefix" if appendix else "ch-prefix", page.number)
        page.blocks = walk(page.blocks, counter.visit)
    return targets


class _Counter:
    def __init__(
        self, page: Page, position: int, words: dict[str, str], targets: dict[str, Target]
    ) -> None:
        self.page, self.position, self.words, self.targets = page, position, words, targets
        self.counts = {"fig": 0, "tbl": 0, "eq": 0}
        self.sections = [0] * 7

    def add(self, identifier: str, word: str, number: str) -> Target:
        if identifier in self.targets:
            raise ImprentaError(
                f"La etiqueta «{identifier}» ya está en uso en otro lugar del libro.",
                self.page.chapter.path,
            )
        target = Target(self.words[f"crossref-{word}"], number, self.position)
        self.targets[identifier] = target
        return target

    def visit(self, node: Node) -> None:
        """Añade a ``node`` su número; es una copia propia de `walk`, que se puede cambiar."""
        if node["t"] == "Header":
            self._heading(node)
        elif node["t"] == "Div":
            kind = NUMBERED.get(own_kind(node), "")
            identifier, _, pairs = node["c"][0]
            if kind and identifier.startswith(f"{kind}-"):
                self.counts[kind] += 1
                number = f"{self.page.number}.{self.counts[kind]}".lstrip(".")
                word = "eq-prefix" if kind == "eq" else f"{kind}-title"
                target = self.add(identifier, word, number)
                pairs += [["numero", number], ["nombre", target.text]]

    def _heading(self, node: Node) -> None:
        level, (identifier, classes, pairs), _ = node["c"]
        if level == 1:
            message = "Un capítulo tiene un solo título de primer nivel («# …»)."
            raise ImprentaError(message, self.page.chapter.path)
        if self.page.number and "unnumbered" not in classes:
            self.sections[level] += 1
            self.sections[level + 1 :] = [0] * (6 - level)
            number = ".".join([self.page.number, *map(str, self.sections[2 : level + 1])])
            if identifier.startswith("sec-"):
                self.add(identifier, "sec-prefix", number)
            pairs.append(["numero", number])


def resolve(pages: Sequence[Page], targets: dict[str, Target]) -> None:
    """Cambia cada referencia cruzada por un enlace con su texto. Las citas quedan para citeproc.

    Raises
    ------
    ImprentaError
        Referencia a algo que no existe, o mezclada con citas dentro de los mismos corchetes.
    """
    for page in pages:

        def visit(node: Node, path: str = page.chapter.path) -> Any:
            return _cross(node["c"][0], path, targets) if node["t"] == "Cite" else None

        page.blocks, page.title = walk(page.blocks, visit), walk(page.title, visit)


def _cross(
    citations: list[dict[str, Any]], path: str, targets: dict[str, Target]
) -> list[Node] | None:
    cross = [item for item in citations if REFERENCE.match(item["citationId"])]
    if not cross:
        return None
    if len(cross) < len(citations):
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
        prefix, text = item["citationPrefix"], target.text
        if item["citationMode"]["t"] == "SuppressAuthor":
            text = target.number
        elif prefix:
            text = NBSP + target.number
        shown = [*prefix, string(text)]
        result += [link(shown, f"#{item['citationId']}", "ref-cruzada"), *item["citationSuffix"]]
    return result


def references_page(pages: Sequence[Page]) -> int | None:
    """Posición de la página que contiene ``::: {#refs}``."""
    for position, page in enumerate(pages):
        if any(node["t"] == "Div" and node["c"][0][0] == "refs" for node in each(page.blocks)):
            return position
    return None


def process_citations(pages: Sequence[Page], config: BookConfig) -> None:
    """Escribe las citas y la bibliografía con una sola pasada de citeproc por todo el libro.

    Así «2018a» y «2018b» significan lo mismo en todos los capítulos y en todos los formatos.
    """
    if not any(node["t"] == "Cite" for page in pages for node in each(page.blocks)):
        return
    merged = [div(page.blocks, "i-pagina", numero=str(number)) for number, page in enumerate(pages)]
    meta = {"bibliography": str(config.bibliography), "lang": config.lang, "link_citations": True}
    if config.csl:
        meta["csl"] = str(config.csl)
    for block in json.loads(write(merged, "-t", "json", "--citeproc", **meta))["blocks"]:
        if own_kind(block) == "pagina":
            # El texto ya está escrito: sin el nodo Cite, ningún formato lo vuelve a interpretar.
            pages[int(attribute(block, "numero"))].blocks = walk(
                block["c"][1], lambda node: node["c"][1] if node["t"] == "Cite" else None
            )


def bibliography_keys(config: BookConfig) -> set[str]:
    """Claves del archivo de bibliografía.

    Raises
    ------
    ImprentaError
        Si el archivo no puede leerse.
    """
    path = config.bibliography
    try:
        entries = json.loads(
            run_pandoc(["-f", "biblatex", "-t", "csljson"], path.read_text(encoding="utf-8"))
        )
    except ImprentaError as error:
        raise ImprentaError(f"La bibliografía está mal escrita. {error}", path.name) from error
    return {str(entry["id"]) for entry in entries}
