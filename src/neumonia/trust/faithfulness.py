"""¿Depende la red de lo que el mapa señala? Curvas de borrado y de inserción.

Se quitan (o se ponen) los píxeles de más a menos calientes y se sigue la probabilidad. No hace
falta máscara. Dos cautelas: una placa a medio borrar no se parece a ninguna de entrenamiento, y el
orden al azar borra píxeles sueltos en vez de regiones; conviene mirar también el mapa del centro.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter

from neumonia.errors import ConfigError, DataError
from neumonia.gradcam.network import check_target
from neumonia.models.batches import check_batch_size
from neumonia.training import sigmoid
from neumonia.trust.checks import check_films, check_maps
from neumonia.trust.intervals import check_patients, mean_interval

Predict = Callable[[np.ndarray], np.ndarray]
"""Placas (N, H, W) en 0..255 -> logits de neumonía float64 (N,)."""

REPLACEMENTS = ("blur", "mean")
RANDOM_ORDER = "random_order"
# Una opacidad ocupa cerca de la décima parte de la placa: un desenfoque menor la dejaría ver.
BLUR = 0.1


@dataclass(frozen=True)
class Curve:
    """La probabilidad de cada placa a medida que se quitan o se ponen píxeles.

    Attributes
    ----------
    fractions : float64 (S+1,), de 0 a 1
        Parte de los píxeles ya cambiada.
    probabilities : float64 (N, S+1)
        De la clase que se explica.
    """

    fractions: np.ndarray
    probabilities: np.ndarray

    @property
    def auc(self) -> np.ndarray:
        """Área bajo la curva de cada placa por trapecios: float64 (N,) en 0..1."""
        return np.trapezoid(self.probabilities, self.fractions, axis=1)


@dataclass(frozen=True)
class Faithfulness:
    """Las dos curvas de un método: borrado (mejor cuanto más baja) e inserción (más alta)."""

    deletion: Curve
    insertion: Curve


def deletion_curve(
    predict: Predict,
    films: np.ndarray,
    maps: ArrayLike,
    steps: int = 20,
    replacement: str = "blur",
    seed: int = 0,
    batch_size: int = 32,
    target: str = "PNEUMONIA",
) -> Curve:
    """Borra los píxeles de más a menos calientes: un mapa fiel hunde pronto la probabilidad.

    Los empates se ordenan al azar con ``seed``, así que un mapa nulo es un orden al azar. En
    memoria hay solo un lote de placas alteradas a la vez.

    Parameters
    ----------
    predict : placas float32 (b, H, W) en 0..255 -> logits de neumonía (b,)
    films : (N, H, W) uint8 o float en 0..255
    maps : (N, H, W) en 0..1
    steps : int >= 1
        La curva tiene ``steps + 1`` puntos, con el mismo número de píxeles entre uno y otro.
    replacement : {"blur", "mean"}
        Lo que se pone en lugar de un píxel: la placa desenfocada (gaussiana con desviación de
        ``BLUR`` veces el lado corto) o el gris medio de la placa.
    seed : int
    batch_size : int >= 1, en placas
    target : {"PNEUMONIA", "NORMAL"}
        La clase cuya probabilidad se sigue.

    Returns
    -------
    Curve

    Raises
    ------
    DataError
        Placas o mapas no válidos, o si ``predict`` no da un logit finito por placa.
    ConfigError
        ``steps``, ``replacement``, ``batch_size`` o ``target`` fuera de su dominio.

    Fuente: Petsiuk, Das y Saenko (2018), *RISE*, arXiv:1806.07421.
    """
    return _curve(predict, films, maps, steps, replacement, seed, batch_size, target, True)


def insertion_curve(
    predict: Predict,
    films: np.ndarray,
    maps: ArrayLike,
    steps: int = 20,
    replacement: str = "blur",
    seed: int = 0,
    batch_size: int = 32,
    target: str = "PNEUMONIA",
) -> Curve:
    """Parte de la placa sustituida entera y devuelve los píxeles de más a menos calientes.

    Un mapa fiel recupera pronto la probabilidad. Todo lo demás, como ``deletion_curve``.
    """
    return _curve(predict, films, maps, steps, replacement, seed, batch_size, target, False)


def faithfulness_curves(
    predict: Predict,
    films: np.ndarray,
    maps_by_method: Mapping[str, ArrayLike],
    steps: int = 20,
    replacement: str = "blur",
    seed: int = 0,
    batch_size: int = 32,
    target: str = "PNEUMONIA",
) -> dict[str, Faithfulness]:
    """Las dos curvas de cada método y, con la clave ``RANDOM_ORDER``, las del orden al azar.

    El orden al azar desempata como los métodos (la misma ``seed``): un mapa nulo da exactamente
    sus curvas.

    Parameters, Raises: como ``deletion_curve``; ``ConfigError`` si un método se llama
    ``RANDOM_ORDER`` y ``DataError`` si no hay métodos.
    """
    if not maps_by_method:
        raise DataError("No hay mapas que medir: demos al menos un método.")
    if RANDOM_ORDER in maps_by_method:
        raise ConfigError(f"El nombre {RANDOM_ORDER!r} queda para el orden al azar: demos otro.")
    nothing = np.broadcast_to(np.float32(0), np.shape(films))
    options = (steps, replacement, seed, batch_size, target)
    return {
        method: Faithfulness(
            deletion_curve(predict, films, maps, *options),
            insertion_curve(predict, films, maps, *options),
        )
        for method, maps in {**maps_by_method, RANDOM_ORDER: nothing}.items()
    }


def faithfulness_table(
    curves: Mapping[str, Faithfulness], patients: ArrayLike, n: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """El área bajo cada curva y su diferencia, placa a placa, con la del orden al azar.

    Parameters
    ----------
    curves : la salida de ``faithfulness_curves``
    patients : (N,) identificadores; ``""`` cuenta como un paciente aparte.
    n, seed : remuestreos y su semilla

    Returns
    -------
    DataFrame
        ``method``, ``metric`` (deletion o insertion), ``value``, ``low``, ``high``;
        ``difference``, ``difference_low``, ``difference_high``: método menos azar, pareada, con
        su intervalo del 95 % por paciente; ``n_films``. Mejor que el azar es una diferencia
        negativa en el borrado y positiva en la inserción.

    Raises
    ------
    DataError
        Si falta el orden al azar o los largos no coinciden.
    ConfigError
        ``n`` menor que 1.
    """
    if RANDOM_ORDER not in curves:
        raise DataError("Falta el orden al azar: usemos las curvas de faithfulness_curves.")
    rows = []
    for method, pair in curves.items():
        for metric in ("deletion", "insertion"):
            areas = getattr(pair, metric).auc
            names = check_patients(patients, len(areas))
            chance = getattr(curves[RANDOM_ORDER], metric).auc
            if chance.shape != areas.shape:
                raise DataError(f"{method!r} y el orden al azar no tienen las mismas placas.")
            value = mean_interval(areas, names, n, seed)
            difference = mean_interval(areas - chance, names, n, seed)
            rows.append((method, metric, *value, *difference, len(areas)))
    columns = ["method", "metric", "value", "low", "high"]
    columns += ["difference", "difference_low", "difference_high", "n_films"]
    return pd.DataFrame(rows, columns=columns)


def _curve(
    predict: Predict,
    films: np.ndarray,
    maps: ArrayLike,
    steps: int,
    replacement: str,
    seed: int,
    batch_size: int,
    target: str,
    deletes: bool,
) -> Curve:
    sign = check_target(target)
    check_batch_size(batch_size)
    maps = check_maps(maps)
    films = check_films(films, maps.shape)
    size = maps[0].size
    if not 1 <= steps <= size:
        raise ConfigError(f"Los pasos van de 1 a {size}, los píxeles de la placa, y son {steps}.")
    if replacement not in REPLACEMENTS:
        raise ConfigError(
            f"No conocemos el sustituto {replacement!r}; elijamos: {', '.join(REPLACEMENTS)}."
        )
    limits = np.rint(np.arange(steps + 1) * size / steps).astype(np.int64)
    probabilities = np.empty((len(films), steps + 1))
    rng = np.random.default_rng(seed)
    for start in range(0, len(films), batch_size):
        batch = np.asarray(films[start : start + batch_size], dtype=np.float32)
        part = slice(start, start + len(batch))
        ranks = np.stack([_ranks(heat, rng) for heat in maps[part]])
        other = np.stack([_replace(film, replacement) for film in batch])
        for step, limit in enumerate(limits):
            altered = np.where((ranks < limit) == deletes, other, batch)
            probabilities[part, step] = sigmoid(sign * _logits(predict, altered))
    return Curve(limits / size, probabilities)


def _ranks(heat: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Puesto de cada píxel, int64 (H, W): 0 el más caliente, los empates al azar."""
    order = np.lexsort((rng.random(heat.size), -heat.ravel()))
    ranks = np.empty(heat.size, dtype=np.int64)
    ranks[order] = np.arange(heat.size)
    return ranks.reshape(heat.shape)


def _replace(film: np.ndarray, replacement: str) -> np.ndarray:
    if replacement == "mean":
        return np.full_like(film, film.mean(dtype=np.float64))
    return gaussian_filter(film, BLUR * min(film.shape), mode="nearest")


def _logits(predict: Predict, films: np.ndarray) -> np.ndarray:
    logits = np.asarray(predict(films), dtype=np.float64)
    if logits.shape != (len(films),) or not np.isfinite(logits).all():
        raise DataError(
            f"predict debe dar un logit finito por placa, con forma ({len(films)},); dio un "
            f"arreglo de forma {logits.shape}."
        )
    return logits
