"""¿Cae el calor donde está la opacidad? Solo se puede preguntar donde hay máscara.

Un mapa nulo (todo ceros) no señala nada: vale 0 en las tres medidas y la tabla cuenta cuántos
hubo. El mapa uniforme, en cambio, reparte el calor por igual y da el nivel del azar.
"""

from collections.abc import Hashable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import gammaln

from neumonia.errors import ConfigError, DataError
from neumonia.trust.checks import check_maps, check_masks, check_share
from neumonia.trust.intervals import check_patients, mean_interval

METRICS = ("pointing_game", "energy_inside", "iou")
ALL = "todas"
AREA = 0.1
# Los tercios del área de las opacidades en la maqueta por omisión, redondeados.
SIZE_LIMITS = (0.05, 0.08)
# La franja de alturas donde la maqueta por omisión pone opacidades.
LUNG_ROWS = (0.20, 0.86)
_ONE_SIDE = 0.75


def pointing_game(maps: ArrayLike, masks: ArrayLike) -> np.ndarray:
    """1 si el máximo del mapa cae dentro de la máscara, 0 si cae fuera.

    Si varios píxeles empatan en el máximo, el valor es la parte de ellos que está dentro: el
    acierto esperado al elegir uno al azar. No hay margen de tolerancia alrededor de la máscara.

    Parameters
    ----------
    maps : (N, H, W) en 0..1
    masks : bool (N, H, W), ninguna vacía

    Returns
    -------
    float64 (N,) en 0..1
        Un mapa nulo vale 0. En un mapa constante sale el área de la máscara.

    Raises
    ------
    DataError
        Formas distintas, NaN, valores fuera de 0..1 o una máscara vacía.

    Fuente: Zhang y otros (2016), *Top-down Neural Attention by Excitation Backprop*,
    arXiv:1608.00507 (con margen de 15 píxeles, que aquí no se concede).
    """
    maps, masks = _check(maps, masks)
    peaks = maps.max(axis=(1, 2), keepdims=True)
    tied = (maps == peaks) & (peaks > 0)
    return _divide((tied & masks).sum(axis=(1, 2)), tied.sum(axis=(1, 2)))


def energy_inside(maps: ArrayLike, masks: ArrayLike) -> np.ndarray:
    """Parte del calor total que cae dentro de la máscara.

    Parameters, Raises: como ``pointing_game``.

    Returns
    -------
    float64 (N,) en 0..1
        Un mapa nulo vale 0. En un mapa constante sale el área de la máscara.

    Fuente: Wang y otros (2020), *Score-CAM*, arXiv:1910.01279 («energy-based
    pointing game»).
    """
    maps, masks = _check(maps, masks)
    inside = maps.sum(axis=(1, 2), where=masks, dtype=np.float64)
    return _divide(inside, maps.sum(axis=(1, 2), dtype=np.float64))


def iou_at_area(maps: ArrayLike, masks: ArrayLike, area: float = AREA) -> np.ndarray:
    """Intersección sobre unión entre la máscara y la parte ``area`` más caliente de la placa.

    Fijar el área compara métodos sin que cada uno elija el umbral que le conviene. A cambio hay un
    techo: si la máscara ocupa otra área, ni el mapa perfecto llega a 1. Los empates en el último
    píxel elegido se resuelven por el valor esperado exacto al completar el área al azar entre los
    empatados (distribución hipergeométrica).

    Parameters
    ----------
    maps : (N, H, W) en 0..1
    masks : bool (N, H, W), ninguna vacía
    area : float en (0, 1]
        Fracción de la placa; se redondea a píxeles enteros, al menos uno.

    Returns
    -------
    float64 (N,) en 0..1
        Un mapa nulo vale 0.

    Raises
    ------
    DataError
        Como ``pointing_game``.
    ConfigError
        Si ``area`` no está en (0, 1].
    """
    maps, masks = _check(maps, masks)
    size = maps[0].size
    chosen = max(1, round(check_share(area, "area (parte de la placa)") * size))
    pairs = zip(maps.reshape(-1, size), masks.reshape(-1, size), strict=True)
    return np.array([_expected_iou(heat, mask, chosen) for heat, mask in pairs])


def localisation_scores(maps: ArrayLike, masks: ArrayLike, area: float = AREA) -> pd.DataFrame:
    """Las tres medidas de cada placa: columnas ``METRICS`` (float64) y ``null`` (bool), N filas.

    Parameters, Raises: como ``iou_at_area``.
    """
    maps, masks = _check(maps, masks)
    return pd.DataFrame(
        {
            "pointing_game": pointing_game(maps, masks),
            "energy_inside": energy_inside(maps, masks),
            "iou": iou_at_area(maps, masks, area),
            "null": ~maps.any(axis=(1, 2)),
        }
    )


def localisation_table(
    maps_by_method: Mapping[Hashable, ArrayLike],
    masks: ArrayLike,
    patients: ArrayLike,
    n: int = 2000,
    seed: int = 0,
    by: ArrayLike | None = None,
    area: float = AREA,
) -> pd.DataFrame:
    """Cada método y cada medida, con su intervalo del 95 % por paciente.

    Todos los métodos se remuestrean con los mismos pacientes.

    Parameters
    ----------
    maps_by_method : nombre -> (N, H, W) en 0..1
        Junto a los métodos conviene poner las referencias de ``baseline_maps``.
    masks : bool (N, H, W), ninguna vacía
    patients : (N,) identificadores; ``""`` cuenta como un paciente aparte.
    n, seed : remuestreos y su semilla
    by : (N,), optional
        Un grupo por placa, por ejemplo una columna de ``opacity_groups``; además de todas juntas,
        la tabla mide cada grupo.
    area : float en (0, 1], el de ``iou_at_area``

    Returns
    -------
    DataFrame
        ``group`` (``"todas"`` y después los grupos, ordenados), ``method``, ``metric``, ``value``,
        ``low``, ``high``, ``n_films``, ``n_patients`` y ``n_null``, los mapas nulos. Con un solo
        paciente en el grupo, ``low`` y ``high`` son NaN.

    Raises
    ------
    DataError
        Datos no válidos, sin métodos, o largos distintos.
    ConfigError
        ``n`` menor que 1 o ``area`` fuera de (0, 1].
    """
    if not maps_by_method:
        raise DataError("No hay mapas que medir: demos al menos un método.")
    masks = check_masks(masks)
    names = check_patients(patients, len(masks))
    groups = _groups(by, len(masks))
    scores = {
        method: localisation_scores(maps, masks, area) for method, maps in maps_by_method.items()
    }
    rows = []
    for group, films in groups.items():
        unknown = names[films] == ""
        counts = (len(films), int(unknown.sum()) + len(set(names[films][~unknown])))
        for method, table in scores.items():
            nulls = int(table["null"].to_numpy()[films].sum())
            for metric in METRICS:
                values = table[metric].to_numpy()[films]
                interval = mean_interval(values, names[films], n, seed)
                rows.append((group, method, metric, *interval, *counts, nulls))
    columns = ["group", "method", "metric", "value", "low", "high"]
    return pd.DataFrame(rows, columns=[*columns, "n_films", "n_patients", "n_null"])


def opacity_groups(masks: ArrayLike, limits: tuple[float, float] = SIZE_LIMITS) -> pd.DataFrame:
    """Tamaño y lugar de cada opacidad.

    Parameters
    ----------
    masks : bool (N, H, W), ninguna vacía
    limits : (float, float)
        Fracciones de la placa que separan pequeña, mediana y grande.

    Returns
    -------
    DataFrame, N filas
        ``area`` (fracción de la placa); ``size``: pequeña, mediana o grande; ``third``: superior,
        media o inferior, el tercio de ``LUNG_ROWS`` donde cae el centro de la máscara; ``side``:
        izquierda o derecha de la IMAGEN si allí hay al menos tres cuartos de la máscara, y si no
        «ambos lados» (en una radiografía, la izquierda de la imagen es la derecha del paciente);
        ``place``: tercio y lado juntos.

    Raises
    ------
    DataError
        Como ``check_masks``.
    ConfigError
        Si los límites no crecen o no están entre 0 y 1.
    """
    masks = check_masks(masks)
    if not 0 < limits[0] < limits[1] < 1:
        raise ConfigError(f"Los límites de tamaño deben crecer entre 0 y 1, y son {limits}.")
    pixels = masks.sum(axis=(1, 2))
    area = pixels / masks[0].size
    height, width = masks.shape[1:]
    row = masks.sum(axis=2) @ ((np.arange(height) + 0.5) / height) / pixels
    half = np.sign((width - 1) / 2 - np.arange(width)) / 2 + 0.5
    left = masks.sum(axis=1) @ half / pixels
    thirds = np.linspace(*LUNG_ROWS, 4)[1:3]
    third = np.array(["superior", "media", "inferior"])[np.digitize(row, thirds)]
    side = np.where(left >= _ONE_SIDE, "izquierda", "ambos lados")
    side = np.where(left <= 1 - _ONE_SIDE, "derecha", side)
    return pd.DataFrame(
        {
            "area": area,
            "size": np.array(["pequeña", "mediana", "grande"])[np.digitize(area, limits)],
            "third": third,
            "side": side,
            "place": [f"{a}, {b}" for a, b in zip(third, side, strict=True)],
        }
    )


def _check(maps: ArrayLike, masks: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    maps = check_maps(maps)
    return maps, check_masks(masks, maps.shape)


def _divide(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)


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
    """Probabilidad de cada valor posible de marcados al tomar ``taken`` píxeles de ``total``.

    La de scipy tarda cien veces más con miles de píxeles empatados.
    """
    other, left = total - marked, taken - drawn
    log = -gammaln(drawn + 1) - gammaln(marked - drawn + 1)
    log -= gammaln(left + 1) + gammaln(other - left + 1)
    chances = np.exp(log - log.max())
    return chances / chances.sum()


def _groups(by: ArrayLike | None, n_films: int) -> dict[Hashable, np.ndarray]:
    groups: dict[Hashable, np.ndarray] = {ALL: np.arange(n_films)}
    if by is None:
        return groups
    labels = np.asarray(by, dtype=object)
    if labels.shape != (n_films,):
        raise DataError(
            f"Hay {n_films} placas y los grupos tienen forma {labels.shape}: necesitamos uno por "
            "placa, en el mismo orden."
        )
    if pd.isna(labels).any() or (labels == ALL).any():
        raise DataError(f"Cada placa necesita su grupo, y ninguno puede llamarse «{ALL}».")
    return groups | {name: np.flatnonzero(labels == name) for name in sorted(set(labels))}
