"""Mapas que no miran la placa: el suelo y el techo con que se compara un método."""

import numpy as np
from numpy.typing import ArrayLike

from neumonia.errors import ConfigError, DataError
from neumonia.trust.checks import check_masks, check_shape

SIGMA = 0.25


def uniform_maps(shape: tuple[int, int, int]) -> np.ndarray:
    """El mismo calor en todas partes: unos, float32 (N, H, W), de solo lectura."""
    return np.broadcast_to(np.float32(1), check_shape(shape))


def centre_maps(shape: tuple[int, int, int], sigma: float = SIGMA) -> np.ndarray:
    """Una gaussiana isotrópica en el centro, la misma para todas las placas.

    Parameters
    ----------
    shape : (N, H, W)
    sigma : float > 0
        Desviación típica como fracción del lado corto.

    Returns
    -------
    float32 (N, H, W) en 0..1, de solo lectura; el máximo vale 1.

    Raises
    ------
    ConfigError
        Forma o ``sigma`` no válidos.
    """
    _, height, width = check_shape(shape)
    if not 0 < sigma < np.inf:
        raise ConfigError(f"sigma (fracción del lado) debe ser mayor que 0; recibimos {sigma}.")
    scale = sigma * min(height, width)
    rows = (np.arange(height) - (height - 1) / 2) / scale
    columns = (np.arange(width) - (width - 1) / 2) / scale
    distance = rows[:, None] ** 2 + columns**2
    heat = np.exp((distance.min() - distance) / 2)
    return np.broadcast_to(heat.astype(np.float32), shape)


def random_maps(shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """Ruido uniforme en [0, 1), distinto en cada placa: float32 (N, H, W)."""
    return np.random.default_rng(seed).random(check_shape(shape), dtype=np.float32)


def mean_mask_maps(train_masks: ArrayLike, n_films: int) -> np.ndarray:
    """La media de las máscaras de ENTRENAMIENTO, dividida por su máximo y repetida.

    Sabe dónde suelen estar las opacidades sin mirar la placa. Con las máscaras que se van a medir
    dentro haría trampa.

    Parameters
    ----------
    train_masks : bool (M, H, W), ninguna vacía
    n_films : int >= 1

    Returns
    -------
    float32 (n_films, H, W) en 0..1, de solo lectura; el máximo vale 1.

    Raises
    ------
    DataError
        Como ``check_masks``.
    ConfigError
        Si ``n_films`` no es un entero positivo.
    """
    mean = check_masks(train_masks).mean(axis=0)
    shape = check_shape((n_films, *mean.shape))
    return np.broadcast_to((mean / mean.max()).astype(np.float32), shape)


def baseline_maps(
    shape: tuple[int, int, int],
    seed: int = 0,
    sigma: float = SIGMA,
    train_masks: ArrayLike | None = None,
    masks: ArrayLike | None = None,
) -> dict[str, np.ndarray]:
    """Todas las referencias, listas para ir en la misma tabla que los métodos.

    Parameters
    ----------
    shape : (N, H, W), la de los mapas que se miden
    seed : int, la del azar
    sigma : float > 0, la de ``centre_maps``
    train_masks : bool (M, H, W), optional
        Máscaras de entrenamiento; añade ``mean_mask``.
    masks : bool (N, H, W), optional
        Las máscaras medidas; añade ``perfect``, el techo: calor 1 dentro y 0 fuera.

    Returns
    -------
    dict
        ``uniform``, ``centre``, ``random`` y, si se piden, ``mean_mask`` y ``perfect``.

    Raises
    ------
    DataError, ConfigError
        Como cada referencia, o si las máscaras no tienen el tamaño de los mapas.
    """
    found = {
        "uniform": uniform_maps(shape),
        "centre": centre_maps(shape, sigma),
        "random": random_maps(shape, seed),
    }
    if train_masks is not None:
        learned = mean_mask_maps(train_masks, shape[0])
        if learned.shape != tuple(shape):
            raise DataError(
                f"Las máscaras de entrenamiento miden {learned.shape[1:]} y los mapas "
                f"{tuple(shape[1:])}: deben tener el mismo tamaño."
            )
        found["mean_mask"] = learned
    if masks is not None:
        found["perfect"] = check_masks(masks, tuple(shape)).astype(np.float32)
    return found
