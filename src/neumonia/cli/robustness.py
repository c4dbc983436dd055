"""``neumonia robustez``: qué red resiste otro equipo, candidata por candidata."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from neumonia.cli.parser import SpanishParser
from neumonia.study import Config

DATASETS = ("kermany", "kermany64", "pneumoniamnist")


def add_command(add: Callable[..., SpanishParser]) -> None:
    """Registra ``robustez``."""
    parser = add(
        "robustez", help="entrena y examina las redes del capítulo 10 (horas; se puede retomar)"
    )
    parser.add_argument(
        "candidatas", nargs="*", metavar="CANDIDATA", help="cuáles; sin ninguna, todas"
    )
    parser.add_argument("--datos", choices=DATASETS, help="radiografías (por omisión, kermany64)")
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
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    given = {"NEUMONIA_DATOS": options.datos, "NEUMONIA_RAIZ": options.raiz}
    given = {name: str(value) for name, value in given.items() if value is not None}
    config = Config.from_environment({**os.environ, **given})
    if options.mirada:
        return _look(options, config)
    from neumonia.lab.exam import write_tables
    from neumonia.lab.robustness import Laboratory

    laboratory = Laboratory(config.dataset, options.salida, config.root, _say, progress=True)
    laboratory.run(tuple(options.candidatas))
    _say("Tablas")
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
    path = run_gaze(options.salida, real, phantoms, options.originales, report=_say)
    print(f"Resultado: {path.resolve()}")
    return 0


def _say(text: str) -> None:
    print(f"· {text}", file=sys.stderr, flush=True)
