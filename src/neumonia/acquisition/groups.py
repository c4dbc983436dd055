"""Grupos de adquisición supuestos: radiografías que se parecen en grises, marco y nitidez.

Los archivos no dicen con qué equipo se tomó cada radiografía. Agrupar por estadísticas que no
miran el pulmón da un sustituto: sirve para medir si una red acierta igual en todos los grupos, o
para apartar uno entero y probar en él. Un grupo no es un equipo, y en parte puede seguir a la
clase.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation.checks import check_labels

GROUP_COLUMNS = (
    "mean",
    "std",
    "black",
    "frame_mean",
    "frame_std",
    "top",
    "bottom",
    "gradient",
    "laplacian",
)
"""Las estadísticas con que agrupamos, si están: grises, marco y nitidez."""


@dataclass(frozen=True, eq=False)
class AcquisitionGroups:
    """Los grupos ya ajustados; ``columns`` son las estadísticas que usan.

    Los números van del grupo más borroso al más nítido, para que no dependan del azar.
    """

    columns: tuple[str, ...]
    k: int
    _pipeline: Any
    _rank: np.ndarray

    def predict(self, statistics: pd.DataFrame) -> np.ndarray:
        """Grupo de cada fila, int64 (N,) de 0 a k-1: el de centro más cercano.

        Raises
        ------
        DataError
            Si falta una columna o hay un valor no finito.
        """
        values = _values(statistics, self.columns)
        return self._rank[self._pipeline.predict(values)]


def fit_groups(statistics: pd.DataFrame, k: int = 4, seed: int = 0) -> AcquisitionGroups:
    """Ajusta k-medias sobre estadísticas estandarizadas. Solo con las de entrenamiento.

    Parameters
    ----------
    statistics : DataFrame
        Se usan las columnas de ``GROUP_COLUMNS`` que tenga; si no tiene ninguna, todas.
    k : int, al menos 2
    seed : int

    Raises
    ------
    ConfigError
        Si ``k`` es menor que 2 o mayor que las radiografías distintas.
    DataError
        Si hay un valor no finito.

    Fuente: Lloyd (1982), *Least squares quantization in PCM*; diez arranques con k-means++.
    """
    from sklearn.cluster import KMeans
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    known = tuple(name for name in GROUP_COLUMNS if name in statistics.columns)
    columns = known or tuple(statistics.columns)
    values = _values(statistics, columns)
    distinct = len(np.unique(values, axis=0))
    if not 2 <= k <= distinct:
        raise ConfigError(
            f"Pedimos {k} grupos y hay {distinct} radiografías distintas: pidamos de 2 a "
            f"{distinct}."
        )
    pipeline = make_pipeline(StandardScaler(), KMeans(k, n_init=10, random_state=seed))
    pipeline.fit(values)
    centers = pipeline[-1].cluster_centers_
    key = columns.index("gradient") if "gradient" in columns else 0
    rank = np.empty(k, dtype=np.int64)
    rank[np.argsort(centers[:, key], kind="stable")] = np.arange(k)
    return AcquisitionGroups(columns, k, pipeline, rank)


def acquisition_groups(
    statistics: pd.DataFrame, k: int = 4, seed: int = 0, train: ArrayLike | None = None
) -> np.ndarray:
    """Grupo de adquisición de cada radiografía, int64 (N,), de 0 (más borroso) a k-1.

    Parameters
    ----------
    statistics, k, seed
        Como en ``fit_groups``.
    train : bool (N,), optional
        Con cuáles se ajustan los grupos; las demás van al de centro más cercano. Sin ella se
        ajusta con todas, lo que solo conviene si todas son de entrenamiento.

    Raises
    ------
    ConfigError, DataError
        Como ``fit_groups``; también si ``train`` no tiene un valor por fila.
    """
    if train is None:
        chosen = np.ones(len(statistics), dtype=bool)
    else:
        chosen = np.asarray(train)
        if chosen.dtype != bool or chosen.shape != (len(statistics),):
            raise DataError(
                f"«train» debe ser bool ({len(statistics)},), y es {chosen.dtype} {chosen.shape}."
            )
    return fit_groups(statistics.loc[chosen], k, seed).predict(statistics)


def group_table(groups: ArrayLike, labels: ArrayLike, statistics: pd.DataFrame) -> pd.DataFrame:
    """Resumen de cada grupo.

    Returns
    -------
    DataFrame
        Índice ``group``; columnas ``n``, ``normal``, ``pneumonia``, ``proportion_pneumonia`` y la
        media de ``gradient``, ``mean``, ``black`` y ``frame_mean`` (las que haya).

    Raises
    ------
    DataError
        Si los largos difieren.
    """
    numbers, truth = _aligned(groups, labels)
    if len(statistics) != len(truth):
        raise DataError(f"Hay {len(truth)} etiquetas y {len(statistics)} filas de estadísticas.")
    frame = statistics.reset_index(drop=True).assign(_label=truth.astype(np.int64))
    grouped = frame.groupby(numbers)
    table = pd.DataFrame({"n": grouped.size(), "pneumonia": grouped["_label"].sum()})
    table.insert(1, "normal", table["n"] - table["pneumonia"])
    table["proportion_pneumonia"] = table["pneumonia"] / table["n"]
    for name in ("gradient", "mean", "black", "frame_mean"):
        if name in statistics.columns:
            table[name] = grouped[name].mean()
    table.index.name = "group"
    return table


def _values(statistics: pd.DataFrame, columns: tuple[str, ...]) -> np.ndarray:
    missing = [name for name in columns if name not in statistics.columns]
    if missing or not columns:
        raise DataError(f"A las estadísticas les faltan columnas: {', '.join(missing) or 'todas'}.")
    values = statistics[list(columns)].to_numpy(dtype=np.float64)
    if len(values) == 0 or not np.isfinite(values).all():
        raise DataError("Las estadísticas están vacías o tienen valores que no son finitos.")
    return values


def _aligned(groups: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    truth, numbers = check_labels(labels), np.asarray(groups)
    if numbers.shape != truth.shape:
        raise DataError(f"Hay {len(truth)} etiquetas y {numbers.size} grupos.")
    return numbers, truth
