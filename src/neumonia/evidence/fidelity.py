"""Parte «fidelidad»: ¿cae el logit al borrar lo que el mapa señala, y sube al ponerlo?"""

from typing import Any

import numpy as np
import pandas as pd

from neumonia.evidence.exam import SLOW, Exam
from neumonia.evidence.networks import Network
from neumonia.gradcam import METHODS, grad_cam
from neumonia.gradcam.network import observe
from neumonia.study.parts import records
from neumonia.trust import Faithfulness, Predict, faithfulness_curves, faithfulness_table
from neumonia.trust.baselines import centre_maps
from neumonia.trust.faithfulness import REPLACEMENTS

CENTRE = "centre"


def run_fidelity(exam: Exam) -> dict[str, Any]:
    """Curvas de borrado e inserción en positivas de prueba que la red acierta.

    Returns
    -------
    dict
        ``rows``: las de ``faithfulness_table`` con ``network`` y ``replacement`` (blur o mean: lo
        que se pone en lugar de lo borrado); entre los métodos están el orden al azar y el mapa del
        centro. ``curves``: ``network``, ``replacement``, ``method``, ``kind`` (deletion o
        insertion), ``fraction`` y ``mean``, la probabilidad media.
    """
    rows: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    for network in exam.networks:
        exam.report(f"Fidelidad: {network.title}")
        chosen = exam.sample(exam.correct_positives(network), few=network.slow)
        films = exam.images(chosen)
        maps = {
            method: grad_cam(network.model, films, method=method)
            for method in METHODS
            if not (network.slow and method in SLOW)
        }
        maps[CENTRE] = centre_maps(films.shape)
        predict, patients = predictor(network), exam.patients(chosen)
        for replacement in REPLACEMENTS:
            curves = faithfulness_curves(
                predict,
                films,
                maps,
                steps=exam.budget.steps,
                replacement=replacement,
                seed=exam.seed,
            )
            who = {"network": network.key, "replacement": replacement}
            table = faithfulness_table(curves, patients, exam.budget.resamples, exam.seed)
            rows += records(table.assign(**who))
            lines += records(_lines(curves).assign(**who))
    return {"rows": rows, "curves": lines}


def predictor(network: Network) -> Predict:
    """Radiografías (N, H, W) -> logits, con la red compilada una sola vez."""
    call = observe(network.model, None)

    def predict(films: np.ndarray) -> np.ndarray:
        return call(np.asarray(films, np.float32)[..., None])[1].astype(np.float64)

    return predict


def _lines(curves: dict[str, Faithfulness]) -> pd.DataFrame:
    parts = []
    for method, pair in curves.items():
        for kind in ("deletion", "insertion"):
            curve = getattr(pair, kind)
            parts.append(
                pd.DataFrame(
                    {
                        "method": method,
                        "kind": kind,
                        "fraction": curve.fractions,
                        "mean": curve.probabilities.mean(axis=0),
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)
