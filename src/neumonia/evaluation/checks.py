"""Comprobaciones comunes, y el paciente de cada radiografía: la unidad que se remuestrea."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from neumonia.errors import ConfigError, DataError


def check_labels(labels: ArrayLike) -> np.ndarray:
    """Devuelve las etiquetas como int8 (N,), con 0 = NORMAL y 1 = PNEUMONIA.

    Errores: ``DataError`` (si están vacías, no son un vector o contienen algo distinto de 0 y 1).
    """
    array = np.asarray(labels)
    if array.ndim != 1:
        raise DataError(f"Las etiquetas deben ser un vector (N,) y tienen forma {array.shape}.")
    if array.size == 0:
        raise DataError("No hay etiquetas: no podemos medir nada sobre cero radiografías.")
    try:
        numbers = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError("Las etiquetas deben ser números: 0 (NORMAL) o 1 (PNEUMONIA).") from error
    wrong = np.flatnonzero((numbers != 0) & (numbers != 1))
    if wrong.size:
        first = int(wrong[0])
        raise DataError(
            f"Las etiquetas deben ser 0 (NORMAL) o 1 (PNEUMONIA); en la posición {first} "
            f"hay {array[first]!r}."
        )
    return numbers.astype(np.int8)


def check_predictions(labels: ArrayLike, probabilities: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Devuelve ``(labels int8 (N,), probabilities float64 (N,))`` ya comprobadas.

    Errores: ``DataError`` (si los largos difieren, no hay datos, las etiquetas no son 0 o 1, o
    alguna probabilidad es NaN o sale de [0, 1]).
    """
    truth = check_labels(labels)
    try:
        scores = np.asarray(probabilities, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError("Las probabilidades deben ser números entre 0 y 1.") from error
    if scores.shape != truth.shape:
        raise DataError(
            f"Hay {truth.shape[0]} etiquetas y las probabilidades tienen forma {scores.shape}: "
            "necesitamos una probabilidad por radiografía, en el mismo orden."
        )
    wrong = np.flatnonzero(~((scores >= 0.0) & (scores <= 1.0)))
    if wrong.size:
        first = int(wrong[0])
        raise DataError(
            f"La probabilidad de la posición {first} es {scores[first]}: debe estar entre 0 y 1. "
            "Si son logits, pasémoslos antes por la sigmoide."
        )
    return truth, scores


def check_both_classes(labels: np.ndarray, what: str) -> None:
    """Lanza ``DataError`` si ``labels`` tiene una sola clase; ``what`` es lo que no existe."""
    if labels.min() == labels.max():
        only = "PNEUMONIA" if labels[0] else "NORMAL"
        raise DataError(
            f"Todas las radiografías son {only}: con una sola clase no existe {what}. "
            "Usemos un conjunto que tenga las dos."
        )


def check_threshold(threshold: float) -> float:
    """Devuelve el umbral como float; ``ConfigError`` si no está en [0, 1]."""
    if not 0.0 <= threshold <= 1.0:
        raise ConfigError(f"El umbral debe estar entre 0 y 1, y es {threshold}.")
    return float(threshold)


def check_prevalence(prevalence: float) -> float:
    """Devuelve la prevalencia como float; ``ConfigError`` si no está entre 0 y 1, sin tocarlos."""
    if not 0.0 < prevalence < 1.0:
        raise ConfigError(
            f"La prevalencia debe ser mayor que 0 y menor que 1, y es {prevalence}: escribamos "
            "0.05 si es el 5 %."
        )
    return float(prevalence)


def patient_codes(patients: ArrayLike, n_films: int) -> np.ndarray:
    """Número de paciente, int64 (N,), de 0 a P-1; cada ``""`` cuenta como un paciente aparte.

    Errores: ``DataError`` (si el largo no coincide, falta algún identificador (None o NaN) o hay un
    solo paciente).
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
