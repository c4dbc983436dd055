"""Etiquetas de un capítulo leídas de su texto, con la línea donde están."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from imprenta.chapter import Chapter, iter_matches
from imprenta.nodes import each
from imprenta.pandoc import read_markdown

ATTRIBUTE_ID = re.compile(r"\{[^{}\n]*?#(?P<name>[A-Za-z][\w.:-]*)[^{}\n]*\}")


@dataclass(frozen=True)
class Label:
    """Una etiqueta y la línea donde se define."""

    name: str
    line: int


def chapter_labels(chapter: Chapter) -> Iterator[Label]:
    """Etiquetas explícitas: ``{#…}`` en el texto y ``label:`` en las celdas."""
    for line, match in iter_matches(ATTRIBUTE_ID, chapter.masked):
        if match["name"] != "refs":
            yield Label(match["name"], line)
    title = ATTRIBUTE_ID.search(str(chapter.front.get("title", "")))
    if title:
        yield Label(title["name"], 1)
    for cell in chapter.cells:
        if cell.options.label:
            yield Label(cell.options.label, cell.options.line("label", cell.line))


@lru_cache(maxsize=256)
def _heading_ids(text: str) -> frozenset[str]:
    return frozenset(
        node["c"][1][0] for node in each(read_markdown(text)["blocks"]) if node["t"] == "Header"
    )


def heading_ids(chapter: Chapter) -> set[str]:
    """Todo lo que un enlace ``archivo.qmd#…`` puede nombrar en el capítulo."""
    headings = [line for line in chapter.masked_headings.split("\n") if line.startswith("#")]
    explicit = {label.name for label in chapter_labels(chapter)}
    return explicit | _heading_ids("\n\n".join(headings))
