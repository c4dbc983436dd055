"""Las métricas y curvas de una clasificación binaria, con PNEUMONIA como clase positiva."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from neumonia.evaluation.checks import check_both_classes, check_predictions, check_threshold

METRIC_NAMES = {
    "accuracy": "exactitud",
    "sensitivity": "sensibilidad",
    "specificity": "especificidad",
    "precision": "precisión",
    "f1": "F1",
    "roc_auc": "ROC-AUC",
    "average_precision": "precisión media",
}
"""Las métricas, en el orden en que se muestran, y su nombre en español."""


def _ratio(numerator: float, denominator: float) -> float | None:
    return float(numerator / denominator) if denominator else None


def binary_metrics(
    labels: ArrayLike, probabilities: ArrayLike, threshold: float = 0.5
) -> dict[str, float | int | None]:
    """Mide una clasificación: decidimos PNEUMONIA cuando ``probability >= threshold``.

    Parameters
    ----------
    labels : (N,) 0 = NORMAL, 1 = PNEUMONIA
    probabilities : (N,) float en [0, 1], de PNEUMONIA
    threshold : float en [0, 1]

    Returns
    -------
    dict
        Las de ``METRIC_NAMES``, ``n``, ``tn``, ``fp``, ``fn``, ``tp`` y ``threshold``: solo int,
        float o None de Python, que se pueden escribir como JSON. Lo que no está definido vale None,
        nunca 0 ni NaN: la sensibilidad sin casos de PNEUMONIA, la especificidad sin casos NORMAL,
        la precisión si nada se clasifica como PNEUMONIA, F1 si no hay PNEUMONIA ni en la verdad ni
        en la predicción, y ROC-AUC y precisión media cuando hay una sola clase.

    Raises
    ------
    DataError
        Etiquetas o probabilidades no válidas; véase ``check_predictions``.
    ConfigError
        Umbral fuera de [0, 1].
    """
    truth, scores = check_predictions(labels, probabilities)
    threshold = check_threshold(threshold)
    decisions = scores >= threshold
    tn, fp, fn, tp = (int(v) for v in confusion_matrix(truth, decisions, labels=[0, 1]).ravel())
    both = 0 < truth.sum() < truth.size
    return {
        "n": int(truth.size),
        "accuracy": (tn + tp) / truth.size,
        "sensitivity": _ratio(tp, tp + fn),
        "specificity": _ratio(tn, tn + fp),
        "precision": _ratio(tp, tp + fp),
        "f1": _ratio(2 * tp, 2 * tp + fp + fn),
        "roc_auc": float(roc_auc_score(truth, scores)) if both else None,
        "average_precision": float(average_precision_score(truth, scores)) if both else None,
        "tn": tn,
        "fp": fp,
        "fn": fn,
        "tp": tp,
        "threshold": threshold,
    }


def roc_points(labels: ArrayLike, probabilities: ArrayLike) -> pd.DataFrame:
    """Puntos de la curva ROC, uno por cada probabilidad distinta, del umbral mayor al menor.

    Columnas ``threshold``, ``false_positive_rate`` (1 - especificidad) y ``true_positive_rate``
    (sensibilidad). La primera fila, con umbral infinito, es (0, 0). Con una sola clase,
    ``DataError``.

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

    Columnas ``threshold``, ``recall`` (sensibilidad) y ``precision``. La última fila, con umbral
    infinito, es el punto convencional (0, 1). Con una sola clase, ``DataError``.

    Fuente: Davis y Goadrich (2006), *The relationship between Precision-Recall and ROC curves*.
    """
    truth, scores = check_predictions(labels, probabilities)
    check_both_classes(truth, "la curva de precisión-exhaustividad")
    precision, recall, thresholds = precision_recall_curve(truth, scores)
    return pd.DataFrame(
        {"threshold": np.append(thresholds, np.inf), "recall": recall, "precision": precision}
    )
