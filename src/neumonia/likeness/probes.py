"""Imágenes que no son una radiografía derecha: con ellas se mide lo que la regla deja pasar.

Ninguna interviene en el ajuste. Las seis primeras son radiografías de prueba estropeadas; el resto
no tiene nada que ver con un tórax.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter

from neumonia.datasets.images import resize
from neumonia.likeness.rule import UNDO

_DRAWN = 100
_FEW = 30
_CROPS = 50
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Probe(NamedTuple):
    """Imágenes uint8 (N, S, S) de una clase y de dónde sale cada una (N,): paciente u original."""

    images: np.ndarray
    groups: np.ndarray


TITLES: Mapping[str, str] = MappingProxyType(
    {
        "mirrored": "reflejada: izquierda por derecha",
        "upside_down": "volcada: arriba por abajo",
        "half_turn": "girada media vuelta",
        "quarter_left": "girada un cuarto de vuelta a la izquierda",
        "quarter_right": "girada un cuarto de vuelta a la derecha",
        "negative": "en negativo",
        "center_crop": "recortada a su cuarto central",
        "corner_crop": "recortada a una esquina, un cuarto",
        "phantom": "radiografía sintética de la maqueta",
        "photograph": "fotografía",
        "digit": "dígito manuscrito",
        "page": "página de texto",
        "negative_page": "página de texto en negativo",
        "checkerboard": "tablero de ajedrez",
        "gradient": "degradado",
        "noise": "ruido",
        "clouds": "ruido suave",
        "blank": "imagen lisa",
    }
)
"""Nombre en español de cada clase, en el orden en que se cuenta."""


def film_probes(films: np.ndarray, patients: np.ndarray) -> dict[str, Probe]:
    """Las radiografías uint8 (N, S, S) dadas, estropeadas de ocho formas."""
    size = films.shape[1]
    half, quarter = size // 2, size // 4
    middle = slice(quarter, quarter + half)
    changed = {
        # Girar hacia la derecha se deshace girando hacia la izquierda: los nombres se cruzan.
        **{name: UNDO[name](films) for name in ("mirrored", "upside_down", "half_turn")},
        "quarter_left": UNDO["quarter_right"](films),
        "quarter_right": UNDO["quarter_left"](films),
        "negative": UNDO["negative"](films),
        "center_crop": _resized(films[:, middle, middle], size),
        "corner_crop": _resized(films[:, :half, :half], size),
    }
    groups = np.asarray(patients, dtype=object)
    return {name: Probe(images, groups) for name, images in changed.items()}


def other_probes(size: int, seed: int, phantoms: bool) -> dict[str, Probe]:
    """Imágenes de otra cosa, uint8 (N, size, size); con ``phantoms``, también de la maqueta."""
    rng = np.random.default_rng(seed)
    pages = _many(_FEW, lambda: _page(size, rng))
    found = {
        "photograph": _photographs(size, rng),
        "digit": _digits(size),
        "page": pages,
        "negative_page": 255 - pages,
        "checkerboard": np.stack([_board(size, side) for side in range(2, size // 2)]),
        "gradient": _many(_FEW, lambda: _gradient(size, rng)),
        "noise": rng.integers(0, 256, (_DRAWN, size, size), dtype=np.uint8),
        "clouds": _many(_DRAWN, lambda: _clouds(size, rng)),
        "blank": np.stack(
            [np.full((size, size), grey, np.uint8) for grey in np.linspace(0, 255, _FEW)]
        ),
    }
    probes = {
        name: images if isinstance(images, Probe) else _independent(images)
        for name, images in found.items()
    }
    if phantoms:
        from neumonia.datasets.phantoms import make_films

        made = make_films(_DRAWN, size, seed)
        probes["phantom"] = Probe(made.images, made.manifest["patient"].to_numpy(dtype=object))
    return probes


def _independent(images: np.ndarray) -> Probe:
    return Probe(images, np.array([f"{place}" for place in range(len(images))], dtype=object))


def _many(count: int, draw: Callable[[], np.ndarray]) -> np.ndarray:
    return np.stack([draw() for _ in range(count)])


def _resized(images: np.ndarray, size: int) -> np.ndarray:
    return np.stack([resize(image, size) for image in images])


def _photographs(size: int, rng: np.random.Generator) -> Probe:
    """Recortes en gris de las dos fotografías que trae scikit-learn."""
    from sklearn.datasets import load_sample_images

    crops, origin = [], []
    for number, colour in enumerate(load_sample_images().images):
        grey = np.asarray(Image.fromarray(colour).convert("L"))
        for _ in range(_CROPS):
            side = int(rng.integers(150, min(grey.shape) + 1))
            row, column = (int(rng.integers(0, length - side + 1)) for length in grey.shape)
            crops.append(resize(grey[row : row + side, column : column + side], size))
            origin.append(f"fotografía {number}")
    return Probe(np.stack(crops), np.array(origin, dtype=object))


def _digits(size: int) -> np.ndarray:
    from sklearn.datasets import load_digits

    digits = load_digits().images[:_DRAWN]
    return _resized((digits / 16 * 255).astype(np.uint8), size)


def _page(size: int, rng: np.random.Generator) -> np.ndarray:
    page = Image.new("L", (600, 800), 255)
    pen = ImageDraw.Draw(page)
    height = int(rng.integers(14, 40))
    font = ImageFont.load_default(size=height)
    for top in range(40, 740, round(1.4 * height)):
        letters = rng.choice(list(_LETTERS + "     "), size=1000 // height)
        pen.text((40, top), "".join(letters), fill=0, font=font)
    return resize(np.asarray(page), size)


def _board(size: int, side: int) -> np.ndarray:
    rows, columns = np.indices((size, size)) // side
    return ((rows + columns) % 2 * 255).astype(np.uint8)


def _gradient(size: int, rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    ramp = rows * np.sin(angle) + columns * np.cos(angle)
    return np.rint(127.5 * (1 + ramp / np.sqrt(2))).astype(np.uint8)


def _clouds(size: int, rng: np.random.Generator) -> np.ndarray:
    smooth = gaussian_filter(rng.normal(size=(size, size)), rng.uniform(0.03, 0.2) * size)
    return np.clip(128 + 50 * (smooth - smooth.mean()) / smooth.std(), 0, 255).astype(np.uint8)
