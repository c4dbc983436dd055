"""Órdenes de la imprenta: ``libro``, ``revisar`` y ``cuadernos``."""

import argparse
import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from imprenta.build import build, build_notebooks, read_book
from imprenta.config import BookConfig, find_root, load_config
from imprenta.engine import choose_engine, run_quarto
from imprenta.errors import BookErrors, ImprentaError
from imprenta.files import replacement_folder

USAGE = "uso: "
ERRORS = (
    (r"the following arguments are required: (.*)", r"faltan estos argumentos: \1"),
    (
        r"argument (.*?): invalid choice: (.*?) \(choose from (.*)\)",
        r"argumento \1: \2 no es una opción; elijamos entre \3",
    ),
    (r"argument (.*?): expected one argument", r"el argumento \1 necesita un valor"),
    (r"argument (.*?): ignored explicit argument (.*)", r"el argumento \1 no lleva valor (\2)"),
    (r"unrecognized arguments: (.*)", r"argumentos desconocidos: \1"),
)


class _Formatter(argparse.HelpFormatter):
    def add_usage(self, usage, actions, groups, prefix=USAGE):
        super().add_usage(usage, actions, groups, USAGE if prefix is None else prefix)


class SpanishParser(argparse.ArgumentParser):
    """Intérprete de órdenes con los textos de ``argparse`` en español."""

    def __init__(self, **kwargs) -> None:
        kwargs = {"formatter_class": _Formatter, "allow_abbrev": False, **kwargs}
        super().__init__(add_help=False, **kwargs)
        self._positionals.title, self._optionals.title = "argumentos", "opciones"
        self.add_argument(
            "-h", "--help", "--ayuda", action="help", help="muestra esta ayuda y termina"
        )

    def error(self, message: str) -> NoReturn:
        for pattern, translation in ERRORS:
            message = re.sub(f"^{pattern}$", translation, message)
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: error: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Ejecuta una orden. Devuelve 0 si salió bien, 1 si falló, 2 si se usó mal."""
    parser = _parser()
    try:
        options = parser.parse_args(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    try:
        root = find_root(Path(options.raiz) if options.raiz else None)
        return options.run(load_config(root), options)
    except BookErrors as error:
        _complain(f"{error}\n{_count(len(error.problems))}.")
    except ImprentaError as error:
        _complain(str(error))
    except KeyboardInterrupt:
        _complain("Interrumpido. Lo que había antes queda intacto.")
        return 130
    except BrokenPipeError:
        # Quien leía la salida se fue: sin esto, Python se quejaría al vaciarla.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = SpanishParser(
        prog="imprenta",
        description="Imprime el libro: sitio, PDF y cuadernos, a partir de _quarto.yml.",
    )
    parser.add_argument("--raiz", metavar="CARPETA", help="carpeta del libro (por omisión, esta)")
    orders = parser.add_subparsers(
        metavar="ORDEN", required=True, title="órdenes", parser_class=SpanishParser, dest="orden"
    )
    book = orders.add_parser("libro", help="imprime el sitio, el PDF y los cuadernos")
    book.add_argument(
        "--motor",
        choices=("auto", "quarto", "pandoc"),
        default="auto",
        help="auto (por omisión): quarto si está en el PATH y es 1.9 o posterior; "
        "si no, pandoc y Typst",
    )
    _common(book)
    book.set_defaults(run=_book)
    lint = orders.add_parser("revisar", help="revisa los capítulos sin ejecutarlos")
    lint.set_defaults(run=_lint)
    notebooks = orders.add_parser("cuadernos", help="escribe un cuaderno ejecutado por capítulo")
    _common(notebooks)
    notebooks.set_defaults(run=_notebooks)
    return parser


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--salida", metavar="CARPETA", help="dónde escribir (por omisión, la de _quarto.yml)"
    )
    parser.add_argument(
        "--sin-cache",
        action="store_true",
        help="ejecuta todos los capítulos aunque nada haya cambiado",
    )


def _output(config: BookConfig, options: argparse.Namespace) -> Path:
    """Carpeta de salida, comprobada: al imprimir se reemplaza entera."""
    output = Path(options.salida).resolve() if options.salida else config.root / config.output_dir
    if config.root.is_relative_to(output):
        raise ImprentaError(f"La salida {output} contiene al libro: se borraría.")
    if output.exists() and not output.is_dir():
        raise ImprentaError(f"La salida {output} existe y no es una carpeta.")
    known = (output / "index.html").is_file() or (output / "cuadernos").is_dir()
    if output.is_dir() and any(output.iterdir()) and not known:
        raise ImprentaError(
            f"La carpeta {output} tiene archivos que no son del libro y se reemplazaría entera: "
            "elijamos otra o vaciémosla."
        )
    return output


def _book(config: BookConfig, options: argparse.Namespace) -> int:
    start = time.perf_counter()
    output = _output(config, options)
    read_book(config)
    engine = choose_engine(options.motor)
    engine_name = "Quarto" if engine.quarto else "pandoc y Typst"
    _say(f"Imprimimos con {engine_name}: {engine.reason}.")
    with replacement_folder(output) as folder:
        if engine.quarto:
            run_quarto(engine.quarto, config, folder, _say)
            _say("Escribimos los cuadernos.")
            build_notebooks(config, folder, not options.sin_cache, _say)
        else:
            build(config, folder, not options.sin_cache, _say)
        for name in ("index.html", config.pdf_name):
            if not (folder / name).is_file():
                raise ImprentaError(f"{engine_name} terminó, pero no dejó {name}.")
    _say(f"Sitio: {_shown(output / 'index.html')} ({_size(output)} en total)")
    _say(f"PDF: {_shown(output / config.pdf_name)} ({_size(output / config.pdf_name)})")
    _say(f"Listo en {time.perf_counter() - start:.1f} s.")
    return 0


def _lint(config: BookConfig, options: argparse.Namespace) -> int:
    count = len(read_book(config))
    _say(f"{count} capítulos revisados, sin defectos.")
    return 0


def _notebooks(config: BookConfig, options: argparse.Namespace) -> int:
    base = Path(options.salida).resolve() if options.salida else config.root / config.output_dir
    written = build_notebooks(config, base, not options.sin_cache, _say)
    for path in written:
        _say(f"{_shown(path)} ({_size(path)})")
    return 0


def _say(text: str) -> None:
    print(text, flush=True)


def _complain(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _count(number: int) -> str:
    return "1 defecto" if number == 1 else f"{number} defectos"


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _size(path: Path) -> str:
    if path.is_dir():
        total = sum(item.stat().st_size for item in path.rglob("*") if item.is_file())
    else:
        total = path.stat().st_size
    amount, unit = (total / 1e6, "MB") if total >= 1e5 else (total / 1e3, "kB")
    return f"{amount:.1f} {unit}".replace(".", ",")
