"""Lo que delatan los archivos originales, antes de mirar un solo píxel."""

from pathlib import Path
from typing import Any

import pandas as pd
from scipy.stats import rankdata

from neumonia.baselines import PROPERTIES, file_properties
from neumonia.errors import DataError
from neumonia.evaluation import bootstrap_by_patient
from neumonia.evaluation.metrics import binary_metrics

RESAMPLES = 2000


def measure_originals(source: Path) -> dict[str, Any]:
    """ROC-AUC de cada propiedad del archivo para decir la clase, sin ajustar nada.

    Parameters
    ----------
    source : ruta
        Carpeta o zip con los archivos originales, como en ``file_properties``.

    Returns
    -------
    dict
        ``n``, ``normal``, ``pneumonia``, ``patients`` y ``skipped`` (cuántos archivos se
        apartaron), y ``properties``: cada una de ``PROPERTIES`` → ``[auc, low, high]``, la
        probabilidad de que una neumonía tenga un valor mayor que una normal, con su intervalo del
        95 % por paciente; cerca de 0 delata tanto como cerca de 1. Si no está definida, ``None``.

    Raises
    ------
    DataError
        Como ``file_properties``; también si falta una clase.
    """
    report = file_properties(source)
    table = report.table
    sick = int(table["label"].sum())
    if sick in (0, len(table)):
        raise DataError(f"En {source} hay originales de una sola clase: no hay qué comparar.")
    return {
        "n": len(table),
        "normal": len(table) - sick,
        "pneumonia": sick,
        "patients": int(table["patient"].nunique()),
        "skipped": len(report.skipped),
        "properties": {name: _separation(table, name) for name in PROPERTIES},
    }


def _separation(table: pd.DataFrame, name: str) -> list[float | None]:
    # Un PNG no tiene tabla de cuantización.
    known = table[table[name].notna()]
    labels = known["label"].to_numpy()
    if len(set(labels)) < 2:
        return [None, None, None]
    # La AUC solo depende del orden: el rango cabe en (0, 1) y conserva los empates.
    scores = rankdata(known[name].to_numpy(dtype=float)) / (len(known) + 1)
    low, high = bootstrap_by_patient(labels, scores, known["patient"], "roc_auc", RESAMPLES, 0)
    return [float(binary_metrics(labels, scores)["roc_auc"]), low, high]
