"""Figuras, tablas, ecuaciones y avisos escritos en Markdown → los Div propios de la imprenta."""

import re
from collections.abc import Callable
from typing import Any

from imprenta.chapter import Chapter
from imprenta.errors import ImprentaError
from imprenta.nodes import Node, attribute, div, each, has_class, para, plain, text_of
from imprenta.pandoc import read_markdown

Action = Callable[[Node], Any]
CALLOUTS = ("note", "tip", "warning", "important", "caution")
EQUATION_LABEL = re.compile(r"^\{#(eq-[\w-]+)\}(.*)$")


def _table(node: Node) -> Node:
    content = list(node["c"])
    identifier, own = content[0][0], content[1][1]
    content[0] = ["", content[0][1], content[0][2]]
    content[1] = [None, []]
    parts = [div([{"t": "Table", "c": content}], "i-cuerpo")]
    if own:
        parts.append(div([plain(own[0]["c"])], "i-leyenda"))
    return div(parts, "i-tabla", identifier=identifier)


def structures_of(chapter: Chapter) -> Action:
    """Convierte figuras, tablas, ecuaciones y avisos escritos en Markdown."""

    def change(node: Node) -> Any:
        kind = node["t"]
        if kind == "Figure":
            return _markdown_figure(node)
        if kind == "Table":
            return _table(node)
        if kind in ("Para", "Plain"):
            return _equations(node)
        if kind in ("RawBlock", "RawInline"):
            if re.fullmatch(r"\s*<!--.*?-->\s*", node["c"][1], re.S):
                return []
            if node["c"][0] == "html" and kind == "RawBlock":
                return None
            raise ImprentaError(
                f"No se admite código {node['c'][0]} dentro del texto: {node['c'][1][:60]!r}.",
                chapter.path,
            )
        return _division(node) if kind == "Div" else None

    return change


def _markdown_figure(node: Node) -> Node:
    identifier = node["c"][0][0]
    picture = next(item for item in each(node["c"][2]) if item["t"] == "Image")
    alt = attribute(picture, "fig-alt") or attribute(picture, "alt") or text_of(picture["c"][1])
    width = attribute(picture, "width")
    pairs = [["width", width]] if width else []
    fixed = {"t": "Image", "c": [["", [], pairs], [{"t": "Str", "c": alt}], picture["c"][2]]}
    parts = [div([para([fixed])], "i-cuerpo")]
    caption = node["c"][1][1]
    if caption:
        parts.append(div([plain(caption[0]["c"])], "i-leyenda"))
    return div(parts, "i-figura", identifier=identifier)


def _equations(node: Node) -> Node | list[Node] | None:
    inlines = node["c"]
    for position, item in enumerate(inlines):
        if item["t"] != "Math" or item["c"][0]["t"] != "DisplayMath":
            continue
        after = position + 1
        while after < len(inlines) and inlines[after]["t"] in ("Space", "SoftBreak"):
            after += 1
        match = (
            EQUATION_LABEL.match(inlines[after]["c"])
            if (after < len(inlines) and inlines[after]["t"] == "Str")
            else None
        )
        if not match:
            continue
        formula = item["c"][1].strip() + (rf"\text{{{match[2]}}}" if match[2] else "")
        equation = div(
            [para([{"t": "Math", "c": [{"t": "DisplayMath"}, formula]}])],
            "i-ecuacion",
            identifier=match[1],
        )
        before, rest = _trim(inlines[:position]), _trim(inlines[after + 1 :])
        result = [para(before)] if before else []
        result.append(equation)
        if rest:
            tail = _equations(para(rest)) or para(rest)
            result.extend(tail) if isinstance(tail, list) else result.append(tail)
        return result
    return None


def _trim(inlines: list[Node]) -> list[Node]:
    blank = ("Space", "SoftBreak", "LineBreak")
    start, end = 0, len(inlines)
    while start < end and inlines[start]["t"] in blank:
        start += 1
    while end > start and inlines[end - 1]["t"] in blank:
        end -= 1
    return inlines[start:end]


def _division(node: Node) -> Node | None:
    identifier, classes, _ = node["c"][0]
    for name in CALLOUTS:
        if f"callout-{name}" in classes:
            return _callout(node, name)
    if identifier.startswith(("fig-", "tbl-")) and "i-figura" not in classes:
        return _float_division(node, identifier)
    if "content-visible" in classes or "content-hidden" in classes:
        return _conditional(node, "content-visible" in classes)
    return None


def _callout(node: Node, name: str) -> Node:
    blocks = list(node["c"][1])
    title: list[Node] = []
    if attribute(node, "title"):
        title = read_markdown(attribute(node, "title"))["blocks"][0]["c"]
    elif blocks and blocks[0]["t"] == "Header":
        title = blocks.pop(0)["c"][2]
    return div(
        [div([plain(title)], "i-leyenda"), div(blocks, "i-cuerpo")],
        "i-aviso",
        identifier=node["c"][0][0],
        tipo=name,
        plegado="si" if attribute(node, "collapse") == "true" else "",
    )


def _float_division(node: Node, identifier: str) -> Node:
    blocks = list(node["c"][1])
    caption = plain(blocks.pop()["c"]) if len(blocks) > 1 and blocks[-1]["t"] == "Para" else None
    if identifier.startswith("tbl-"):
        inner = next((block for block in blocks if has_class(block, "i-tabla")), None)
        if inner is not None:
            blocks = inner["c"][1][0]["c"][1]
    parts = [div(blocks, "i-cuerpo")]
    if caption is not None:
        parts.append(div([caption], "i-leyenda"))
    return div(
        parts, "i-figura" if identifier.startswith("fig-") else "i-tabla", identifier=identifier
    )


def _conditional(node: Node, visible: bool) -> Node:
    wanted = attribute(node, "when-format")
    formats = {wanted} if wanted else {"html", "typst"} - {attribute(node, "unless-format")}
    if not visible:
        formats = {"html", "typst"} - formats
    return div(node["c"][1], "i-formato", solo=" ".join(sorted(formats)))
