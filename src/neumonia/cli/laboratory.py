"""``neumonia laboratorio`` y ``neumonia robustez``: lo que tarda horas detrás de las tablas."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from neumonia.cli.parser import SpanishParser
from neumonia.cli.study import add_options, config_from, say
from neumonia.lab.registry import EXPERIMENTS, experiments_for
from neumonia.study import Config
from neumonia.study.experiment import Bench, run_experiment

_EXAM_DATA = ("kermany", "kermany64", "pneumoniamnist")


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
        say(f"Experimento «{one.name}»")
        bench = Bench(base, report=say, originals=options.originales)
        print(f"Resultado: {run_experiment(one, bench, options.salida).resolve()}", flush=True)
    return 0


def add_exam_command(add: Callable[..., SpanishParser]) -> None:
    """Registra ``robustez``."""
    parser = add(
        "robustez", help="entrena y examina las redes del capítulo 10 (horas; se puede retomar)"
    )
    parser.add_argument(
        "candidatas", nargs="*", metavar="CANDIDATA", help="cuáles; sin ninguna, todas"
    )
    parser.add_argument("--datos", choices=_EXAM_DATA, help="radiografías (por omisión, kermany64)")
    parser.add_argument("--raiz", type=Path, help="dónde están, si no se importaron")
    parser.add_argument(
        "--salida", type=Path, metavar="DIR", required=True, help="un archivo por red y las tablas"
    )
    parser.add_argument(
        "--mirada",
        action="store_true",
        help="en vez de examinar candidatas, mide qué miran la CNN de siempre y la robusta",
    )
    parser.add_argument(
        "--originales",
        type=Path,
        metavar="ZIP",
        help="con --mirada: archivos originales, para medir su proporción",
    )
    parser.set_defaults(run=_run_exam)


def _run_exam(options: argparse.Namespace) -> int:
    config = config_from(options)
    if options.mirada:
        return _look(options, config)
    from neumonia.lab.exam import write_tables
    from neumonia.lab.robustness import Laboratory

    laboratory = Laboratory(config.dataset, options.salida, config.root, say, progress=True)
    laboratory.run(tuple(options.candidatas))
    say("Tablas")
    write_tables(options.salida)
    print(f"Resultado: {options.salida.resolve()}")
    return 0


def _look(options: argparse.Namespace, config: Config) -> int:
    from neumonia.lab.gaze import run_gaze
    from neumonia.lab.robustness import SMALL, candidate

    recipe = candidate(SMALL).recipe
    same = {"epochs_robust": recipe.epochs, "precision": recipe.precision}
    real = Config.create(config.dataset, root=config.root, split="oficial", **same)
    phantoms = Config.create("maqueta", **same)
    path = run_gaze(options.salida, real, phantoms, options.originales, report=say)
    print(f"Resultado: {path.resolve()}")
    return 0
