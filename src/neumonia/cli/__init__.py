"""La orden ``neumonia``. Sale con 0; con 1 si algo falla; con 2 si se usa mal."""

import os
import sys
from collections.abc import Sequence

import neumonia
from neumonia.cli.parser import SpanishParser
from neumonia.errors import NeumoniaError
from neumonia.files import describe_os_error

_DESCRIPTION = """Detección de neumonía en radiografías de tórax, del libro del mismo nombre.

Material docente: no sirve para diagnosticar a nadie."""

_EPILOG = """ejemplos:
  neumonia estudio                                         las radiografías del libro, a 64 px
  neumonia datos importar archive.zip                      las mismas, a tamaño completo
  neumonia estudio --datos kermany --particion oficial --salida resultados
  neumonia explicar torax.jpeg --modelo cnn --salida mapas"""


def build_parser() -> SpanishParser:
    """El analizador con todas las órdenes."""
    from neumonia.cli import card, data, explain, laboratory, review, study

    parser = SpanishParser(prog="neumonia", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument(
        "--version",
        action="version",
        version=f"neumonia {neumonia.__version__}",
        help="muestra la versión",
    )
    add = parser.commands()
    data.add_commands(add)
    study.add_command(add)
    study.add_table_command(add)
    laboratory.add_command(add)
    review.add_command(add)
    laboratory.add_exam_command(add)
    card.add_command(add)
    explain.add_command(add)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Ejecuta la orden y devuelve su código de salida; los errores previstos van a stderr."""
    _never_fail_on_letters()
    try:
        options = build_parser().parse_args(arguments)
        code = options.run(options)
        sys.stdout.flush()
        return code
    except NeumoniaError as error:
        print(f"neumonia: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "\nneumonia: interrumpido. Lo terminado queda guardado; "
            "la misma orden sigue desde ahí.",
            file=sys.stderr,
        )
        return 1
    except BrokenPipeError:
        # Quien leía la salida (head, less) se fue; no queda a quién escribirle.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"neumonia: {describe_os_error(error)}", file=sys.stderr)
        return 1


def _never_fail_on_letters() -> None:
    """Una terminal sin alguna de nuestras letras muestra «?» en su lugar y la orden sigue."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
