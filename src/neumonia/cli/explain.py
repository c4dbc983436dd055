"""``neumonia explicar``: probabilidad y mapa de radiografías sueltas."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from neumonia.cli.parser import SpanishParser
from neumonia.cli.study import add_options, config_from
from neumonia.errors import NeumoniaError
from neumonia.explain import NOTICE, explain_images, find_images
from neumonia.files import sha256_file
from neumonia.gradcam import METHODS
from neumonia.progress import track
from neumonia.study import MODELS, Study


def add_command(add: Callable[..., SpanishParser]) -> None:
    """Registra ``explicar``."""
    parser = add("explicar", help="probabilidad y mapa de imágenes PNG o JPEG")
    parser.add_argument("imagenes", metavar="IMAGEN", nargs="+", type=Path, help="PNG o JPEG")
    parser.add_argument("--modelo", choices=MODELS, default="cnn", help="red que decide")
    parser.add_argument(
        "--archivo", type=Path, metavar="X.keras", help="un modelo guardado por «neumonia estudio»"
    )
    parser.add_argument(
        "--objetivo", choices=("PNEUMONIA", "NORMAL"), default="PNEUMONIA", help="clase del mapa"
    )
    parser.add_argument(
        "--metodo",
        choices=tuple(METHODS),
        default="grad_cam",
        help="cómo se hace el mapa; score_cam y occlusion tardan mucho más (por omisión, grad_cam)",
    )
    parser.add_argument(
        "--capa", metavar="NOMBRE", help="la convolución que se explica; por omisión, la última"
    )
    parser.add_argument("--salida", type=Path, metavar="DIR", required=True, help="carpeta")
    add_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    sources = find_images(options.imagenes, options.salida)
    model, info = _from_file(options) if options.archivo else _from_study(options)
    print(NOTICE)
    failed = 0
    explained = explain_images(
        model,
        sources,
        options.salida,
        info,
        target=options.objetivo,
        method=options.metodo,
        layer=options.capa,
    )
    for item in track(explained, "Explicando", total=len(sources)):
        if item.error is not None:
            failed += 1
            print(f"apartada: {item.error}", file=sys.stderr)
        else:
            print(f"{item.source.name}: p(PNEUMONIA) = {item.probability:.3f}  →  {item.overlay}")
    if failed:
        print(f"{failed} de {len(sources)} imágenes no se pudieron leer.", file=sys.stderr)
    print(f"Resultado: {options.salida.resolve()}")
    return 1 if failed else 0


def _from_file(options: argparse.Namespace) -> tuple[Any, dict[str, Any]]:
    from neumonia.models.backend import load_keras

    path = options.archivo
    if not path.is_file():
        raise NeumoniaError(f"No existe el modelo {path}. Revisemos la ruta.")
    keras = load_keras()
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    # Un archivo ajeno puede fallar de muchas formas; a todas les cabe la misma salida.
    except Exception as error:
        raise NeumoniaError(
            f"{path} no es un modelo de Keras legible, o está dañado. "
            "Usemos uno guardado por «neumonia estudio --salida»."
        ) from error
    shapes = [tuple(item.shape) for item in getattr(model, "inputs", None) or ()]
    if len(shapes) != 1 or len(shapes[0]) != 4 or not _is_film(shapes[0][1:]):
        raise NeumoniaError(
            f"El modelo {path} espera {shapes or 'una entrada sin forma fija'}; hace falta una "
            "sola entrada (N, S, S, 1), como la de los modelos de «neumonia estudio»."
        )
    return model, {"file": path.name, "sha256": sha256_file(path)}


def _is_film(shape: tuple[int | None, ...]) -> bool:
    height, width, channels = shape
    return height is not None and height == width and channels == 1


def _from_study(options: argparse.Namespace) -> tuple[Any, dict[str, Any]]:
    study = Study(config_from(options))
    if not study.is_trained(options.modelo):
        config = study.config
        raise NeumoniaError(
            f"Todavía no hay un modelo {options.modelo} para {config.dataset} con partición "
            f"{config.split} y semilla {config.seed}. Se entrena con: neumonia estudio "
            f"--datos {config.dataset} --particion {config.split} --semilla {config.seed}"
        )
    info = {
        "name": options.modelo,
        "product": study.product(options.modelo).key,
        "trained_on": study.config.identity(),
    }
    return study.model(options.modelo), info
