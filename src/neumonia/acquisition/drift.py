"""Cuánto se mueve cada estadística simple entre dos partes, en cada clase por separado."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from neumonia.acquisition.domain import check_domain
from neumonia.datasets.base import CLASSES
from neumonia.errors import DataError
from neumonia.evaluation import bootstrap_by_patient
from neumonia.evaluation.checks import check_labels


def drift_table(
    statistics: pd.DataFrame,
    domain: ArrayLike,
    labels: ArrayLike,
    patients: ArrayLike,
    seed: int = 0,
    n: int = 1000,
) -> pd.DataFrame:
    """Diferencia de cada estadística entre los dominios 0 y 1, clase por clase.

    Explica por qué validación y prueba discrepan: si una estadística separa las clases en el
    dominio 0 (``label_auc`` lejos de 0.5) y en una clase se mueve hacia donde estaba la otra
    (``toward_other``), quien se haya apoyado en ella se equivocará en el dominio 1.

    Parameters
    ----------
    statistics : DataFrame (N filas), por ejemplo ``acquisition_statistics``
    domain : (N,) 0 es la referencia (entrenamiento) y 1 lo que se compara (prueba)
    labels : (N,) 0 o 1
    patients : (N,) identificadores; ``""`` cuenta como un paciente aparte.
    seed, n : semilla y número de remuestreos

    Returns
    -------
    DataFrame
        Una fila por clase y estadística; en cada clase, primero la que más se mueve. Columnas
        ``class``, ``statistic``, ``mean_reference``, ``mean_other``; ``smd``, la diferencia de
        medias (1 menos 0) en desviaciones (raíz del promedio de las dos varianzas; 0 si ambas son
        0); ``auc``, la probabilidad de que una radiografía del dominio 1 tenga un valor mayor que
        una del 0, con ``low`` y ``high``; ``moved``, si ese intervalo excluye 0.5; ``label_auc`` y
        ``label_auc_other``, la AUC de la estadística para PNEUMONIA dentro de cada dominio;
        ``toward_other``, si se movió y fue hacia la otra clase. Son muchas comparaciones: alguna
        saldrá «movida» por azar.

    Raises
    ------
    DataError
        Datos no válidos, o falta alguna combinación de clase y dominio.
    """
    side, truth = check_domain(domain), check_labels(labels)
    names = np.asarray(patients, dtype=object)
    if not len(side) == len(truth) == len(names) == len(statistics):
        raise DataError(
            f"Hay {len(statistics)} filas de estadísticas, {len(side)} dominios, {len(truth)} "
            f"etiquetas y {len(names)} pacientes: necesitamos uno de cada por radiografía."
        )
    for label, name in enumerate(CLASSES):
        if len(np.unique(side[truth == label])) < 2:
            raise DataError(f"La clase {name} no está en los dos dominios.")
    values = statistics.to_numpy(dtype=np.float64)
    if not np.isfinite(values).all():
        raise DataError("Hay estadísticas que no son números finitos: revisemos su cálculo.")
    rows = []
    for column, key in enumerate(statistics.columns):
        one = values[:, column]
        inside = [float(roc_auc_score(truth[side == k], one[side == k])) for k in (0, 1)]
        for label, name in enumerate(CLASSES):
            mine = truth == label
            row = {"class": name, "statistic": key}
            row |= _shift(one[mine], side[mine], names[mine], seed, n)
            row |= {"label_auc": inside[0], "label_auc_other": inside[1]}
            # En NORMAL, subir acerca a PNEUMONIA si PNEUMONIA tenía valores más altos.
            sign = 1 if label == 0 else -1
            nearer = sign * (row["auc"] - 0.5) * (inside[0] - 0.5) > 0
            row["toward_other"] = nearer and row["moved"]
            rows.append(row)
    table = pd.DataFrame(rows)
    order = table.assign(far=(table["auc"] - 0.5).abs())
    order = order.sort_values(["class", "far"], ascending=[True, False], kind="stable")
    return order.drop(columns="far").reset_index(drop=True)


def _shift(
    values: np.ndarray, side: np.ndarray, patients: np.ndarray, seed: int, n: int
) -> dict[str, float | bool | None]:
    before, after = values[side == 0], values[side == 1]
    spread = float(np.sqrt((before.var() + after.var()) / 2))
    moved = float(after.mean() - before.mean())
    # La AUC solo depende del orden: el rango cabe en (0, 1) y conserva los empates.
    scores = rankdata(values) / (len(values) + 1)
    low, high = bootstrap_by_patient(side, scores, patients, "roc_auc", n, seed)
    return {
        "mean_reference": float(before.mean()),
        "mean_other": float(after.mean()),
        "smd": moved / spread if spread > 0 else 0.0,
        "auc": float(roc_auc_score(side, values)),
        "low": low,
        "high": high,
        "moved": low is not None and high is not None and not low <= 0.5 <= high,
    }
