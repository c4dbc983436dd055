"""Recorrer un zip o una carpeta en busca de películas, sin fiarse de ninguno de los dos.

Un zip puede traer nombres que salen de la carpeta de destino, enlaces simbólicos o unos pocos
bytes que se inflan hasta llenar el disco. Aquí nada se extrae con el nombre que trae: de cada
entrada solo se toman la partición, la clase y el nombre final, y se leen sus bytes con un tope.
"""

import lzma
import os
import re
import stat
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from neumonia.datasets.base import CLASSES, SPLITS, Skipped
from neumonia.datasets.images import MAX_BYTES, read_bounded
from neumonia.errors import DataError, ImageError
from neumonia.files import digest

MAX_ENTRIES = 200_000
MAX_TOTAL_BYTES = 12 * 2**30
MAX_RATIO = 200

_IMAGE = re.compile(r"\.(jpe?g|png)$", re.IGNORECASE)
_OTHER_IMAGE = re.compile(r"\.(dcm|dicom|tiff?|bmp|gif|webp)$", re.IGNORECASE)
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\/]')
_DRIVE = re.compile(r"[A-Za-z]:")
# RuntimeError incluye las compresiones que Python no conoce.
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, RuntimeError,
)  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """Una película candidata: ``read`` devuelve sus bytes o lanza ``ImageError``.

    ``stamp`` es el CRC-32 que declara el zip o, en una carpeta, la fecha de modificación.
    """

    source: str
    split: str
    label: int
    name: str
    bytes: int
    stamp: str
    read: Callable[[], bytes]

    @property
    def image_id(self) -> str:
        return f"{self.split}/{CLASSES[self.label]}/{self.name}"


@dataclass(frozen=True)
class Listing:
    """Lo que hay en una fuente: candidatas, rechazadas, copias repetidas y archivos ajenos.

    ``key`` cambia si cambian los nombres, los tamaños o el contenido de las películas.
    """

    entries: tuple[Entry, ...]
    skipped: tuple[Skipped, ...]
    repeated: int
    ignored: int
    key: str


# Cada archivo hallado: su nombre crudo y una función que da la candidata, el motivo para
# rechazarlo, o ``None`` si no pretende ser una película.
Found = Iterable[tuple[str, Callable[[], Entry | str | None]]]


@contextmanager
def open_source(source: Path) -> Iterator[Listing]:
    """Abre un zip o una carpeta y entrega su ``Listing``; el zip se cierra al salir del bloque.

    Raises
    ------
    DataError
        Si no existe, no es zip ni carpeta, está truncado, o declara más archivos o bytes de los
        que puede tener este conjunto.
    """
    source = Path(source)
    if source.is_dir():
        yield _listing(_walk(source), by_stamp=False)
        return
    if not source.is_file():
        raise DataError(
            f"No existe {source}. Indiquemos el zip descargado o la carpeta que contiene "
            "train, val y test."
        )
    try:
        archive = zipfile.ZipFile(source)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise DataError(
            f"{source} no es un zip legible: está truncado, dañado o es otro tipo de archivo "
            f"({error}). Descarguémoslo de nuevo y comprobemos su tamaño."
        ) from error
    with archive:
        infos = archive.infolist()
        if len(infos) > MAX_ENTRIES:
            raise DataError(
                f"{source} declara {len(infos)} archivos; el conjunto oficial tiene unos 12 000. "
                "No lo importamos."
            )
        # ZipFile cuenta sus lectores sin candado: desde varios hilos hay que turnarse.
        turn = threading.Lock()
        # ``filename`` ya viene recortado y traducido; el nombre crudo es el que hay que juzgar.
        listing = _listing(
            ((info.orig_filename, partial(_zip_entry, archive, info, turn)) for info in infos),
            by_stamp=True,
        )
        total = sum(entry.bytes for entry in listing.entries)
        if total > MAX_TOTAL_BYTES:
            raise DataError(
                f"{source} declara {total / 2**30:.1f} GiB de imágenes, más de lo que puede tener "
                f"este conjunto ({MAX_TOTAL_BYTES // 2**30} GiB). No lo importamos."
            )
        yield listing


def _zip_entry(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, turn: threading.Lock
) -> Entry | str | None:
    raw = info.orig_filename
    if "\\" in raw or raw.startswith("/") or ".." in raw.split("/") or _DRIVE.match(raw):
        return "su nombre apunta fuera de la carpeta de destino"
    parts = tuple(part for part in raw.split("/") if part != ".")
    place = None if info.is_dir() else _place(parts, parts)
    if not isinstance(place, tuple):
        return place
    if stat.S_ISLNK(info.external_attr >> 16):
        return "es un enlace simbólico"
    if info.flag_bits & 0x1:
        return "está cifrado con contraseña"
    if info.file_size > MAX_BYTES:
        return f"declara {info.file_size / 2**20:.0f} MiB; el límite es {MAX_BYTES // 2**20} MiB"
    if info.file_size > 2**20 and info.file_size > MAX_RATIO * max(info.compress_size, 1):
        return f"se infla más de {MAX_RATIO} veces al descomprimirlo: no es una radiografía"
    read = partial(_read_zipped, archive, info, turn)
    return Entry(raw, *place, info.file_size, f"{info.CRC:08x}", read)


def _read_zipped(archive: zipfile.ZipFile, info: zipfile.ZipInfo, turn: threading.Lock) -> bytes:
    name = printable(info.orig_filename)
    try:
        with turn, archive.open(info) as handle:
            content = handle.read(MAX_BYTES + 1)
    except _DAMAGED as error:
        raise ImageError(f"{name}: está dañado dentro del zip ({error}).") from error
    if len(content) != info.file_size:
        raise ImageError(f"{name}: su tamaño no es el que declara el zip.")
    return content


def _walk(root: Path) -> Found:
    """Los archivos bajo ``root``; sigue enlaces a carpetas, pero a cada una entra una vez."""
    seen: set[str] = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        for name in sorted(files):
            path = Path(folder) / name
            yield path.relative_to(root).as_posix(), partial(_folder_entry, root, path)


def _folder_entry(root: Path, path: Path) -> Entry | str | None:
    parts = path.relative_to(root).parts
    # Si nos dieron directamente «train», su propio nombre también cuenta.
    place = _place((*root.resolve().parts[-2:], *parts), parts)
    if not isinstance(place, tuple):
        return place
    if not path.is_file():
        return "no es un archivo común, o el enlace está roto"
    raw, status = "/".join(parts), path.stat()
    read = partial(read_bounded, path, printable(raw))
    return Entry(raw, *place, status.st_size, str(status.st_mtime_ns), read)


def _place(parts: tuple[str, ...], own: tuple[str, ...]) -> tuple[str, int, str] | str | None:
    """Partición, etiqueta y nombre; el motivo del rechazo; o ``None`` si es un archivo ajeno.

    Mandan las dos últimas carpetas, sin distinguir mayúsculas. ``own`` son las partes propias de
    la fuente, sin las carpetas donde la guardamos: ahí ``__MACOSX`` y los nombres ocultos sobran.
    """
    if len(parts) < 3 or "__MACOSX" in own or any(part.startswith(".") for part in own):
        return None
    split, folder, name = parts[-3].lower(), parts[-2].upper(), parts[-1]
    if split not in SPLITS or folder not in CLASSES:
        return None
    if _OTHER_IMAGE.search(name):
        return "formato no admitido; convirtamos la imagen a PNG"
    if not _IMAGE.search(name):
        return None
    if _FORBIDDEN.search(name):
        return "su nombre tiene caracteres no admitidos"
    return split, CLASSES.index(folder), name


def printable(raw: str) -> str:
    """El nombre con los caracteres de control cambiados por «�»: se puede mostrar sin riesgo."""
    return "".join(char if char.isprintable() else "�" for char in raw)


def _listing(found: Found, by_stamp: bool) -> Listing:
    """Quita las copias: igual nombre y tamaño y, en un zip (``by_stamp``), también igual CRC."""
    entries: list[Entry] = []
    skipped: list[Skipped] = []
    repeated = ignored = 0
    for raw, inspect in found:
        verdict = inspect()
        if isinstance(verdict, Entry):
            entries.append(verdict)
        elif verdict is not None:
            skipped.append(Skipped(printable(raw), verdict))
        elif not raw.endswith("/"):
            ignored += 1
    kept: dict[str, Entry] = {}
    # El archivo oficial repite todo en un segundo chest_xray/ anidado: gana la ruta más corta.
    for entry in sorted(entries, key=lambda item: (item.source.count("/"), item.source)):
        # En discos que no distinguen mayúsculas, dos nombres así serían un solo archivo.
        first = kept.setdefault(entry.image_id.casefold(), entry)
        if first is entry:
            continue
        if first.bytes == entry.bytes and (not by_stamp or first.stamp == entry.stamp):
            repeated += 1
        else:
            reason = f"se llama igual que {printable(first.source)} pero tiene otro contenido"
            skipped.append(Skipped(printable(entry.source), reason))
    ordered = tuple(sorted(kept.values(), key=lambda item: item.image_id))
    key = digest([[entry.image_id, entry.bytes, entry.stamp] for entry in ordered])
    return Listing(ordered, tuple(skipped), repeated, ignored, key)


def describe_missing(source: Path, skipped: Iterable[Skipped]) -> str:
    """Explica qué estructura se esperaba cuando no hay ni una película que importar."""
    rejected = list(skipped)
    detail = f" Se rechazaron {len(rejected)}; la primera: {rejected[0]}." if rejected else ""
    return (
        f"En {source} no hay ninguna película utilizable.{detail} Esperábamos carpetas "
        "train, val y test, cada una con NORMAL y PNEUMONIA, y archivos .jpeg, .jpg o .png."
    )
