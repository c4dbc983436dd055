"""Un capítulo ``.qmd`` como secuencia de trozos de texto y celdas, con sus líneas."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from imprenta.errors import ImprentaError
from imprenta.options import CellOptions, read_options

FENCE = re.compile(r"^(?P<indent>\s*)(?P<quote>(?:>\s?)*)(?P<fence>`{3,}|~{3,})\s*(?P<info>.*)$")
CELL_INFO = re.compile(r"^\{\s*(?P<engine>[A-Za-z][\w+-]*)(?P<rest>[^}]*)\}\s*$")
# La misma expresión que usa Quarto para el código en línea.
INLINE = re.compile(r"(?P<before>^|[^`])`\{python\}[ \t](?P<code>[^`]+)`")
FRONT_KEYS = {"title", "number-sections", "description"}


@dataclass(frozen=True)
class Text:
    """Markdown entre dos celdas. ``line`` es la línea del archivo donde empieza (desde 1)."""

    line: int
    text: str

    def expressions(self) -> list[str]:
        """Expresiones ``{python}`` en línea, en orden y sin repetir."""
        found = (match["code"].strip() for match in INLINE.finditer(self.text))
        return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Cell:
    """Celda ``{python}``: opciones ya comprobadas y código sin las líneas ``#|``."""

    line: int
    code_line: int
    code: str
    options: CellOptions
    index: int


@dataclass(frozen=True)
class Fence:
    """Bloque de código que no se ejecuta; la revisión lo necesita para no leer dentro de él."""

    first: int
    last: int
    info: str
    body: str


@dataclass(frozen=True)
class Chapter:
    """Un capítulo leído. ``path`` es relativa a la raíz del libro, con barras normales."""

    path: str
    source: Path
    text: str
    front: dict[str, Any]
    parts: tuple[Text | Cell, ...]
    fences: tuple[Fence, ...]
    appendix: bool = False
    title_line: int = 1
    masked: str = field(default="", repr=False)

    @property
    def cells(self) -> tuple[Cell, ...]:
        return tuple(part for part in self.parts if isinstance(part, Cell))

    @property
    def stem(self) -> str:
        return self.path.removesuffix(".qmd")

    @property
    def unnumbered(self) -> bool:
        """Verdadero si el título lleva ``{.unnumbered}`` o ``{-}``."""
        heading = self.front.get("title") or self._first_heading()
        return bool(re.search(r"\{[^}]*(\.unnumbered|(?<=[{\s])-(?=[\s}]))[^}]*\}\s*$", heading))

    def _first_heading(self) -> str:
        match = re.search(r"^# +(.+)$", self.masked_headings, re.M)
        return match[1] if match else ""

    @property
    def masked_headings(self) -> str:
        """Texto con las celdas y los bloques de código en blanco."""
        return blank_lines(self.text, self._code_spans())

    def _code_spans(self) -> list[tuple[int, int]]:
        spans = [(fence.first, fence.last) for fence in self.fences]
        for cell in self.cells:
            spans.append((cell.line, cell.code_line + cell.code.count("\n") + 1))
        return spans


def read_chapter(root: Path, path: str, appendix: bool = False) -> Chapter:
    """Lee ``root/path``.

    Raises
    ------
    ImprentaError
        Celda sin cerrar, dentro de una lista, de otro lenguaje, con opciones desconocidas; portada
        YAML con claves que la imprenta no interpreta; archivo que no es UTF-8.
    """
    source = root / path
    try:
        text = source.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ImprentaError("El archivo no está en UTF-8.", path) from error
    except OSError as error:
        raise ImprentaError(f"No se puede leer: {error.strerror}.", path) from error
    text = text.replace("\r\n", "\n").lstrip("\ufeff")
    if not text.endswith("\n"):
        text += "\n"
    rows = text.split("\n")[:-1]
    front, start = _front_matter(rows, path)
    parts: list[Text | Cell] = []
    fences: list[Fence] = []
    pending: list[str] = []
    pending_line = start + 1
    number = start
    while number < len(rows):
        match = FENCE.match(rows[number])
        if not match or (match["fence"][0] == "`" and "`" in match["info"]):
            pending.append(rows[number])
            number += 1
            continue
        end = _closing(rows, number, match, path)
        info = match["info"].strip()
        cell = CELL_INFO.match(info)
        body = rows[number + 1 : end]
        if cell and not info.startswith(("{=", "{.")):
            _check_cell(cell, match, path, number + 1)
            if pending:
                parts.append(Text(pending_line, "\n".join(pending) + "\n"))
            options, code = read_options(body, path, number + 2)
            index = sum(isinstance(part, Cell) for part in parts)
            while code and not code[0].strip():
                code = code[1:]
            code_line = number + 2 + len(body) - len(code)
            text_code = "\n".join(code).rstrip("\n")
            parts.append(Cell(number + 1, code_line, text_code, options, index))
            pending, pending_line = [], end + 2
        else:
            fences.append(Fence(number + 1, end + 1, info, "\n".join(body)))
            pending.extend(rows[number : end + 1])
        number = end + 1
    if pending:
        parts.append(Text(pending_line, "\n".join(pending) + "\n"))
    chapter = Chapter(path, source, text, front, tuple(parts), tuple(fences), appendix)
    masked = mask_prose(chapter.masked_headings, start)
    return replace(chapter, title_line=start + 1, masked=masked)


def _front_matter(rows: list[str], path: str) -> tuple[dict[str, Any], int]:
    if not rows or rows[0].rstrip() != "---":
        return {}, 0
    for end in range(1, len(rows)):
        if rows[end].rstrip() in ("---", "..."):
            break
    else:
        raise ImprentaError("La portada YAML no se cierra con «---».", path, 1)
    try:
        front = yaml.safe_load("\n".join(rows[1:end])) or {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 2 if mark else 1
        raise ImprentaError("La portada YAML está mal formada.", path, line) from error
    if not isinstance(front, dict):
        raise ImprentaError("La portada YAML debe ser claves y valores.", path, 1)
    for key in front:
        if key not in FRONT_KEYS:
            line = next((n for n, row in enumerate(rows, 1) if row.startswith(str(key))), 1)
            raise ImprentaError(
                f"La portada no admite «{key}»: lo común a todos los capítulos va en _quarto.yml. "
                f"Claves admitidas: {', '.join(sorted(FRONT_KEYS))}.",
                path,
                line,
            )
    if "title" in front:
        front["title"] = str(front["title"])
    return front, end + 1


def _closing(rows: list[str], start: int, match: re.Match[str], path: str) -> int:
    fence = match["fence"]
    closing = re.compile(rf"^\s*(?:>\s?)*{re.escape(fence[0])}{{{len(fence)},}}\s*$")
    for number in range(start + 1, len(rows)):
        if closing.match(rows[number]):
            return number
    raise ImprentaError(f"El bloque de código no se cierra con «{fence}».", path, start + 1)


def _check_cell(cell: re.Match[str], match: re.Match[str], path: str, line: int) -> None:
    if cell["engine"] != "python":
        raise ImprentaError(
            f"La imprenta solo ejecuta celdas {{python}}; esta es {{{cell['engine']}}}.", path, line
        )
    if cell["rest"].strip():
        raise ImprentaError(
            "Las opciones de la celda van en líneas «#| clave: valor», no entre las llaves.",
            path,
            line,
        )
    if match["indent"] or match["quote"]:
        raise ImprentaError(
            "Una celda debe empezar en la primera columna: dentro de una lista o de una cita "
            "Quarto no la ejecuta.",
            path,
            line,
        )


def blank_lines(text: str, spans: list[tuple[int, int]]) -> str:
    """Vacía las líneas ``primera..última`` (desde 1) de cada tramo, sin cambiar su número."""
    rows = text.split("\n")
    for first, last in spans:
        for number in range(first - 1, min(last, len(rows))):
            rows[number] = ""
    return "\n".join(rows)


_SPANS = (
    re.compile(r"<!--.*?-->", re.S),
    re.compile(r"(?<![\\`])(?P<ticks>`+)(?!`)(?:(?!\n\s*\n).)+?(?<!`)(?P=ticks)(?!`)", re.S),
    re.compile(r"(?<!\\)\$\$.*?(?<!\\)\$\$", re.S),
    re.compile(r"(?<![\\$])\$(?=[^\s$])(?:(?!\n\s*\n)[^$])*?(?<=[^\s\\])\$(?!\d)", re.S),
)


def mask_prose(text: str, front_lines: int = 0) -> str:
    """Pone en blanco comentarios, código en línea, fórmulas y portada, sin mover nada de lugar.

    Lo que queda es prosa: en ella se buscan referencias, enlaces y sintaxis no admitida.
    """
    text = blank_lines(text, [(1, front_lines)]) if front_lines else text
    for pattern in _SPANS:
        text = pattern.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    return text


def line_of(text: str, position: int) -> int:
    """Línea (desde 1) del carácter ``position``."""
    return text.count("\n", 0, position) + 1


def iter_matches(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, re.Match[str]]]:
    """Coincidencias de ``pattern`` con la línea donde empieza cada una."""
    for match in pattern.finditer(text):
        yield line_of(text, match.start()), match
