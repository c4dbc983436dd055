"""Un ``argparse`` que habla español."""

import argparse
import re
from collections.abc import Callable
from typing import Any, NoReturn

_ERRORS: tuple[tuple[str, str], ...] = (
    (r"the following arguments are required: (.*)", r"faltan: \1"),
    (r"unrecognized arguments: (.*)", r"no conocemos: \1"),
    (r"expected one argument", "necesita un valor"),
    (r"expected at least one argument", "necesita al menos un valor"),
    (r"invalid choice: (.*) \(choose from (.*)\)", r"\1 no es una opción; elijamos entre: \2"),
    (r"invalid (\w+) value: (.*)", r"\2 no es un valor válido"),
    (r"argument ([^:]*):", r"opción \1:"),
    (r"ignored explicit argument (.*)", r"no lleva valor, y llegó \1"),
)


def translate(message: str) -> str:
    """Pasa al español los mensajes de error de ``argparse``."""
    for pattern, replacement in _ERRORS:
        message = re.sub(pattern, replacement, message)
    return message


class SpanishFormatter(argparse.RawDescriptionHelpFormatter):
    """Ayuda con «uso:» en lugar de «usage:»."""

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        super().add_usage(usage, actions, groups, "uso: " if prefix is None else prefix)


class SpanishParser(argparse.ArgumentParser):
    """Analizador con títulos, ayuda y errores en español; un error de uso sale con código 2."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", SpanishFormatter)
        options["add_help"] = False
        options["allow_abbrev"] = False
        super().__init__(**options)
        self._positionals.title = "argumentos"
        self._optionals.title = "opciones"
        self.add_argument("-h", "--help", "--ayuda", action="help", help="muestra esta ayuda")

    def error(self, message: str) -> NoReturn:
        usage = self.format_usage()
        self.exit(2, f"{usage}{self.prog}: {translate(message)}\n")

    def commands(self, title: str = "órdenes") -> Callable[..., "SpanishParser"]:
        """Añade subórdenes obligatorias y devuelve la función que crea cada una."""
        group = self.add_subparsers(title=title, metavar="ORDEN", required=True, dest=title)
        return group.add_parser
