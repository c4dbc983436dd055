"""La revisión: reglas que valen igual para Quarto y para la imprenta, con archivo y línea."""

import re
from collections.abc import Iterator, Sequence
from urllib.parse import unquote

from imprenta.chapter import Cell, Chapter, iter_matches
from imprenta.citations import bibliography_keys
from imprenta.config import BookConfig
from imprenta.errors import ImprentaError, Problem
from imprenta.labels import Label, chapter_labels, heading_ids
from imprenta.syntax import Finding, SyntaxRules

REFERENCE = re.compile(r"(?<![\w.@\\/])-?@(?P<brace>\{)?(?P<key>[A-Za-z0-9_][\w:.#$%&+?<>~/-]*)")
SIDE_BY_SIDE = re.compile(r"@(?:fig|tbl|sec|eq)-[\w-]+\s*\[-?@")
LINK = re.compile(
    r"(?P<image>!)?\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target><[^>]*>|[^)\s]*)"
    r"(?:\s+\"[^\"]*\")?\)(?P<attr>\{[^}]*\})?"
)
JET = re.compile(
    r"""["'](jet|rainbow|hsv|gist_rainbow|nipy_spectral)["']|\bcm\.jet\b|COLORMAP_JET"""
)
CROSS = ("fig-", "tbl-", "sec-", "eq-")


def check_book(chapters: Sequence[Chapter], config: BookConfig) -> list[Problem]:
    """Todos los defectos del libro, ordenados por archivo y línea."""
    problems: list[Problem] = []
    labels: dict[str, tuple[str, Label]] = {}
    for chapter in chapters:
        for label in chapter_labels(chapter):
            previous = labels.get(label.name)
            if previous:
                where = f"{previous[0]}:{previous[1].line}"
                problems.append(
                    Problem(
                        chapter.path,
                        label.line,
                        f"La etiqueta «{label.name}» ya se usa en {where}.",
                    )
                )
            else:
                labels[label.name] = (chapter.path, label)
    try:
        keys = set(bibliography_keys(config))
    except ImprentaError as error:
        problems.append(error.problem)
        keys = set()
    for chapter in chapters:
        check = _Check(chapter, chapters, config, set(labels), keys)
        problems.extend(check.run())
    if (
        keys
        and any(check_cites(chapter) for chapter in chapters)
        and not any(
            re.search(r"^:{3,}\s*\{\s*#refs\s*\}", chapter.masked, re.M) for chapter in chapters
        )
    ):
        problems.append(
            Problem(
                "_quarto.yml",
                1,
                "Hay citas y ningún capítulo contiene «::: {#refs}», donde va la bibliografía.",
            )
        )
    return sorted(set(problems))


def check_cites(chapter: Chapter) -> bool:
    """Verdadero si el capítulo cita algo de la bibliografía."""
    return any(not match["key"].startswith(CROSS) for match in REFERENCE.finditer(chapter.masked))


class _Check(SyntaxRules):
    """Las reglas sobre un capítulo. Cada método ``_rule_…`` da los defectos de una regla."""

    def __init__(
        self,
        chapter: Chapter,
        chapters: Sequence[Chapter],
        config: BookConfig,
        labels: set[str],
        keys: set[str],
    ) -> None:
        super().__init__(chapter)
        self.chapters, self.config = chapters, config
        self.labels, self.keys = labels, keys

    def run(self) -> Iterator[Problem]:
        for name in sorted(dir(self)):
            if name.startswith("_rule_"):
                for line, message in getattr(self, name)():
                    yield Problem(self.chapter.path, line, message)

    def _rule_cells(self) -> Iterator[Finding]:
        for cell in self.chapter.cells:
            yield from self._figure_cell(cell)
            match = JET.search(cell.code)
            if match:
                yield (
                    cell.code_line + cell.code.count("\n", 0, match.start()),
                    f"El mapa de colores {match[0]} crea bordes falsos y no se lee en gris: "
                    "usemos uno perceptual (viridis, cividis, inferno).",
                )

    def _figure_cell(self, cell: Cell) -> Iterator[Finding]:
        options, label = cell.options, cell.options.label
        has_figure = any(options.get(name) for name in ("fig-cap", "fig-alt"))
        if label.startswith("fig-") or has_figure:
            needs_label = not self.chapter.unnumbered
            if needs_label and not label.startswith("fig-"):
                yield cell.line, "La celda dibuja una figura: le falta «#| label: fig-…»."
            for name in ("fig-cap", "fig-alt"):
                if not options.get(name):
                    yield cell.line, f"A la figura «{label}» le falta «#| {name}:»."
            if options.get("fig-cap") and options.get("fig-cap") == options.get("fig-alt"):
                yield (
                    options.line("fig-alt", cell.line),
                    "«fig-alt» repite la leyenda: debe describir lo que se ve.",
                )
        if label.startswith("tbl-") and not options.get("tbl-cap"):
            yield cell.line, f"A la tabla «{label}» le falta «#| tbl-cap:»."
        if options.get("tbl-cap") and not label.startswith("tbl-"):
            yield cell.line, "La celda tiene «tbl-cap» y su etiqueta no empieza por «tbl-»."
        if label.startswith(("sec-", "eq-", "lst-")):
            yield cell.line, f"La etiqueta de una celda no puede empezar como «{label}»."
        if self.chapter.unnumbered and label.startswith(("fig-", "tbl-")):
            yield (
                options.line("label", cell.line),
                "Un capítulo sin número no admite figuras ni tablas numeradas.",
            )

    def _rule_references(self) -> Iterator[Finding]:
        for line, match in iter_matches(REFERENCE, self.prose):
            key = match["key"].rstrip(".:;,?-/")
            yield from self._reference(line, key, match.start())
        for cell in self.chapter.cells:
            for name in ("fig-cap", "tbl-cap"):
                for match in REFERENCE.finditer(str(cell.options.get(name, ""))):
                    key = match["key"].rstrip(".:;,?-/")
                    yield from self._reference(cell.options.line(name, cell.line), key)
        for line, _ in iter_matches(SIDE_BY_SIDE, self.prose):
            yield (
                line,
                "Una referencia cruzada seguida de una cita entre corchetes desaparece: pongamos "
                "una palabra o una coma entre las dos.",
            )

    def _reference(self, line: int, key: str, position: int = -1) -> Iterator[Finding]:
        if key.startswith(CROSS):
            if key not in self.labels:
                yield line, f"La referencia @{key} no existe en el libro."
            if self.chapter.unnumbered:
                yield (
                    line,
                    f"Un capítulo sin número no admite referencias cruzadas (@{key}): enlacemos "
                    "con [texto](archivo.qmd).",
                )
        elif re.match(r"(Fig|Tbl|Sec|Eq|FIG|TBL|lst|Lst)-", key):
            yield (
                line,
                f"No se admite la referencia @{key}: usemos fig-, tbl-, sec- o eq-.",
            )
        elif key not in self.keys and not self._is_email(position):
            yield line, f"La cita @{key} no está en la bibliografía."

    def _is_email(self, position: int) -> bool:
        return position > 0 and self.prose[position - 1].isalnum()

    def _rule_links(self) -> Iterator[Finding]:
        for line, match in iter_matches(LINK, self.prose):
            target = match["target"].strip("<>")
            if match["image"]:
                yield from self._image(line, match, target)
            elif not target:
                yield line, f"El enlace [{match['text']}] no tiene destino."
            else:
                yield from self._target(line, target)

    def _image(self, line: int, match: re.Match[str], target: str) -> Iterator[Finding]:
        if "://" in target:
            yield line, f"La imagen {target} está en la red: el libro debe verse sin conexión."
        elif not (self.chapter.source.parent / unquote(target)).is_file():
            yield line, f"No existe la imagen {target}."
        attributes = match["attr"] or ""
        has_alt = re.search(r"(fig-alt|alt)\s*=\s*(\"[^\"]+\"|'[^']+'|[^\s}\"']+)", attributes)
        if "#fig-" in attributes:
            if not match["text"].strip():
                yield line, "La figura no tiene leyenda entre los corchetes."
            if not has_alt:
                yield line, 'A la figura le falta «fig-alt="…"».'
            if self.chapter.unnumbered:
                yield line, "Un capítulo sin número no admite figuras numeradas."
        elif not has_alt and not match["text"].strip():
            yield line, f"La imagen {target} no tiene texto alternativo."

    def _target(self, line: int, target: str) -> Iterator[Finding]:
        if re.match(r"(https?|mailto|doi):", target):
            return
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            yield line, f"El enlace {target} usa un esquema que la imprenta no admite."
            return
        path, _, fragment = target.partition("#")
        other: Chapter | None = self.chapter
        if path:
            place = (self.chapter.source.parent / unquote(path)).resolve()
            other = next((item for item in self.chapters if item.source.resolve() == place), None)
            if path.endswith((".html", ".ipynb")):
                yield line, f"Enlacemos al capítulo como archivo .qmd, no a {path}."
                return
            if not place.exists():
                yield line, f"El enlace {target} apunta a un archivo que no existe."
                return
            if path.endswith(".qmd") and other is None:
                yield line, f"El archivo {path} no es un capítulo del libro."
                return
            if other is None:
                yield (
                    line,
                    f"El enlace {target} apunta a un archivo que no viaja con el libro: solo se "
                    "enlazan capítulos y direcciones de la red.",
                )
                return
        if fragment and other is not None and unquote(fragment) not in heading_ids(other):
            yield line, f"El enlace {target} apunta a una sección que no existe en {other.path}."
