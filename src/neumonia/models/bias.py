"""Sesgo inicial de la última neurona cuando las clases no están equilibradas.

Fuente: A. Karpathy, «A Recipe for Training Neural Networks» (2019), «init well»; y el tutorial de
TensorFlow sobre datos desequilibrados. Con este sesgo la red sin entrenar ya responde la
proporción de positivos, y las primeras épocas no se gastan en aprenderla.
"""

import math

import numpy as np

from neumonia.errors import DataError


def initial_bias(labels: np.ndarray) -> float:
    """Logit de la proporción de positivos: ``log(n_pos / n_neg)``.

    Parameters
    ----------
    labels : ndarray (N,)
        Etiquetas 0 (NORMAL) o 1 (PNEUMONIA).

    Raises
    ------
    DataError
        Si hay valores distintos de 0 y 1, o si falta alguna de las dos clases.
    """
    positives, negatives = _count(labels)
    return math.log(positives / negatives)


def initial_loss(labels: np.ndarray) -> float:
    """Entropía cruzada (nats) de quien responde siempre la proporción de positivos.

    Es el valor que debe tener la pérdida antes de la primera época. Los errores son los de
    ``initial_bias``.
    """
    positives, negatives = _count(labels)
    p = positives / (positives + negatives)
    return -(p * math.log(p) + (1 - p) * math.log(1 - p))


def _count(labels: np.ndarray) -> tuple[int, int]:
    labels = np.asarray(labels).reshape(-1)
    positives = int(np.count_nonzero(labels == 1))
    negatives = int(np.count_nonzero(labels == 0))
    if positives + negatives != labels.size:
        wrong = labels[(labels != 0) & (labels != 1)][0]
        raise DataError(
            f"Las etiquetas deben ser 0 (NORMAL) o 1 (PNEUMONIA); hay un valor {wrong}."
        )
    if not positives or not negatives:
        raise DataError(
            f"Necesitamos ejemplos de las dos clases y hay {negatives} de NORMAL y {positives} de "
            "PNEUMONIA. Revisemos la partición."
        )
    return positives, negatives
