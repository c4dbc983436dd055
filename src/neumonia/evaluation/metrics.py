"""Las métricas de una clasificación binaria, con PNEUMONIA como clase positiva."""

from numpy.typing import ArrayLike
from sklearn.metrics import average_precision_score, confusion_matrix, roc_auc_score

from neumonia.evaluation.checks import check_predictions, check_threshold
from neumonia.evaluation.curves import pr_points, roc_points

__all__ = ["METRIC_NAMES", "binary_metrics", "pr_points", "ratio", "roc_points"]

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


def ratio(numerator: float, denominator: float) -> float | None:
    """El cociente como float, o None si el denominador es cero."""
    return float(numerator / denominator) if denominator else None


def binary_metrics(
    labels: ArrayLike, probabilities: ArrayLike, threshold: float = 0.5
) -> dict[str, float | int | None]:
    """Mide una clasificación: decidimos PNEUMONIA cuando ``probability >= threshold``.

    Parameters
    ----------
    labels : (N,) 0 = NORMAL, 1 = PNEUMONIA
    probabilities : (N,) float en [0, 1]
        Probabilidad de PNEUMONIA.
    threshold : float en [0, 1]

    Returns
    -------
    dict
        Solo int, float o None de Python (se puede escribir como JSON): ``n``, ``accuracy``,
        ``sensitivity``, ``specificity``, ``precision``, ``f1``, ``roc_auc``,
        ``average_precision``, ``tn``, ``fp``, ``fn``, ``tp``, ``threshold``.

        Lo que no está definido vale None, nunca 0 ni NaN: la sensibilidad sin casos de PNEUMONIA,
        la especificidad sin casos NORMAL, la precisión si nada se clasifica como PNEUMONIA, F1 si
        no hay PNEUMONIA ni en la verdad ni en la predicción, y ROC-AUC y precisión media cuando
        hay una sola clase.

    Raises
    ------
    DataError
        Largos distintos, cero radiografías, etiquetas que no son 0 o 1, o probabilidades NaN o
        fuera de [0, 1].
    ConfigError
        Umbral fuera de [0, 1].

    Fuente: definiciones de scikit-learn (*Metrics and scoring*); la precisión media es la suma
    escalonada, sin interpolar.
    """
    truth, scores = check_predictions(labels, probabilities)
    threshold = check_threshold(threshold)
    decisions = scores >= threshold
    tn, fp, fn, tp = (int(v) for v in confusion_matrix(truth, decisions, labels=[0, 1]).ravel())
    both = 0 < truth.sum() < truth.size
    return {
        "n": int(truth.size),
        "accuracy": (tn + tp) / truth.size,
        "sensitivity": ratio(tp, tp + fn),
        "specificity": ratio(tn, tn + fp),
        "precision": ratio(tp, tp + fp),
        "f1": ratio(2 * tp, 2 * tp + fp + fn),
        "roc_auc": float(roc_auc_score(truth, scores)) if both else None,
        "average_precision": float(average_precision_score(truth, scores)) if both else None,
        "tn": tn,
        "fp": fp,
        "fn": fn,
        "tp": tp,
        "threshold": threshold,
    }
