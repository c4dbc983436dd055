"""``neumonia revision``: lo que un revisor pediría, parte por parte."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from neumonia.cli.parser import SpanishParser
from neumonia.cli.study import add_options, config_from
from neumonia.review.runner import PARTS, Review


def add_command(add: Callable[..., SpanishParser]) -> None:
    """Registra ``revision``."""
    parser = add(
        "revision", help="protocolos, bases, desbalance y mejores modelos (horas; se puede retomar)"
    )
    parser.add_argument(
        "partes", nargs="*", metavar="PARTE", help=f"cuáles; sin ninguna, todas: {', '.join(PARTS)}"
    )
    add_options(parser)
    parser.add_argument(
        "--salida", type=Path, metavar="DIR", required=True, help="publica aquí cada parte"
    )
    parser.add_argument(
        "--originales",
        type=Path,
        metavar="ZIP",
        help="carpeta o zip con los archivos originales: «atajos» mide también lo que delatan",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    base, originals = config_from(options), options.originales
    review = Review(base, options.salida, report=_say, originals=originals)
    chosen = options.partes or list(PARTS)
    for name in chosen:
        # Antes de empezar: un nombre mal escrito no debe descubrirse horas después.
        review.check(name)
    for name in chosen:
        _say(f"Parte «{name}»")
        print(f"Resultado: {review.run(name).resolve()}", flush=True)
    return 0


def _say(text: str) -> None:
    print(f"· {text}", file=sys.stderr, flush=True)
