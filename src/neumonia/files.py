"""Archivos y carpetas: escritura que no deja restos, huellas y rutas del proyecto."""

import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from neumonia.errors import ConfigError, DataError, NeumoniaError

# Los textos del sistema están en inglés; estos son los que se ven de verdad al leer y escribir.
_REASONS = {
    errno.EACCES: "no tenemos permiso",
    errno.EPERM: "no tenemos permiso",
    errno.EROFS: "el disco es de solo lectura",
    errno.ENOENT: "no existe",
    errno.EEXIST: "ya existe y no es una carpeta",
    errno.ENOTDIR: "una parte de la ruta no es una carpeta",
    errno.EISDIR: "es una carpeta",
    errno.ENAMETOOLONG: "el nombre es demasiado largo",
}
# NumPy anuncia así un disco lleno, sin código de error.
_SHORT_WRITE = re.compile(r"\d+ requested and \d+ written")


def cache_dir() -> Path:
    """Carpeta de productos intermedios, que se crea si falta.

    Es ``NEUMONIA_CACHE`` o, si no, ``XDG_CACHE_HOME/neumonia`` o ``~/.cache/neumonia``.
    """
    chosen = os.environ.get("NEUMONIA_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    folder = Path(chosen or f"{base}/neumonia").expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NeumoniaError(
            f"No podemos crear la carpeta de trabajo {folder}: {_reason(error)}. "
            "Definamos NEUMONIA_CACHE con una carpeta donde se pueda escribir."
        ) from error
    return folder.resolve()


def explain_os_error(error: OSError, path: Path) -> NeumoniaError:
    """Traduce un error del sistema al escribir ``path`` en uno que dice qué hacer."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT) or _SHORT_WRITE.search(str(error)):
        return NeumoniaError(
            f"No queda espacio en el disco para escribir {path}. "
            "Liberemos espacio, o definamos NEUMONIA_CACHE en otro disco, y repitamos la orden."
        )
    culprit = error.filename
    elsewhere = isinstance(culprit, str) and not Path(culprit).is_relative_to(Path(path).parent)
    reason = describe_os_error(error) if elsewhere else _reason(error)
    return NeumoniaError(f"No se pudo escribir {path}: {reason}.")


def describe_os_error(error: OSError) -> str:
    """El motivo de un error del sistema, en español si lo conocemos, y el archivo que lo causó."""
    return _reason(error) + (f" ({error.filename})" if error.filename else "")


def _reason(error: OSError) -> str:
    return _REASONS.get(error.errno, error.strerror or str(error))


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Presta una ruta temporal que ocupa el lugar de ``path`` solo si el bloque termina bien.

    Está en la misma carpeta y conserva la extensión, porque varios formatos se eligen por ella. Si
    el bloque falla o se interrumpe, el temporal se borra y el archivo anterior queda intacto.
    ``NeumoniaError`` si no se puede escribir (disco lleno, sin permiso).
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".tmp-", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise explain_os_error(error, path) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp crea el archivo solo para su dueño; el resultado es un archivo común.
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise explain_os_error(error, path) from error
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


@contextmanager
def atomic_dir(path: Path | str) -> Iterator[Path]:
    """Presta una carpeta temporal que reemplaza a ``path`` solo si el bloque termina bien.

    La carpeta anterior se aparta antes del cambio de nombre y vuelve a su lugar si este falla.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".tmp-{path.name}-", dir=path.parent))
    except OSError as error:
        raise explain_os_error(error, path) from error
    old = temporary.with_name(temporary.name + "-anterior")
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        try:
            if path.exists():
                os.replace(path, old)
            os.replace(temporary, path)
        except BaseException:
            # También una interrupción: entre los dos cambios de nombre no hay nada en su lugar.
            if old.exists() and not path.exists():
                os.replace(old, path)
            raise
    except OSError as error:
        raise explain_os_error(error, path) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)


def sha256_file(path: Path | str) -> str:
    """SHA-256 hexadecimal del contenido de ``path``, leído por bloques."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def digest(value: Any) -> str:
    """Los primeros 16 dígitos hexadecimales del SHA-256 de ``value`` como JSON canónico."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_text(path: Path | str, text: str) -> None:
    """Escribe ``text`` en UTF-8 de una sola vez: o queda entero, o no queda nada."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path | str, value: Any) -> None:
    """Escribe ``value`` como JSON legible, con claves en el orden dado y sin NaN."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Lee un JSON; si falta o está dañado, lanza ``DataError`` con la ruta."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"Falta el archivo {path}. Volvamos a generarlo.") from error
    except (OSError, ValueError) as error:
        raise DataError(
            f"El archivo {path} está dañado ({error}). Borrémoslo y volvamos a generarlo."
        ) from error


def project_root(start: Path | str | None = None) -> Path:
    """Carpeta del libro: ``NEUMONIA_PROYECTO`` o el ancestro más cercano con ``_quarto.yml``.

    Los capítulos se ejecutan en su propia carpeta; por eso las rutas se piden aquí.
    """
    chosen = os.environ.get("NEUMONIA_PROYECTO")
    if chosen:
        return Path(chosen).resolve()
    here = Path(start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "_quarto.yml").is_file():
            return folder
    raise ConfigError(
        f"No encontramos _quarto.yml ni en {here} ni en sus carpetas superiores. "
        "Entremos en la carpeta del libro o definamos NEUMONIA_PROYECTO."
    )
