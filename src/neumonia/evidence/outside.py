"""Parte «fuera»: qué parte del calor cae donde no puede haber neumonía. Radiografías reales."""

from typing import Any

import numpy as np
import pandas as pd

from neumonia.evidence.exam import FAST, Exam
from neumonia.evidence.networks import Network
from neumonia.study.parts import records
from neumonia.training import sigmoid
from neumonia.trust import outside_shares, outside_table, worst_films

N_WORST = 8
# Mapas que se calculan y se olvidan: los de toda la prueba no caben holgados en memoria.
_TOGETHER = 128


def run_outside(exam: Exam) -> dict[str, Any]:
    """Reparte el calor de cada mapa de la prueba entre marco, esquinas, letras y lo demás.

    Una red lenta se mira solo con Grad-CAM y HiResCAM.

    Returns
    -------
    dict
        ``rows``: las de ``outside_table`` con ``network`` y ``method``. ``worst``: las
        ``N_WORST`` radiografías con más calor de Grad-CAM fuera del tórax en cada red y clase:
        ``network``, ``label``, ``row`` (posición en el manifiesto), ``image_id``, ``outside``,
        ``outside_area`` y ``probability``.
    """
    rows: list[dict[str, Any]] = []
    worst: list[dict[str, Any]] = []
    test = exam.study.rows("test")
    labels, patients = exam.study.labels[test], exam.patients(test)
    for network in exam.networks:
        for method in FAST[:2] if network.slow else FAST:
            exam.report(f"Calor fuera del tórax: {network.title}, {method}")
            shares = heat_outside(exam, network, method, test)
            table = outside_table(shares, labels, patients, exam.budget.resamples, exam.seed)
            rows += records(table.assign(network=network.key, method=method))
            if method == FAST[0]:
                for label in (0, 1):
                    worst += _worst(exam, network, shares, test, label)
    return {"rows": rows, "worst": worst}


def heat_outside(exam: Exam, network: Network, method: str, test: np.ndarray) -> pd.DataFrame:
    """``outside_shares`` de los mapas de las posiciones ``test``, sin tenerlos todos a la vez."""
    explain, parts = network.explain(method), []
    for start in range(0, len(test), _TOGETHER):
        films = exam.images(test[start : start + _TOGETHER])
        parts.append(outside_shares(explain(network.model, films), films))
    return pd.concat(parts, ignore_index=True)


def _worst(
    exam: Exam, network: Network, shares: pd.DataFrame, test: np.ndarray, label: int
) -> list[dict[str, Any]]:
    mine = np.where(exam.study.labels[test] == label, shares["outside"], np.nan)
    manifest = exam.study.dataset.manifest
    return [
        {
            "network": network.key,
            "label": label,
            "row": int(test[place]),
            "image_id": manifest["image_id"].iloc[test[place]],
            "outside": round(float(mine[place]), 6),
            "outside_area": round(float(shares["outside_area"].iloc[place]), 6),
            "probability": round(float(sigmoid(network.logits[test[place]])), 6),
        }
        for place in worst_films(mine, N_WORST)
    ]
