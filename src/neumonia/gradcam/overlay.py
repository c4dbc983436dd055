"""Superpone un mapa de calor a una radiografía sin engañar al ojo.

El mapa usa ``inferno``, cuya luminosidad crece siempre con el calor (no como ``jet``, que inventa
bordes), y su opacidad es proporcional al calor: donde la red no miró, la placa queda intacta. Dos
contornos de trazo doble, blanco por dentro y negro por fuera, se leen también en gris.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from neumonia.errors import ConfigError, DataError
from neumonia.files import atomic_path

COLORMAP = "inferno"
LEVELS = (0.5, 0.8)
"""Fracciones del máximo donde se trazan contornos."""


def overlay(
    image: np.ndarray,
    heatmap: np.ndarray,
    alpha: float = 0.6,
    levels: tuple[float, ...] = LEVELS,
) -> np.ndarray:
    """Pinta ``heatmap`` sobre ``image``.

    Parameters
    ----------
    image : uint8 (H, W)
        Radiografía en gris.
    heatmap : float (H, W) en [0, 1]
        Un mapa todo cero deja la radiografía como estaba.
    alpha : float en [0, 1]
        Opacidad donde el calor vale 1; en cada píxel es ``alpha * heatmap``.
    levels : valores de (0, 1] donde se traza un contorno

    Returns
    -------
    uint8 (H, W, 3)
        RGB.

    Raises
    ------
    DataError
        Formas distintas o vacías, imagen que no es uint8 o mapa con NaN o fuera de [0, 1].
    ConfigError
        ``alpha`` o algún nivel fuera de su intervalo.

    Fuente de la escala: Smith y van der Walt (2015), mapas perceptualmente uniformes de Matplotlib.
    """
    image, heat = _check(image, heatmap)
    if not 0.0 <= alpha <= 1.0:
        raise ConfigError(f"La opacidad alpha debe estar entre 0 y 1, y es {alpha}.")
    import matplotlib

    colors = matplotlib.colormaps[COLORMAP](heat)[..., :3] * 255.0
    opacity = (alpha * heat)[..., None]
    blended = (1.0 - opacity) * image[..., None] + opacity * colors
    result = np.rint(blended).astype(np.uint8)
    width = max(1, round(min(image.shape) / 200))
    for level in sorted(levels):
        if not 0.0 < level <= 1.0:
            raise ConfigError(f"Un contorno debe estar entre 0 y 1, y uno vale {level}.")
        inside = heat >= level
        result[_grow(inside, width) & ~inside] = 0
        result[inside & _grow(~inside, width)] = 255
    return result


def save_png(path: Path | str, image: np.ndarray, heatmap: np.ndarray, alpha: float = 0.6) -> Path:
    """Escribe ``overlay(image, heatmap, alpha)`` como PNG, entero o nada, y devuelve la ruta.

    Raises
    ------
    DataError, ConfigError
        Como ``overlay``.
    ConfigError
        Si la extensión no es ``.png``.
    NeumoniaError
        Si no se puede escribir.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ConfigError(f"El mapa se guarda como .png, y se pidió {path.name!r}.")
    painted = overlay(image, heatmap, alpha)
    with atomic_path(path) as temporary:
        Image.fromarray(painted).save(temporary, format="PNG")
    return path


def _check(image: np.ndarray, heatmap: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    image = np.asarray(image)
    heat = np.asarray(heatmap, dtype=np.float64)
    if image.ndim != 2 or image.size == 0:
        raise DataError(f"La radiografía debe tener forma (H, W) y tiene {image.shape}.")
    if image.dtype != np.uint8:
        raise DataError(f"La radiografía debe ser uint8, de 0 a 255, y es {image.dtype}.")
    if heat.shape != image.shape:
        raise DataError(
            f"El mapa tiene forma {heat.shape} y la radiografía {image.shape}: deben coincidir. "
            "Cambiemos el tamaño del mapa antes de superponerlo."
        )
    if not np.all((heat >= 0.0) & (heat <= 1.0)):
        raise DataError("El mapa de calor debe tener solo valores entre 0 y 1, sin NaN.")
    return image, heat


def _grow(mask: np.ndarray, steps: int) -> np.ndarray:
    """Dilata una máscara booleana: ``steps`` píxeles en las cuatro direcciones."""
    for _ in range(steps):
        grown = mask.copy()
        grown[1:] |= mask[:-1]
        grown[:-1] |= mask[1:]
        grown[:, 1:] |= mask[:, :-1]
        grown[:, :-1] |= mask[:, 1:]
        mask = grown
    return mask
