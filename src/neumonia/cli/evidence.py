"""``neumonia confianza``: las pruebas que un mapa tiene que pasar, parte por parte."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from neumonia.cli.parser import SpanishParser
from neumonia.cli.study import add_options, config_from
from neumonia.evidence.networks import TITLES
from neumonia.evidence.runner import PARTS, Evidence


def add_command(add: Callable[..., SpanishParser]) -> None:
    """Registra ``confianza``."""
    parser = add(
        "confianza", help="mide si los mapas merecen confianza, en la maqueta o en kermany"
    )
    parser.add_argument(
        "partes", nargs="*", metavar="PARTE", help=f"cuáles; sin ninguna, todas: {', '.join(PARTS)}"
    )
    add_options(parser)
    parser.add_argument(
        "--salida", type=Path, metavar="DIR", required=True, help="publica aquí cada parte"
    )
    parser.add_argument(
        "--redes",
        nargs="+",
        choices=tuple(TITLES),
        metavar="RED",
        help=f"cuáles se examinan; por omisión, todas: {', '.join(TITLES)}",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    # El examen se hace donde se sabe la verdad, salvo que se pidan otros datos.
    if options.datos is None and not os.environ.get("NEUMONIA_DATOS"):
        options.datos = "maqueta"
    networks = tuple(options.redes) if options.redes else None
    evidence = Evidence(config_from(options), options.salida, report=_say, networks=networks)
    chosen = options.partes or evidence.available()
    for name in chosen:
        # Antes de empezar: un nombre mal escrito no debe descubrirse media hora después.
        evidence.check(name)
    for name in chosen:
        _say(f"Parte «{name}»")
        print(f"Resultado: {evidence.run(name).resolve()}", flush=True)
    return 0


def _say(text: str) -> None:
    print(f"· {text}", file=sys.stderr, flush=True)
