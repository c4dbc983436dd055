"""Mirar los datos antes de entrenar: clases, tamaños, promedios, intensidades y trampas."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from neumonia.datasets.base import CLASSES, SPLITS
from neumonia.errors import ConfigError, DataError

_CHUNK = 512


class MeanImages(NamedTuple):
    """Promedio y desviación estándar por píxel: por clase, float32 ``(H, W)`` de 0 a 255."""

    mean: dict[int, np.ndarray]
    std: dict[int, np.ndarray]


class Histogram(NamedTuple):
    """``density`` float64 ``(256,)`` que suma 1, y ``cdf`` float64 ``(256,)`` que termina en 1."""

    density: np.ndarray
    cdf: np.ndarray


def class_balance(manifest: pd.DataFrame, split: pd.Series) -> pd.DataFrame:
    """Cuántas películas de cada clase hay en cada parte.

    Returns
    -------
    pandas.DataFrame
        Índice ``split`` (train, val, test; solo las presentes). Columnas ``normal``,
        ``pneumonia``, ``total``, ``proportion_pneumonia`` (0 a 1) y ``ratio`` (neumonías por cada
        normal; NaN si no hay normales).
    """
    counts = pd.crosstab(split.to_numpy(), manifest["label"].to_numpy()).reindex(
        columns=[0, 1], fill_value=0
    )
    counts = counts.reindex([part for part in SPLITS if part in counts.index])
    frame = pd.DataFrame({"normal": counts[0].astype(int), "pneumonia": counts[1].astype(int)})
    frame["total"] = frame["normal"] + frame["pneumonia"]
    frame["proportion_pneumonia"] = frame["pneumonia"] / frame["total"]
    frame["ratio"] = frame["pneumonia"] / frame["normal"].where(frame["normal"] > 0)
    frame.index.name = "split"
    return frame


def mean_images(images: np.ndarray, labels: np.ndarray) -> MeanImages:
    """Imagen promedio y desviación por píxel de cada clase.

    Parameters
    ----------
    images : uint8 (N, H, W)
        Puede ser un memmap: se recorre por trozos y se suma en enteros, sin error de redondeo.
    labels : enteros (N,)
        0 = NORMAL, 1 = PNEUMONIA.

    Raises
    ------
    ConfigError
        Si las formas o los tipos no son esos.
    """
    labels = _check(images, labels)
    mean, std = {}, {}
    for label in np.unique(labels).tolist():
        total = np.zeros(images.shape[1:], dtype=np.int64)
        square = np.zeros_like(total)
        count = 0
        for chunk in _chunks(images, labels == label):
            wide = chunk.astype(np.uint32)
            total += wide.sum(axis=0, dtype=np.int64)
            square += (wide * wide).sum(axis=0, dtype=np.int64)
            count += len(chunk)
        centre = total / count
        # N·Σx² − (Σx)² es exacto en enteros; restar medias en coma flotante no lo sería.
        variance = (count * square - total * total) / count**2
        mean[label] = centre.astype(np.float32)
        std[label] = np.sqrt(variance).astype(np.float32)
    return MeanImages(mean, std)


def intensity_histogram(images: np.ndarray, labels: np.ndarray) -> dict[int, Histogram]:
    """Histograma de intensidades de cada clase: la proporción de píxeles en cada valor, 0 a 255.

    Raises
    ------
    ConfigError
        Como ``mean_images``.
    """
    counts = _histograms(images, labels)
    found = {}
    for label, values in counts.items():
        density = values / values.sum()
        cdf = np.cumsum(values) / values.sum()
        found[label] = Histogram(density, cdf)
    return found


def intensity_summary(images: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """Intensidad media y desviación por clase.

    Returns
    -------
    pandas.DataFrame
        Índice ``class``; columnas ``films``, ``mean`` y ``std`` (de todos los píxeles, 0 a 255) y
        ``film_mean_std`` (cuánto varía la media de una película a otra).
    """
    labels = _check(images, labels)
    values = np.arange(256)
    rows = {}
    for label, counts in _histograms(images, labels).items():
        pixels = counts.sum()
        mean = float((counts * values).sum() / pixels)
        variance = float((counts * (values - mean) ** 2).sum() / pixels)
        means = np.concatenate(
            [chunk.mean(axis=(1, 2)) for chunk in _chunks(images, labels == label)]
        )
        rows[CLASSES[label]] = {
            "films": len(means),
            "mean": mean,
            "std": variance**0.5,
            "film_mean_std": float(means.std()),
        }
    summary = pd.DataFrame.from_dict(rows, orient="index")
    summary.index.name = "class"
    return summary


def metadata_baseline(manifest: pd.DataFrame, split: pd.Series) -> float:
    """AUC en test de un clasificador que no ve la imagen: solo alto, ancho y proporción.

    Regresión logística sobre los tres números estandarizados, ajustada en train. Una AUC lejana
    de 0,5 avisa que el tamaño delata la clase; 0,5 exacto, que todas miden lo mismo.

    Raises
    ------
    DataError
        Si train o test no tienen las dos clases.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    height = manifest["height"].to_numpy(dtype=float)
    width = manifest["width"].to_numpy(dtype=float)
    features = np.column_stack([height, width, width / height])
    labels = manifest["label"].to_numpy()
    train, test = (split == "train").to_numpy(), (split == "test").to_numpy()
    for name, part in (("train", train), ("test", test)):
        if len(np.unique(labels[part])) < 2:
            raise DataError(f"La parte «{name}» no tiene películas de las dos clases.")
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(features[train], labels[train])
    return float(roc_auc_score(labels[test], model.decision_function(features[test])))


def example_rows(
    manifest: pd.DataFrame,
    split: pd.Series,
    label: int,
    n: int,
    seed: int,
    part: str | None = "train",
) -> np.ndarray:
    """Posiciones de ``n`` películas de una clase, de pacientes distintos mientras alcancen.

    Parameters
    ----------
    part : {"train", "val", "test"} or None
        De qué parte de ``split``; ``None`` es de cualquiera.

    Returns
    -------
    numpy.ndarray
        int64 ``(n,)``, en orden creciente: filas de ``manifest`` por posición.

    Raises
    ------
    DataError
        Si no hay ``n`` películas así.
    """
    mask = (manifest["label"] == label).to_numpy()
    if part is not None:
        mask = mask & (split == part).to_numpy()
    rows = np.flatnonzero(mask)
    if n < 1 or len(rows) < n:
        where = f"en «{part}»" if part is not None else "en el conjunto"
        raise DataError(
            f"Pedimos {n} películas {CLASSES[label]} y {where} hay {len(rows)}. Pidamos de 1 a "
            f"{len(rows)}."
        )
    shuffled = np.random.default_rng(seed).permutation(rows)
    patient = manifest["patient"].to_numpy(dtype=object)[shuffled]
    repeated = pd.Series(patient).duplicated().to_numpy() & (patient != "")
    chosen = np.concatenate([shuffled[~repeated], shuffled[repeated]])[:n]
    return np.sort(chosen).astype(np.int64)


def _check(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    labels = np.asarray(labels)
    if images.ndim != 3 or images.dtype != np.uint8 or images.size == 0:
        raise ConfigError(
            f"Esperamos imágenes uint8 (N, H, W), no vacías; recibimos {images.shape} "
            f"{images.dtype}."
        )
    if labels.shape != (len(images),) or not np.isin(labels, (0, 1)).all():
        raise ConfigError(
            f"Esperamos {len(images)} etiquetas 0 o 1; recibimos la forma {labels.shape}."
        )
    return labels


def _chunks(images: np.ndarray, mask: np.ndarray):
    """Trozos de las imágenes elegidas, para no cargar el memmap entero."""
    rows = np.flatnonzero(mask)
    for start in range(0, len(rows), _CHUNK):
        yield np.asarray(images[rows[start : start + _CHUNK]])


def _histograms(images: np.ndarray, labels: np.ndarray) -> dict[int, np.ndarray]:
    labels = _check(images, labels)
    counts = {}
    for label in np.unique(labels).tolist():
        counts[label] = np.zeros(256, dtype=np.int64)
        for chunk in _chunks(images, labels == label):
            counts[label] += np.bincount(chunk.reshape(-1), minlength=256)
    return counts
