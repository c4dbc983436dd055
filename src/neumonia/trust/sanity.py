"""Pruebas de cordura: si estropeamos la red o sus etiquetas, el mapa tiene que cambiar.

Un mapa que sale igual de una red entrenada que de una al azar describe la placa, no la red. Fuente:
Adebayo y otros (2018), *Sanity Checks for Saliency Maps*, arXiv:1810.03292.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation import hierarchical_interval, mean_distribution
from neumonia.evaluation.patients import patient_codes
from neumonia.trust.checks import check_maps
from neumonia.trust.intervals import check_patients, mean_interval
from neumonia.trust.randomisation import (
    Explain,
    cascading_randomisation,
    permuted_labels,
    run_explainer,
)
from neumonia.trust.similarity import constant_maps, spearman, ssim

if TYPE_CHECKING:
    import keras

__all__ = [
    "CUT",
    "Verdict",
    "between_films",
    "cascade_table",
    "cascading_randomisation",
    "label_randomisation",
    "permuted_labels",
    "verdict",
]

CUT = 0.5
"""Por encima de este parecido decimos que el mapa no cambia.

Una correlación de rangos de 0.5 conserva la cuarta parte de la varianza: quien mira los dos mapas
todavía ve lo mismo en el mismo sitio.
"""
COLUMNS = (
    *("step", "layer", "metric", "value", "low", "high"),
    *("draws", "draw_min", "draw_max", "n_films", "n_null"),
)
OTHER_FILM = "(otra placa)"
PERMUTED = "(etiquetas permutadas)"


@dataclass(frozen=True)
class Verdict:
    """Lo que concluye una tabla de este módulo.

    Attributes
    ----------
    changes : bool
    kept : tuple de str
        Las medidas cuyo límite inferior quedó por encima del corte; vacía si el mapa cambia.
    """

    changes: bool
    kept: tuple[str, ...]

    def __str__(self) -> str:
        return "cambia" if self.changes else "no cambia"


def cascade_table(
    original: ArrayLike,
    cascade: Iterable[tuple[str, ArrayLike]],
    patients: ArrayLike,
    n: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Cuánto se parecen a los mapas originales los de cada paso, con intervalo del 95 %.

    Una red al azar puede parecerse a la nuestra por casualidad, y como es la misma para todas las
    placas, el intervalo por paciente no lo ve. Conviene encadenar varias cascadas:
    ``chain.from_iterable(cascading_randomisation(model, explain, images, s) for s in range(5))``.
    El valor es entonces la media de los sorteos, y su intervalo varía los pacientes y los sorteos
    (``hierarchical_interval``).

    Las placas cuyo mapa original es constante (casi siempre, nulo) quedan fuera: de un mapa que no
    señalaba nada no se puede decir si cambió.

    Parameters
    ----------
    original : (N, H, W) en 0..1
        Los mapas de la red sin tocar.
    cascade : pares (capa, mapas)
        Lo que entrega ``cascading_randomisation``; una capa que se repite es otro sorteo.
    patients : (N,) identificadores; ``""`` cuenta como un paciente aparte.
    n, seed : remuestreos y su semilla

    Returns
    -------
    DataFrame
        ``step`` (desde 1), ``layer``; ``metric``: ``ssim`` y ``spearman_abs``, el valor absoluto de
        la correlación de rangos de cada placa, porque un mapa invertido muestra lo mismo;
        ``value``, ``low``, ``high``; ``draws``, los sorteos, y ``draw_min`` y ``draw_max``, la
        menor y la mayor de sus medias; ``n_films``, las placas comparadas; ``n_null``, cuántos de
        los mapas del paso, en todos los sorteos, son constantes.

    Raises
    ------
    DataError, ConfigError
        Datos no válidos, cascada vacía o ningún mapa original que señale algo.
    """
    original, kept = _informative(original)
    names = check_patients(patients, len(kept))[kept]
    steps: dict[str, list[pd.DataFrame]] = {}
    for layer, maps in cascade:
        changed = check_maps(maps)
        if len(changed) != len(kept):
            raise DataError(
                f"Hay {len(kept)} mapas originales y {len(changed)} tras borrar {layer!r}: deben "
                "ser de las mismas placas, en el mismo orden."
            )
        steps.setdefault(layer, []).append(_scores(original, changed[kept]))
    if not steps:
        raise DataError("La cascada está vacía: no hay mapas que comparar con los originales.")
    parts = [
        _rows(step, layer, draws, names, n, seed)
        for step, (layer, draws) in enumerate(steps.items(), 1)
    ]
    return pd.concat(parts, ignore_index=True)


def between_films(
    maps: ArrayLike, patients: ArrayLike, n: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Lo que se parecen, sin tocar la red, los mapas de placas de pacientes distintos.

    Es el nivel del azar para leer la cascada: los mapas de una misma red se parecen porque los
    tórax están centrados y la resolución es poca. Cada placa se compara con otra al azar.

    Parameters
    ----------
    maps : (N, H, W) en 0..1
    patients, n, seed : como en ``cascade_table``

    Returns
    -------
    DataFrame
        Las columnas de ``cascade_table`` con ``layer`` = ``"(otra placa)"`` y ``step`` = 0.

    Raises
    ------
    DataError, ConfigError
        Datos no válidos o un solo paciente.

    Fuente: Arun y otros (2021), arXiv:2008.02766, comparan así con pares al azar.
    """
    maps, kept = _informative(maps)
    names = check_patients(patients, len(kept))[kept]
    codes = patient_codes(names, len(maps))
    rng = np.random.default_rng(seed)
    partner = [rng.choice(np.flatnonzero(codes != code)) for code in codes]
    return _rows(0, OTHER_FILM, [_scores(maps, maps[partner])], names, n, seed)


def label_randomisation(
    true_model: "keras.Model",
    permuted_model: "keras.Model",
    explain: Explain,
    images: np.ndarray,
    patients: ArrayLike,
    n: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compara los mapas de una red con los de otra igual entrenada con etiquetas permutadas.

    La segunda red debe haber memorizado ``permuted_labels`` (exactitud alta en entrenamiento): si
    no aprendió nada, la comparación es la de la red al azar.

    Returns
    -------
    DataFrame
        Las columnas de ``cascade_table`` con ``layer`` = ``"(etiquetas permutadas)"``.

    Raises
    ------
    DataError, ConfigError
        Como ``cascading_randomisation`` y ``cascade_table``.
    """
    original, changed = (run_explainer(explain, m, images) for m in (true_model, permuted_model))
    return cascade_table(original, [(PERMUTED, changed)], patients, n, seed)


def verdict(table: pd.DataFrame, cut: float | Mapping[str, float] = CUT) -> Verdict:
    """«no cambia» si, con todo borrado, el parecido sigue por encima del corte sin duda.

    Miramos el último paso de la tabla, el que tiene todas las capas borradas, y basta una medida
    cuyo límite inferior supere el corte.

    Parameters
    ----------
    table : DataFrame de ``cascade_table`` (la cascada entera) o de ``label_randomisation``
    cut : float, o un número por medida
        Por omisión 0.5; véase ``CUT``. Más exigente es el parecido entre placas distintas:
        ``between_films(...).set_index("metric")["value"].to_dict()``.

    Raises
    ------
    DataError
        Si la tabla no tiene intervalos (un solo paciente).
    ConfigError
        Si falta el corte de alguna medida.
    """
    last = table[table["step"] == table["step"].max()].set_index("metric")
    if last["low"].isna().any():
        raise DataError("La tabla no tiene intervalos: hacen falta placas de varios pacientes.")
    cuts = dict(cut) if isinstance(cut, Mapping) else dict.fromkeys(last.index, float(cut))
    missing = [metric for metric in last.index if metric not in cuts]
    if missing:
        raise ConfigError(f"Falta el corte de estas medidas: {', '.join(missing)}.")
    kept = tuple(metric for metric in last.index if last["low"][metric] > cuts[metric])
    return Verdict(not kept, kept)


def _informative(maps: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Los mapas que señalan algo y cuáles son: (M, H, W) y bool (N,)."""
    found = check_maps(maps)
    kept = ~constant_maps(found)
    if not kept.any():
        raise DataError(
            "Todos los mapas de la red original son constantes: no señalan nada y no hay con qué "
            "comparar. Probemos con otra capa, otro método u otras placas."
        )
    return found[kept], kept


def _scores(original: ArrayLike, changed: ArrayLike) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "ssim": ssim(original, changed),
            "spearman_abs": np.abs(spearman(original, changed)),
            "null": constant_maps(changed),
        }
    )


def _rows(
    step: int, layer: str, draws: list[pd.DataFrame], patients: np.ndarray, n: int, seed: int
) -> pd.DataFrame:
    n_null = sum(int(draw["null"].sum()) for draw in draws)
    rows = []
    for metric in ("ssim", "spearman_abs"):
        scores = [draw[metric].to_numpy() for draw in draws]
        value, low, high = mean_interval(np.mean(scores, axis=0), patients, n, seed)
        if len(draws) > 1 and not np.isnan(low):
            spread = [mean_distribution(values, patients, n, seed) for values in scores]
            low, high = hierarchical_interval(spread, n=n, seed=seed)
        means = [float(values.mean()) for values in scores]
        ends = (value, low, high, len(draws), min(means), max(means), len(patients), n_null)
        rows.append((step, layer, metric, *ends))
    return pd.DataFrame(rows, columns=list(COLUMNS))
