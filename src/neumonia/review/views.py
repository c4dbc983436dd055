"""Promediar vistas al predecir: la misma radiografía, desplazada unos píxeles en cada dirección."""

from typing import TYPE_CHECKING

import numpy as np

from neumonia.errors import ConfigError

if TYPE_CHECKING:
    import keras

SHIFT = 0.04


def shifted(images: np.ndarray, down: int, right: int) -> np.ndarray:
    """Desplaza ``(N, H, W)`` y repite el borde en lo que queda vacío.

    Parameters
    ----------
    down, right : int
        Píxeles; negativos van hacia arriba y hacia la izquierda.

    Raises
    ------
    ConfigError
        Si el desplazamiento no cabe en la imagen.
    """
    height, width = images.shape[1:]
    if abs(down) >= height or abs(right) >= width:
        raise ConfigError(f"Un desplazamiento de ({down}, {right}) no cabe en {height} x {width}.")
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    return images[:, rows[:, None], columns]


def averaged_logits(
    model: "keras.Model", images: np.ndarray, rows: np.ndarray, progress: bool = False
) -> np.ndarray:
    """Media de los logits de cinco vistas: la original y cuatro desplazadas un 4 % del lado.

    Parameters
    ----------
    images : uint8 (N, H, W)
    rows : int (M,)

    Returns
    -------
    float64 (M,)
    """
    from neumonia.training import predict_logits

    films = np.asarray(images[rows])
    step = max(1, round(SHIFT * films.shape[1]))
    moves = ((0, 0), (step, 0), (-step, 0), (0, step), (0, -step))
    views = [predict_logits(model, shifted(films, *move), progress=progress) for move in moves]
    return np.mean(views, axis=0)
