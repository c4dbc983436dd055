"""Medir un mapa: cuánto calor cae en una máscara, cuánto fuera del tórax y qué daría un mapa ciego.

En un mapa nulo (todo ceros) no hay calor que repartir: vale 0 dentro de una máscara y NaN fuera del
tórax. El uniforme, en cambio, reparte el calor por igual: da el nivel del azar.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import ndimage
from scipy.special import gammaln

from neumonia.errors import ConfigError, DataError

Predict = Callable[[np.ndarray], np.ndarray]
"""Radiografías (N, H, W) en 0..255 -> logits de neumonía float64 (N,)."""

AREA = 0.1
REGIONS = ("frame", "corners", "outside", "letters")
_CENTRE_SIGMA = 0.25
_FRAME, _CORNER = 0.10, 0.15
# El trapecio, en fracciones de la radiografía: filas donde empieza y acaba, y media anchura allí.
_TOP, _BOTTOM = 0.05, 0.97
_HALF_TOP, _HALF_BOTTOM = 0.34, 0.45
# Una letra, en fracciones del lado corto y en niveles de gris.
_LETTER_SIDES = (0.02, 0.13)
_WINDOW = 0.10
_CONTRAST = 50
_BRIGHT = 120
_MARGIN = 0.02
_SQUARE = np.ones((3, 3))


def check_maps(maps: ArrayLike) -> np.ndarray:
    """Los mapas como float (N, H, W) no vacío y en 0..1; si no lo son, ``DataError``."""
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
    """Las máscaras como bool (N, H, W), ninguna vacía; si no, ``DataError``."""
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
    if not np.isin(array, (0, 1)).all():
        raise DataError("Las máscaras deben ser booleanas o tener solo ceros y unos.")
    array = array.astype(bool, copy=False)
    empty = np.flatnonzero(~array.any(axis=(1, 2)))
    if empty.size:
        raise DataError(
            f"La máscara de la posición {empty[0]} está vacía: en una radiografía sin opacidad no "
            "hay nada que localizar. Midamos solo las que la tienen."
        )
    return array


def check_films(films: ArrayLike, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Las radiografías (N, H, W) en 0..255, sin copiarlas; si no lo son, ``DataError``."""
    array = np.asarray(films)
    if array.ndim != 3 or array.size == 0 or array.dtype.kind not in "fiu":
        raise DataError(
            "Las radiografías deben ser números con forma (N, H, W); recibimos "
            f"{array.dtype} con forma {array.shape}."
        )
    if shape is not None and array.shape != shape:
        raise DataError(
            f"Los mapas tienen forma {shape} y las radiografías {array.shape}: debe haber una "
            "radiografía por mapa, del mismo tamaño y en el mismo orden."
        )
    if not (array.min() >= 0 and array.max() <= 255):
        raise DataError(
            "Las radiografías deben tener valores entre 0 y 255, sin NaN; si están en 0..1, "
            "multipliquémoslas por 255."
        )
    return array


def check_share(value: float, name: str) -> float:
    """La fracción como float; ``ConfigError`` si no está en (0, 1]."""
    if not 0 < value <= 1:
        raise ConfigError(f"{name} debe ser mayor que 0 y no pasar de 1; recibimos {value}.")
    return float(value)


def uniform_maps(shape: tuple[int, int, int]) -> np.ndarray:
    """El mismo calor en todas partes: unos, float32 (N, H, W), de solo lectura."""
    return np.broadcast_to(np.float32(1), shape)


def centre_maps(shape: tuple[int, int, int]) -> np.ndarray:
    """Una gaussiana en el centro, con desviación de un cuarto del lado corto y máximo 1.

    float32 (N, H, W) en 0..1, de solo lectura.
    """
    _, height, width = shape
    scale = _CENTRE_SIGMA * min(height, width)
    rows = (np.arange(height) - (height - 1) / 2) / scale
    columns = (np.arange(width) - (width - 1) / 2) / scale
    distance = rows[:, None] ** 2 + columns**2
    return np.broadcast_to(np.exp((distance.min() - distance) / 2).astype(np.float32), shape)


def blind_maps(masks: np.ndarray, train_masks: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Los mapas que no miran la radiografía, y el techo: float32 (N, H, W) en 0..1.

    Parameters
    ----------
    masks : bool (N, H, W), las que se van a medir
    train_masks : bool (M, H, W), las de entrenamiento
    seed : int, la del azar

    Returns
    -------
    dict
        ``uniform``; ``centre``; ``random``, ruido uniforme; ``mean_mask``, la media de
        ``train_masks`` entre su máximo: sabe dónde suelen estar las opacidades; ``perfect``, las
        propias ``masks``.
    """
    masks = check_masks(masks)
    mean = check_masks(train_masks).mean(axis=0)
    if mean.shape != masks.shape[1:]:
        raise DataError(
            f"Las máscaras de entrenamiento miden {mean.shape} y las medidas {masks.shape[1:]}."
        )
    return {
        "uniform": uniform_maps(masks.shape),
        "centre": centre_maps(masks.shape),
        "random": np.random.default_rng(seed).random(masks.shape, dtype=np.float32),
        "mean_mask": np.broadcast_to((mean / mean.max()).astype(np.float32), masks.shape),
        "perfect": masks.astype(np.float32),
    }


def pointing_game(maps: ArrayLike, masks: ArrayLike) -> np.ndarray:
    """1 si el máximo del mapa cae dentro de la máscara, 0 si cae fuera: float64 (N,).

    Si varios píxeles empatan en el máximo, la parte de ellos que está dentro. No hay margen de
    tolerancia. Un mapa nulo vale 0; uno constante, el área de la máscara.

    Fuente: Zhang y otros (2016), *Top-down Neural Attention by Excitation Backprop*,
    arXiv:1608.00507 (con margen de 15 píxeles, que aquí no se concede).
    """
    maps = check_maps(maps)
    masks = check_masks(masks, maps.shape)
    peaks = maps.max(axis=(1, 2), keepdims=True)
    tied = (maps == peaks) & (peaks > 0)
    return _divide((tied & masks).sum(axis=(1, 2)), tied.sum(axis=(1, 2)))


def energy_inside(maps: ArrayLike, masks: ArrayLike) -> np.ndarray:
    """Parte del calor total que cae dentro de la máscara: float64 (N,) en 0..1; nulo, 0.

    Fuente: Wang y otros (2020), *Score-CAM*, arXiv:1910.01279 («energy-based pointing game»).
    """
    maps = check_maps(maps)
    masks = check_masks(masks, maps.shape)
    inside = maps.sum(axis=(1, 2), where=masks, dtype=np.float64)
    return _divide(inside, maps.sum(axis=(1, 2), dtype=np.float64))


def iou_at_area(maps: ArrayLike, masks: ArrayLike, area: float = AREA) -> np.ndarray:
    """Intersección sobre unión entre la máscara y la parte ``area`` más caliente: float64 (N,).

    Fijar el área compara métodos sin que cada uno elija su umbral; a cambio, ni el mapa perfecto
    llega a 1 si la máscara ocupa otra área. Los empates en el último píxel se resuelven con la
    esperanza exacta de completar el área al azar (hipergeométrica). Un mapa nulo vale 0.

    Raises
    ------
    ConfigError
        Si ``area`` no está en (0, 1].
    """
    maps = check_maps(maps)
    masks = check_masks(masks, maps.shape)
    size = maps[0].size
    chosen = max(1, round(check_share(area, "area (parte de la radiografía)") * size))
    pairs = zip(maps.reshape(-1, size), masks.reshape(-1, size), strict=True)
    return np.array([_expected_iou(heat, mask, chosen) for heat, mask in pairs])


def thorax_region(height: int, width: int) -> np.ndarray:
    """El trapecio generoso donde damos por hecho que está el tórax: bool (height, width).

    Va del 5 % al 97 % de la altura, con media anchura de 0.34 arriba y 0.45 abajo: lo de fuera está
    claramente fuera. En una radiografía girada o muy recortada puede dejar pulmón fuera.
    """
    down = ((np.arange(height) + 0.5) / height - _TOP) / (_BOTTOM - _TOP)
    half = _HALF_TOP + (_HALF_BOTTOM - _HALF_TOP) * down
    across = np.abs((np.arange(width) + 0.5) / width - 0.5)
    return ((down >= 0) & (down <= 1))[:, None] & (across <= half[:, None])


def find_letters(film: ArrayLike) -> np.ndarray:
    """Píxeles de letras y marcas, bool (H, W): manchas pequeñas, brillantes y aisladas.

    Se resta a la radiografía su apertura morfológica, que borra el fondo y todo lo grande; se
    umbraliza y se conservan las componentes con tamaño de letra, más brillantes que casi todo su
    contorno, con el centro fuera de ``thorax_region`` y que no tocan los bordes superior ni
    inferior.

    Límites: pierde las letras grises, las de dentro del trapecio y las que el borde corta, y da por
    letra un electrodo o un botón. Contadas a ojo en 60 radiografías de Kermany a 150 píxeles, halló
    nueve de cada diez en las normales y siete de cada diez en las de neumonía: comparemos las
    clases con esa reserva. Con menos de 100 píxeles de lado pierde la mayoría.
    """
    grey = check_films(np.asarray(film)[None])[0].astype(np.float32)
    window = max(3, round(_WINDOW * min(grey.shape)) | 1)
    raised = grey - ndimage.grey_opening(grey, size=(window, window), mode="nearest")
    components, _ = ndimage.label(raised >= _CONTRAST, structure=_SQUARE)
    region = thorax_region(*grey.shape)
    found = np.zeros(grey.shape, bool)
    for number, box in enumerate(ndimage.find_objects(components), 1):
        if _is_letter(grey, components, number, box, region):
            found[box] |= components[box] == number
    return found


def outside_shares(maps: ArrayLike, films: ArrayLike | None = None) -> pd.DataFrame:
    """Qué parte del calor de cada mapa cae donde no puede haber neumonía.

    No hay máscaras de pulmón: el tórax es un trapecio fijo y las letras se buscan con reglas. Por
    eso cada parte va junto al área de su región. Las regiones se solapan: no suman 1.

    Parameters
    ----------
    maps : (N, H, W) en 0..1
    films : (N, H, W) en 0..255, optional
        Para buscar las letras, que se ensanchan un 2 % del lado corto porque los mapas son suaves.

    Returns
    -------
    DataFrame, N filas
        ``frame`` (el marco), ``corners``, ``outside`` (del tórax) y ``letters``: parte del calor en
        0..1; NaN si el mapa es nulo y, en ``letters``, si no hay letras. ``frame_area``…
        ``letters_area``: parte de la radiografía, lo que daría un mapa uniforme. ``null``: bool.
    """
    maps = check_maps(maps)
    height, width = maps.shape[1:]
    total = maps.sum(axis=(1, 2), dtype=np.float64)
    fixed = {
        "frame": _edges(height, width, _FRAME, np.logical_or),
        "corners": _edges(height, width, _CORNER, np.logical_and),
        "outside": ~thorax_region(height, width),
    }
    shares = {name: _share(maps[:, region], total) for name, region in fixed.items()}
    areas = {name: np.full(len(maps), region.mean()) for name, region in fixed.items()}
    shares["letters"] = np.full(len(maps), np.nan)
    areas["letters"] = np.full(len(maps), np.nan)
    if films is not None:
        steps = max(1, round(_MARGIN * min(height, width)))
        for place, film in enumerate(check_films(films, maps.shape)):
            letters = find_letters(film)
            if letters.any():
                letters = ndimage.binary_dilation(letters, _SQUARE, iterations=steps)
                part = slice(place, place + 1)
                shares["letters"][part] = _share(maps[part, letters], total[part])
                areas["letters"][place] = letters.mean()
    areas = {f"{name}_area": values for name, values in areas.items()}
    return pd.DataFrame({**shares, **areas, "null": total == 0})


def _divide(part: np.ndarray, whole: np.ndarray, empty: float = 0.0) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(whole), empty), where=whole > 0)


def _share(heat: np.ndarray, total: np.ndarray) -> np.ndarray:
    return _divide(heat.sum(axis=1, dtype=np.float64), total, np.nan)


def _expected_iou(heat: np.ndarray, mask: np.ndarray, chosen: int) -> float:
    """IoU esperada de los ``chosen`` píxeles más calientes de un mapa aplanado."""
    if not heat.any():
        return 0.0
    limit = np.partition(heat, heat.size - chosen)[heat.size - chosen]
    sure, tied = heat > limit, heat == limit
    free = chosen - int(sure.sum())
    tied_inside, tied_all = int((tied & mask).sum()), int(tied.sum())
    drawn = np.arange(max(0, free - tied_all + tied_inside), min(free, tied_inside) + 1)
    inside = int((sure & mask).sum()) + drawn
    chances = _hypergeometric(drawn, tied_all, tied_inside, free)
    return float(chances @ (inside / (chosen + mask.sum() - inside)))


def _hypergeometric(drawn: np.ndarray, total: int, marked: int, taken: int) -> np.ndarray:
    """La de scipy tarda cien veces más con miles de píxeles empatados."""
    other, left = total - marked, taken - drawn
    log = -gammaln(drawn + 1) - gammaln(marked - drawn + 1)
    log -= gammaln(left + 1) + gammaln(other - left + 1)
    chances = np.exp(log - log.max())
    return chances / chances.sum()


def _edges(height: int, width: int, share: float, join: Callable) -> np.ndarray:
    """La franja exterior de ``share`` de cada lado: el marco (``or``) o las esquinas (``and``)."""
    row, column = np.arange(height), np.arange(width)
    rows, columns = max(1, round(share * height)), max(1, round(share * width))
    vertical = (row < rows) | (row >= height - rows)
    horizontal = (column < columns) | (column >= width - columns)
    return join(vertical[:, None], horizontal)


def _is_letter(
    grey: np.ndarray, components: np.ndarray, number: int, box: tuple, region: np.ndarray
) -> bool:
    rows, columns = box
    low, high = (share * min(grey.shape) for share in _LETTER_SIDES)
    tall, wide = rows.stop - rows.start, columns.stop - columns.start
    if not (low <= tall <= high and low / 2 <= wide <= high):
        return False
    if rows.start == 0 or rows.stop == grey.shape[0]:
        return False
    if region[(rows.start + rows.stop) // 2, (columns.start + columns.stop) // 2]:
        return False
    near = tuple(slice(max(part.start - 3, 0), part.stop + 3) for part in box)
    own, around = components[near] == number, grey[near]
    peak = around[own].max()
    ring = ndimage.binary_dilation(own, iterations=3) & ~ndimage.binary_dilation(own, _SQUARE)
    return bool(peak >= _BRIGHT and np.percentile(around[ring], 90) <= peak - _CONTRAST)
