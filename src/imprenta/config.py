"""Lectura estricta de ``_quarto.yml``: la única fuente del título, los capítulos y los formatos."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from imprenta.errors import ImprentaError

FILE_NAME = "_quarto.yml"

TOP_KEYS = {
    "project",
    "lang",
    "language",
    "book",
    "bibliography",
    "csl",
    "execute",
    "format",
    "imprenta",
    "number-sections",
    "crossref",
}
PROJECT_KEYS = {"type", "output-dir"}
BOOK_KEYS = {
    "title",
    "subtitle",
    "author",
    "date",
    "description",
    "output-file",
    "chapters",
    "appendices",
    "page-footer",
    "search",
    "sidebar",
    "downloads",
    "reader-mode",
    "open-graph",
    "page-navigation",
}
EXECUTE_KEYS = {"echo", "warning", "eval", "output", "error", "cache", "freeze", "enabled"}
PRESS_KEYS = {"dependencias", "entorno", "espera", "procesos"}


@dataclass(frozen=True)
class Entry:
    """Un capítulo de la lista: ruta relativa al libro y si es apéndice."""

    path: str
    appendix: bool = False


@dataclass(frozen=True)
class BookConfig:
    """Lo que ``_quarto.yml`` dice del libro, ya comprobado."""

    root: Path
    title: str
    subtitle: str
    author: str
    date: str
    description: str
    lang: str
    output_dir: str
    output_stem: str
    entries: tuple[Entry, ...]
    bibliography: Path | None
    csl: Path | None
    footer: tuple[str, ...]
    css: tuple[str, ...]
    execute: dict[str, Any]
    strings: dict[str, str]
    dependencies: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    timeout: int = 1800
    workers: int = 2
    toc_depth: int = 3
    raw: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def pdf_name(self) -> str:
        """Nombre del PDF, con la misma regla que sigue Quarto."""
        return f"{self.output_stem}.pdf"


class _Lines:
    """Busca la línea de una clave en el texto del YAML, para señalar el defecto en su lugar."""

    def __init__(self, text: str) -> None:
        self.rows = text.splitlines()

    def of(self, needle: str) -> int:
        for number, row in enumerate(self.rows, 1):
            if re.match(rf"\s*(-\s*)?[\"']?{re.escape(needle)}[\"']?\s*(:|$)", row):
                return number
        return next((n for n, row in enumerate(self.rows, 1) if needle in row), 1)


def find_root(start: Path | None = None) -> Path:
    """Carpeta del libro: el ancestro más cercano de ``start`` que contiene ``_quarto.yml``."""
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file():
            return folder
    raise ImprentaError(
        f"No encontramos {FILE_NAME} en {start} ni en las carpetas que la contienen. "
        "Ejecutemos la orden dentro de la carpeta del libro o demos --raiz CARPETA."
    )


def load_config(root: Path) -> BookConfig:
    """Lee y comprueba ``root/_quarto.yml``.

    Raises
    ------
    ImprentaError
        Con la línea del defecto: YAML mal formado, clave que la imprenta no interpreta, capítulo
        que no existe o escrito como ``./…``, idioma que falta.
    """
    path = root / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ImprentaError(f"No se puede leer: {error.strerror}.", FILE_NAME) from error
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 0
        raise ImprentaError(f"El YAML está mal formado: {error}", FILE_NAME, line) from error
    lines = _Lines(text)

    def fail(message: str, key: str) -> None:
        raise ImprentaError(message, FILE_NAME, lines.of(key))

    def mapping(value: Any, key: str, allowed: set[str]) -> dict[str, Any]:
        if not isinstance(value, dict):
            fail(f"«{key}» debe ser un bloque de claves y valores.", key)
        for name in value:
            if name not in allowed:
                fail(
                    f"La imprenta no interpreta la clave «{name}» dentro de «{key}». "
                    f"Las admitidas son: {', '.join(sorted(allowed))}.",
                    str(name),
                )
        return value

    data = mapping(data, FILE_NAME, TOP_KEYS)
    project = mapping(data.get("project", {}), "project", PROJECT_KEYS)
    if project.get("type") != "book":
        fail("El proyecto debe declarar «type: book».", "project")
    book = mapping(data.get("book"), "book", BOOK_KEYS)
    if not str(book.get("title") or "").strip():
        fail("Falta el título del libro («book: title:»).", "book")
    execute = mapping(data.get("execute", {}), "execute", EXECUTE_KEYS)
    for name in ("echo", "warning", "eval", "error", "output"):
        if not isinstance(execute.get(name, True), bool):
            fail(f"«execute: {name}:» debe ser true o false.", name)
    for name in ("cache", "freeze"):
        if execute.get(name, False) is not False:
            fail(
                f"«execute: {name}:» debe ser false: la imprenta guarda sus propios resultados y "
                "la caché de Quarto no mira el código del paquete.",
                name,
            )
    press = mapping(data.get("imprenta", {}), "imprenta", PRESS_KEYS)
    if not data.get("lang"):
        fail("Falta el idioma del libro («lang: es»).", "project")
    formats = data.get("format") or {}
    if not isinstance(formats, dict) or not {"html", "typst"} <= set(formats):
        fail("«format» debe contener html y typst: el sitio y el PDF.", "format")
    html = formats["html"] if isinstance(formats["html"], dict) else {}

    entries = _entries(root, book, fail)
    bibliography = data.get("bibliography")
    if isinstance(bibliography, list):
        bibliography = (
            bibliography[0]
            if len(bibliography) == 1
            else fail("La imprenta admite un solo archivo de bibliografía.", "bibliography")
        )
    if bibliography and not (root / bibliography).is_file():
        fail(f"No existe el archivo de bibliografía {bibliography}.", "bibliography")
    csl = data.get("csl")
    if csl and not (root / str(csl)).is_file():
        fail(f"No existe el estilo de citas {csl}.", "csl")
    for sheet in _as_list(html.get("css")):
        if not (root / sheet).is_file():
            fail(f"No existe la hoja de estilo {sheet}.", sheet)
    return BookConfig(
        root=root,
        title=str(book["title"]).strip(),
        subtitle=str(book.get("subtitle") or "").strip(),
        author=", ".join(_as_list(book.get("author"))),
        date=str(book.get("date") or "").strip(),
        description=str(book.get("description") or "").strip(),
        lang=str(data["lang"]),
        output_dir=str(project.get("output-dir") or "_book"),
        output_stem=_file_stem(str(book.get("output-file") or book["title"])),
        entries=entries,
        bibliography=root / bibliography if bibliography else None,
        csl=root / str(csl) if csl else None,
        footer=_footer(book.get("page-footer")),
        css=tuple(_as_list(html.get("css"))),
        execute={"echo": True, "warning": True, "eval": True, "error": False, "output": True}
        | {
            key: value
            for key, value in execute.items()
            if key in ("echo", "warning", "eval", "error", "output")
        },
        strings={str(k): str(v) for k, v in (data.get("language") or {}).items()},
        dependencies=tuple(_as_list(press.get("dependencias"))),
        environment=tuple(_as_list(press.get("entorno"))),
        timeout=_integer(press, "espera", 1800, fail),
        workers=_integer(press, "procesos", 2, fail),
        toc_depth=int(html.get("toc-depth") or 3),
        raw=data,
    )


def _file_stem(title: str) -> str:
    """Nombre de archivo de un título, con la misma regla que Quarto."""
    return re.sub(r"[ <>()|:&;#?*'\\/]", "-", title)


def _integer(block: dict[str, Any], key: str, default: int, fail: Any) -> int:
    value = block.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        fail(f"«imprenta: {key}:» debe ser un entero mayor que cero.", key)
    return int(value)


def _entries(root: Path, book: dict[str, Any], fail: Any) -> tuple[Entry, ...]:
    entries: list[Entry] = []
    for key in ("chapters", "appendices"):
        items = book.get(key) or []
        if not isinstance(items, list):
            fail(f"«book: {key}:» debe ser una lista de archivos .qmd.", key)
        for item in items:
            if not isinstance(item, str):
                fail(
                    f"La imprenta no admite partes ni entradas con claves en «{key}»: "
                    "cada entrada es la ruta de un .qmd.",
                    next(iter(item)) if isinstance(item, dict) and item else key,
                )
            if item.startswith(("./", "/", "../")) or os.path.normpath(item) != item:
                fail(
                    f"Escribamos el capítulo «{item}» como ruta simple desde la raíz, sin «./» "
                    "ni «..»: con otra forma Quarto pierde sus referencias cruzadas.",
                    item,
                )
            if not item.endswith(".qmd"):
                fail(f"El capítulo «{item}» no es un archivo .qmd.", item)
            if not (root / item).is_file():
                fail(f"No existe el capítulo {item}.", item)
            if any(item == entry.path for entry in entries):
                fail(f"El capítulo {item} aparece dos veces.", item)
            entries.append(Entry(item, key == "appendices"))
    if not entries or entries[0].path != "index.qmd":
        fail("El primer capítulo debe ser index.qmd, en la raíz.", "chapters")
    return tuple(entries)


def _as_list(value: Any) -> list[str]:
    if value is None:
        return []
    values = value if isinstance(value, list) else [value]
    return [
        item["name"] if isinstance(item, dict) and "name" in item else str(item) for item in values
    ]


def _footer(value: Any) -> tuple[str, ...]:
    """Textos del pie, en Markdown, en el orden izquierda, centro, derecha."""
    if value is None:
        return ()
    if isinstance(value, dict):
        return tuple(
            str(value[side])
            for side in ("left", "center", "right")
            if isinstance(value.get(side), str)
        )
    return (str(value),)
