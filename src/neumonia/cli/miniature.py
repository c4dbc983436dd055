"""``neumonia miniatura``: la red de 28 píxeles sobre PneumoniaMNIST, contra lo publicado."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from neumonia.cli.parser import SpanishParser
from neumonia.datasets import open_dataset
from neumonia.evaluation import to_markdown
from neumonia.files import cache_dir
from neumonia.study.mnist import run_mnist
from neumonia.study.mnist_export import export_mnist
from neumonia.study.mnist_published import comparison_table
from neumonia.study.mnist_search import CHOSEN as FIRST
from neumonia.study.mnist_search import run_search
from neumonia.study.mnist_second import CHOSEN as SECOND
from neumonia.study.mnist_second import run_second_search
from neumonia.study.mnist_training import Films
from neumonia.study.store import Store

_ROUNDS = {1: (run_search, FIRST), 2: (run_second_search, SECOND)}


def add_command(add: Callable[..., SpanishParser]) -> None:
    """Registra ``miniatura``."""
    parser = add("miniatura", help="la red de 28 píxeles sobre PneumoniaMNIST, en minutos")
    parser.add_argument("--raiz", type=Path, help="el .npz, si no se importó")
    parser.add_argument(
        "--vuelta",
        type=int,
        choices=(1, 2),
        default=2,
        help="la red de la primera búsqueda o la de la segunda (por omisión, 2)",
    )
    parser.add_argument(
        "--busqueda", action="store_true", help="repite también esa búsqueda (media hora)"
    )
    parser.add_argument(
        "--salida", type=Path, metavar="DIR", required=True, help="publica aquí el resultado"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    dataset = open_dataset("pneumoniamnist", root=options.raiz)
    store = Store(cache_dir() / "productos")
    search, choice = _ROUNDS[options.vuelta]
    trials = search(Films(dataset), store, report=_say) if options.busqueda else None
    run = run_mnist(dataset, store, choice=choice, report=_say)
    folder = export_mnist(run, options.salida, trials)
    print(f"\nPrueba oficial de PneumoniaMNIST:\n\n{to_markdown(comparison_table(run.results))}\n")
    print(f"Resultado: {folder.resolve()}")
    return 0


def _say(text: str) -> None:
    print(f"· {text}", file=sys.stderr, flush=True)
