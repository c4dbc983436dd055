"""``neumonia estudio``: del archivo a los números, las figuras y los modelos."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from neumonia.cli.parser import SpanishParser
from neumonia.datasets import NAMES
from neumonia.evaluation import metrics_table, to_markdown
from neumonia.files import write_text
from neumonia.lab.readme import update_readme
from neumonia.splits import KINDS
from neumonia.study import ROBUST, Config, Study, export_study
from neumonia.study.export import MODEL_TITLES
from neumonia.study.together import train_together


def add_options(parser: SpanishParser) -> None:
    """Opciones que eligen un estudio; lo que no se dice viene de NEUMONIA_* o por omisión."""
    parser.add_argument("--datos", choices=NAMES, help="radiografías (por omisión, kermany64)")
    parser.add_argument("--raiz", type=Path, help="dónde están, si no se importaron")
    parser.add_argument("--particion", choices=KINDS, help="cómo se separa la prueba")
    parser.add_argument("--semilla", type=int, metavar="N", help="semilla (por omisión, 0)")


def add_command(add: Callable[..., SpanishParser]) -> None:
    """Registra ``estudio``."""
    parser = add("estudio", help="entrena, evalúa y explica; lo ya calculado no se repite")
    add_options(parser)
    parser.add_argument(
        "--salida", type=Path, metavar="DIR", help="publica aquí números, figuras y modelos"
    )
    parser.add_argument(
        "--sin-modelos", action="store_true", help="no copia los .keras a la carpeta de salida"
    )
    parser.add_argument(
        "--sello",
        type=Path,
        metavar="ARCHIVO",
        help="escribe aquí qué productos se usaron; cambia solo si cambia alguno",
    )
    parser.set_defaults(run=_run)


def add_table_command(add: Callable[..., SpanishParser]) -> None:
    """Registra ``tabla``."""
    parser = add("tabla", help="escribe en un README la tabla de los estudios publicados")
    parser.add_argument("archivo", metavar="README", type=Path)
    parser.set_defaults(run=_write_table)


def _write_table(options: argparse.Namespace) -> int:
    update_readme(options.archivo)
    print(f"Tabla de resultados escrita en {options.archivo}")
    return 0


def config_from(options: argparse.Namespace) -> Config:
    """La configuración de las opciones, sobre la del entorno."""
    chosen = {
        "NEUMONIA_DATOS": options.datos,
        "NEUMONIA_RAIZ": options.raiz,
        "NEUMONIA_PARTICION": getattr(options, "particion", None),
        "NEUMONIA_SEMILLA": getattr(options, "semilla", None),
    }
    given = {name: str(value) for name, value in chosen.items() if value is not None}
    return Config.from_environment({**os.environ, **given})


def _run(options: argparse.Namespace) -> int:
    study = Study(config_from(options))
    study.forget_missing_weights()
    prepare(study)
    if options.salida is not None:
        export_study(study, options.salida, models=not options.sin_modelos)
    if options.sello is not None:
        write_text(options.sello, seal(study))
    print_summary(study)
    if options.salida is not None:
        print(f"Resultado: {options.salida.resolve()}")
    else:
        print(f"Productos guardados en {study.store.folder}. Con --salida DIR se publican.")
    return 0


def seal(study: Study) -> str:
    """Las claves de los modelos y los mapas usados: la misma mientras ninguno cambie.

    Las características no figuran: ya cuentan en la clave de VGG16 y pueden haberse borrado.
    """
    keys = (item.key for kind, item in sorted(study.used.items()) if kind != "caracteristicas")
    return "".join(f"{key}\n" for key in keys)


def prepare(study: Study) -> None:
    """Calcula todos los productos del estudio, en orden, diciendo por dónde va."""
    config = study.config
    say(f"Datos: {config.dataset}, partición por {config.split}, semilla {config.seed}")
    say(f"Radiografías: {len(study.images)} de {config.size} x {config.size} píxeles")
    fresh = set(train_together(study, MODEL_TITLES))
    for name in study.networks:
        product = study.product(name)
        new = product.fresh or name in fresh
        done = f"{product.seconds:.0f} s" if new else "ya estaba"
        say(f"Modelo {MODEL_TITLES[name]}: {done}")
    if study.vgg16_missing is not None:
        say(f"Sin VGG16: {study.vgg16_missing}")
    say(f"Evaluación: {study.results['data']['balance']['test']['total']} radiografías de prueba")
    for name in study.models:
        say(f"Mapas de {MODEL_TITLES[name]}: {len(study.maps(name)['row'])} ejemplos")


def print_summary(study: Study) -> None:
    """Escribe la tabla de métricas de prueba."""
    results = dict(study.results["models"])
    if ROBUST in study.networks:
        results[ROBUST] = study.results["robust"]
    table = metrics_table({MODEL_TITLES[name]: results[name]["test"] for name in results})
    print(f"\nPrueba ({study.config.dataset}, partición por {study.config.split}):\n")
    print(to_markdown(table))
    print()


def say(text: str) -> None:
    """Escribe una línea de avance, aparte del resultado."""
    print(f"· {text}", file=sys.stderr, flush=True)
