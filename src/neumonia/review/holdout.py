"""Elegir sin mirar la prueba oficial: apartar las radiografías que contradicen el atajo.

La nitidez, el marco y los grises de una radiografía casi dicen su clase en el entrenamiento
oficial, y la prueba oficial rompe esa costumbre. Aquí se imita la ruptura con lo que hay: una
regresión logística que solo ve esas estadísticas puntúa cada radiografía, y de cada clase se aparta
el cuarto que más la contradice (normales que parecen tomadas como una neumonía, y al revés), con
todos sus pacientes. Un modelo vale por lo que acierta en ellas.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from neumonia.acquisition import acquisition_statistics
from neumonia.baselines import logistic_pipeline
from neumonia.errors import DataError
from neumonia.splits import patient_groups
from neumonia.study import Study

FOLDS = 5
SHARE = 0.25


@dataclass(frozen=True, eq=False)
class Holdout:
    """El reparto con que se elige; ninguna fila es de la prueba.

    Attributes
    ----------
    train, val : int64
        Posiciones para ajustar y para parar a tiempo: lo de siempre, sin los pacientes apartados.
    contrary : int64
        Las que más contradicen el atajo, un cuarto de cada clase: aquí se decide.
    score : float64 (N,)
        Probabilidad de neumonía según la adquisición sola, de un modelo que no vio a ese
        paciente; NaN en la prueba.
    """

    train: np.ndarray
    val: np.ndarray
    contrary: np.ndarray
    score: np.ndarray


def acquisition_holdout(study: Study, statistics: pd.DataFrame | None = None) -> Holdout:
    """Aparta de train y de val a los pacientes de las radiografías que contradicen el atajo.

    Parameters
    ----------
    study : Study
        Su prueba no se usa para nada.
    statistics : DataFrame, optional
        Las de ``acquisition_statistics``, por si ya están calculadas.

    Raises
    ------
    DataError
        Si no queda alguna clase en alguna de las tres partes.
    """
    if statistics is None:
        statistics = acquisition_statistics(study.images)
    labels, groups = study.labels, patient_groups(study.dataset.manifest)
    train, val = study.rows("train"), study.rows("val")
    pool = np.sort(np.concatenate([train, val]))
    score = np.full(len(labels), np.nan)
    score[pool] = _crossed_scores(statistics.to_numpy()[pool], labels[pool], groups[pool])
    contrary = np.sort(np.concatenate([_most_contrary(pool, labels, score, k) for k in (0, 1)]))
    apart = np.unique(groups[contrary])
    parts = [rows[~np.isin(groups[rows], apart)] for rows in (train, val)] + [contrary]
    for name, rows in zip(("entrenar", "validar", "elegir"), parts, strict=True):
        if len(np.unique(labels[rows])) < 2:
            raise DataError(
                f"Para {name} quedan {len(rows)} radiografías de una sola clase: con estos datos "
                "la adquisición no contradice a la clase lo bastante para elegir así."
            )
    return Holdout(*parts, score)


def _most_contrary(
    pool: np.ndarray, labels: np.ndarray, score: np.ndarray, label: int
) -> np.ndarray:
    """El cuarto de una clase cuya adquisición más se parece a la de la otra."""
    mine = pool[labels[pool] == label]
    toward = score[mine] if label == 0 else -score[mine]
    return mine[np.argsort(-toward, kind="stable")[: round(SHARE * len(mine))]]


def _crossed_scores(values: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    from sklearn.model_selection import GroupKFold, cross_val_predict

    folds = min(FOLDS, len(np.unique(groups)))
    probabilities = cross_val_predict(
        logistic_pipeline(),
        values,
        labels,
        groups=groups,
        cv=GroupKFold(folds),
        method="predict_proba",
    )
    return probabilities[:, 1]
