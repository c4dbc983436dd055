"""Qué parte de lo que logra una red alcanza, por sí solo, un atajo."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neumonia.evaluation.checks import check_both_classes, check_predictions
from neumonia.evaluation.intervals import metric_distributions, percentile_interval
from neumonia.evaluation.metrics import binary_metrics


class Share(NamedTuple):
    """El cociente, su intervalo del 95 % y las dos AUC; None donde no está definido."""

    value: float | None
    low: float | None
    high: float | None
    auc_baseline: float
    auc_model: float


def shortcut_share(
    labels: ArrayLike,
    baseline: ArrayLike,
    model: ArrayLike,
    patients: ArrayLike,
    n: int = 2000,
    seed: int = 0,
) -> Share:
    """Cociente ``(AUC_atajo − 0.5) / (AUC_red − 0.5)``, con intervalo pareado por paciente.

    Vale 0 si el atajo no separa nada y 1 si solo con él se llega tan lejos como la red; pasa de 1
    si llega más lejos, y es negativo si en prueba apunta al revés que en entrenamiento. El
    numerador y el denominador se calculan con los mismos remuestreos.

    Qué **no** dice: no mide qué usa la red. Es una cota orientativa de cuánto *podría* explicarse
    sin ver la neumonía: dos clasificadores pueden lograr la misma AUC con señales distintas, y un
    «atajo» como el marco puede llevar también información de la enfermedad o de la edad. Tampoco se
    suman: dos atajos comparten señal. La AUC, además, no es lineal en la información; cerca de 1,
    una centésima cuesta más que en 0.6. Para saber qué usa la red hay que intervenir la imagen
    (tapar, borrar, cambiar la nitidez) y ver si cambia la respuesta.

    Parameters
    ----------
    labels : (N,) 0 o 1
    baseline, model : (N,) probabilidades en [0, 1] de las mismas radiografías
    patients : (N,) identificadores; ``""`` cuenta como un paciente aparte.
    n : int, remuestreos
    seed : int

    Returns
    -------
    Share
        ``value``, ``low`` y ``high`` son None si la red no supera el azar. Un remuestreo donde no
        lo supera se descarta.

    Raises
    ------
    DataError
        Datos no válidos o una sola clase.
    """
    truth, _ = check_predictions(labels, baseline)
    check_both_classes(truth, "una ROC-AUC que comparar")
    ours, theirs = (float(binary_metrics(truth, p)["roc_auc"]) for p in (baseline, model))
    if theirs <= 0.5:
        return Share(None, None, None, ours, theirs)
    drawn = [
        metric_distributions(truth, scores, patients, ("roc_auc",), n, seed)["roc_auc"] - 0.5
        for scores in (baseline, model)
    ]
    ratios = np.full(drawn[0].shape, np.nan)
    np.divide(drawn[0], drawn[1], out=ratios, where=drawn[1] > 0)
    low, high = percentile_interval(ratios)
    return Share((ours - 0.5) / (theirs - 0.5), low, high, ours, theirs)
