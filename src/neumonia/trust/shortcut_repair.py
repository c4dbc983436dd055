"""El atajo plantado y sus tres arreglos: recortar el borde, tapar la esquina, equilibrar la marca.

Cada ``Variant`` dice qué placas llevan la marca al entrenar y qué se le hace a toda placa —de
entrenamiento o de prueba— antes de dársela a la red.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from neumonia.trust.marker import marker_width, marker_zone

# (etiquetas (N,), semilla) -> bool (N,), las placas que llevan la marca al entrenar.
Marked = Callable[[np.ndarray, int], np.ndarray]


def nobody(labels: np.ndarray, seed: int) -> np.ndarray:
    """Ninguna placa lleva la marca."""
    return np.zeros(len(labels), bool)


def positives(labels: np.ndarray, seed: int) -> np.ndarray:
    """La llevan todas las de neumonía y ninguna normal: la marca es la respuesta."""
    return np.asarray(labels) == 1


def half_of_each(labels: np.ndarray, seed: int) -> np.ndarray:
    """La lleva la mitad de cada clase, al azar: la marca ya no dice nada.

    Si una clase es impar, la placa sobrante va sin marca.
    """
    labels = np.asarray(labels)
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(labels), bool)
    for label in (0, 1):
        mine = rng.permutation(np.flatnonzero(labels == label))
        chosen[mine[: len(mine) // 2]] = True
    return chosen


def unchanged(images: np.ndarray) -> np.ndarray:
    """Las placas tal como están."""
    return images


def crop_border(images: np.ndarray) -> np.ndarray:
    """(N, H, W) sin un marco del ancho de la zona de la marca: quedan H - 2b y W - 2b píxeles."""
    border = marker_width(*images.shape[1:])
    return images[:, border:-border, border:-border]


def mask_corner(images: np.ndarray) -> np.ndarray:
    """Copia de (N, H, W) con la zona de la marca en negro, en todas las placas por igual."""
    covered = images.copy()
    covered[:, marker_zone(*images.shape[1:])] = 0
    return covered


@dataclass(frozen=True)
class Variant:
    """Una manera de entrenar.

    Attributes
    ----------
    name : str
    marked : función (etiquetas, semilla) -> bool (N,)
        Qué placas llevan la marca en entrenamiento y en validación.
    prepare : función (N, H, W) -> (N, h, w)
        Lo que se le hace a toda placa. Si recorta, debe recortar lo mismo de los cuatro lados.
    """

    name: str
    marked: Marked
    prepare: Callable[[np.ndarray], np.ndarray] = unchanged


CLEAN = Variant("sin marca", nobody)
SHORTCUT = Variant("atajo", positives)
REPAIRS = (
    Variant("recorte", positives, crop_border),
    Variant("tapado", positives, mask_corner),
    Variant("equilibrio", half_of_each),
)
VARIANTS = (CLEAN, SHORTCUT, *REPAIRS)


def restore_frame(maps: np.ndarray, height: int, width: int) -> np.ndarray:
    """Devuelve los mapas (N, h, w) de placas recortadas a su lugar en (N, height, width).

    Donde la red no ve nada el calor es cero.
    """
    rows, columns = (height - maps.shape[1]) // 2, (width - maps.shape[2]) // 2
    frame = np.zeros((len(maps), height, width), maps.dtype)
    frame[:, rows : rows + maps.shape[1], columns : columns + maps.shape[2]] = maps
    return frame
