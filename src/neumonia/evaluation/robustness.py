"""Cómo decide una red cuando la misma radiografía llega cambiada."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from neumonia.errors import DataError
from neumonia.evaluation.bootstrap import (
    metric_distributions,
    patient_weights,
    percentile_interval,
)
from neumonia.evaluation.metrics import binary_metrics
from neumonia.evaluation.patients import patient_codes

ORIGINAL = "original"
METRICS = ("sensitivity", "specificity", "roc_auc")
RESAMPLES = 2000


def decisions_under_changes(
    labels: ArrayLike,
    patients: ArrayLike,
    probabilities: Mapping[str, np.ndarray],
    threshold: float = 0.5,
) -> dict[str, Any]:
    """Qué decide una red, con el mismo umbral, en las mismas radiografías cambiadas.

    Parameters
    ----------
    labels : int (N,)
        0 = NORMAL, 1 = PNEUMONIA; de las dos clases.
    patients : (N,)
        Paciente de cada radiografía; ``""`` si no se sabe.
    probabilities : {nombre del cambio: float (N,)}
        ``"original"`` se informa y no cuenta para ``score``.
    threshold : float
        Con esta probabilidad o más decidimos PNEUMONIA.

    Returns
    -------
    dict
        ``score``: ``[valor, low, high]``, la exactitud balanceada (media de sensibilidad y
        especificidad) promediada sobre los cambios, con su intervalo de 95 % por paciente.
        ``changes``: sensibilidad, especificidad y ROC-AUC en cada uno, igual.

    Raises
    ------
    DataError
        Si no hay ningún cambio, o las etiquetas o los pacientes no sirven.
    """
    changed = [values for name, values in probabilities.items() if name != ORIGINAL]
    if not changed:
        raise DataError("Hace falta al menos un cambio, además de la radiografía original.")
    changes = {}
    for name, values in probabilities.items():
        measured = binary_metrics(labels, values, threshold)
        drawn = metric_distributions(labels, values, patients, METRICS, RESAMPLES, 0, threshold)
        changes[name] = {
            metric: [measured[metric], *percentile_interval(drawn[metric])] for metric in METRICS
        }
    truth = np.asarray(labels, dtype=int)
    right = ((np.stack(changed) >= threshold) == (truth == 1)).mean(axis=0)
    codes = patient_codes(patients, len(truth))
    # Por paciente y clase: aciertos y radiografías. Su cociente da la exactitud balanceada.
    per_class = np.zeros((codes.max() + 1, 2, 2))
    np.add.at(per_class, (codes, truth), np.stack([right, np.ones_like(right)], axis=1))

    def balanced(weights: np.ndarray) -> np.ndarray:
        hits, films = np.moveaxis(np.tensordot(weights, per_class, axes=1), -1, 0)
        # Un remuestreo sin una de las clases no define nada: queda NaN y no cuenta.
        with np.errstate(invalid="ignore"):
            return (hits / films).mean(axis=-1)

    value = balanced(np.ones((1, len(per_class))))[0]
    blocks = patient_weights(len(per_class), RESAMPLES, seed=0)
    low, high = percentile_interval(np.concatenate([balanced(block) for block in blocks]))
    return {"score": [float(value), low, high], "changes": changes}
