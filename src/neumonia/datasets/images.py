"""De bytes a píxeles: decodificar una radiografía, llevarla al tamaño de la red y guardarla."""

import io
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from neumonia.datasets.base import Dataset
from neumonia.errors import ConfigError, DataError, ImageError, NeumoniaError
from neumonia.files import atomic_path, cache_dir, describe_os_error, digest, write_json
from neumonia.progress import track

MAX_PIXELS = 60_000_000
MAX_BYTES = 64 * 2**20
# Entra en la clave de las imágenes guardadas: cambia cuando cambian los píxeles resultantes.
DECODER_VERSION = 1

# Acota la memoria (26 MB a 224 px) sin obligar a reabrir la fuente muchas veces.
_CHUNK = 512
_FORMATS = ("JPEG", "PNG")
_SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N", "I")
_WITH_ALPHA = ("RGBA", "LA", "PA", "La", "RGBa")


@dataclass(frozen=True)
class Decoded:
    """Una imagen decodificada: ``pixels`` uint8 ``(H, W)``, y el modo y formato del archivo."""

    pixels: np.ndarray
    mode: str
    format: str


def decode(source: Path | str | bytes, name: str | None = None) -> np.ndarray:
    """Decodifica un JPEG o PNG a gris uint8 ``(H, W)``, 0 a 255.

    El color se reduce a luminancia (ITU-R 601-2); la transparencia se compone sobre negro, que en
    una radiografía es la ausencia de tejido; 16 bits se llevan a 8 dividiendo entre 257, sin
    estirar el contraste; se respeta la orientación EXIF.

    ``source`` es una ruta o los bytes; ``name``, el nombre que aparece en los errores.

    Raises
    ------
    ImageError
        Si está vacío, truncado, dañado, pasa de ``MAX_PIXELS`` o no es JPEG ni PNG.
    """
    return decode_with_mode(source, name).pixels


def decode_with_mode(source: Path | str | bytes, name: str | None = None) -> Decoded:
    """Como ``decode``, y además dice el modo de color y el formato originales."""
    if isinstance(source, bytes):
        content, label = source, name or "imagen en memoria"
    else:
        label = name or str(source)
        content = read_bounded(Path(source), label)
    _check_signature(content, label)
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise _too_big(label, f"{width} × {height}")
            image.load()
            mode, kind = image.mode, image.format or ""
            grey = _to_grey(ImageOps.exif_transpose(image))
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{label}: no es un JPEG ni un PNG legible. Convirtamos la imagen a PNG y repitamos."
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_big(label, "demasiados") from error
    except (OSError, SyntaxError, ValueError, EOFError, zlib.error, IndexError, KeyError) as error:
        raise ImageError(
            f"{label}: el archivo está truncado o dañado ({error}). "
            "Volvamos a copiarlo desde su origen."
        ) from error
    return Decoded(grey, mode, "JPEG" if kind == "MPO" else kind)


def read_bounded(path: Path, label: str) -> bytes:
    """Lee un archivo entero, hasta ``MAX_BYTES``; si no se puede, ``ImageError``."""
    try:
        with open(path, "rb") as handle:
            content = handle.read(MAX_BYTES + 1)
    except OSError as error:
        raise ImageError(f"{label}: no se puede leer ({describe_os_error(error)}).") from error
    if len(content) > MAX_BYTES:
        raise ImageError(f"{label}: pasa de {MAX_BYTES // 2**20} MiB; no parece una radiografía.")
    return content


def _check_signature(content: bytes, label: str) -> None:
    if not content:
        raise ImageError(f"{label}: el archivo está vacío (0 bytes).")
    if content[128:132] == b"DICM":
        raise ImageError(
            f"{label}: es un archivo DICOM, que este paquete no lee. "
            "Exportémoslo como PNG desde un visor DICOM, sin datos del paciente."
        )


def _too_big(label: str, size: str) -> ImageError:
    return ImageError(
        f"{label}: declara {size} píxeles y el límite es de {MAX_PIXELS // 10**6} millones. "
        "Reduzcamos la imagen antes de importarla."
    )


def _to_grey(image: Image.Image) -> np.ndarray:
    if image.mode in _SIXTEEN_BITS:
        deep = np.asarray(image).astype(np.int64)
        return ((np.clip(deep, 0, 65535) + 128) // 257).astype(np.uint8)
    if image.mode in _WITH_ALPHA or "transparency" in image.info:
        colour = image.convert("RGBA")
        black = Image.new("RGBA", colour.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, colour).convert("RGB")
    elif image.mode in ("P", "CMYK", "YCbCr", "LAB", "HSV"):
        image = image.convert("RGB")
    return np.array(image.convert("L"), dtype=np.uint8)


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """Lleva uint8 ``(H, W)`` a uint8 ``(size, size)`` con el filtro bilineal de Pillow.

    Al reducir, el filtro promedia toda la zona que cubre cada píxel nuevo. La proporción no se
    conserva: la película se aplasta hasta el cuadrado, como en el trabajo de partida del libro.
    ``ConfigError`` si la imagen no es uint8 de dos dimensiones o el lado no es positivo.
    """
    image = np.asarray(image)
    if image.ndim != 2 or image.dtype != np.uint8 or image.size == 0:
        raise ConfigError(
            "Para cambiar de tamaño esperamos una imagen gris uint8 (H, W) no vacía; "
            f"recibimos forma {image.shape} y tipo {image.dtype}."
        )
    if size < 1:
        raise ConfigError(f"El lado nuevo debe ser positivo; recibimos {size}.")
    if image.shape == (size, size):
        return image.copy()
    picture = Image.fromarray(np.ascontiguousarray(image))
    return np.array(picture.resize((size, size), Image.Resampling.BILINEAR), dtype=np.uint8)


def open_arrays(
    dataset: Dataset, size: int, cache: Path | str | None = None, progress: bool = True
) -> np.memmap:
    """Todas las películas de ``dataset`` como uint8 ``(N, size, size)`` de solo lectura.

    La primera vez se decodifican y se guardan en ``cache`` (por omisión, la carpeta de trabajo);
    después el archivo se proyecta en memoria, sin leerlo entero. La fila ``i`` es la película
    ``dataset.manifest.iloc[i]``. El nombre del archivo depende de la huella de los datos, el
    tamaño y la versión del decodificador; si está dañado, se rehace y se avisa. ``DataError`` si
    una película no se puede leer; ``NeumoniaError`` si no se puede escribir.
    """
    if len(dataset) == 0:
        raise DataError(f"El conjunto «{dataset.name}» no tiene películas.")
    folder = Path(cache) if cache is not None else cache_dir() / "imagenes"
    facts = {
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint,
        "size": int(size),
        "decoder": DECODER_VERSION,
    }
    shape = (len(dataset), int(size), int(size))
    path = folder / f"{dataset.name}-{size}-{digest(facts)}.npy"
    ready = _open(path, shape)
    if ready is None:
        if path.exists():
            print(f"El archivo {path} está dañado; lo rehacemos.", file=sys.stderr)
        _write(dataset, shape, path, progress)
        write_json(path.with_suffix(".json"), {**facts, "shape": list(shape), "dtype": "uint8"})
        ready = _open(path, shape)
    if ready is None:
        raise NeumoniaError(
            f"Acabamos de escribir {path} y no se puede leer igual. Revisemos el disco."
        )
    return ready


def _open(path: Path, shape: tuple[int, int, int]) -> np.memmap | None:
    """El archivo proyectado en memoria, o ``None`` si falta o no es el esperado."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise NeumoniaError(f"No se puede leer {path}: {describe_os_error(error)}.") from error
    except (OSError, ValueError, EOFError):
        return None
    usable = isinstance(array, np.memmap) and array.shape == shape and array.dtype == np.uint8
    return array if usable else None


def _write(dataset: Dataset, shape: tuple[int, int, int], path: Path, progress: bool) -> None:
    films, size, _ = shape
    starts = range(0, films, _CHUNK)
    title = f"Preparando {dataset.name} a {size} px, por bloques"
    steps = track(starts, title) if progress else starts
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    # Escritura corriente y no un memmap: con el disco lleno, un memmap mata el proceso.
    with atomic_path(path) as temporary, open(temporary, "wb") as handle:
        np.lib.format.write_array_header_1_0(handle, header)
        for start in steps:
            rows = np.arange(start, min(start + _CHUNK, films))
            images = dataset.load(rows, size)
            if images.shape != (len(rows), size, size) or images.dtype != np.uint8:
                raise DataError(
                    f"El conjunto «{dataset.name}» entregó {images.shape} {images.dtype}; "
                    f"esperábamos ({len(rows)}, {size}, {size}) uint8."
                )
            handle.write(np.ascontiguousarray(images).tobytes())
