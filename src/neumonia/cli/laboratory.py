"""``neumonia laboratorio``: los experimentos largos detrás de las tablas del libro."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from neumonia.cli.parser import SpanishParser
from neumonia.cli.study import add_options, config_from
from neumonia.lab.registry import EXPERIMENTS, experiments_for
from neumonia.study.experiment import Bench, run_experiment


def add_command(add: Callable[..., SpanishParser]) -> None:
    """Registra ``laboratorio``."""
    parser = add("laboratorio", help="repite los experimentos del libro, uno a uno o todos")
    names = ", ".join(f"{one.name} ({', '.join(one.datasets)})" for one in EXPERIMENTS)
    parser.add_argument(
        "experimentos",
        nargs="*",
        metavar="EXPERIMENTO",
        help=f"cuáles; sin ninguno, todos los que hay para los datos: {names}",
    )
    add_options(parser)
    parser.add_argument(
        "--salida", type=Path, metavar="DIR", required=True, help="publica aquí cada tabla"
    )
    parser.add_argument("--originales", type=Path, metavar="DIR", help="los archivos originales")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    # Los experimentos se hacen donde se sabe la verdad, salvo que se pidan otros datos.
    if options.datos is None and not os.environ.get("NEUMONIA_DATOS"):
        options.datos = "maqueta"
    base = config_from(options)
    # Antes de empezar: un nombre mal escrito no debe descubrirse media hora después.
    for one in experiments_for(base.dataset, tuple(options.experimentos)):
        _say(f"Experimento «{one.name}»")
        bench = Bench(base, report=_say, originals=options.originales)
        print(f"Resultado: {run_experiment(one, bench, options.salida).resolve()}", flush=True)
    return 0


def _say(text: str) -> None:
    print(f"· {text}", file=sys.stderr, flush=True)
