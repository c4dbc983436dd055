"""¿Se distingue de qué parte viene una radiografía? Si sí, las dos partes no son iguales.

Fuente: Lopez-Paz y Oquab (2017), *Revisiting Classifier Two-Sample Tests*, arXiv:1610.06545.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from neumonia.baselines.classify import logistic_pipeline
from neumonia.datasets.base import CLASSES
from neumonia.errors import DataError
from neumonia.evaluation import bootstrap_by_patient
from neumonia.evaluation.checks import check_labels, patient_codes
from neumonia.evaluation.metrics import binary_metrics

BOTH = "ambas"
FOLDS = 5


class DomainResult(NamedTuple):
    """AUC de reconocer el dominio 1, con intervalo del 95 % por paciente.

    ``scores``: float64 (N,) en (0, 1), el rango de cada radiografía entre las de su pliegue.
    """

    auc: float
    low: float | None
    high: float | None
    scores: np.ndarray


def official_domain(manifest: pd.DataFrame) -> np.ndarray:
    """int8 (N,): 1 en la prueba oficial y 0 en lo demás (sus carpetas train y val)."""
    return (manifest["official_split"] == "test").to_numpy().astype(np.int8)


def domain_classifier(
    features: ArrayLike,
    domain: ArrayLike,
    patients: ArrayLike,
    seed: int = 0,
    n: int = 2000,
    folds: int = FOLDS,
) -> DomainResult:
    """Qué tan bien se adivina el dominio de una radiografía, con validación cruzada por paciente.

    Una regresión logística se ajusta en todos los pliegues menos uno y puntúa el que falta; ningún
    paciente está en los dos lados. Las puntuaciones de pliegues distintos no se comparan tal cual:
    usamos su rango dentro del pliegue. Con dominios iguales, la AUC ronda 0.5.

    Parameters
    ----------
    features : float (N, k), o (N,)
    domain : (N,) 0 o 1
    patients : (N,) identificadores; ``""`` cuenta como un paciente aparte.
    seed : int
        De los pliegues y los remuestreos.
    n : int, remuestreos
    folds : int, al menos 2

    Raises
    ------
    DataError
        Datos no válidos, un solo dominio, o menos pacientes que pliegues en alguno de los dos.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    side = check_domain(domain)
    table = np.asarray(features, dtype=np.float64)
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or len(table) != len(side) or not np.isfinite(table).all():
        raise DataError(
            f"Las características deben ser números finitos de forma ({len(side)}, k), y tienen "
            f"forma {table.shape}."
        )
    codes = patient_codes(patients, len(side))
    fewest = min(len(np.unique(codes[side == value])) for value in (0, 1))
    if not 2 <= folds <= fewest:
        raise DataError(
            f"Con {fewest} pacientes en el dominio menor no podemos hacer {folds} pliegues. "
            "Pidamos al menos 2 y como mucho uno por paciente."
        )
    scores = np.empty(len(side))
    cutter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for train, held in cutter.split(table, side, codes):
        if len(np.unique(side[train])) < 2:
            raise DataError(
                "Al apartar un pliegue se fue un dominio entero: hay un paciente con casi todas "
                "sus radiografías. Pidamos menos pliegues."
            )
        model = logistic_pipeline(seed).fit(table[train], side[train])
        scores[held] = rankdata(model.decision_function(table[held])) / (len(held) + 1)
    low, high = bootstrap_by_patient(side, scores, patients, "roc_auc", n, seed)
    return DomainResult(float(binary_metrics(side, scores)["roc_auc"]), low, high, scores)


def domain_table(
    feature_sets: Mapping[str, np.ndarray],
    domain: ArrayLike,
    labels: ArrayLike,
    patients: ArrayLike,
    seed: int = 0,
    n: int = 1000,
) -> pd.DataFrame:
    """``domain_classifier`` para cada conjunto de características, por clase y con todas juntas.

    Con las dos clases juntas, un dominio con otra proporción de neumonías ya se distingue por eso:
    la deriva de la adquisición se lee en las filas de una sola clase.

    Returns
    -------
    DataFrame
        Columnas ``features``, ``class`` (NORMAL, PNEUMONIA, ambas), ``n_reference`` y ``n_other``
        (radiografías de los dominios 0 y 1), ``auc``, ``low`` y ``high``.

    Raises
    ------
    DataError
        Como ``domain_classifier``.
    """
    side, truth = check_domain(domain), check_labels(labels)
    names = np.asarray(patients, dtype=object)
    if not len(side) == len(truth) == len(names):
        raise DataError(
            f"Hay {len(side)} dominios, {len(truth)} etiquetas y {len(names)} pacientes: "
            "necesitamos uno de cada por radiografía."
        )
    groups = {name: truth == label for label, name in enumerate(CLASSES)}
    groups[BOTH] = np.ones(len(truth), dtype=bool)
    rows = []
    for key, values in feature_sets.items():
        for name, mine in groups.items():
            found = domain_classifier(np.asarray(values)[mine], side[mine], names[mine], seed, n)
            ones = int(side[mine].sum())
            rows.append((key, name, int(mine.sum()) - ones, ones, *found[:3]))
    columns = ["features", "class", "n_reference", "n_other", "auc", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def check_domain(domain: ArrayLike) -> np.ndarray:
    """El dominio como int8 (N,); ``DataError`` si no es de ceros y unos o hay uno solo."""
    try:
        side = check_labels(domain)
    except DataError as error:
        raise DataError("El dominio debe ser un vector (N,) de 0 (referencia) y 1.") from error
    if side.min() == side.max():
        raise DataError("Todas las radiografías son del mismo dominio: no hay nada que comparar.")
    return side
