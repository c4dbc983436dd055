"""Los archivos que se explican: cuáles son, cómo se leen y qué nombre lleva su resultado."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from neumonia.datasets.images import decode, read_bounded, resize
from neumonia.errors import NeumoniaError
from neumonia.likeness import Judgement, Likeness, colour_level

_LONGEST_SIDE = 1024
_EXTENSIONS = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True, eq=False)
class Film:
    """Una imagen lista: para mostrar y para la red, con su tamaño original y su veredicto.

    ``shown`` uint8 (H, W) tiene un lado de 1024 o menos; ``small`` es el cuadrado que ve la red.
    Los píxeles originales no se guardan: pueden ser sesenta millones.
    """

    source: Path
    shown: np.ndarray
    small: np.ndarray
    height: int
    width: int
    judgement: Judgement | None


def read_film(source: Path, size: int, likeness: Likeness | None) -> Film:
    """Lee ``source`` para una red de lado ``size`` y la juzga; ``ImageError`` si no se puede."""
    content = read_bounded(source, str(source))
    pixels = decode(content, name=str(source))
    judgement = None if likeness is None else likeness.judge(pixels, colour_level(content))
    return Film(source, shrink(pixels), resize(pixels, size), *pixels.shape, judgement)


def shrink(film: np.ndarray, longest: int = _LONGEST_SIDE) -> np.ndarray:
    """La radiografía uint8 (H, W) con su proporción y, si hace falta, un lado de ``longest``."""
    height, width = film.shape
    scale = longest / max(height, width)
    if scale >= 1:
        return film
    shape = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(film).resize(shape, Image.Resampling.BILINEAR))


def grow(heatmap: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """El mapa (h, w) en 0..1 llevado a float32 de forma ``shape``."""
    grown = Image.fromarray(heatmap.astype(np.float32)).resize(
        (shape[1], shape[0]), Image.Resampling.BILINEAR
    )
    return np.clip(np.asarray(grown), 0.0, 1.0)


def to_jpeg(pixels: np.ndarray, longest: int) -> bytes:
    """La imagen uint8 (H, W) o (H, W, 3) como JPEG, con un lado de ``longest`` o menos."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    # Sin submuestreo: el color del mapa es el dato.
    image.save(buffer, "JPEG", quality=85, subsampling=0)
    return buffer.getvalue()


def find_images(paths: Iterable[Path], output: Path | None = None) -> list[Path]:
    """Las rutas dadas, con cada carpeta sustituida por sus PNG y JPEG, en orden.

    Parameters
    ----------
    paths : rutas
    output : Path, optional
        Dónde se escribirán los mapas. De las carpetas se omite lo que está en ella, que son mapas
        de otra vez.

    Raises
    ------
    NeumoniaError
        Si una ruta no existe, una carpeta no tiene imágenes, o una imagen está en ``output`` y se
        podría pisar.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = [item for item in sorted(path.rglob("*")) if _is_image(item)]
            ours = [item for item in inside if not _within(item, output)]
            if not ours:
                hint = " fuera de la carpeta de salida" if inside else ""
                raise NeumoniaError(f"En la carpeta {path} no hay imágenes PNG ni JPEG{hint}.")
            found.extend(ours)
        elif path.is_file():
            if _within(path, output):
                raise NeumoniaError(
                    f"La imagen {path} está en la carpeta de salida, y un mapa podría pisarla. "
                    "Elijamos otra carpeta con --salida."
                )
            found.append(path)
        else:
            raise NeumoniaError(f"No existe {path}. Revisemos la ruta de la imagen.")
    return found


def _is_image(path: Path) -> bool:
    visible = not path.name.startswith("._")
    return visible and path.suffix.lower() in _EXTENSIONS and path.is_file()


def _within(path: Path, folder: Path | None) -> bool:
    return folder is not None and path.resolve().is_relative_to(folder.resolve())


def free_name(stem: str, taken: set[str]) -> str:
    """``stem``, o ``stem-2``, ``stem-3``…: el primero sin usar, sin distinguir mayúsculas."""
    name, number = stem, 1
    while name.casefold() in taken:
        number += 1
        name = f"{stem}-{number}"
    taken.add(name.casefold())
    return name
