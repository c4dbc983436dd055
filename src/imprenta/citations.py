"""Citas y bibliografía: una sola pasada de citeproc por todo el libro.

Así «2018a» y «2018b» significan lo mismo en todos los capítulos y en todos los formatos.
"""

import json
from collections.abc import Sequence
from typing import Any

from imprenta.assemble import Page
from imprenta.config import BookConfig
from imprenta.errors import ImprentaError
from imprenta.nodes import Node, attribute, div, each, has_class, walk
from imprenta.pandoc import document, run_pandoc, write


def cited_keys(pages: Sequence[Page]) -> set[str]:
    """Claves citadas en el libro (las referencias cruzadas ya no están en el árbol)."""
    return {
        item["citationId"]
        for page in pages
        for node in each(page.blocks)
        if node["t"] == "Cite"
        for item in node["c"][0]
    }


def references_page(pages: Sequence[Page]) -> int | None:
    """Posición de la página que contiene ``::: {#refs}``."""
    for position, page in enumerate(pages):
        if any(node["t"] == "Div" and node["c"][0][0] == "refs" for node in each(page.blocks)):
            return position
    return None


def process_citations(pages: Sequence[Page], config: BookConfig) -> None:
    """Escribe las citas de ``pages`` y llena la página de referencias.

    Raises
    ------
    ImprentaError
        Cita que no está en la bibliografía, o citas sin página de referencias.
    """
    keys = cited_keys(pages)
    if not keys:
        return
    if config.bibliography is None:
        raise ImprentaError(f"Hay citas (@{min(keys)}) y «bibliography:» falta.", "_quarto.yml")
    if references_page(pages) is None:
        raise ImprentaError(
            "Hay citas y ningún capítulo contiene «::: {#refs}», donde va la bibliografía.",
            "_quarto.yml",
        )
    known = set(bibliography_keys(config))
    for page in pages:
        for node in each(page.blocks):
            for item in node["c"][0] if node["t"] == "Cite" else ():
                if item["citationId"] not in known:
                    raise ImprentaError(
                        f"La cita @{item['citationId']} no está en {config.bibliography.name}.",
                        page.chapter.path,
                    )
    merged = [div(page.blocks, "i-pagina", numero=str(number)) for number, page in enumerate(pages)]
    meta: dict[str, Any] = {
        "bibliography": _meta(str(config.bibliography)),
        "lang": _meta(config.lang),
        "link-citations": {"t": "MetaBool", "c": True},
    }
    if config.csl:
        meta["csl"] = _meta(str(config.csl))
    done: Node = json.loads(write(document(merged, meta), ["-t", "json", "--citeproc"]))
    for block in done["blocks"]:
        if has_class(block, "i-pagina"):
            # El texto ya está escrito: sin el nodo Cite, ningún formato lo vuelve a interpretar.
            pages[int(attribute(block, "numero"))].blocks = walk(
                block["c"][1], lambda node: node["c"][1] if node["t"] == "Cite" else None
            )


def bibliography_keys(config: BookConfig) -> list[str]:
    """Claves del archivo de bibliografía.

    Raises
    ------
    ImprentaError
        Si el archivo no puede leerse.
    """
    if config.bibliography is None:
        return []
    text = config.bibliography.read_text(encoding="utf-8")
    fmt = {".json": "csljson", ".yaml": "csl"}.get(config.bibliography.suffix, "biblatex")
    try:
        entries = json.loads(run_pandoc(["-f", fmt, "-t", "csljson"], text))
    except ImprentaError as error:
        raise ImprentaError(
            f"La bibliografía está mal escrita. {error}", config.bibliography.name
        ) from error
    return [str(entry["id"]) for entry in entries]


def _meta(text: str) -> Node:
    return {"t": "MetaString", "c": text}
