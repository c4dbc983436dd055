"""``neumonia datos``: traer las radiografías y revisarlas."""

import argparse
from collections.abc import Callable
from pathlib import Path

from neumonia.cli.parser import SpanishParser
from neumonia.datasets import NAMES, default_root, download_dataset, import_dataset, open_dataset
from neumonia.datasets.mosaic import compact
from neumonia.exploration import audit


def add_commands(add: Callable[..., SpanishParser]) -> None:
    """Registra ``importar``, ``descargar``, ``auditar`` y ``compactar`` bajo ``datos``."""
    data = add("datos", help="traer las radiografías y revisarlas")
    command = data.commands()

    importing = command("importar", help="importa un zip, una carpeta o un .npz que ya tenemos")
    importing.add_argument(
        "ruta", metavar="RUTA", type=Path, help="zip o carpeta de Kermany, o .npz"
    )
    _destination(importing)
    importing.set_defaults(run=_import)

    downloading = command("descargar", help="descarga las radiografías de su origen oficial")
    downloading.add_argument("nombre", choices=("kermany", "pneumoniamnist"))
    downloading.add_argument(
        "--lado", type=int, default=28, help="lado de pneumoniamnist: 28, 64, 128 o 224"
    )
    _destination(downloading)
    downloading.set_defaults(run=_download)

    auditing = command("auditar", help="busca archivos dañados y repetidos, tamaños y colores")
    auditing.add_argument(
        "ruta", metavar="RUTA", type=Path, nargs="?", help="carpeta o zip; si falta, --datos"
    )
    auditing.add_argument(
        "--datos", choices=NAMES, default="kermany64", help="conjunto (por omisión, kermany64)"
    )
    auditing.set_defaults(run=_audit)

    compacting = command(
        "compactar", help="hace kermany64, el conjunto que viaja con el libro, desde el completo"
    )
    compacting.add_argument("ruta", metavar="RUTA", type=Path, help="zip o carpeta de Kermany")
    compacting.add_argument(
        "--destino", type=Path, default=Path("kermany64"), help="carpeta (por omisión, kermany64)"
    )
    compacting.add_argument("--reemplazar", action="store_true", help="sustituye la que hubiera")
    compacting.set_defaults(run=_compact)


def _destination(parser: SpanishParser) -> None:
    parser.add_argument("--destino", type=Path, help="carpeta; por omisión, la de trabajo")
    parser.add_argument("--reemplazar", action="store_true", help="sustituye lo ya importado")


def _import(options: argparse.Namespace) -> int:
    print(import_dataset(options.ruta, options.destino, replace=options.reemplazar))
    return 0


def _download(options: argparse.Namespace) -> int:
    report = download_dataset(
        options.nombre, options.destino, size=options.lado, replace=options.reemplazar
    )
    print(report)
    return 0


def _audit(options: argparse.Namespace) -> int:
    if options.ruta is None and options.datos in ("kermany64", "maqueta"):
        print(audit(open_dataset(options.datos)))
        return 0
    print(audit(options.ruta if options.ruta is not None else default_root(options.datos)))
    return 0


def _compact(options: argparse.Namespace) -> int:
    made = compact(options.ruta, options.destino, replace=options.reemplazar)
    print(f"Radiografías: {made.films}, en {made.bytes / 1e6:.1f} MB")
    print(f"SHA-256 de los píxeles: {made.pixels_sha256}")
    print(f"SHA-256 de la tabla:    {made.table_sha256}")
    print(
        "Es igual al kermany64 del libro."
        if made.is_embedded
        else "No es igual al kermany64 del libro: la fuente tiene otros píxeles u otros nombres."
    )
    print(f"Resultado: {made.folder.resolve()}")
    return 0
