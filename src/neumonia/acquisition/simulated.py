"""Imitar otro equipo: cada radiografía, cambiada de las maneras en que cambia la adquisición.

Fuente de la idea: Hendrycks y Dietterich (2019), arXiv:1903.12261, con fotografías. Los cambios de
aquí son los de una radiografía: encuadre, proporción, nitidez, grises, ruido y compresión.
"""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from neumonia.errors import ConfigError

# Los radios, en píxeles, son para una imagen de este lado y crecen con ella.
_REFERENCE = 96

Change = Callable[[Image.Image, np.random.Generator], Image.Image]


def _framed(left: float, top: float) -> Change:
    """Se queda con el centro, sin esa fracción del lado a cada lado, y lo lleva al tamaño."""

    def change(film: Image.Image, rng: np.random.Generator) -> Image.Image:
        width, height = film.size
        box = (left * width, top * height, (1 - left) * width, (1 - top) * height)
        return film.resize(film.size, Image.Resampling.BILINEAR, box=box)

    return change


def _grey(change: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Change:
    """Un cambio punto por punto, sobre los grises en 0..255."""

    def apply(film: Image.Image, rng: np.random.Generator) -> Image.Image:
        values = change(np.asarray(film, np.float64), rng)
        return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))

    return apply


def _blurred(film: Image.Image, rng: np.random.Generator) -> Image.Image:
    return film.filter(ImageFilter.GaussianBlur(film.width / _REFERENCE))


def _sharpened(film: Image.Image, rng: np.random.Generator) -> Image.Image:
    return film.filter(ImageFilter.UnsharpMask(film.width / _REFERENCE, percent=150, threshold=0))


def _compressed(film: Image.Image, rng: np.random.Generator) -> Image.Image:
    file = io.BytesIO()
    film.save(file, "JPEG", quality=15)
    return Image.open(file)


def _contrast(factor: float) -> Change:
    return _grey(lambda x, rng: x.mean() + factor * (x - x.mean()))


def _gamma(exponent: float) -> Change:
    return _grey(lambda x, rng: 255 * (x / 255) ** exponent)


CHANGES: dict[str, Change] = {
    "estirada a lo alto": _framed(0.0, 0.1),
    "estirada a lo ancho": _framed(0.1, 0.0),
    "encuadre cerrado": _framed(0.1, 0.1),
    "borrosa": _blurred,
    "afilada": _sharpened,
    "poco contraste": _contrast(0.6),
    "mucho contraste": _contrast(1.4),
    "oscura": _grey(lambda x, rng: x - 40),
    "clara": _grey(lambda x, rng: x + 40),
    "grises bajos levantados": _gamma(0.6),
    "grises bajos hundidos": _gamma(1.6),
    "con ruido": _grey(lambda x, rng: x + rng.normal(0, 10, x.shape)),
    "muy comprimida": _compressed,
}
"""Nombre → cambio. Se fijaron antes de entrenar los candidatos y no se ajustaron a ninguno."""


def simulate(images: np.ndarray, name: str, seed: int = 0) -> np.ndarray:
    """Las radiografías como las habría dado otro equipo.

    Parameters
    ----------
    images : uint8 (N, H, W)
    name : str
        De ``CHANGES``.
    seed : int
        Del ruido; los demás cambios no tienen azar.

    Returns
    -------
    uint8 (N, H, W)

    Raises
    ------
    ConfigError
        Si el cambio no existe.
    """
    if name not in CHANGES:
        raise ConfigError(f"No sabemos imitar {name!r}. Lo que hay: {', '.join(CHANGES)}.")
    rng = np.random.default_rng(seed)
    return np.stack([np.asarray(CHANGES[name](Image.fromarray(film), rng)) for film in images])
