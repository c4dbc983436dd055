"""Los puntos de las curvas ROC y de precisión-exhaustividad."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.metrics import precision_recall_curve, roc_curve

from neumonia.evaluation.checks import check_both_classes, check_predictions


def roc_points(labels: ArrayLike, probabilities: ArrayLike) -> pd.DataFrame:
    """Puntos de la curva ROC, uno por cada probabilidad distinta, del umbral mayor al menor.

    Parameters
    ----------
    labels : (N,) 0 o 1
    probabilities : (N,) float en [0, 1]

    Returns
    -------
    DataFrame
        Columnas ``threshold``, ``false_positive_rate`` (1 - especificidad) y
        ``true_positive_rate`` (sensibilidad). La primera fila, con umbral infinito, es (0, 0).

    Raises
    ------
    DataError
        Si los datos no son válidos o hay una sola clase.

    Fuente: Fawcett (2006), *An introduction to ROC analysis*, Pattern Recognition Letters 27.
    """
    truth, scores = check_predictions(labels, probabilities)
    check_both_classes(truth, "la curva ROC")
    false_rate, true_rate, thresholds = roc_curve(truth, scores, drop_intermediate=False)
    return pd.DataFrame(
        {
            "threshold": thresholds,
            "false_positive_rate": false_rate,
            "true_positive_rate": true_rate,
        }
    )


def pr_points(labels: ArrayLike, probabilities: ArrayLike) -> pd.DataFrame:
    """Puntos de la curva de precisión-exhaustividad, del umbral menor al mayor.

    Parameters
    ----------
    labels : (N,) 0 o 1
    probabilities : (N,) float en [0, 1]

    Returns
    -------
    DataFrame
        Columnas ``threshold``, ``recall`` (sensibilidad) y ``precision``. La última fila, con
        umbral infinito, es el punto convencional (0, 1).

    Raises
    ------
    DataError
        Si los datos no son válidos o hay una sola clase.

    Fuente: Davis y Goadrich (2006), *The relationship between Precision-Recall and ROC curves*.
    """
    truth, scores = check_predictions(labels, probabilities)
    check_both_classes(truth, "la curva de precisión-exhaustividad")
    precision, recall, thresholds = precision_recall_curve(truth, scores)
    return pd.DataFrame(
        {"threshold": np.append(thresholds, np.inf), "recall": recall, "precision": precision}
    )
