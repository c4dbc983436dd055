"""Elegir qué radiografías se explican, sin escoger las que más convienen."""

import numpy as np
import pandas as pd

from neumonia.errors import DataError

OUTCOMES = ("VP", "VN", "FP", "FN")


def choose_examples(
    rows: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    per_outcome: int = 4,
    seed: int = 0,
    threshold: float = 0.5,
) -> pd.DataFrame:
    """Elige hasta ``per_outcome`` radiografías de cada desenlace, al azar y con semilla.

    Parameters
    ----------
    rows : enteros (N,)
        Posiciones en el manifiesto.
    labels : enteros (N,)
        0 = NORMAL, 1 = PNEUMONIA.
    probabilities : float (N,)
        Probabilidad de PNEUMONIA; con ``threshold`` o más decidimos PNEUMONIA.
    per_outcome : int >= 1
    seed : int

    Returns
    -------
    DataFrame
        ``row, outcome, label, probability``, con ``outcome`` entre VP, VN, FP y FN. Un desenlace
        sin casos no aparece.

    Raises
    ------
    DataError
        Si los largos no coinciden o no hay radiografías.
    """
    rows, labels = np.asarray(rows), np.asarray(labels)
    probabilities = np.asarray(probabilities, dtype=np.float64)
    if not len(rows) == len(labels) == len(probabilities) or len(rows) == 0:
        raise DataError(
            "Para elegir ejemplos hacen falta posiciones, clases y probabilidades del mismo "
            f"largo; llegaron {len(rows)}, {len(labels)} y {len(probabilities)}."
        )
    decided = probabilities >= threshold
    outcome = np.where(labels == 1, np.where(decided, "VP", "FN"), np.where(decided, "FP", "VN"))
    rng = np.random.default_rng(seed)
    chosen = []
    for name in OUTCOMES:
        candidates = np.flatnonzero(outcome == name)
        chosen.extend(np.sort(rng.permutation(candidates)[:per_outcome]))
    return pd.DataFrame(
        {
            "row": rows[chosen],
            "outcome": outcome[chosen],
            "label": labels[chosen],
            "probability": probabilities[chosen],
        }
    )
