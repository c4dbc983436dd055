"""Lectura estricta de ``_quarto.yml``: la única fuente del título, los capítulos y los formatos."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml

from imprenta.errors import ImprentaError

FILE_NAME = "_quarto.yml"
# Las claves que la imprenta interpreta o puede pasar por alto; cualquier otra se rechaza.
KEYS = {
    FILE_NAME: "project lang language book bibliography csl execute format imprenta",
    "project": "type output-dir",
    "book": "title subtitle author description output-file chapters appendices search "
    "page-navigation page-footer",
    "execute": "echo warning cache freeze",
    "imprenta": "dependencias entorno espera procesos",
}
EXECUTE = {"echo": True, "warning": False, "cache": False, "freeze": False}
# Las palabras que la imprenta pone en la página, por su clave en el «language:» de Quarto.
WORDS = {
    "toc-title-document": "Tabla de contenidos",
    "toc-title-website": "En esta página",
    "section-title-footnotes": "Notas",
    "callout-note-title": "Nota",
    "callout-tip-title": "Consejo",
    "callout-warning-title": "Advertencia",
    "callout-important-title": "Importante",
    "callout-caution-title": "Precaución",
    "copy-button-tooltip": "Copiar el código",
    "copy-button-tooltip-success": "Copiado",
    "toggle-navigation": "Mostrar u ocultar los capítulos",
    "search-label": "Buscar en el libro",
    "search-no-results-text": "No hay resultados",
    "crossref-fig-title": "Figura",
    "crossref-tbl-title": "Tabla",
    "crossref-sec-prefix": "Sección",
    "crossref-eq-prefix": "Ecuación",
    "crossref-ch-prefix": "Capítulo",
    "crossref-apx-prefix": "Apéndice",
}


@dataclass(frozen=True)
class BookConfig:
    """Lo que ``_quarto.yml`` dice del libro, ya comprobado."""

    root: Path
    title: str
    subtitle: str
    author: str
    description: str
    lang: str
    output_dir: str
    pdf_name: str
    chapters: tuple[str, ...]
    appendices: tuple[str, ...]
    bibliography: Path
    csl: Path | None
    footer: str
    css: str
    words: dict[str, str]
    dependencies: tuple[str, ...]
    environment: tuple[str, ...]
    timeout: int
    workers: int
    toc_depth: int


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
        que no existe o escrito como ``./…``, archivo o idioma que falta.
    """
    try:
        text = (root / FILE_NAME).read_text(encoding="utf-8")
        return _Reader(root, text, yaml.safe_load(text)).config()
    except OSError as error:
        raise ImprentaError(f"No se puede leer: {error.strerror}.", FILE_NAME) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 0
        raise ImprentaError(f"El YAML está mal formado: {error}", FILE_NAME, line) from error


class _Reader:
    """Saca del YAML lo que hace falta, y señala cada defecto en su línea."""

    def __init__(self, root: Path, text: str, data: Any) -> None:
        self.root, self.rows = root, text.splitlines()
        self.data = self._block({FILE_NAME: data}, FILE_NAME)

    def config(self) -> BookConfig:
        data, book = self.data, self._block(self.data, "book")
        project, press = self._block(data, "project"), self._block(data, "imprenta")
        if project.get("type") != "book":
            self._fail("El proyecto debe declarar «type: book».", "project")
        for key, value in self._block(data, "execute").items():
            if value is not EXECUTE[key]:
                self._fail(f"«execute: {key}:» debe ser {str(EXECUTE[key]).lower()}.", key)
        for block, key in ((data, "lang"), (book, "title"), (data, "bibliography")):
            if not str(block.get(key) or "").strip():
                self._fail(f"Falta «{key}:» en {FILE_NAME}.", key)
        formats = data.get("format") or {}
        if not isinstance(formats, dict) or not {"html", "typst"} <= set(formats):
            self._fail("«format» debe contener html y typst: el sitio y el PDF.", "format")
        html = formats["html"] if isinstance(formats["html"], dict) else {}
        csl = self._file(data.get("csl"))
        footer = book.get("page-footer") or ""
        return BookConfig(
            root=self.root,
            title=str(book["title"]).strip(),
            subtitle=str(book.get("subtitle") or "").strip(),
            author=str(book.get("author") or "").strip(),
            description=str(book.get("description") or "").strip(),
            lang=str(data["lang"]),
            output_dir=str(project.get("output-dir") or "_book"),
            # La misma regla que sigue Quarto para el nombre del PDF.
            pdf_name=re.sub(
                r"[ <>()|:&;#?*'\\/]", "-", str(book.get("output-file") or book["title"])
            )
            + ".pdf",
            chapters=self._chapters(book, "chapters"),
            appendices=self._chapters(book, "appendices"),
            bibliography=self.root / self._file(data["bibliography"]),
            csl=self.root / csl if csl else None,
            footer=str(footer.get("center", "") if isinstance(footer, dict) else footer),
            css=self._file(html.get("css")),
            words=WORDS | {str(k): str(v) for k, v in (data.get("language") or {}).items()},
            dependencies=tuple(press.get("dependencias", ())),
            environment=tuple(press.get("entorno", ())),
            timeout=self._count(press, "espera", 1800),
            workers=self._count(press, "procesos", 2),
            toc_depth=self._count(html, "toc-depth", 3),
        )

    def _fail(self, message: str, needle: str) -> NoReturn:
        key = re.compile(rf"\s*(-\s*)?[\"']?{re.escape(needle)}[\"']?\s*(:|$)")
        lines = [n for n, row in enumerate(self.rows, 1) if key.match(row)]
        lines += [n for n, row in enumerate(self.rows, 1) if needle in row]
        raise ImprentaError(message, FILE_NAME, lines[0] if lines else 1)

    def _block(self, data: dict[str, Any], key: str) -> dict[str, Any]:
        value = data.get(key, {})
        if not isinstance(value, dict):
            self._fail(f"«{key}» debe ser un bloque de claves y valores.", key)
        allowed = KEYS[key].split()
        for name in value:
            if name not in allowed:
                self._fail(
                    f"La imprenta no interpreta la clave «{name}» dentro de «{key}». "
                    f"Las admitidas son: {', '.join(allowed)}.",
                    str(name),
                )
        return value

    def _file(self, name: Any) -> str:
        if name and not (isinstance(name, str) and (self.root / name).is_file()):
            self._fail(f"No existe el archivo {name}.", str(name))
        return name or ""

    def _count(self, block: dict[str, Any], key: str, default: int) -> int:
        value = block.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            self._fail(f"«{key}:» debe ser un entero mayor que cero.", key)
        return value

    def _chapters(self, book: dict[str, Any], key: str) -> tuple[str, ...]:
        items = book.get(key) or []
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            self._fail(f"«book: {key}:» debe ser una lista de archivos .qmd, sin partes.", key)
        for position, item in enumerate(items):
            if item.startswith(("/", "../")) or os.path.normpath(item) != item:
                self._fail(
                    f"Escribamos el capítulo «{item}» como ruta simple desde la raíz, sin «./» "
                    "ni «..»: con otra forma Quarto pierde sus referencias cruzadas.",
                    item,
                )
            if not item.endswith(".qmd") or not (self.root / item).is_file():
                self._fail(f"No existe el capítulo {item}, o no es un archivo .qmd.", item)
            if item in items[:position]:
                self._fail(f"El capítulo {item} aparece dos veces.", item)
        if key == "chapters" and items[:1] != ["index.qmd"]:
            self._fail("El primer capítulo debe ser index.qmd, en la raíz.", key)
        return tuple(items)
