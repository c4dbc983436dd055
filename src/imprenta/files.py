"""Escritura que no deja restos: archivos y carpetas que aparecen enteros o no aparecen."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imprenta.errors import ImprentaError


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Traduce un error del sistema al escribir ``path``."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ImprentaError(f"No queda espacio en el disco para escribir {path}.") from error
        reason = error.strerror or error
        raise ImprentaError(f"No se pudo escribir {path}: {reason}.") from error


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def atomic_write(path: Path, data: bytes) -> None:
    """Escribe ``data`` en ``path`` de una vez; si algo falla, lo anterior queda intacto."""
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".tmp-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
            os.chmod(name, 0o666 & ~_umask())
            os.replace(name, path)
        finally:
            Path(name).unlink(missing_ok=True)


@contextmanager
def replacement_folder(path: Path) -> Iterator[Path]:
    """Presta una carpeta vacía que ocupa el lugar de ``path`` solo si el bloque termina bien.

    Se crea junto a ``path``, para que el cambio sea un renombrado. Si el bloque falla o se
    interrumpe, ``path`` queda como estaba y no sobra nada.
    """
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name.lstrip('.')}-", dir=path.parent))
    try:
        yield temporary
        with _explained(path):
            _swap(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _swap(new: Path, path: Path) -> None:
    """Pone ``new`` en el lugar de ``path``; si no se puede, ``path`` vuelve a su sitio."""
    old = new.with_name(new.name + "-anterior")
    new.chmod(0o777 & ~_umask())
    if path.exists():
        os.replace(path, old)
    try:
        os.replace(new, path)
    except OSError:
        if old.exists():
            os.replace(old, path)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
