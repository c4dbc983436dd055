"""Medir por subgrupo: ¿acierta la red lo mismo en las bacterianas que en las virales?"""

from collections.abc import Iterable
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from neumonia.datasets.base import CLASSES
from neumonia.datasets.chest_xray import parse_name
from neumonia.errors import DataError
from neumonia.evaluation import metrics_with_intervals

SUBGROUPS = {"bacteria": "neumonía bacteriana", "virus": "neumonía viral"}
"""El subtipo del manifiesto y su nombre en las tablas."""

NORMAL = "normales"
TABLE_COLUMNS = ("subgroup", "metric", "n", "patients", "value", "low", "high")


def subtypes(image_ids: Iterable[str]) -> np.ndarray:
    """Subtipo de cada radiografía de Kermany según su identificador.

    Parameters
    ----------
    image_ids : iterable of str
        ``<carpeta oficial>/<clase>/<archivo>``, como en el manifiesto.

    Returns
    -------
    ndarray of object (N,)
        ``normal``, ``bacteria``, ``virus`` o ``""`` si el nombre no lo dice.

    Raises
    ------
    DataError
        Si un identificador no nombra su clase.
    """
    found = []
    for image_id in image_ids:
        path = PurePosixPath(image_id)
        if path.parent.name not in CLASSES:
            raise DataError(
                f"El identificador «{image_id}» no dice su clase: esperamos "
                f"carpeta/{CLASSES[0]} o {CLASSES[1]}/archivo."
            )
        found.append(parse_name(path.name, path.parent.name)[1])
    return np.array(found, dtype=object)


def subgroup_table(
    predictions: pd.DataFrame, model: str, seed: int = 0, n: int = 2000, threshold: float = 0.5
) -> pd.DataFrame:
    """Sensibilidad y ROC-AUC por etiología, y especificidad, en la prueba.

    La neumonía de cada etiología se compara con las mismas radiografías normales, que no tienen
    etiología. Los intervalos, del 95 %, remuestrean pacientes.

    Parameters
    ----------
    predictions : DataFrame
        ``image_id``, ``patient``, ``label``, ``split`` y ``p_<model>``; si trae ``subtype``, no se
        deduce del nombre.
    model : str
    seed, n : int
        Semilla y número de remuestreos.
    threshold : float en [0, 1]

    Returns
    -------
    DataFrame
        Una fila por subgrupo y medida: ``subgroup``, ``metric``, ``n`` (radiografías del
        subgrupo), ``patients``, ``value``, ``low`` y ``high``. Una etiología sin radiografías no
        aparece.

    Raises
    ------
    DataError
        Si faltan las predicciones del modelo, o los datos no son válidos.
    """
    column = f"p_{model}"
    if column not in predictions.columns:
        raise DataError(f"Las predicciones no tienen el modelo {model!r} (columna {column}).")
    test = predictions[predictions["split"] == "test"]
    known = "subtype" in test.columns
    subtype = test["subtype"].to_numpy() if known else subtypes(test["image_id"])
    healthy = test["label"].to_numpy() == 0
    groups = {
        title: (subtype == key, ("sensitivity", "roc_auc")) for key, title in SUBGROUPS.items()
    }
    groups[NORMAL] = (healthy, ("specificity",))
    rows = []
    for title, (mine, metrics) in groups.items():
        if not mine.any():
            continue
        part = test[mine | healthy] if title != NORMAL else test
        values = (part[name].to_numpy() for name in ("label", column, "patient"))
        found = metrics_with_intervals(*values, threshold=threshold, n=n, seed=seed)
        counts = (int(mine.sum()), test.loc[mine, "patient"].nunique())
        rows += [(title, metric, *counts, *found.loc[metric]) for metric in metrics]
    return pd.DataFrame(rows, columns=list(TABLE_COLUMNS))
