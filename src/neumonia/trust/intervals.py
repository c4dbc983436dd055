"""La media de una medida por placa, con su intervalo por paciente."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from neumonia.errors import DataError
from neumonia.evaluation import mean_distribution, percentile_interval


def mean_interval(
    values: ArrayLike, patients: ArrayLike, n: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """``(value, low, high)``: la media y su intervalo del 95 % remuestreando pacientes.

    Con los mismos pacientes y la misma ``seed`` los remuestreos son los mismos. Para comparar dos
    métodos medidos en las mismas placas, demos aquí la diferencia placa a placa.

    Parameters
    ----------
    values : float (N,), finitos
    patients : (N,) identificadores; ``""`` cuenta como un paciente aparte.

    Returns
    -------
    tuple de float
        Sin placas, todo NaN; con un solo paciente, ``low`` y ``high`` son NaN.

    Raises
    ------
    DataError, ConfigError
        Como ``mean_distribution``.
    """
    numbers = np.asarray(values, dtype=np.float64)
    names = check_patients(patients, len(numbers))
    if numbers.size == 0:
        return np.nan, np.nan, np.nan
    value = float(numbers.mean())
    if (names[0] != "" or len(names) == 1) and (names == names[0]).all():
        return value, np.nan, np.nan
    low, high = percentile_interval(mean_distribution(numbers, names, n, seed))
    return value, low, high


def check_patients(patients: ArrayLike, n_films: int) -> np.ndarray:
    """Identificadores como object (N,); ``DataError`` si no hay uno por placa o falta alguno."""
    names = np.asarray(patients, dtype=object)
    if names.shape != (n_films,):
        raise DataError(
            f"Hay {n_films} placas y los pacientes tienen forma {names.shape}: necesitamos un "
            "identificador por placa, en el mismo orden."
        )
    if pd.isna(names).any():
        raise DataError(
            "Falta el paciente de alguna placa. Si no se conoce, escribamos el texto vacío."
        )
    return names
