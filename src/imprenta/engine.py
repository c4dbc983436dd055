"""Con qué se imprime: Quarto si lo hay y es reciente; si no, pandoc y Typst."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from imprenta.config import BookConfig
from imprenta.errors import ImprentaError
from imprenta.execute import ANSI
from imprenta.kernel import book_environment

MINIMUM = (1, 9)
WARNING = re.compile(r"^\s*(\[?WARN(ING)?\b|WARNING:)")
KERNEL_NOISE = re.compile(r"IPKernelApp|ZMQ keys|transport encryption")


@dataclass(frozen=True)
class Engine:
    """Motor elegido y la razón, para decirla en voz alta. ``quarto`` es la ruta o ``None``."""

    quarto: Path | None
    reason: str


def _quarto_version(path: str) -> tuple[int, ...] | None:
    """Versión del Quarto en ``path``, o ``None`` si no responde."""
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", done.stdout)
    return tuple(int(part or 0) for part in match.groups()) if match else None


def choose_engine(wanted: str) -> Engine:
    """Elige el motor. ``wanted``: ``auto``, ``quarto`` o ``pandoc``.

    Raises
    ------
    ImprentaError
        Si se pide Quarto y no hay uno que sirva.
    """
    if wanted == "pandoc":
        return Engine(None, "lo pedimos con --motor pandoc")
    found = shutil.which("quarto")
    version = _quarto_version(found) if found else None
    shown = ".".join(map(str, version)) if version else ""
    minimum = ".".join(map(str, MINIMUM))
    if found and version and version >= MINIMUM:
        return Engine(Path(found), f"quarto {shown} está en el PATH")
    if not found:
        why = "quarto no está en el PATH"
    elif not version:
        why = "el quarto del PATH no responde"
    else:
        why = f"el quarto del PATH es {shown} y hace falta {minimum} o posterior"
    if wanted == "quarto":
        raise ImprentaError(
            f"Pedimos Quarto, pero {why}. Instalemos Quarto {minimum} o posterior, o usemos "
            "--motor pandoc."
        )
    return Engine(None, why)


def run_quarto(
    quarto: Path, config: BookConfig, output: Path, say: Callable[[str], None] = print
) -> None:
    """Ejecuta ``quarto render`` con todos los formatos y deja el libro en ``output``.

    Raises
    ------
    ImprentaError
        Si Quarto falla o avisa de una referencia, un enlace o una cita sin resolver: sale con 0 y
        el libro queda roto.
    """
    process = subprocess.Popen(
        [str(quarto), "render", config.root, "--output-dir", os.path.relpath(output, config.root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=book_environment(config.root) | {"QUARTO_PYTHON": sys.executable},
        stdin=subprocess.DEVNULL,
    )
    warnings: list[str] = []
    try:
        for row in process.stdout or ():
            row = ANSI.sub("", row.rstrip("\n"))
            if KERNEL_NOISE.search(row):
                continue
            say(row)
            if WARNING.match(row):
                warnings.append(row.strip())
        code = process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    if code:
        raise ImprentaError(f"quarto render terminó con código {code}.")
    if warnings:
        rows = "\n".join(f"  {row}" for row in dict.fromkeys(warnings))
        message = f"Quarto terminó, pero con avisos que dejan el libro incompleto:\n{rows}"
        raise ImprentaError(message)
