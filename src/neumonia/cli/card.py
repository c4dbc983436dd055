"""``neumonia ficha``: la ficha de los modelos y la de los datos, desde lo publicado."""

import argparse
from collections.abc import Callable
from pathlib import Path

from neumonia.cards import TITLES, data_card, open_models
from neumonia.cli.parser import SpanishParser
from neumonia.files import write_text


def add_command(add: Callable[..., SpanishParser]) -> None:
    """Registra ``ficha modelo`` y ``ficha datos``."""
    parser = add("ficha", help="ficha de los modelos o de los datos, desde lo publicado")
    command = parser.commands("fichas")
    model = command("modelo", help="una ficha por modelo publicado (Mitchell et al., 2019)")
    model.add_argument(
        "--modelo", choices=tuple(TITLES), help="solo este (por omisión, todos los publicados)"
    )
    model.set_defaults(run=_model)
    data = command("datos", help="la ficha de las radiografías de Kermany (Gebru et al., 2021)")
    data.set_defaults(run=_data)
    for one in (model, data):
        one.add_argument(
            "--salida", type=Path, metavar="ARCHIVO", help="la escribe aquí, en Markdown"
        )


def _model(options: argparse.Namespace) -> int:
    names = [options.modelo] if options.modelo else open_models().available
    texts = [open_models([name]).card().standalone() for name in names]
    return _deliver("\n".join(texts), options.salida)


def _data(options: argparse.Namespace) -> int:
    return _deliver(data_card(open_models().studies).standalone(), options.salida)


def _deliver(text: str, path: Path | None) -> int:
    if path is None:
        print(text, end="")
    else:
        write_text(path, text)
        print(f"Ficha escrita en {path}")
    return 0
