"""Referencias simples: qué se logra sin ninguna red, y a veces sin mirar el tórax.

Todas se ajustan en entrenamiento, eligen su umbral en validación (el de Youden) y se miden una
sola vez en prueba, con intervalos que remuestrean pacientes. Lo que una red añada se cuenta desde
aquí, no desde el azar.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from neumonia.baselines.compression import blockiness
from neumonia.baselines.features import (
    FRAME_WIDTH,
    SIDE,
    frame_pixels,
    intensity_statistics,
    sharpness,
    small_pixels,
)
from neumonia.errors import ConfigError, DataError
from neumonia.evaluation import metrics_with_intervals, threshold_balanced
from neumonia.evaluation.checks import check_labels

MAJORITY = "majority"
BASELINES = {
    MAJORITY: "la clase mayoritaria",
    "mean": "gris medio (un número)",
    "gradient": "nitidez (un número)",
    "vertical": "nitidez vertical (un número)",
    "blockiness": "rejilla JPEG (un número)",
    "intensity": "estadísticas de gris",
    "sharpness": "nitidez y rejilla",
    "frame_1": "contorno de 1 píxel",
    "frame": "marco sin el centro",
    "pixels": "píxeles de 28 × 28",
}
"""Las referencias, de la más pobre a la más rica, y su nombre en español."""

MEASURES = ("roc_auc", "sensitivity", "specificity", "accuracy")
REGULARISATION = 0.1
"""Inverso de la penalización L2: fijado de antemano, sin buscar el que más convenga."""


@dataclass(frozen=True, eq=False)
class Baseline:
    """Una referencia ya ajustada.

    ``probability``: float64 (N,), de todas las radiografías en el orden recibido; ``threshold``, el
    elegido en validación; ``n_features``, cuántos números ve de cada radiografía.
    """

    name: str
    probability: np.ndarray
    threshold: float
    n_features: int


def baseline_features(images: np.ndarray) -> dict[str, np.ndarray]:
    """Lo que ve cada referencia de ``BASELINES``, salvo la mayoritaria, que no ve nada.

    Parameters
    ----------
    images : uint8 (N, H, W), de 16 píxeles de lado o más

    Returns
    -------
    dict
        Clave -> float (N, k).

    Raises
    ------
    ConfigError
        Imágenes de otra forma o tipo, o demasiado pequeñas.
    """
    intensity = intensity_statistics(images)
    sharp = sharpness(images)
    grid = blockiness(images)[:, None]
    small = small_pixels(images)
    return {
        "mean": intensity[["mean"]].to_numpy(),
        "gradient": sharp[["gradient"]].to_numpy(),
        "vertical": sharp[["vertical"]].to_numpy(),
        "blockiness": grid,
        "intensity": intensity.to_numpy(),
        "sharpness": np.hstack([sharp[["vertical", "horizontal", "laplacian"]].to_numpy(), grid]),
        "frame_1": frame_pixels(images, SIDE, 1, small),
        "frame": frame_pixels(images, SIDE, FRAME_WIDTH, small),
        "pixels": small,
    }


def logistic_pipeline(seed: int = 0):
    """Estandarizar y regresión logística L2 con C fijo: la misma para todas las referencias."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = LogisticRegression(C=REGULARISATION, max_iter=2000, random_state=seed)
    return make_pipeline(StandardScaler(), model)


def fit_baseline(
    features: np.ndarray, labels: ArrayLike, split: pd.Series, seed: int = 0, name: str = ""
) -> Baseline:
    """Ajusta una regresión logística en train y elige su umbral en val.

    Con una sola columna es la referencia de un número: ordena las radiografías por él, en la
    dirección que se aprendió en entrenamiento, que en prueba puede resultar la contraria.

    Parameters
    ----------
    features : float (N, k)
    labels : (N,) 0 o 1
    split : Series (N,) con train, val y test
    seed : int

    Raises
    ------
    DataError
        Si los largos difieren, hay un valor no finito, o a train o a val les falta una clase.
    """
    truth, parts = _check(labels, split)
    table = np.asarray(features, dtype=np.float64)
    if table.ndim != 2 or len(table) != len(truth) or table.shape[1] == 0:
        raise DataError(
            f"Las características deben tener forma ({len(truth)}, k), y tienen {table.shape}."
        )
    if not np.isfinite(table).all():
        raise DataError("Hay características que no son números finitos: revisemos su cálculo.")
    train = parts == "train"
    model = logistic_pipeline(seed).fit(table[train], truth[train])
    probability = model.predict_proba(table)[:, 1]
    return Baseline(name, probability, _threshold(truth, probability, parts), table.shape[1])


def majority_baseline(labels: ArrayLike, split: pd.Series) -> Baseline:
    """Responde siempre la clase más frecuente en train: su probabilidad es una constante.

    Su umbral es 0.5 y no el de validación, porque una constante no tiene qué elegir.

    Raises
    ------
    DataError
        Como ``fit_baseline``.
    """
    truth, parts = _check(labels, split)
    share = float(truth[parts == "train"].mean())
    return Baseline(BASELINES[MAJORITY], np.full(len(truth), share), 0.5, 0)


def fit_baselines(
    images: np.ndarray | None,
    labels: ArrayLike,
    split: pd.Series,
    seed: int = 0,
    features: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Baseline]:
    """Todas las referencias ya ajustadas, por clave.

    Parameters
    ----------
    images : uint8 (N, H, W), o None si se dan las características
    labels, split, seed
        Como en ``fit_baseline``.
    features : {clave: float (N, k)}, optional
        Las de ``baseline_features`` u otras; una clave que no esté en ``BASELINES`` se usa también
        como nombre.

    Raises
    ------
    DataError, ConfigError
        Como ``fit_baseline`` y ``baseline_features``.
    """
    found = {MAJORITY: majority_baseline(labels, split)}
    if features is None:
        if images is None:
            raise ConfigError("Hacen falta las imágenes, o las características ya calculadas.")
        features = baseline_features(images)
    for key, values in features.items():
        found[key] = fit_baseline(values, labels, split, seed, BASELINES.get(key, key))
    return found


def evaluate_baselines(
    images: np.ndarray | None,
    labels: ArrayLike,
    split: pd.Series,
    patients: ArrayLike,
    seed: int = 0,
    n: int = 2000,
    features: Mapping[str, np.ndarray] | None = None,
) -> pd.DataFrame:
    """Mide en prueba todas las referencias: una fila por cada una.

    Parameters
    ----------
    images, labels, split, features
        Como en ``fit_baselines``.
    patients : (N,) identificadores; ``""`` es un paciente desconocido y cuenta solo.
    seed : int
        Del ajuste y de los remuestreos.
    n : int, remuestreos

    Returns
    -------
    DataFrame
        Índice ``baseline`` (las claves); columnas ``name``, ``n_features``, ``threshold`` (elegido
        en validación por el índice de Youden; 0.5 en la mayoritaria) y, para ``roc_auc``,
        ``sensitivity``, ``specificity`` y ``accuracy``, su valor, ``_low`` y ``_high`` (95 % por
        paciente).

    Raises
    ------
    DataError, ConfigError
        Como ``fit_baselines`` y ``metrics_with_intervals``.
    """
    truth, parts = _check(labels, split)
    names = np.asarray(patients, dtype=object)
    if names.shape != truth.shape:
        raise DataError(f"Hay {len(truth)} etiquetas y {names.size} identificadores de paciente.")
    test = parts == "test"
    rows = {}
    for key, fitted in fit_baselines(images, truth, split, seed, features).items():
        measured = metrics_with_intervals(
            truth[test], fitted.probability[test], names[test], fitted.threshold, n, seed
        )
        row = {
            "name": fitted.name,
            "n_features": fitted.n_features,
            "threshold": fitted.threshold,
        }
        for metric in MEASURES:
            row[metric] = measured.loc[metric, "value"]
            row[f"{metric}_low"] = measured.loc[metric, "low"]
            row[f"{metric}_high"] = measured.loc[metric, "high"]
        rows[key] = row
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index.name = "baseline"
    return table


def _threshold(truth: np.ndarray, probability: np.ndarray, parts: np.ndarray) -> float:
    chosen = parts == "val"
    return threshold_balanced(truth[chosen], probability[chosen])


def _check(labels: ArrayLike, split: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    truth = check_labels(labels)
    parts = np.asarray(split, dtype=object)
    if parts.shape != truth.shape:
        raise DataError(f"Hay {len(truth)} etiquetas y la partición tiene {parts.size} filas.")
    for name in ("train", "val", "test"):
        if len(np.unique(truth[parts == name])) < 2:
            raise DataError(f"La parte «{name}» no tiene radiografías de las dos clases.")
    return truth, parts
