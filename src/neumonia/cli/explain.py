"""``neumonia explicar``: probabilidad, mapa y comprobaciones de radiografías sueltas."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from neumonia.cli.parser import SpanishParser
from neumonia.cli.study import add_options, config_from
from neumonia.errors import NeumoniaError
from neumonia.explain import NOTICE, REPORT, UNCHECKED, explain_images, find_images, write_report
from neumonia.explain.words import display
from neumonia.files import sha256_file
from neumonia.gradcam import METHODS
from neumonia.likeness import Screen, likeness_of
from neumonia.progress import track
from neumonia.study import MODELS, ROBUST, Study

_DESCRIPTION = f"""Escribe en la carpeta de salida un mapa PNG y un JSON por imagen, y {REPORT}, que
los reúne para verlos en un navegador sin red.

Avisa si un mapa no pasa su comprobación o si una imagen no parece una radiografía de tórax derecha;
el informe dice cómo se decide y cuánto se equivoca. Un aviso no cambia el código de salida: es 1
solo si alguna imagen no se pudo leer."""


def add_command(add: Callable[..., SpanishParser]) -> None:
    """Registra ``explicar``."""
    parser = add(
        "explicar", help="probabilidad y mapa de imágenes PNG o JPEG", description=_DESCRIPTION
    )
    parser.add_argument(
        "imagenes", metavar="IMAGEN", nargs="+", type=Path, help="PNG, JPEG o carpeta"
    )
    parser.add_argument("--modelo", choices=(*MODELS, ROBUST), default="cnn", help="red que decide")
    parser.add_argument(
        "--archivo",
        type=Path,
        metavar="X.keras",
        help="un modelo guardado por «neumonia estudio»; solo con --datos se comprueba además si "
        "cada imagen se parece a las radiografías de ese estudio",
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
    model, info, screen = _from_file(options) if options.archivo else _from_study(options)
    print(NOTICE)
    if screen is None:
        print(UNCHECKED)
    explained = explain_images(
        model,
        sources,
        options.salida,
        info,
        target=options.objetivo,
        method=options.metodo,
        layer=options.capa,
        likeness=None if screen is None else screen.rule,
    )
    items = []
    for item in track(explained, "Explicando", total=len(sources)):
        items.append(item)
        if item.error is not None:
            print(f"apartada: {display(item.error)}", file=sys.stderr)
            continue
        name, path = display(item.source.name), display(str(item.overlay))
        print(f"{name}: p(PNEUMONIA) = {item.probability:.3f}  →  {path}")
        for text in item.warnings:
            print(f"aviso: {name}: {text}", file=sys.stderr)
    report = write_report(options.salida, items, info, screen)
    failed = sum(item.error is not None for item in items)
    if failed:
        print(f"{failed} de {len(sources)} imágenes no se pudieron leer.", file=sys.stderr)
    print(f"Informe: {report.resolve()}")
    print(f"Resultado: {options.salida.resolve()}")
    return 1 if failed else 0


def _from_file(options: argparse.Namespace) -> tuple[Any, dict[str, Any], Screen | None]:
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
    # El archivo no dice con qué se entrenó: solo comparamos con un estudio si alguien lo nombra.
    screen = likeness_of(Study(config_from(options))) if options.datos else None
    return model, {"file": path.name, "sha256": sha256_file(path)}, screen


def _is_film(shape: tuple[int | None, ...]) -> bool:
    height, width, channels = shape
    return height is not None and height == width and channels == 1


def _from_study(options: argparse.Namespace) -> tuple[Any, dict[str, Any], Screen]:
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
    return study.model(options.modelo), info, likeness_of(study)
