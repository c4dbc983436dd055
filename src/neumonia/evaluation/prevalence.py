"""Qué significa un resultado según cuántos niños tienen neumonía donde se usa la red."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from neumonia.errors import ConfigError
from neumonia.evaluation.bootstrap import metric_distributions, percentile_interval
from neumonia.evaluation.checks import check_both_classes, check_labels, check_prevalence
from neumonia.evaluation.metrics import binary_metrics

_CHILDREN = 1000


def predictive_values(
    sensitivity: ArrayLike, specificity: ArrayLike, prevalence: ArrayLike
) -> tuple[float | np.ndarray, float | np.ndarray]:
    """Valores predictivos por el teorema de Bayes.

    El positivo es la probabilidad de neumonía si la red la señala; el negativo, la de no tenerla
    si no la señala. Supone que la sensibilidad y la especificidad no cambian con la prevalencia,
    y eso falla si los enfermos de un lugar están más o menos graves que los de otro.

    Parameters
    ----------
    sensitivity, specificity, prevalence : float o arreglos en [0, 1], de formas compatibles

    Returns
    -------
    (ppv, npv)
        float si los tres son números; si no, arreglos float64. NaN donde la red nunca da ese
        resultado.

    Raises
    ------
    ConfigError
        Algo fuera de [0, 1].

    Fuente: Altman y Bland (1994), *Diagnostic tests 2: predictive values*, BMJ 309.
    """
    sens = _check_shares(sensitivity, "La sensibilidad")
    spec = _check_shares(specificity, "La especificidad")
    share = _check_shares(prevalence, "La prevalencia")
    found, missed = sens * share, (1 - sens) * share
    alarmed, cleared = (1 - spec) * (1 - share), spec * (1 - share)
    with np.errstate(invalid="ignore", divide="ignore"):
        ppv, npv = found / (found + alarmed), cleared / (cleared + missed)
    if np.ndim(ppv) == 0:
        return float(ppv), float(npv)
    return ppv, npv


def predictive_table(
    labels: ArrayLike,
    probabilities: ArrayLike,
    patients: ArrayLike,
    threshold: float,
    prevalences: Sequence[float] = (0.01, 0.05, 0.20, 0.73),
    n: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Valores predictivos y frecuencias naturales de un clasificador a varias prevalencias.

    Parameters
    ----------
    labels, probabilities : (N,)
    patients : (N,) identificadores; ``""`` cuenta como un paciente aparte.
    threshold : float en [0, 1]
    prevalences : float en (0, 1); 0.73 es la proporción de estas radiografías, no la de una
        consulta.
    n, seed : remuestreos de pacientes y su semilla

    Returns
    -------
    DataFrame
        Índice ``prevalence``; columnas float64 ``ppv``, ``ppv_low``, ``ppv_high``, ``npv``,
        ``npv_low`` y ``npv_high`` (intervalo del 95 %; NaN si no está definido), y de cada 1,000
        niños los enteros ``sick_found``, ``sick_missed``, ``healthy_alarmed`` y
        ``healthy_cleared``, que suman 1,000.

    Raises
    ------
    DataError, ConfigError
        Datos no válidos, una sola clase, ninguna prevalencia o alguna fuera de (0, 1).

    Fuente: Gigerenzer y Hoffrage (1995), *How to improve Bayesian reasoning without instruction:
    frequency formats*, Psychological Review 102.
    """
    if len(prevalences) == 0:
        raise ConfigError("No hay prevalencias: demos al menos una.")
    shares = [check_prevalence(value) for value in prevalences]
    check_both_classes(check_labels(labels), "la sensibilidad o la especificidad")
    measured = binary_metrics(labels, probabilities, threshold)
    sens, spec = measured["sensitivity"], measured["specificity"]
    drawn = metric_distributions(
        labels, probabilities, patients, ("sensitivity", "specificity"), n, seed, threshold
    )
    rows = []
    for share in shares:
        values = predictive_values(sens, spec, share)
        draws = predictive_values(drawn["sensitivity"], drawn["specificity"], share)
        row = {}
        for name, value, draw in zip(("ppv", "npv"), values, draws, strict=True):
            low, high = percentile_interval(draw)
            row |= {name: value, f"{name}_low": low, f"{name}_high": high}
        rows.append(row)
    frame = pd.DataFrame(rows, index=pd.Index(shares, name="prevalence")).astype(np.float64)
    # Redondeamos de arriba abajo para que los cuatro grupos sumen siempre el total.
    sick = np.rint(_CHILDREN * frame.index.to_numpy()).astype(np.int64)
    frame["sick_found"] = np.rint(sick * sens).astype(np.int64)
    frame["sick_missed"] = sick - frame["sick_found"]
    frame["healthy_alarmed"] = np.rint((_CHILDREN - sick) * (1 - spec)).astype(np.int64)
    frame["healthy_cleared"] = _CHILDREN - sick - frame["healthy_alarmed"]
    return frame


def adjust_prevalence(probabilities: ArrayLike, original: float, target: float) -> np.ndarray:
    """Pasa unas probabilidades calibradas de una prevalencia a otra.

    La red aprendió con una proporción de enfermos y la da por hecha: multiplicamos la razón de
    cada probabilidad por el cociente de las dos razones de prevalencia. No cambia el orden.

    Parameters
    ----------
    probabilities : (N,) float en [0, 1], calibradas a la prevalencia ``original``
    original, target : float en (0, 1)

    Returns
    -------
    ndarray
        float64 (N,) en [0, 1].

    Raises
    ------
    ConfigError
        Algo fuera de su intervalo.

    Fuente: Saerens, Latinne y Decaestecker (2002), *Adjusting the Outputs of a Classifier to New
    a Priori Probabilities*, Neural Computation 14.
    """
    scores = _check_shares(probabilities, "La probabilidad")
    before, after = check_prevalence(original), check_prevalence(target)
    sick = scores * (after / before)
    return sick / (sick + (1 - scores) * ((1 - after) / (1 - before)))


def _check_shares(values: ArrayLike, what: str) -> np.ndarray:
    """Arreglo float64 en [0, 1]; deja pasar los NaN de un remuestreo sin alguna clase."""
    array = np.asarray(values, dtype=np.float64)
    if ((array < 0) | (array > 1)).any():
        raise ConfigError(f"{what} debe estar entre 0 y 1: escribamos 0.05, no 5.")
    return array
