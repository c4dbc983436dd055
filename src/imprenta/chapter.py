"""Un capítulo ``.qmd`` como secuencia de trozos de texto y celdas, con sus líneas."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from imprenta.errors import ImprentaError

FENCE = re.compile(r"^(?P<indent>\s*(?:>\s?)*)(?P<fence>`{3,}|~{3,})\s*(?P<info>.*)$")
CELL_INFO = re.compile(r"^\{\s*(?P<engine>[A-Za-z][\w+-]*)(?P<rest>[^}]*)\}\s*$")
# La misma expresión que usa Quarto para el código en línea.
INLINE = re.compile(r"(?P<before>^|[^`])`\{python\}[ \t](?P<code>[^`]+)`")
TITLE = re.compile(r"^# +(?P<text>.+)$", re.M)
# Opciones «#|»: las que la imprenta cumple igual que Quarto, y ninguna otra.
OPTIONS = {
    "label": str,
    "fig-cap": str,
    "fig-alt": str,
    "tbl-cap": str,
    "echo": bool,
    "include": bool,
}
# Lo que no es prosa: comentarios, código en línea y fórmulas.
NOT_PROSE = (
    re.compile(r"<!--.*?-->", re.S),
    re.compile(r"(?<![\\`])(?P<ticks>`+)(?!`)(?:(?!\n\s*\n).)+?(?<!`)(?P=ticks)(?!`)", re.S),
    re.compile(r"(?<!\\)\$\$.*?(?<!\\)\$\$", re.S),
    re.compile(r"(?<![\\$])\$(?=[^\s$])(?:(?!\n\s*\n)[^$])*?(?<=[^\s\\])\$(?!\d)", re.S),
)


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
    """Celda ``{python}``: código sin las líneas ``#|`` y opciones ya comprobadas.

    ``lines`` da la línea de cada opción; ``code_line``, la de la primera línea de código.
    """

    line: int
    code_line: int
    code: str
    options: dict[str, str | bool]
    lines: dict[str, int]
    index: int

    @property
    def label(self) -> str:
        return str(self.options.get("label", ""))


@dataclass(frozen=True)
class Fence:
    """Bloque de código que no se ejecuta."""

    first: int
    last: int
    info: str
    body: str


@dataclass(frozen=True)
class Chapter:
    """Un capítulo leído. ``path`` es relativa a la raíz del libro, con barras normales.

    ``prose`` es el texto con todo lo que no es prosa en blanco, sin mover nada de su lugar: en él
    se buscan referencias, enlaces y sintaxis no admitida.
    """

    path: str
    source: Path
    appendix: bool
    parts: tuple[Text | Cell, ...]
    fences: tuple[Fence, ...]
    prose: str

    @property
    def cells(self) -> tuple[Cell, ...]:
        return tuple(part for part in self.parts if isinstance(part, Cell))

    @property
    def stem(self) -> str:
        return self.path.removesuffix(".qmd")

    @property
    def unnumbered(self) -> bool:
        """Verdadero si el título lleva ``{.unnumbered}`` o ``{-}``."""
        title = TITLE.search(self.prose)
        mark = r"\{[^}]*(\.unnumbered|(?<=[{\s])-(?=[\s}]))[^}]*\}\s*$"
        return bool(title and re.search(mark, title["text"]))


def read_chapter(root: Path, path: str, appendix: bool = False) -> Chapter:
    """Lee ``root/path``.

    Raises
    ------
    ImprentaError
        Celda sin cerrar, dentro de una lista, de otro lenguaje o con opciones que no se admiten;
        portada YAML; archivo que no es UTF-8.
    """
    source = root / path
    try:
        text = source.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ImprentaError("El archivo no está en UTF-8.", path) from error
    except OSError as error:
        raise ImprentaError(f"No se puede leer: {error.strerror}.", path) from error
    rows = text.replace("\r\n", "\n").lstrip("\ufeff").rstrip("\n").split("\n")
    if rows[0].rstrip() == "---":
        raise ImprentaError(
            "Un capítulo no lleva portada YAML: el título va en «# Título {#sec-nombre}» y lo "
            "común, en _quarto.yml.",
            path,
            1,
        )
    parts: list[Text | Cell] = []
    fences: list[Fence] = []
    masked = list(rows)
    start = number = 0

    def close_text(end: int, following: int) -> None:
        nonlocal start
        if end > start:
            parts.append(Text(start + 1, "\n".join(rows[start:end]) + "\n"))
        start = following

    while number < len(rows):
        match = FENCE.match(rows[number])
        if not match or (match["fence"][0] == "`" and "`" in match["info"]):
            number += 1
            continue
        end = _closing(rows, number, match["fence"], path)
        info, body = match["info"].strip(), rows[number + 1 : end]
        masked[number : end + 1] = [""] * (end + 1 - number)
        cell = CELL_INFO.match(info)
        if cell:
            _check_cell(cell, match["indent"], path, number + 1)
            close_text(number, end + 1)
            index = sum(isinstance(part, Cell) for part in parts)
            parts.append(_cell(body, path, number + 1, index))
        else:
            fences.append(Fence(number + 1, end + 1, info, "\n".join(body)))
        number = end + 1
    close_text(len(rows), len(rows))
    prose = mask_prose("\n".join(masked) + "\n")
    return Chapter(path, source, appendix, tuple(parts), tuple(fences), prose)


def _closing(rows: list[str], start: int, fence: str, path: str) -> int:
    closing = re.compile(rf"^\s*(?:>\s?)*{re.escape(fence[0])}{{{len(fence)},}}\s*$")
    for number in range(start + 1, len(rows)):
        if closing.match(rows[number]):
            return number
    raise ImprentaError(f"El bloque de código no se cierra con «{fence}».", path, start + 1)


def _check_cell(cell: re.Match[str], indent: str, path: str, line: int) -> None:
    problem = ""
    if cell["engine"] != "python":
        problem = f"La imprenta solo ejecuta celdas {{python}}; esta es {{{cell['engine']}}}."
    elif cell["rest"].strip():
        problem = "Las opciones de la celda van en líneas «#| clave: valor», no entre las llaves."
    elif indent:
        problem = (
            "Una celda debe empezar en la primera columna: dentro de una lista o de una cita "
            "Quarto no la ejecuta."
        )
    if problem:
        raise ImprentaError(problem, path, line)


def _cell(body: list[str], path: str, line: int, index: int) -> Cell:
    """Separa las opciones del código de la celda que empieza en la línea ``line``."""
    count = next((n for n, row in enumerate(body) if not row.startswith("#|")), len(body))
    raw = [re.sub(r"^#\| ?", "", row) for row in body[:count]]
    lines: dict[str, int] = {}
    for number, row in enumerate(body, line + 1):
        match = re.match(r"\s*#\| ?([a-z][\w-]*) *:", row)
        if match and number > line + count:
            message = "Las opciones «#|» van al comienzo de la celda, antes del código."
            raise ImprentaError(message, path, number)
        if match and match[1] in lines:
            raise ImprentaError(f"La opción «{match[1]}» está dos veces.", path, number)
        if match:
            lines[match[1]] = number
    try:
        options = yaml.safe_load("\n".join(raw)) or {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ImprentaError(
            "Las opciones de la celda no son YAML válido. Si el texto contiene dos puntos, "
            "comillas o almohadillas, escribámoslo entre comillas.",
            path,
            line + 1 + (mark.line if mark else 0),
        ) from error
    if not isinstance(options, dict):
        raise ImprentaError("Escribamos las opciones como «#| clave: valor».", path, line + 1)
    for name, value in options.items():
        problem = _option_problem(str(name), value)
        if problem:
            raise ImprentaError(problem, path, lines.get(str(name), line + 1))
    options = {key: v.strip() if isinstance(v, str) else v for key, v in options.items()}
    while count < len(body) and not body[count].strip():
        count += 1
    code = "\n".join(body[count:]).rstrip("\n")
    return Cell(line, line + 1 + count, code, options, lines, index)


def _option_problem(name: str, value: object) -> str:
    if name not in OPTIONS:
        return (
            f"La imprenta no admite la opción de celda «{name}». Las admitidas son: "
            f"{', '.join(sorted(OPTIONS))}; el tamaño de una figura lo decide quien la dibuja."
        )
    if not isinstance(value, OPTIONS[name]):
        return (
            f"La opción «{name}» debe ser {'un texto' if OPTIONS[name] is str else 'true/false'}."
        )
    if isinstance(value, str) and not value.strip():
        return f"La opción «{name}» debe ser un texto, y no vacío."
    if "`{python}" in str(value):
        return f"«{name}» no puede llevar código en línea: Quarto no lo ejecuta ahí."
    if name == "label" and not re.fullmatch(r"[A-Za-z][\w.-]*", str(value).strip()):
        return f"La etiqueta «{value}» solo lleva letras, dígitos, puntos y guiones."
    return ""


def mask_prose(text: str) -> str:
    """Pone en blanco comentarios, código en línea y fórmulas, sin mover nada de lugar."""
    for pattern in NOT_PROSE:
        text = pattern.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    return text


def iter_matches(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, re.Match[str]]]:
    """Coincidencias de ``pattern`` con la línea (desde 1) donde empieza cada una."""
    for match in pattern.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match
