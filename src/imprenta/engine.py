"""Con qué se imprime: Quarto si lo hay y es reciente; si no, pandoc y Typst."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from imprenta.config import BookConfig
from imprenta.errors import ImprentaError

MINIMUM = (1, 9)
TRY_SECONDS = 60
MARKER_DAYS = 7
ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
WARNING = re.compile(r"^\s*(\[?WARN(ING)?\b|WARNING:)")
KERNEL_NOISE = re.compile(r"IPKernelApp|ZMQ keys|transport encryption")


@dataclass(frozen=True)
class Engine:
    """Motor elegido y la razón, para decirla en voz alta. ``quarto`` es la ruta o ``None``."""

    quarto: Path | None
    reason: str


def cache_folder() -> Path:
    """``IMPRENTA_CACHE``, o ``XDG_CACHE_HOME/imprenta``, o ``~/.cache/imprenta``."""
    chosen = os.environ.get("IMPRENTA_CACHE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "imprenta"


def quarto_version(path: Path | str) -> tuple[int, ...] | None:
    """Versión del Quarto en ``path``, o ``None`` si no responde."""
    try:
        done = subprocess.run(
            [str(path), "--version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", done.stdout)
    return tuple(int(part or 0) for part in match.groups()) if match else None


def choose_engine(
    wanted: str, say: Callable[[str], None] = print, seconds: float = TRY_SECONDS
) -> Engine:
    """Elige el motor. ``wanted``: ``auto``, ``quarto`` o ``pandoc``.

    Raises
    ------
    ImprentaError
        Si se pide Quarto y no hay uno que sirva.
    """
    if wanted == "pandoc":
        return Engine(None, "lo pedimos con --motor pandoc")
    found = shutil.which("quarto")
    version = quarto_version(found) if found else None
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
    installed, detail = _bounded_try(say, seconds)
    if installed:
        return Engine(installed, f"{why}; {detail}")
    if wanted == "quarto":
        raise ImprentaError(
            f"Pedimos Quarto, pero {why} y {detail}. Instalemos Quarto {minimum} o posterior, o "
            "usemos --motor pandoc."
        )
    return Engine(None, f"{why}; {detail}")


def _bounded_try(say: Callable[[str], None], seconds: float) -> tuple[Path | None, str]:
    """Un solo intento, acotado, de traer Quarto con pip; su fracaso se recuerda unos días."""
    folder = cache_folder() / "quarto-cli"
    ready = _usable(folder)
    if ready:
        return ready, "usamos el que trajimos antes con pip"
    if os.environ.get("IMPRENTA_SIN_DESCARGA") == "1":
        return None, "IMPRENTA_SIN_DESCARGA=1 impide traerlo"
    marker = cache_folder() / "quarto-no-disponible"
    if marker.is_file() and time.time() - marker.stat().st_mtime < MARKER_DAYS * 86400:
        return None, (
            f"hace menos de {MARKER_DAYS} días no se pudo traer "
            f"(para volver a intentarlo, borremos {marker})"
        )
    say(f"Quarto no está: intentamos traerlo con pip, {seconds:.0f} s como máximo…")
    problem = _install(folder, seconds)
    ready = _usable(folder) if not problem else None
    if ready:
        return ready, "lo trajimos con pip"
    shutil.rmtree(folder, ignore_errors=True)
    # Sin una carpeta donde anotarlo, la próxima vez se intentará de nuevo.
    with contextlib.suppress(OSError):
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.write_text(problem or "no funciona\n", encoding="utf-8")
    return None, f"no se pudo traer ({problem or 'lo que llegó no funciona'})"


def _usable(folder: Path) -> Path | None:
    for path in sorted(folder.glob("**/bin/quarto")) + sorted(folder.glob("**/bin/quarto.exe")):
        version = quarto_version(path)
        if version and version >= MINIMUM:
            return path
    return None


def _install(folder: Path, seconds: float) -> str:
    """Instala quarto-cli en ``folder``. Devuelve "" o la razón del fracaso."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--no-deps",
        "--disable-pip-version-check",
        "--retries",
        "0",
        "--timeout",
        "10",
        "--target",
        str(folder),
        "quarto-cli",
    ]
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Grupo propio: pip deja hijos (la compilación que descarga) y hay que detenerlos a todos.
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        return f"pip no arranca: {error.strerror}"
    try:
        _, complaint = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        _stop(process)
        return f"pip no terminó en {seconds:.0f} s"
    except BaseException:
        _stop(process)
        raise
    if process.returncode:
        rows = [row.strip() for row in complaint.splitlines() if row.strip()]
        detail = next(
            (row for row in rows if "error" in row.lower()), f"código {process.returncode}"
        )
        return f"pip: {detail[:160]}"
    return ""


def _stop(process: subprocess.Popen[str]) -> None:
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.communicate()


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
    environment = os.environ | {
        "QUARTO_PYTHON": sys.executable,
        "PYTHONHASHSEED": "0",
        "NO_COLOR": "1",
        "PYTHONPATH": os.pathsep.join(
            [str(config.root / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
        ),
    }
    environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    relative = os.path.relpath(output, config.root)
    process = subprocess.Popen(
        [str(quarto), "render", str(config.root), "--output-dir", relative],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
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
        raise ImprentaError(_summary(warnings))
    remove_remote_scripts(output)


REMOTE_SCRIPT = re.compile(
    r"<script\b[^>]*\bsrc=[\"']https?://[^>]*>\s*</script>\s*"
    r"|<script[^>]*>define\('jquery'.*?</script>\s*"
)


def remove_remote_scripts(site: Path) -> None:
    """Quita de las páginas los guiones de la red que Quarto añade cuando hay tablas de pandas.

    Ninguna salida del libro los usa, y el sitio debe funcionar sin conexión.
    """
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        clean = REMOTE_SCRIPT.sub("", text)
        if clean != text:
            page.write_text(clean, encoding="utf-8")


def _summary(warnings: Sequence[str]) -> str:
    rows = "\n".join(f"  {row}" for row in dict.fromkeys(warnings))
    return f"Quarto terminó, pero con avisos que dejan el libro incompleto:\n{rows}"
