"""Escritura que no deja restos: archivos y carpetas que aparecen enteros o no aparecen."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imprenta.errors import ImprentaError


def explain(error: OSError, path: Path) -> ImprentaError:
    """Traduce un error del sistema al escribir ``path``."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ImprentaError(f"No queda espacio en el disco para escribir {path}.")
    return ImprentaError(f"No se pudo escribir {path}: {error.strerror or error}.")


def atomic_write(path: Path, data: bytes) -> None:
    """Escribe ``data`` en ``path`` de una vez; si algo falla, lo anterior queda intacto."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".tmp-", dir=path.parent)
    except OSError as error:
        raise explain(error, path) from error
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except OSError as error:
        raise explain(error, path) from error
    finally:
        Path(name).unlink(missing_ok=True)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


@contextmanager
def replacement_folder(path: Path) -> Iterator[Path]:
    """Presta una carpeta vacía que ocupa el lugar de ``path`` solo si el bloque termina bien.

    Se crea junto a ``path``, para que el cambio sea un renombrado. Si el bloque falla o se
    interrumpe, ``path`` queda como estaba y no sobra nada.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name.lstrip('.')}-", dir=path.parent))
    except OSError as error:
        raise explain(error, path) from error
    try:
        yield temporary
        _swap(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _swap(new: Path, path: Path) -> None:
    """Pone ``new`` en el lugar de ``path``; si no se puede, ``path`` vuelve a su sitio."""
    old = new.with_name(new.name + "-anterior")
    try:
        new.chmod(0o777 & ~_umask())
        if path.exists():
            os.replace(path, old)
        try:
            os.replace(new, path)
        except OSError:
            if old.exists():
                os.replace(old, path)
            raise
    except OSError as error:
        raise explain(error, path) from error
    finally:
        shutil.rmtree(old, ignore_errors=True)
