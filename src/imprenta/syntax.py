"""Reglas de la revisión sobre la sintaxis: bloques, títulos y lo que la imprenta no imprime."""

import re
from collections.abc import Iterator

from imprenta.chapter import CELL_INFO, INLINE, Chapter, iter_matches, line_of

DIV = re.compile(r"^[ \t]*:{3,}[ \t]*(?P<attr>[^\s:].*?)?[ \t]*:*[ \t]*$", re.M)
HTML_TAG = re.compile(r"</?[A-Za-z][\w-]*(\s[^<>]*)?/?>")
AUTOLINK = re.compile(r"<(https?://|mailto:)[^<>\s]+>|<[\w.+-]+@[\w.-]+>")
SHORTCODE = re.compile(r"\{\{<.*?>\}\}")
RAW_TEX = re.compile(r"(?<![\\\w])\\(begin|end|newpage|pagebreak|ref|cite|label|textbf|emph)\b")
SPAN_CLASS = re.compile(r"\]\{[^}]*(?<![\w])\.(?P<name>[A-Za-z][\w-]*)[^}]*\}")
DIV_KEYS = {"title", "collapse", "when-format", "unless-format"}
FORMATS = {"html", "typst"}
DIV_CLASSES = {
    "callout-note",
    "callout-tip",
    "callout-warning",
    "callout-important",
    "callout-caution",
    "content-visible",
    "content-hidden",
}
Finding = tuple[int, str]


class SyntaxRules:
    """Reglas que solo miran un capítulo. Cada método ``_rule_…`` da línea y mensaje."""

    def __init__(self, chapter: Chapter) -> None:
        self.chapter, self.prose = chapter, chapter.masked

    def _rule_divs(self) -> Iterator[Finding]:
        stack: list[tuple[int, str]] = []
        for line, match in iter_matches(DIV, self.prose):
            attributes = match["attr"] or ""
            if not attributes:
                if not stack:
                    yield line, "Este «:::» no cierra ningún bloque."
                else:
                    stack.pop()
                continue
            stack.append((line, attributes))
            yield from self._division(line, attributes)
        for line, attributes in stack:
            yield line, f"El bloque «::: {attributes}» no se cierra."

    def _division(self, line: int, attributes: str) -> Iterator[Finding]:
        if not attributes.startswith("{") or not attributes.endswith("}"):
            yield line, f"Escribamos el bloque con llaves: «::: {{.{attributes.strip('{}.')}}}»."
            return
        inside = re.sub(r"=\s*(\"[^\"]*\"|'[^']*')", "=_", attributes)
        classes = re.findall(r"(?<=[\s{])\.([\w-]+)", inside)
        identifiers = re.findall(r"(?<=[\s{])#([\w.-]+)", inside)
        known = bool(classes) or any(
            name == "refs" or name.startswith(("fig-", "tbl-")) for name in identifiers
        )
        for name in classes:
            if name not in DIV_CLASSES:
                yield (
                    line,
                    f"La imprenta no admite el bloque «.{name}». Los admitidos son: "
                    f"{', '.join('.' + item for item in sorted(DIV_CLASSES))}.",
                )
        if not known:
            yield line, f"La imprenta no sabe qué hacer con el bloque «::: {attributes}»."
        for key in re.findall(r"(?<=[\s{])([\w-]+)=", inside):
            if key not in DIV_KEYS:
                yield line, f"La imprenta no admite «{key}» en un bloque."
        for value in re.findall(r"(?:when|unless)-format=[\"']?([\w-]+)", attributes):
            if value not in FORMATS:
                yield line, f"El formato «{value}» no es de este libro: html o typst."

    def _rule_headings(self) -> Iterator[Finding]:
        found = list(iter_matches(re.compile(r"^(#{1,6})[ \t]+\S.*$", re.M), self.prose))
        tops = [line for line, match in found if len(match[1]) == 1]
        expected = 0 if self.chapter.front.get("title") else 1
        if len(tops) < expected:
            yield 1, "El capítulo no tiene título: comencemos con «# Título {#sec-nombre}»."
        for line in tops[expected:]:
            yield line, "Un capítulo tiene un solo título de primer nivel."
        previous = 1
        for line, match in found:
            level = len(match[1])
            if self._in_div(line):
                continue
            if level > previous + 1:
                yield line, f"El nivel del título salta de {previous} a {level}."
            previous = level
        if "{#" in str(self.chapter.front.get("title", "")):
            yield (
                1,
                "Quarto no reconoce la etiqueta de un título escrito en la portada: usemos "
                "«# Título {#sec-nombre}» en el texto.",
            )
        if self.chapter.front.get("number-sections") is False and not self.chapter.unnumbered:
            yield (
                1,
                "«number-sections: false» no basta: Quarto cuenta el capítulo igual. Añadamos "
                "{.unnumbered} al título.",
            )

    def _in_div(self, line: int) -> bool:
        depth = 0
        for number, match in iter_matches(DIV, self.prose):
            if number >= line:
                break
            depth += 1 if match["attr"] else -1
        return depth > 0

    def _rule_unsupported(self) -> Iterator[Finding]:
        prose = AUTOLINK.sub(lambda match: " " * len(match[0]), self.prose)
        for line, match in iter_matches(HTML_TAG, prose):
            yield line, f"No se admite HTML en el texto ({match[0]}): no llegaría al PDF."
        for line, match in iter_matches(SHORTCODE, prose):
            yield line, f"La imprenta no admite el código corto {match[0]}."
        for line, match in iter_matches(RAW_TEX, prose):
            yield line, f"No se admite LaTeX fuera de las fórmulas ({match[0]})."
        for line, match in iter_matches(SPAN_CLASS, prose):
            if match["name"] not in ("unnumbered", "unlisted"):
                yield line, f"La imprenta no admite la clase «.{match['name']}» en el texto."
        for fence in self.chapter.fences:
            if fence.info.startswith("{=") and not self._only_html(fence.first, fence.info):
                yield (
                    fence.first,
                    "El HTML directo solo va dentro de «::: {.content-visible "
                    'when-format="html"}», y con una alternativa para el PDF.',
                )
            elif CELL_INFO.match(fence.info):
                yield fence.first, f"La imprenta no admite el bloque {fence.info}."
            match = INLINE.search(fence.body)
            if match:
                line = fence.first + 1 + line_of(fence.body, match.start("code")) - 1
                yield line, "Quarto ejecutaría este `{python}` aunque está en un bloque de código."

    def _only_html(self, line: int, info: str) -> bool:
        if info.strip() != "{=html}":
            return False
        stack: list[str] = []
        for number, match in iter_matches(DIV, self.prose):
            if number > line:
                break
            if match["attr"]:
                stack.append(match["attr"])
            elif stack:
                stack.pop()
        return any(
            re.search(r"\.content-visible\b.*when-format=[\"']?html", item) for item in stack
        )
