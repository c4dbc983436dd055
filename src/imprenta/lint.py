"""La revisión: reglas que valen igual para Quarto y para la imprenta, con archivo y línea."""

import re
from collections.abc import Iterator, Sequence
from urllib.parse import unquote

from imprenta.chapter import CELL_INFO, INLINE, Cell, Chapter, iter_matches
from imprenta.config import FILE_NAME, BookConfig
from imprenta.errors import ImprentaError, Problem
from imprenta.refs import bibliography_keys

LABEL = re.compile(r"\{[^{}\n]*?#(?P<name>[A-Za-z][\w.:-]*)[^{}\n]*\}")
REFERENCE = re.compile(r"(?<![\w.@\\/])-?@(?P<brace>\{)?(?P<key>[A-Za-z0-9_][\w:.#$%&+?<>~/-]*)")
LINK = re.compile(
    r"(?P<image>!)?\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target><[^>]*>|[^)\s]*)"
    r"(?:\s+\"[^\"]*\")?\)(?P<attr>\{[^}]*\})?"
)
HEADING = re.compile(r"^(?P<marks>#{1,6})[ \t]+\S.*$", re.M)
DIV = re.compile(r"^[ \t]*:{3,}[ \t]*(?P<attr>[^\s:].*?)?[ \t]*:*[ \t]*$", re.M)
CALLOUT = re.compile(
    r"\{ *\.callout-(note|tip|warning|important|caution)( +collapse=\"?(true|false)\"?)? *\}"
)
AUTOLINK = re.compile(r"<(https?://|mailto:)[^<>\s]+>|<[\w.+-]+@[\w.-]+>")
JET = re.compile(
    r"""["'](jet|rainbow|hsv|gist_rainbow|nipy_spectral)["']|\bcm\.jet\b|COLORMAP_JET"""
)
CROSS = ("fig-", "tbl-", "sec-", "eq-")
# Lo que no puede estar en la prosa, y por qué.
UNSUPPORTED = (
    (r"</?[A-Za-z][\w-]*(\s[^<>]*)?/?>", "No se admite HTML en el texto ({}): no llega al PDF."),
    (r"\{\{<.*?>\}\}", "La imprenta no admite el código corto {}."),
    (
        r"(?<![\\\w])\\(begin|end|newpage|pagebreak|ref|cite|label|textbf|emph)\b",
        "No se admite LaTeX fuera de las fórmulas ({}).",
    ),
    (
        r"\]\{[^}]*(?<!\w)\.(?!unnumbered\b|unlisted\b)[A-Za-z][^}]*\}",
        "La imprenta no admite clases en el texto ({}).",
    ),
    (
        r"@(?:fig|tbl|sec|eq)-[\w-]+\s*\[-?@",
        "Una referencia cruzada seguida de una cita entre corchetes desaparece: pongamos una "
        "palabra o una coma entre las dos.",
    ),
)
Finding = tuple[int, str]


def check_book(chapters: Sequence[Chapter], config: BookConfig) -> list[Problem]:
    """Todos los defectos del libro, ordenados por archivo y línea."""
    problems: list[Problem] = []
    places: dict[str, tuple[str, int]] = {}
    for chapter in chapters:
        for label, line in _labels(chapter):
            if label in places:
                where = "{}:{}".format(*places[label])
                message = f"La etiqueta «{label}» ya se usa en {where}."
                problems.append(Problem(chapter.path, line, message))
            places.setdefault(label, (chapter.path, line))
    try:
        keys = bibliography_keys(config)
    except ImprentaError as error:
        problems.append(error.problem)
        keys = set()
    for chapter in chapters:
        check = _Check(chapter, chapters, places, keys)
        problems.extend(Problem(chapter.path, *finding) for finding in check.run())
    if keys and "refs" not in places and any(_cites(chapter) for chapter in chapters):
        message = "Hay citas y ningún capítulo contiene «::: {#refs}», donde va la bibliografía."
        problems.append(Problem(FILE_NAME, 1, message))
    return sorted(set(problems))


def _labels(chapter: Chapter) -> Iterator[tuple[str, int]]:
    """Etiquetas ``{#…}`` del texto y ``label:`` de las celdas, con su línea."""
    for line, match in iter_matches(LABEL, chapter.prose):
        yield match["name"], line
    for cell in chapter.cells:
        if cell.label:
            yield cell.label, cell.lines["label"]


def _cites(chapter: Chapter) -> bool:
    return any(not match["key"].startswith(CROSS) for match in REFERENCE.finditer(chapter.prose))


class _Check:
    """Las reglas sobre un capítulo: cada método ``_rule_…`` da los defectos de una regla."""

    def __init__(
        self,
        chapter: Chapter,
        chapters: Sequence[Chapter],
        places: dict[str, tuple[str, int]],
        keys: set[str],
    ) -> None:
        self.chapter, self.prose = chapter, chapter.prose
        self.others = {other.source.resolve(): other for other in chapters}
        self.places, self.keys = places, keys
        self.open_divs: list[int] = []

    def run(self) -> Iterator[Finding]:
        for name in sorted(dir(self)):
            if name.startswith("_rule_"):
                yield from getattr(self, name)()

    def _rule_1_divs(self) -> Iterator[Finding]:
        """Los bloques ``:::``; anota en ``open_divs`` cuántos hay abiertos en cada línea."""
        stack: list[Finding] = []
        self.open_divs = [0] * (self.prose.count("\n") + 2)
        for line, match in iter_matches(DIV, self.prose):
            attributes = match["attr"]
            if attributes:
                stack.append((line, attributes))
                if not CALLOUT.fullmatch(attributes) and attributes != "{#refs}":
                    yield (
                        line,
                        f"La imprenta no admite el bloque «::: {attributes}»: solo "
                        "{.callout-note}, -tip, -warning, -important o -caution, plegados o no con "
                        'collapse="true", y {#refs}.',
                    )
            elif stack:
                first, _ = stack.pop()
                self.open_divs[first:line] = [depth + 1 for depth in self.open_divs[first:line]]
            else:
                yield line, "Este «:::» no cierra ningún bloque."
        for line, attributes in stack:
            yield line, f"El bloque «::: {attributes}» no se cierra."

    def _rule_2_headings(self) -> Iterator[Finding]:
        found = [(line, len(match["marks"])) for line, match in iter_matches(HEADING, self.prose)]
        tops = [line for line, level in found if level == 1]
        if not tops:
            yield 1, "El capítulo no tiene título: comencemos con «# Título {#sec-nombre}»."
        for line in tops[1:]:
            yield line, "Un capítulo tiene un solo título de primer nivel."
        previous = 1
        for line, level in found:
            if not self.open_divs[line]:
                if level > previous + 1:
                    yield line, f"El nivel del título salta de {previous} a {level}."
                previous = level

    def _rule_cells(self) -> Iterator[Finding]:
        for cell in self.chapter.cells:
            yield from self._floats(cell)
            match = JET.search(cell.code)
            if match:
                yield (
                    cell.code_line + cell.code.count("\n", 0, match.start()),
                    f"El mapa de colores {match[0]} crea bordes falsos y no se lee en gris: "
                    "usemos uno perceptual (viridis, cividis, inferno).",
                )

    def _floats(self, cell: Cell) -> Iterator[Finding]:
        label, caption, alt = cell.label, cell.options.get("fig-cap"), cell.options.get("fig-alt")
        if label.startswith("fig-") or caption or alt:
            if not label.startswith("fig-"):
                yield cell.line, "La celda dibuja una figura: le falta «#| label: fig-…»."
            for name in ("fig-cap", "fig-alt"):
                if name not in cell.options:
                    yield cell.line, f"A la figura «{label}» le falta «#| {name}:»."
            if caption and caption == alt:
                yield (
                    cell.lines["fig-alt"],
                    "«fig-alt» repite la leyenda: debe describir lo que se ve.",
                )
        if label.startswith("tbl-") != ("tbl-cap" in cell.options):
            yield cell.line, "Una tabla lleva «#| label: tbl-…» y «#| tbl-cap:», las dos."
        if label.startswith(("sec-", "eq-")):
            yield cell.line, f"La etiqueta de una celda no puede empezar como «{label}»."
        if self.chapter.unnumbered and label.startswith(("fig-", "tbl-")):
            message = "Un capítulo sin número no admite figuras ni tablas numeradas."
            yield cell.lines["label"], message

    def _rule_references(self) -> Iterator[Finding]:
        for line, match in iter_matches(REFERENCE, self.prose):
            yield from self._reference(line, match)
        for cell in self.chapter.cells:
            for name in ("fig-cap", "tbl-cap"):
                for match in REFERENCE.finditer(str(cell.options.get(name, ""))):
                    yield from self._reference(cell.lines[name], match)

    def _reference(self, line: int, match: re.Match[str]) -> Iterator[Finding]:
        key = match["key"].rstrip(".:;,?-/")
        if key.startswith(CROSS):
            if key not in self.places:
                yield line, f"La referencia @{key} no existe en el libro."
            if self.chapter.unnumbered:
                yield (
                    line,
                    f"Un capítulo sin número no admite referencias cruzadas (@{key}): enlacemos "
                    "con [texto](archivo.qmd).",
                )
        elif key not in self.keys:
            yield line, f"La cita @{key} no está en la bibliografía."

    def _rule_links(self) -> Iterator[Finding]:
        for line, match in iter_matches(LINK, self.prose):
            target = match["target"].strip("<>")
            problem = self._image(match, target) if match["image"] else self._target(target)
            if problem:
                yield line, problem

    def _image(self, match: re.Match[str], target: str) -> str:
        attributes = match["attr"] or ""
        has_alt = re.search(r"fig-alt\s*=\s*(\"[^\"]+\"|'[^']+'|[^\s}\"']+)", attributes)
        if "://" in target:
            return f"La imagen {target} está en la red: el libro debe verse sin conexión."
        if not (self.chapter.source.parent / unquote(target)).is_file():
            return f"No existe la imagen {target}."
        if not match["text"].strip():
            return f"La imagen {target} no tiene leyenda (o texto alternativo) entre los corchetes."
        if "#fig-" in attributes and not has_alt:
            return f'A la figura {target} le falta «fig-alt="…"».'
        if "#fig-" in attributes and self.chapter.unnumbered:
            return "Un capítulo sin número no admite figuras numeradas."
        return ""

    def _target(self, target: str) -> str:
        if re.match(r"(https?|mailto|doi):", target):
            return ""
        path, _, fragment = unquote(target).partition("#")
        place = (self.chapter.source.parent / path).resolve() if path else self.chapter.source
        other = self.others.get(place.resolve())
        if other is None:
            return (
                f"El enlace «{target}» no lleva a un capítulo del libro (un archivo .qmd) ni a una "
                "dirección de la red: lo demás no viaja con el libro."
            )
        if fragment and self.places.get(fragment, ("", 0))[0] != other.path:
            return f"El enlace {target} apunta a una etiqueta que no existe en {other.path}."
        return ""

    def _rule_unsupported(self) -> Iterator[Finding]:
        prose = AUTOLINK.sub(lambda match: " " * len(match[0]), self.prose)
        for pattern, message in UNSUPPORTED:
            for line, match in iter_matches(re.compile(pattern), prose):
                yield line, message.format(match[0])
        for fence in self.chapter.fences:
            if fence.info.startswith("{=") or CELL_INFO.match(fence.info):
                yield fence.first, f"La imprenta no admite el bloque {fence.info}."
            for match in INLINE.finditer(fence.body):
                line = fence.first + 1 + fence.body.count("\n", 0, match.start("code"))
                yield line, "Quarto ejecutaría este `{python}` aunque está en un bloque de código."
