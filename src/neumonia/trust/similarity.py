"""Cuánto se parecen dos mapas: SSIM, correlación de rangos y coincidencia de lo más caliente.

Un mapa constante —el de ceros, sobre todo— no ordena los píxeles. Las medidas que dependen del
orden siguen un mismo convenio: dos mapas constantes son iguales y valen 1; uno constante frente a
otro que sí ordena vale lo que daría un sorteo (0 la correlación, ``share`` la coincidencia). Un 1
puede significar, pues, dos redes que callan: por eso las tablas cuentan los mapas constantes.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter
from scipy.stats import rankdata

from neumonia.errors import ConfigError, DataError
from neumonia.trust.checks import check_maps
from neumonia.trust.intervals import mean_interval

# Los valores de Wang y otros (2004): ventana gaussiana de 11 x 11, y K1 y K2.
_RADIUS = 5
_SIGMA = 1.5
_C1, _C2 = 0.01**2, 0.03**2

MEASURES = ("ssim", "spearman", "overlap")
TOP_SHARE = 0.1
"""La parte de los píxeles que llamamos «lo más caliente»."""


def ssim(first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """Índice de similitud estructural de cada par de mapas.

    Media del índice local sobre las posiciones donde la ventana gaussiana (11 x 11, desviación 1.5)
    cabe entera. Dos mapas constantes a y b dan solo la parte de luminancia,
    ``(2ab + C1) / (a² + b² + C1)`` con C1 = 0.0001; dos de ceros, 1. Donde los dos mapas son casi
    cero el índice local es casi 1: con poco calor conviene leerlo junto a la correlación de rangos.

    Parameters
    ----------
    first, second : (N, H, W) en 0..1, con H y W de al menos 11

    Returns
    -------
    float64 (N,)
        En -1..1; 1 solo si los dos mapas son iguales.

    Raises
    ------
    DataError
        Formas distintas, mapas demasiado pequeños, NaN o valores fuera de 0..1.

    Fuente: Wang, Bovik, Sheikh y Simoncelli (2004), *Image Quality Assessment: From Error
    Visibility to Structural Similarity*, IEEE Transactions on Image Processing 13(4).
    """
    pairs = _pairs(first, second)
    height, width = np.shape(first)[1:]
    if min(height, width) <= 2 * _RADIUS:
        raise DataError(
            f"SSIM necesita mapas de al menos {2 * _RADIUS + 1} píxeles de lado y estos miden "
            f"{height} x {width}. Ampliémoslos antes al tamaño de la placa."
        )
    return np.array([_ssim(a, b) for a, b in pairs])


def spearman(first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """Correlación de rangos de Spearman entre los píxeles de cada par de mapas.

    Los empates reciben el rango medio. Dos mapas constantes valen 1; uno solo, 0.

    Parameters
    ----------
    first, second : (N, H, W) en 0..1

    Returns
    -------
    float64 (N,) en -1..1

    Raises
    ------
    DataError
        Formas distintas, NaN o valores fuera de 0..1.
    """
    return np.array([_spearman(a, b) for a, b in _pairs(first, second)])


def top_overlap(first: ArrayLike, second: ArrayLike, share: float = TOP_SHARE) -> np.ndarray:
    """Qué parte de los píxeles más calientes de un mapa lo son también en el otro.

    Los más calientes son k, la proporción ``share`` redondeada. Si hay empates en el corte, los
    empatados se reparten por igual los puestos que quedan. Dos mapas sin relación coinciden en
    torno a ``share``; uno constante, exactamente en ``k / (H * W)`` con cualquiera que no empate en
    el corte, y en 1 con otro constante.

    Parameters
    ----------
    first, second : (N, H, W) en 0..1
    share : float en (0, 1)

    Returns
    -------
    float64 (N,) en 0..1; 1 si los dos conjuntos son el mismo

    Raises
    ------
    DataError
        Formas distintas, NaN o valores fuera de 0..1.
    ConfigError
        Si ``share`` no está entre 0 y 1.
    """
    if not 0 < share < 1:
        raise ConfigError(f"La proporción de píxeles va entre 0 y 1, sin tocarlos, y es {share}.")
    pairs = _pairs(first, second)
    k = max(1, round(share * np.prod(np.shape(first)[1:])))
    return np.array([np.minimum(_membership(a, k), _membership(b, k)).sum() / k for a, b in pairs])


def similarity_scores(first: ArrayLike, second: ArrayLike) -> pd.DataFrame:
    """Las medidas de cada par de mapas: columnas ``MEASURES`` (float64), N filas.

    Parameters, Raises: como ``ssim``.
    """
    functions = {"ssim": ssim, "spearman": spearman, "overlap": top_overlap}
    return pd.DataFrame({name: function(first, second) for name, function in functions.items()})


def summary_rows(
    scores: Mapping[str, ArrayLike], patients: ArrayLike, n: int = 2000, seed: int = 0
) -> list[dict[str, object]]:
    """Por cada medida, ``{"metric", "value", "low", "high"}``: media e intervalo por paciente.

    Parameters
    ----------
    scores : nombre -> float (N,)
    patients, n, seed
        Como en ``mean_interval``.

    Raises
    ------
    DataError, ConfigError
        Como ``mean_interval``.
    """
    rows = []
    for metric, values in scores.items():
        value, low, high = mean_interval(values, patients, n, seed)
        rows.append({"metric": metric, "value": value, "low": low, "high": high})
    return rows


def constant_maps(maps: ArrayLike) -> np.ndarray:
    """Cuáles no ordenan ningún píxel: bool (N,). Entre ellos, los nulos."""
    maps = np.asarray(maps)
    return maps.min(axis=(1, 2)) == maps.max(axis=(1, 2))


def _pairs(first: ArrayLike, second: ArrayLike) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    a, b = check_maps(first), check_maps(second)
    if a.shape != b.shape:
        raise DataError(
            f"Los dos conjuntos de mapas deben tener la misma forma; tienen {a.shape} y {b.shape}."
        )
    return ((x.astype(np.float64), y.astype(np.float64)) for x, y in zip(a, b, strict=True))


def _ssim(a: np.ndarray, b: np.ndarray) -> float:
    def blur(image: np.ndarray) -> np.ndarray:
        return gaussian_filter(image, _SIGMA, radius=_RADIUS)

    mean_a, mean_b = blur(a), blur(b)
    variances = blur(a * a) - mean_a**2 + blur(b * b) - mean_b**2
    covariance = blur(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    structure = (2 * covariance + _C2) / (variances + _C2)
    inside = slice(_RADIUS, -_RADIUS)
    return float((luminance * structure)[inside, inside].mean())


def _spearman(a: np.ndarray, b: np.ndarray) -> float:
    constant = constant_maps([a, b])
    if constant.any():
        return float(constant.all())
    x, y = (ranks - ranks.mean() for ranks in (rankdata(a), rankdata(b)))
    return float(np.clip(x @ y / np.sqrt((x @ x) * (y @ y)), -1, 1))


def _membership(heat: np.ndarray, k: int) -> np.ndarray:
    """Cuánto pertenece cada píxel a los ``k`` mayores, en 0..1 y con suma k."""
    cut = np.partition(heat, -k, axis=None)[-k]
    above, tied = heat > cut, heat == cut
    return above + tied * (k - above.sum()) / tied.sum()
