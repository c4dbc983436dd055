"""Los números de una radiografía que hablan del equipo y del encuadre más que del paciente."""

import numpy as np
import pandas as pd

from neumonia.baselines.features import (
    check_images,
    chunks,
    frame_pixels,
    intensity_statistics,
    sharpness,
    small_pixels,
)

STATISTICS = {
    "mean": "gris medio",
    "std": "contraste (desviación)",
    "p01": "percentil 1",
    "p05": "percentil 5",
    "p25": "percentil 25",
    "p50": "gris mediano",
    "p75": "percentil 75",
    "p95": "percentil 95",
    "p99": "percentil 99",
    "black": "proporción de negro",
    "white": "proporción de blanco",
    "gradient": "nitidez (gradiente)",
    "vertical": "nitidez vertical",
    "horizontal": "nitidez horizontal",
    "laplacian": "nitidez (laplaciano)",
    "frame_mean": "gris medio del marco",
    "frame_std": "desviación del marco",
    "top": "gris del borde superior",
    "bottom": "gris del borde inferior",
    "left": "gris del borde izquierdo",
    "right": "gris del borde derecho",
    "center": "gris del centro",
}
"""Las columnas de ``acquisition_statistics`` y su nombre en español."""


def acquisition_statistics(images: np.ndarray) -> pd.DataFrame:
    """Estadísticas simples de cada radiografía: grises, nitidez y marco.

    Parameters
    ----------
    images : uint8 (N, H, W)
        Puede ser un memmap.

    Returns
    -------
    DataFrame float64, una fila por radiografía
        Las columnas de ``STATISTICS``: las de ``intensity_statistics`` y ``sharpness``;
        ``frame_mean`` y ``frame_std``, de los píxeles a menos de 1/36 del lado de un borde;
        ``top``, ``bottom``, ``left`` y ``right``, el gris medio del 1/18 más cercano a cada borde;
        ``center``, el del tercio central.

    Raises
    ------
    ConfigError
        Imágenes de otra forma o tipo, o de menos de 3 píxeles de lado.
    """
    images = check_images(images)
    parts = [intensity_statistics(images), sharpness(images), _borders(images)]
    return pd.concat(parts, axis=1)[list(STATISTICS)]


def domain_features(images: np.ndarray, statistics: pd.DataFrame) -> dict[str, np.ndarray]:
    """Conjuntos de características con que preguntar de qué parte viene una radiografía.

    Returns
    -------
    dict
        ``gradient`` (un número), ``sharpness`` (3), ``intensity`` (11), ``statistics`` (todas),
        ``frame`` (384 píxeles del marco) y ``pixels`` (28 x 28), cada uno float (N, k).
    """
    small = small_pixels(images)
    columns = list(statistics.columns)
    intensity = columns[: columns.index("white") + 1]
    return {
        "gradient": statistics[["gradient"]].to_numpy(),
        "sharpness": statistics[["vertical", "horizontal", "laplacian"]].to_numpy(),
        "intensity": statistics[intensity].to_numpy(),
        "statistics": statistics.to_numpy(),
        "frame": frame_pixels(images, reduced=small),
        "pixels": small,
    }


def _borders(images: np.ndarray) -> pd.DataFrame:
    height, width = images.shape[1:]
    thin = max(1, round(min(height, width) / 36))
    broad = max(1, round(min(height, width) / 18))
    ring = np.ones((height, width), dtype=bool)
    ring[thin:-thin, thin:-thin] = False
    middle = (slice(height // 3, height - height // 3), slice(width // 3, width - width // 3))
    rows = []
    for chunk in chunks(images):
        frame = chunk[:, ring].astype(np.float64)
        strips = (
            chunk[:, :broad],
            chunk[:, -broad:],
            chunk[:, :, :broad],
            chunk[:, :, -broad:],
            chunk[:, *middle],
        )
        means = [strip.mean(axis=(1, 2), dtype=np.float64) for strip in strips]
        rows.append(np.column_stack([frame.mean(axis=1), frame.std(axis=1), *means]))
    names = ["frame_mean", "frame_std", "top", "bottom", "left", "right", "center"]
    return pd.DataFrame(np.concatenate(rows), columns=names)
