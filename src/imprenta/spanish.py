"""``argparse`` que habla español: uso, ayuda y errores."""

import argparse
import re
from typing import NoReturn

HEADINGS = {"usage: ": "uso: ", "positional arguments": "argumentos", "options": "opciones"}
ERRORS = (
    (r"the following arguments are required: (.*)", r"faltan estos argumentos: \1"),
    (
        r"argument (.*?): invalid choice: (.*?) \(choose from (.*)\)",
        r"argumento \1: \2 no es una opción; elijamos entre \3",
    ),
    (r"argument (.*?): expected one argument", r"el argumento \1 necesita un valor"),
    (r"argument (.*?): ignored explicit argument (.*)", r"el argumento \1 no lleva valor (\2)"),
    (r"unrecognized arguments: (.*)", r"argumentos desconocidos: \1"),
    (r"ambiguous option: (.*?) could match (.*)", r"opción ambigua: \1 puede ser \2"),
    (r"argument (.*?): not allowed with argument (.*)", r"\1 no puede ir junto con \2"),
)


class _Formatter(argparse.HelpFormatter):
    def add_usage(self, usage, actions, groups, prefix=None):
        super().add_usage(usage, actions, groups, HEADINGS["usage: "] if prefix is None else prefix)


class SpanishParser(argparse.ArgumentParser):
    """Intérprete de órdenes con los textos de ``argparse`` en español."""

    def __init__(self, *args, **kwargs) -> None:
        kwargs.setdefault("formatter_class", _Formatter)
        kwargs["add_help"] = False
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)
        self._positionals.title = HEADINGS["positional arguments"]
        self._optionals.title = HEADINGS["options"]
        self.add_argument(
            "-h", "--help", "--ayuda", action="help", help="muestra esta ayuda y termina"
        )

    def error(self, message: str) -> NoReturn:
        for pattern, translation in ERRORS:
            message = re.sub(f"^{pattern}$", translation, message)
        self.print_usage()
        self.exit(2, f"{self.prog}: error: {message}\n")

    def print_usage(self, file=None) -> None:
        import sys

        super().print_usage(file or sys.stderr)
