"""El número de paciente de cada radiografía: la unidad que se remuestrea."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from neumonia.errors import DataError


def patient_codes(patients: ArrayLike, n_films: int) -> np.ndarray:
    """Número de paciente, int64 (N,), de 0 a P-1; cada ``""`` cuenta como un paciente aparte.

    Raises
    ------
    DataError
        Si el largo no coincide, falta algún identificador (None o NaN) o hay un solo paciente.
    """
    names = pd.Series(np.asarray(patients, dtype=object))
    if len(names) != n_films:
        raise DataError(
            f"Hay {n_films} radiografías y {len(names)} identificadores de paciente: "
            "necesitamos uno por radiografía, en el mismo orden."
        )
    if names.isna().any():
        first = int(np.flatnonzero(names.isna())[0])
        raise DataError(
            f"Falta el paciente de la posición {first}. Si no se conoce, escribamos el texto vacío."
        )
    keys = [name if name != "" else ("", position) for position, name in enumerate(names)]
    codes, unique = pd.factorize(pd.Series(keys, dtype=object))
    if len(unique) < 2:
        raise DataError("Hay un solo paciente: no podemos estimar cuánto varía una métrica.")
    return codes.astype(np.int64)
