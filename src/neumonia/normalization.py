"""Llevar radiografías de equipos distintos a una misma escala, antes de cualquier red.

Cada función recibe y entrega uint8 ``(N, H, W)``, imagen por imagen: nada se ajusta con los datos.
"""

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from neumonia.errors import ConfigError

CROP = 0.08
BLUR_RADIUS = 1.0
# La media y la desviación a las que se lleva cada radiografía, en niveles de gris.
CENTER, SPREAD = 128.0, 55.0


def equalize(images: np.ndarray) -> np.ndarray:
    """Ecualiza el histograma: tras ella todos los grises son casi igual de frecuentes."""
    return _each(images, ImageOps.equalize)


def standardize(images: np.ndarray) -> np.ndarray:
    """Lleva cada radiografía a una misma media y una misma desviación, y recorta a 0..255."""
    images = _check(images)
    values = images.astype(np.float32)
    mean = values.mean(axis=(1, 2), keepdims=True)
    # Una imagen lisa no tiene contraste que ajustar: queda en el gris central.
    std = np.maximum(values.std(axis=(1, 2), keepdims=True), 1.0)
    return np.clip(np.rint((values - mean) / std * SPREAD + CENTER), 0, 255).astype(np.uint8)


def crop(images: np.ndarray) -> np.ndarray:
    """Quita el marco (8 % de cada lado) y vuelve al tamaño original."""
    images = _check(images)
    height, width = images.shape[1:]
    top, left = round(CROP * height), round(CROP * width)
    box = (left, top, width - left, height - top)
    return _each(images, lambda film: film.resize((width, height), Image.Resampling.BILINEAR, box))


def blur(images: np.ndarray) -> np.ndarray:
    """Suaviza con una gaussiana de 1 píxel: borra la diferencia de nitidez entre equipos."""
    return _each(images, lambda film: film.filter(ImageFilter.GaussianBlur(BLUR_RADIUS)))


def smooth(images: np.ndarray) -> np.ndarray:
    """``blur`` y después ``standardize``: iguala la nitidez y el contraste de los equipos."""
    return standardize(blur(images))


NORMALIZATIONS = {
    "ninguna": lambda images: _check(images),
    "ecualizar": equalize,
    "estandarizar": standardize,
    "recortar": crop,
    "suavizar": blur,
    "igualar": smooth,
}


def normalize(images: np.ndarray, name: str) -> np.ndarray:
    """Aplica la normalización ``name`` de ``NORMALIZATIONS``.

    Parameters
    ----------
    images : uint8 (N, H, W)
    name : {"ninguna", "ecualizar", "estandarizar", "recortar", "suavizar", "igualar"}

    Returns
    -------
    uint8 (N, H, W)

    Raises
    ------
    ConfigError
        Si la normalización no existe o las imágenes no son uint8 (N, H, W).
    """
    if name not in NORMALIZATIONS:
        raise ConfigError(
            f"No conocemos la normalización {name!r}. Las que hay: {', '.join(NORMALIZATIONS)}."
        )
    return NORMALIZATIONS[name](images)


def _each(images: np.ndarray, change) -> np.ndarray:
    films = _check(images)
    out = np.empty_like(films)
    for position, film in enumerate(films):
        out[position] = np.asarray(change(Image.fromarray(film)))
    return out


def _check(images: np.ndarray) -> np.ndarray:
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 3:
        raise ConfigError(
            f"Esperamos radiografías uint8 (N, alto, ancho); recibimos {images.dtype} "
            f"{images.shape}."
        )
    return images
