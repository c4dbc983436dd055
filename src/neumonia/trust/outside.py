"""¿Cuánto calor cae donde no puede haber neumonía? Para placas reales, sin máscaras.

Aquí NO hay máscaras de pulmón: la región del tórax es un trapecio fijo y generoso, igual para todas
las placas, y las letras se buscan con reglas sencillas. Son aproximaciones; por eso cada parte de
calor va junto al área de su región, que es lo que daría un mapa uniforme. Las regiones se solapan:
sus partes no suman 1.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import ndimage

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation.checks import check_labels
from neumonia.trust.checks import check_films, check_maps, check_shape
from neumonia.trust.intervals import check_patients, mean_interval

REGIONS = ("frame", "corners", "outside", "letters")
FRAME = 0.10
CORNER = 0.15

# El trapecio, en fracciones de la placa: filas donde empieza y acaba, y media anchura en cada una.
_TOP, _BOTTOM = 0.05, 0.97
_HALF_TOP, _HALF_BOTTOM = 0.34, 0.45

# Una letra, en fracciones del lado corto y en niveles de gris.
_LETTER_SIDES = (0.02, 0.13)
_WINDOW = 0.10
_CONTRAST = 50
_BRIGHT = 120
_MARGIN = 0.02
_CLASSES = ("NORMAL", "PNEUMONIA")


def thorax_region(height: int, width: int) -> np.ndarray:
    """El trapecio generoso donde damos por hecho que está el tórax: bool (height, width).

    Va del 5 % al 97 % de la altura, con media anchura de 0.34 arriba y 0.45 abajo. Incluye el
    mediastino, el corazón y parte del abdomen y de los hombros: calor «fuera» es calor claramente
    fuera. En una placa girada o muy recortada puede dejar pulmón fuera.
    """
    check_shape((1, height, width))
    down = ((np.arange(height) + 0.5) / height - _TOP) / (_BOTTOM - _TOP)
    half = _HALF_TOP + (_HALF_BOTTOM - _HALF_TOP) * down
    across = np.abs((np.arange(width) + 0.5) / width - 0.5)
    return ((down >= 0) & (down <= 1))[:, None] & (across <= half[:, None])


def frame_region(height: int, width: int, share: float = FRAME) -> np.ndarray:
    """El marco: la franja exterior, de ``share`` de cada lado. bool (height, width)."""
    inner = np.ones((height, width), bool)
    rows, columns = _edge(height, width, share)
    inner[rows : height - rows, columns : width - columns] = False
    return inner


def corner_region(height: int, width: int, share: float = CORNER) -> np.ndarray:
    """Las cuatro esquinas, rectángulos de ``share`` de cada lado. bool (height, width)."""
    rows, columns = _edge(height, width, share)
    row, column = np.arange(height), np.arange(width)
    vertical = (row < rows) | (row >= height - rows)
    horizontal = (column < columns) | (column >= width - columns)
    return vertical[:, None] & horizontal


def find_letters(film: ArrayLike) -> np.ndarray:
    """Píxeles de letras y marcas: manchas pequeñas, brillantes y aisladas, fuera del tórax.

    Se resta a la placa su apertura morfológica, que borra el fondo y todo lo grande; se umbraliza
    y se conservan las componentes conexas con tamaño de letra, más brillantes que casi todo su
    contorno, con el centro fuera de ``thorax_region`` y que no tocan los bordes superior ni
    inferior.

    Límites: pierde las letras grises, las que caen dentro del trapecio y las que el borde corta;
    también da por letra un electrodo, un botón u otro objeto metálico. No lee: dice que hay una
    marca, no cuál. Contadas a ojo en 60 placas de Kermany a 150 píxeles, halló unas nueve de cada
    diez letras en las normales y siete de cada diez en las de neumonía: comparemos las dos clases
    con esa reserva. Con menos de 100 píxeles de lado pierde la mayoría.

    Parameters
    ----------
    film : (H, W) en 0..255

    Returns
    -------
    bool (H, W)

    Raises
    ------
    DataError
        Si la placa no es un arreglo (H, W) de números en 0..255.
    """
    grey = check_films(np.asarray(film)[None])[0].astype(np.float32)
    side = min(grey.shape)
    window = max(3, round(_WINDOW * side) | 1)
    raised = grey - ndimage.grey_opening(grey, size=(window, window), mode="nearest")
    components, _ = ndimage.label(raised >= _CONTRAST, structure=np.ones((3, 3)))
    region = thorax_region(*grey.shape)
    found = np.zeros(grey.shape, bool)
    for number, box in enumerate(ndimage.find_objects(components), 1):
        if _is_letter(grey, components, number, box, region):
            found[box] |= components[box] == number
    return found


def outside_shares(maps: ArrayLike, films: ArrayLike | None = None) -> pd.DataFrame:
    """Qué parte del calor de cada mapa cae en cada región.

    Parameters
    ----------
    maps : (N, H, W) en 0..1
    films : (N, H, W) en 0..255, optional
        Para buscar las letras; sin ellas, esas columnas son NaN. Las letras se ensanchan un 2 % del
        lado corto, porque los mapas son suaves.

    Returns
    -------
    DataFrame, N filas
        ``frame``, ``corners``, ``outside`` y ``letters``: parte del calor, float64 en 0..1; NaN si
        el mapa es nulo (no hay calor que repartir) y, en ``letters``, si la placa no las tiene.
        ``frame_area``, ``corners_area``, ``outside_area`` y ``letters_area``: parte de la placa,
        que es lo que daría un mapa uniforme. ``null``: bool.

    Raises
    ------
    DataError
        Mapas o placas no válidos, o de formas distintas.
    """
    maps = check_maps(maps)
    height, width = maps.shape[1:]
    total = maps.sum(axis=(1, 2), dtype=np.float64)
    fixed = {
        "frame": frame_region(height, width),
        "corners": corner_region(height, width),
        "outside": ~thorax_region(height, width),
    }
    shares = {name: _share(maps[:, region], total) for name, region in fixed.items()}
    areas = {name: np.full(len(maps), region.mean()) for name, region in fixed.items()}
    shares["letters"] = np.full(len(maps), np.nan)
    areas["letters"] = np.full(len(maps), np.nan)
    if films is not None:
        films = check_films(films, maps.shape)
        steps = max(1, round(_MARGIN * min(height, width)))
        for place, film in enumerate(films):
            letters = find_letters(film)
            if letters.any():
                letters = ndimage.binary_dilation(letters, np.ones((3, 3)), iterations=steps)
                part = slice(place, place + 1)
                shares["letters"][part] = _share(maps[part, letters], total[part])
                areas["letters"][place] = letters.mean()
    frame = pd.DataFrame({name: shares[name] for name in REGIONS})
    for name in REGIONS:
        frame[f"{name}_area"] = areas[name]
    frame["null"] = total == 0
    return frame


def outside_table(
    shares: pd.DataFrame, labels: ArrayLike, patients: ArrayLike, n: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """La media por clase de cada parte, con su intervalo y con lo que daría un mapa uniforme.

    Parameters
    ----------
    shares : la salida de ``outside_shares``
    labels : (N,) 0 = NORMAL, 1 = PNEUMONIA
    patients : (N,) identificadores; ``""`` cuenta como un paciente aparte.
    n, seed : remuestreos y su semilla

    Returns
    -------
    DataFrame
        ``label`` (NORMAL, PNEUMONIA), ``region``, ``value``, ``low`` y ``high`` (95 %, por
        paciente), ``chance`` (el área media de la región), ``n_films`` (las placas medidas: con
        calor y, para las letras, con letras) y ``n_null``. Sin placas que medir, NaN. Una clase
        ausente no aparece.

    Raises
    ------
    DataError
        Etiquetas no válidas o largos distintos.
    ConfigError
        ``n`` menor que 1.
    """
    truth = check_labels(labels)
    if len(truth) != len(shares):
        raise DataError(f"Hay {len(shares)} placas medidas y {len(truth)} etiquetas.")
    names = check_patients(patients, len(truth))
    null = shares["null"].to_numpy()
    rows = []
    for label in np.unique(truth):
        for region in REGIONS:
            values = shares[region].to_numpy()
            films = (truth == label) & ~np.isnan(values)
            interval = mean_interval(values[films], names[films], n, seed)
            chance = shares.loc[films, f"{region}_area"].mean()
            count = (int(films.sum()), int(null[truth == label].sum()))
            rows.append((_CLASSES[label], region, *interval, chance, *count))
    columns = ["label", "region", "value", "low", "high", "chance", "n_films", "n_null"]
    return pd.DataFrame(rows, columns=columns)


def worst_films(share: ArrayLike, n: int = 12) -> np.ndarray:
    """Posiciones de las ``n`` placas con más calor fuera, de más a menos; int64 (hasta n,).

    Las que no están definidas (NaN) no cuentan; en un empate va antes la primera.

    Raises
    ------
    DataError
        Si ``share`` no es un vector.
    ConfigError
        Si ``n`` es menor que 1.
    """
    values = np.asarray(share, dtype=np.float64)
    if values.ndim != 1:
        raise DataError(f"Las partes deben ser un vector (N,) y tienen forma {values.shape}.")
    if n < 1:
        raise ConfigError(f"Pidamos al menos una placa; recibimos n = {n}.")
    order = np.argsort(-values, kind="stable")
    return order[~np.isnan(values[order])][:n]


def _share(heat: np.ndarray, total: np.ndarray) -> np.ndarray:
    part = heat.sum(axis=1, dtype=np.float64)
    return np.divide(part, total, out=np.full(len(total), np.nan), where=total > 0)


def _edge(height: int, width: int, share: float) -> tuple[int, int]:
    check_shape((1, height, width))
    if not 0 < share < 0.5:
        raise ConfigError(f"La franja debe ser mayor que 0 y menor que 0.5; recibimos {share}.")
    return max(1, round(share * height)), max(1, round(share * width))


def _is_letter(
    grey: np.ndarray, components: np.ndarray, number: int, box: tuple, region: np.ndarray
) -> bool:
    rows, columns = box
    side = min(grey.shape)
    low, high = (share * side for share in _LETTER_SIDES)
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
    ring = ndimage.binary_dilation(own, iterations=3)
    ring &= ~ndimage.binary_dilation(own, np.ones((3, 3)))
    return bool(peak >= _BRIGHT and np.percentile(around[ring], 90) <= peak - _CONTRAST)
