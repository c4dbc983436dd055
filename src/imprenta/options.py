"""Opciones ``#|`` de una celda: las que la imprenta cumple igual que Quarto, y ninguna otra."""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from imprenta.errors import ImprentaError

BOOLEANS = {"echo", "eval", "warning", "include", "error"}
TEXTS = {"label", "fig-cap", "fig-alt", "tbl-cap", "code-summary"}
KNOWN = BOOLEANS | TEXTS | {"output", "code-fold"}
WITHOUT_EFFECT = {
    "fig-width",
    "fig-height",
    "fig-dpi",
    "fig-format",
    "out-width",
    "out-height",
    "fig-asp",
    "message",
    "results",
}


@dataclass(frozen=True)
class CellOptions:
    """Valores dados en la celda; lo que falta lo pone ``execute`` de ``_quarto.yml``."""

    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)

    def get(self, name: str, default: Any = None) -> Any:
        return self.values.get(name, default)

    @property
    def label(self) -> str:
        return str(self.values.get("label", ""))

    def line(self, name: str, default: int) -> int:
        return self.lines.get(name, default)


def read_options(body: list[str], path: str, first_line: int) -> tuple[CellOptions, list[str]]:
    """Separa las líneas ``#|`` iniciales del código.

    Raises
    ------
    ImprentaError
        Opción desconocida, sin efecto en celdas de Python, repetida o con un valor de otro tipo.
    """
    count = 0
    while count < len(body) and body[count].startswith("#|"):
        count += 1
    raw = [re.sub(r"^#\| ?", "", row) for row in body[:count]]
    for offset, row in enumerate(body[count:], count):
        if re.match(r"\s*#\| *[a-z-]+:", row):
            raise ImprentaError(
                "Las opciones «#|» van al comienzo de la celda, antes del código.",
                path,
                first_line + offset,
            )
    lines: dict[str, int] = {}
    for offset, row in enumerate(raw):
        match = re.match(r"([A-Za-z][\w-]*)\s*:", row)
        if match:
            if match[1] in lines:
                raise ImprentaError(
                    f"La opción «{match[1]}» está dos veces.", path, first_line + offset
                )
            lines[match[1]] = first_line + offset
    try:
        values = yaml.safe_load("\n".join(raw)) if raw else {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ImprentaError(
            "Las opciones de la celda no son YAML válido. Si el texto contiene dos puntos, "
            "comillas o almohadillas, escribámoslo entre comillas.",
            path,
            first_line + (mark.line if mark else 0),
        ) from error
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise ImprentaError("Escribamos las opciones como «#| clave: valor».", path, first_line)
    for name, value in values.items():
        _check(str(name), value, path, lines.get(str(name), first_line))
    clean = {
        name: value.strip() if isinstance(value, str) else value for name, value in values.items()
    }
    return CellOptions(clean, lines), body[count:]


def _check(name: str, value: Any, path: str, line: int) -> None:
    if name in WITHOUT_EFFECT:
        raise ImprentaError(
            f"La opción «{name}» no tiene efecto en las celdas de Python: el tamaño y el formato "
            "los decide la función que dibuja.",
            path,
            line,
        )
    if name not in KNOWN:
        raise ImprentaError(
            f"Opción de celda desconocida: «{name}». Las admitidas son: "
            f"{', '.join(sorted(KNOWN))}.",
            path,
            line,
        )
    if name in BOOLEANS and not isinstance(value, bool):
        raise ImprentaError(f"La opción «{name}» debe ser true o false.", path, line)
    if name == "output" and not (isinstance(value, bool) or value == "asis"):
        raise ImprentaError("La opción «output» debe ser true, false o asis.", path, line)
    if name == "code-fold" and not (isinstance(value, bool) or value == "show"):
        raise ImprentaError("La opción «code-fold» debe ser true, false o show.", path, line)
    if name in TEXTS:
        if not isinstance(value, str) or not value.strip():
            raise ImprentaError(f"La opción «{name}» debe ser un texto, y no vacío.", path, line)
        if "`{python}" in value:
            raise ImprentaError(
                f"«{name}» no puede llevar código en línea: Quarto no lo ejecuta ahí.", path, line
            )
    if name == "label" and not re.fullmatch(r"[A-Za-z][\w.-]*", str(value).strip()):
        raise ImprentaError(
            f"La etiqueta «{value}» solo lleva letras, dígitos, puntos y guiones.",
            path,
            line,
        )
