"""Lo poco que miran las referencias simples: píxeles reducidos, el marco, los grises y la nitidez.

Ninguna de estas funciones sabe qué es un pulmón. Si con ellas se acierta, los datos delatan la
clase por un camino que no es la neumonía, o la tarea es más fácil de lo que creíamos.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from neumonia.errors import ConfigError

SIDE = 28
FRAME_WIDTH = 4
"""A 28 píxeles, 4 por lado son un 14 %: quedan fuera casi todo el pulmón y el corazón."""
PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
SHARPNESS = ("gradient", "vertical", "horizontal", "laplacian")
NEAR_BLACK = 5
NEAR_WHITE = 250

_CHUNK = 256


def small_pixels(images: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Cada radiografía reducida a ``side`` x ``side`` por promedio de áreas, en una fila.

    Parameters
    ----------
    images : uint8 (N, H, W)
        Puede ser un memmap: se recorre por trozos.
    side : int, al menos 2

    Returns
    -------
    float32 (N, side * side)
        De 0 a 1. Un píxel viejo que cae entre dos nuevos se reparte según el área; con un factor
        entero es el filtro «box» de Pillow, sin redondear.

    Raises
    ------
    ConfigError
        Imágenes de otra forma o tipo, o ``side`` fuera de su dominio.
    """
    images = check_images(images)
    if side < 2:
        raise ConfigError(f"El lado reducido debe ser al menos 2 píxeles, y es {side}.")
    down, across = (_area_weights(length, side) for length in images.shape[1:])

    def reduce(chunk: np.ndarray) -> np.ndarray:
        small = down @ (chunk.astype(np.float32) / np.float32(255)) @ across.T
        # La suma de pesos en float32 puede pasar de 1 en el último decimal.
        return np.clip(small, 0, 1).reshape(len(chunk), -1)

    return _stack(images, reduce).astype(np.float32, copy=False)


def frame_mask(side: int = SIDE, width: int = FRAME_WIDTH) -> np.ndarray:
    """Máscara bool (side, side): verdadera en los ``width`` píxeles de cada borde.

    Raises
    ------
    ConfigError
        Si el marco no deja centro, o ``width`` es menor que 1.
    """
    if not 1 <= width < side / 2:
        raise ConfigError(
            f"En {side} píxeles de lado el marco puede medir de 1 a {(side - 1) // 2}, y pedimos "
            f"{width}."
        )
    mask = np.ones((side, side), dtype=bool)
    mask[width:-width, width:-width] = False
    return mask


def frame_pixels(
    images: np.ndarray,
    side: int = SIDE,
    width: int = FRAME_WIDTH,
    reduced: np.ndarray | None = None,
) -> np.ndarray:
    """Solo el marco de cada radiografía reducida; el centro, con casi todo el pulmón, se quita.

    El marco no es «nada»: con 4 píxeles de 28 es el 49 % de la imagen, y en él asoman el cuello,
    los hombros, el abdomen y, según el encuadre, parte del pulmón. En el de 1 píxel, mucho menos.

    Parameters
    ----------
    images, side
        Como en ``small_pixels``.
    width : int
        Píxeles de cada borde, después de reducir; con 1 queda el contorno.
    reduced : float32 (N, side * side), optional
        Lo que devolvió ``small_pixels``, para no reducir dos veces.

    Returns
    -------
    float32 (N, 4 * width * (side - width))

    Raises
    ------
    ConfigError
        Como ``small_pixels`` y ``frame_mask``.
    """
    mask = frame_mask(side, width).reshape(-1)
    small = small_pixels(images, side) if reduced is None else reduced
    if small.shape != (len(images), mask.size):
        raise ConfigError(
            f"Los píxeles reducidos deben tener forma {(len(images), mask.size)}, y tienen "
            f"{small.shape}."
        )
    return small[:, mask]


def intensity_statistics(images: np.ndarray) -> pd.DataFrame:
    """Resumen de los grises de cada radiografía, sin saber dónde está cada píxel.

    Returns
    -------
    DataFrame float64, una fila por radiografía
        ``mean`` y ``std``; los percentiles ``p01``, ``p05``, ``p25``, ``p50``, ``p75``, ``p95`` y
        ``p99`` (0 a 255, con la interpolación lineal de NumPy); ``black`` y ``white``, la
        proporción de píxeles por debajo de 5 y por encima de 250.

    Raises
    ------
    ConfigError
        Imágenes de otra forma o tipo.
    """
    images = check_images(images)
    pixels = images.shape[1] * images.shape[2]
    grays = np.arange(256)

    def summarise(chunk: np.ndarray) -> np.ndarray:
        shifted = chunk.reshape(len(chunk), -1) + 256 * np.arange(len(chunk))[:, None]
        counts = np.bincount(shifted.ravel(), minlength=256 * len(chunk)).reshape(-1, 256)
        mean = counts @ grays / pixels
        # N·Σx² − (Σx)² es exacto en enteros: una imagen lisa tiene desviación 0 de verdad.
        spread = np.sqrt(pixels * (counts @ grays**2) - (counts @ grays) ** 2) / pixels
        reached = counts.cumsum(axis=1)
        ranks = [_percentile(reached, share / 100 * (pixels - 1)) for share in PERCENTILES]
        black = counts[:, :NEAR_BLACK].sum(axis=1) / pixels
        white = counts[:, NEAR_WHITE + 1 :].sum(axis=1) / pixels
        return np.column_stack([mean, spread, *ranks, black, white])

    names = ["mean", "std", *(f"p{share:02d}" for share in PERCENTILES), "black", "white"]
    return pd.DataFrame(_stack(images, summarise), columns=names)


def sharpness(images: np.ndarray) -> pd.DataFrame:
    """Nitidez de cada radiografía: cuánto cambia el gris de un píxel al siguiente.

    Depende del equipo, del ruido y de cuánto se comprimió o redujo el archivo, además del paciente.

    Returns
    -------
    DataFrame float64, una fila por radiografía
        ``vertical`` y ``horizontal``: media del valor absoluto de las diferencias entre vecinos en
        cada dirección (grises por píxel); como la radiografía se aplastó hasta el cuadrado, su
        cociente delata la proporción original. ``gradient``: el promedio de las dos.
        ``laplacian``: raíz de la energía media del laplaciano de cuatro vecinos en el interior; en
        una rampa vale 0.

    Raises
    ------
    ConfigError
        Imágenes de otra forma o tipo, o de menos de 3 píxeles de lado.
    """
    images = check_images(images)
    if min(images.shape[1:]) < 3:
        raise ConfigError(
            f"Para medir la nitidez hacen falta 3 píxeles de lado, y hay {images.shape[1:]}."
        )

    def measure(chunk: np.ndarray) -> np.ndarray:
        wide = chunk.astype(np.int16)
        vertical, horizontal = np.diff(wide, axis=1), np.diff(wide, axis=2)
        down = np.abs(vertical).mean(axis=(1, 2), dtype=np.float64)
        across = np.abs(horizontal).mean(axis=(1, 2), dtype=np.float64)
        curved = np.diff(vertical, axis=1)[:, :, 1:-1] + np.diff(horizontal, axis=2)[:, 1:-1]
        energy = np.square(curved, dtype=np.float32).mean(axis=(1, 2), dtype=np.float64)
        return np.column_stack([(down + across) / 2, down, across, np.sqrt(energy)])

    return pd.DataFrame(_stack(images, measure), columns=list(SHARPNESS))


def check_images(images: np.ndarray) -> np.ndarray:
    """Devuelve ``images`` si es uint8 (N, H, W) no vacío; si no, ``ConfigError``."""
    if getattr(images, "dtype", None) != np.uint8 or images.ndim != 3 or images.size == 0:
        shape, kind = getattr(images, "shape", "sin forma"), getattr(images, "dtype", type(images))
        raise ConfigError(
            f"Esperamos radiografías uint8 (N, H, W), no vacías; recibimos {shape} {kind}."
        )
    return images


def chunks(images: np.ndarray) -> Iterator[np.ndarray]:
    """Trozos seguidos de ``images``, para no traer un memmap entero a la memoria."""
    for start in range(0, len(images), _CHUNK):
        yield np.asarray(images[start : start + _CHUNK])


def _stack(images: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    return np.concatenate([function(chunk) for chunk in chunks(images)])


def _area_weights(length: int, side: int) -> np.ndarray:
    """Matriz float32 (side, length): qué parte de cada píxel nuevo cubre cada píxel viejo."""
    edges = np.linspace(0, length, side + 1)
    cells = np.arange(length)
    upper = np.minimum(edges[1:, None], cells + 1)
    lower = np.maximum(edges[:-1, None], cells)
    covered = np.clip(upper - lower, 0, None)
    return (covered / covered.sum(axis=1, keepdims=True)).astype(np.float32)


def _percentile(reached: np.ndarray, rank: float) -> np.ndarray:
    """Valor en la posición ``rank`` (puede ser fraccionaria) según el histograma acumulado."""
    below = int(np.floor(rank))
    first = (reached <= below).sum(axis=1)
    second = (reached <= int(np.ceil(rank))).sum(axis=1)
    return first + (rank - below) * (second - first)
