"""Lo que toda medida de un mapa exige antes de medir."""

import numpy as np
from numpy.typing import ArrayLike

from neumonia.errors import ConfigError, DataError


def check_maps(maps: ArrayLike) -> np.ndarray:
    """Devuelve los mapas como float (N, H, W), con N, H y W de al menos 1 y valores en 0..1.

    Raises
    ------
    DataError
        Si la forma es otra, está vacío, contiene NaN o un valor sale de 0..1.
    """
    array = np.asarray(maps)
    if array.dtype.kind not in "fiub":
        raise DataError(f"Los mapas deben ser números entre 0 y 1, y son de tipo {array.dtype}.")
    if array.ndim != 3 or array.size == 0:
        hint = " Para un solo mapa escribamos mapa[None]." if array.ndim == 2 else ""
        raise DataError(
            f"Los mapas deben tener forma (N, H, W), sin ejes vacíos, y tienen {array.shape}.{hint}"
        )
    low, high = array.min(), array.max()
    if np.isnan(low):
        raise DataError("Los mapas contienen NaN. Revisemos la red y el método que los produjo.")
    if low < 0 or high > 1:
        raise DataError(
            f"Los mapas deben estar entre 0 y 1, y van de {low:g} a {high:g}: dividamos cada uno "
            "por su máximo, después de quitar los negativos."
        )
    return array if array.dtype.kind == "f" else array.astype(np.float32)


def check_masks(masks: ArrayLike, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Devuelve las máscaras como bool (N, H, W), todas con algún píxel marcado.

    Parameters
    ----------
    masks : bool o 0/1, (N, H, W)
    shape : tuple, optional
        La forma de los mapas con los que se comparan.

    Raises
    ------
    DataError
        Si la forma no es la pedida, hay valores distintos de 0 y 1, o una máscara está vacía.
    """
    array = np.asarray(masks)
    if array.ndim != 3 or array.size == 0:
        raise DataError(
            f"Las máscaras deben tener forma (N, H, W), sin ejes vacíos, y tienen {array.shape}."
        )
    if shape is not None and array.shape != shape:
        raise DataError(
            f"Los mapas tienen forma {shape} y las máscaras {array.shape}: debe haber una máscara "
            "por mapa, del mismo tamaño y en el mismo orden."
        )
    if array.dtype != np.bool_:
        if not np.isin(array, (0, 1)).all():
            raise DataError("Las máscaras deben ser booleanas o tener solo ceros y unos.")
        array = array.astype(bool)
    empty = np.flatnonzero(~array.any(axis=(1, 2)))
    if empty.size:
        raise DataError(
            f"La máscara de la posición {empty[0]} está vacía: en una placa sin opacidad no hay "
            "nada que localizar. Midamos solo las que la tienen."
        )
    return array


def check_films(films: ArrayLike, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Devuelve las placas como arreglo (N, H, W) en 0..255, sin copiarlas.

    Raises
    ------
    DataError
        Si la forma no es ``shape`` (o no es (N, H, W)), hay NaN o un valor sale de 0..255.
    """
    array = np.asarray(films)
    if array.ndim != 3 or array.size == 0 or array.dtype.kind not in "fiu":
        raise DataError(
            f"Las placas deben ser números con forma (N, H, W); recibimos {array.dtype} con forma "
            f"{array.shape}."
        )
    if shape is not None and array.shape != shape:
        raise DataError(
            f"Los mapas tienen forma {shape} y las placas {array.shape}: debe haber una placa por "
            "mapa, del mismo tamaño y en el mismo orden."
        )
    if not (array.min() >= 0 and array.max() <= 255):
        raise DataError(
            "Las placas deben tener valores entre 0 y 255, sin NaN; si están en 0..1, "
            "multipliquémoslas por 255."
        )
    return array


def check_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Devuelve ``shape`` como (N, H, W); ``ConfigError`` si no son tres enteros positivos."""
    sizes = tuple(shape)
    whole = all(isinstance(size, int | np.integer) and size >= 1 for size in sizes)
    if len(sizes) != 3 or not whole:
        raise ConfigError(f"La forma debe ser (N, H, W), tres enteros positivos, y es {shape!r}.")
    return sizes


def check_share(value: float, name: str) -> float:
    """Devuelve la fracción como float; ``ConfigError`` si no está en (0, 1]."""
    if not 0 < value <= 1:
        raise ConfigError(f"{name} debe ser mayor que 0 y no pasar de 1; recibimos {value}.")
    return float(value)
