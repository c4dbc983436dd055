"""La marca que plantamos: una R blanca en la esquina superior derecha de la imagen.

La maqueta y las placas de verdad ya llevan su R inocente a la izquierda de la imagen, que es la
derecha del paciente. La nuestra va en la otra esquina, donde nadie la pone, para no confundirlas.
"""

import numpy as np
from numpy.typing import ArrayLike

from neumonia.errors import ConfigError, DataError
from neumonia.trust.checks import check_films

_ROWS = ("11110", "10001", "10001", "11110", "10100", "10010", "10001")
_LETTER = np.array([[dot == "1" for dot in row] for row in _ROWS])
# En puntos de la letra: distancia al borde y cuánto puede alejarse de ella cada placa.
_MARGIN = 1
_JITTER = 2
_DOT = 64
MIN_SIDE = 32


def stamp_marker(
    images: ArrayLike, where: ArrayLike, seed: int, level: int = 255, scale: int | None = None
) -> np.ndarray:
    """Estampa la R en las placas elegidas, con un leve vaivén de una a otra.

    El lugar exacto depende de la semilla y de la posición de la placa en ``images``, no de cuáles
    se marcan: la misma placa lleva la marca siempre en el mismo sitio.

    Parameters
    ----------
    images : uint8 (N, H, W)
        Con H y W de al menos 32.
    where : bool (N,)
        Las placas que llevan la marca.
    seed : int
    level : int en 0..255
        El gris de la letra.
    scale : int >= 1, optional
        Píxeles por punto de la letra, que mide 7 x 5 puntos; por omisión ``marker_scale``.

    Returns
    -------
    uint8 (N, H, W)
        Una copia; las placas no elegidas quedan como estaban.

    Raises
    ------
    DataError
        Placas que no son uint8 (N, H, W), o ``where`` no es bool (N,).
    ConfigError
        ``level`` fuera de 0..255, o una marca que no cabe en la placa.
    """
    stamped = np.array(check_films(images))
    chosen = np.asarray(where)
    if stamped.dtype != np.uint8:
        raise DataError(f"Las placas que se marcan deben ser uint8, y son {stamped.dtype}.")
    if chosen.dtype != np.bool_ or chosen.shape != stamped.shape[:1]:
        raise DataError(
            f"Necesitamos un verdadero o falso por placa: hay {len(stamped)} y llegó un arreglo "
            f"{chosen.dtype} de forma {chosen.shape}."
        )
    if not 0 <= level <= 255:
        raise ConfigError(f"El gris de la marca va de 0 a 255, y es {level}.")
    width = stamped.shape[2]
    scale = _check_scale(stamped.shape[1:], scale)
    letter = np.kron(_LETTER, np.ones((scale, scale), bool)).astype(bool)
    jitter = np.random.default_rng(seed).integers(0, scale * _JITTER + 1, (len(stamped), 2))
    tops, rights = (scale * _MARGIN + jitter).T
    for row in np.flatnonzero(chosen):
        left = width - rights[row] - letter.shape[1]
        place = stamped[row, tops[row] : tops[row] + letter.shape[0], left : width - rights[row]]
        place[letter] = level
    return stamped


def marker_scale(height: int, width: int) -> int:
    """Píxeles por punto de la letra: uno por cada 64 del lado corto, al menos uno."""
    return max(1, min(height, width) // _DOT)


def marker_width(height: int, width: int, scale: int | None = None) -> int:
    """Lado, en píxeles, del cuadrado de la esquina que contiene la marca dondequiera que caiga."""
    return _check_scale((height, width), scale) * (_MARGIN + _JITTER + max(_LETTER.shape))


def marker_zone(height: int, width: int, scale: int | None = None) -> np.ndarray:
    """Ese cuadrado como máscara bool (H, W): la zona donde buscamos el calor.

    Raises
    ------
    ConfigError
        Si la placa es más pequeña que 32 píxeles o la marca no cabe.
    """
    side = marker_width(height, width, scale)
    zone = np.zeros((height, width), bool)
    zone[:side, -side:] = True
    return zone


def _check_scale(shape: tuple[int, int], scale: int | None) -> int:
    height, width = shape
    chosen = marker_scale(height, width) if scale is None else scale
    fits = chosen >= 1 and chosen * MIN_SIDE <= min(height, width)
    if not fits:
        raise ConfigError(
            f"Una marca de escala {chosen} no cabe en una placa de {height} x {width}: la escala "
            f"va desde 1, y la placa debe medir al menos {MIN_SIDE} píxeles por cada unidad."
        )
    return chosen
