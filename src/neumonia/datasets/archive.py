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


@dataclass(frozen=True)
class Entry:
    """Una película candidata. ``read`` devuelve sus bytes o lanza ``ImageError``."""

    source: str
    split: str
    label: int
    name: str
    bytes: int
    # CRC-32 que declara el zip; en una carpeta, la fecha de modificación.
    stamp: str
    read: Callable[[], bytes]

    @property
    def image_id(self) -> str:
        return f"{self.split}/{CLASSES[self.label]}/{self.name}"


@dataclass(frozen=True)
class Listing:
    """Lo que hay en una fuente: candidatas, rechazadas, copias repetidas y archivos ajenos."""

    entries: tuple[Entry, ...]
    skipped: tuple[Skipped, ...]
    repeated: int
    ignored: int
    # Cambia si cambian los nombres, los tamaños o el contenido de las películas.
    key: str


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
        yield _listing(*_scan_folder(source), by_stamp=False)
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
        yield _listing(*_scan_zip(archive, source), by_stamp=True)


def locate(parts: tuple[str, ...]) -> tuple[str, int] | None:
    """Partición y etiqueta según las dos últimas carpetas, sin distinguir mayúsculas."""
    if len(parts) < 3:
        return None
    split, folder = parts[-3].lower(), parts[-2].upper()
    if split not in SPLITS or folder not in CLASSES:
        return None
    return split, CLASSES.index(folder)


def is_clutter(parts: tuple[str, ...]) -> bool:
    """Restos del sistema de archivos: ``__MACOSX``, ``._*`` y otros nombres ocultos."""
    return "__MACOSX" in parts or any(part.startswith(".") for part in parts)


def _scan_zip(archive: zipfile.ZipFile, source: Path) -> tuple[list[Entry], list[Skipped], int]:
    infos = archive.infolist()
    if len(infos) > MAX_ENTRIES:
        raise DataError(
            f"{source} declara {len(infos)} archivos; el conjunto oficial tiene unos 12 000. "
            "No lo importamos."
        )
    entries: list[Entry] = []
    skipped: list[Skipped] = []
    ignored = 0
    # ZipFile cuenta sus lectores sin candado: desde varios hilos hay que turnarse.
    turn = threading.Lock()
    for info in infos:
        # ``filename`` ya viene recortado y traducido; el nombre crudo es el que hay que juzgar.
        raw = info.orig_filename
        parts = tuple(part for part in raw.split("/") if part != ".")
        if _escapes(raw):
            skipped.append(
                Skipped(printable(raw), "su nombre apunta fuera de la carpeta de destino")
            )
            continue
        if info.is_dir():
            continue
        candidate = _classify(parts, parts)
        if isinstance(candidate, str):
            skipped.append(Skipped(printable(raw), candidate))
        elif candidate is None:
            ignored += 1
        elif danger := _zip_danger(info):
            skipped.append(Skipped(printable(raw), danger))
        else:
            reader = _zip_reader(archive, info, turn)
            entries.append(Entry(raw, *candidate, info.file_size, f"{info.CRC:08x}", reader))
    total = sum(entry.bytes for entry in entries)
    if total > MAX_TOTAL_BYTES:
        raise DataError(
            f"{source} declara {total / 2**30:.1f} GiB de imágenes, más de lo que puede tener este "
            f"conjunto ({MAX_TOTAL_BYTES // 2**30} GiB). No lo importamos."
        )
    return entries, skipped, ignored


def _escapes(raw: str) -> bool:
    return (
        "\\" in raw
        or raw.startswith("/")
        or ".." in raw.split("/")
        or re.match(r"[A-Za-z]:", raw) is not None
    )


def _zip_danger(info: zipfile.ZipInfo) -> str | None:
    """Motivo para no leer una entrada, o ``None``."""
    if stat.S_ISLNK(info.external_attr >> 16):
        return "es un enlace simbólico"
    if info.flag_bits & 0x1:
        return "está cifrado con contraseña"
    if info.file_size > MAX_BYTES:
        return f"declara {info.file_size / 2**20:.0f} MiB; el límite es {MAX_BYTES // 2**20} MiB"
    if info.file_size > 2**20 and info.file_size > MAX_RATIO * max(info.compress_size, 1):
        return "se infla más de 200 veces al descomprimirlo: no es una radiografía"
    return None


def _zip_reader(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, turn: threading.Lock
) -> Callable[[], bytes]:
    def read() -> bytes:
        name = printable(info.orig_filename)
        try:
            with turn, archive.open(info) as handle:
                content = handle.read(MAX_BYTES + 1)
        # RuntimeError incluye las compresiones que Python no conoce.
        except (
            zipfile.BadZipFile,
            zlib.error,
            lzma.LZMAError,
            EOFError,
            OSError,
            ValueError,
            RuntimeError,
        ) as error:
            raise ImageError(f"{name}: está dañado dentro del zip ({error}).") from error
        if len(content) != info.file_size:
            raise ImageError(f"{name}: su tamaño no es el que declara el zip.")
        return content

    return read


def _scan_folder(root: Path) -> tuple[list[Entry], list[Skipped], int]:
    entries: list[Entry] = []
    skipped: list[Skipped] = []
    ignored = 0
    for path in _walk(root):
        parts = path.relative_to(root).parts
        # Si nos dieron directamente «train», su propio nombre también cuenta.
        candidate = _classify((*root.resolve().parts[-2:], *parts), parts)
        raw = path.relative_to(root).as_posix()
        if isinstance(candidate, str):
            skipped.append(Skipped(printable(raw), candidate))
        elif candidate is None:
            ignored += 1
        elif not path.is_file():
            skipped.append(Skipped(printable(raw), "no es un archivo común, o el enlace está roto"))
        else:
            status = path.stat()
            stamp, reader = str(status.st_mtime_ns), _file_reader(path, raw)
            entries.append(Entry(raw, *candidate, status.st_size, stamp, reader))
    return entries, skipped, ignored


def _walk(root: Path) -> Iterator[Path]:
    """Todos los archivos bajo ``root``; sigue enlaces a carpetas, pero a cada una entra una vez."""
    seen: set[str] = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        for name in sorted(files):
            yield Path(folder) / name


def _file_reader(path: Path, raw: str) -> Callable[[], bytes]:
    return lambda: read_bounded(path, printable(raw))


def _classify(parts: tuple[str, ...], own: tuple[str, ...]) -> tuple[str, int, str] | str | None:
    """Partición, etiqueta y nombre; un texto con el motivo del rechazo; o ``None`` si es ajeno.

    ``own`` son las partes propias de la fuente, sin las carpetas donde la guardamos.
    """
    place = None if is_clutter(own) else locate(parts)
    if place is None:
        return None
    name = parts[-1]
    if _OTHER_IMAGE.search(name):
        return "formato no admitido; convirtamos la imagen a PNG"
    if not _IMAGE.search(name):
        return None
    if _FORBIDDEN.search(name):
        return "su nombre tiene caracteres no admitidos"
    return (*place, name)


def printable(raw: str) -> str:
    """El nombre con los caracteres de control cambiados por «�»: se puede mostrar sin riesgo."""
    return "".join(char if char.isprintable() else "�" for char in raw)


def _listing(entries: list[Entry], skipped: list[Skipped], ignored: int, by_stamp: bool) -> Listing:
    """Quita las copias: igual nombre y tamaño y, en un zip (``by_stamp``), también igual CRC."""
    kept: dict[str, Entry] = {}
    repeated = 0
    # El archivo oficial repite todo en un segundo chest_xray/ anidado: gana la ruta más corta.
    for entry in sorted(entries, key=lambda item: (item.source.count("/"), item.source)):
        # En discos que no distinguen mayúsculas, dos nombres así serían un solo archivo.
        first = kept.setdefault(entry.image_id.casefold(), entry)
        if first is entry:
            continue
        if first.bytes == entry.bytes and (not by_stamp or first.stamp == entry.stamp):
            repeated += 1
        else:
            skipped.append(
                Skipped(
                    printable(entry.source),
                    f"se llama igual que {printable(first.source)} pero tiene otro contenido",
                )
            )
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
