"""Lotes de imágenes para la inferencia: de uint8 en disco a float32 en la red."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from neumonia.errors import ConfigError, DataError
from neumonia.models.backend import load_keras


def check_images(images: np.ndarray, shape: tuple[int | None, ...]) -> None:
    """Comprueba que ``images`` es un conjunto de entradas de forma ``shape``.

    Parameters
    ----------
    images : ndarray
        ``(N, *shape)``; si el último eje de ``shape`` mide 1 puede faltar.
    shape : tuple
        Forma de UNA entrada, sin la dimensión del lote.

    Raises
    ------
    DataError
        Con la forma recibida y la que espera la red.
    """
    full = images.shape[1:] == tuple(shape)
    squeezed = shape[-1] == 1 and images.shape[1:] == tuple(shape[:-1])
    if full or squeezed:
        return
    expected = "N, " + ", ".join(str(length) for length in shape)
    hint = " Para una sola imagen escribamos imagen[None]." if images.ndim < len(shape) else ""
    raise DataError(
        f"La red espera un arreglo de forma ({expected}) y recibió {images.shape}.{hint}"
    )


def to_input(images: np.ndarray, rank: int) -> np.ndarray:
    """Convierte a float32 y añade el eje de canal si falta para llegar a ``rank`` ejes."""
    batch = np.asarray(images, dtype=np.float32)
    return batch[..., None] if batch.ndim < rank else batch


def iterate(
    images: np.ndarray, rank: int, batch_size: int, rows: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Entrega lotes float32 en orden sin copiar ``images`` entero a memoria."""
    check_batch_size(batch_size)
    total = len(images) if rows is None else len(rows)
    for start in range(0, total, batch_size):
        stop = min(start + batch_size, total)
        chunk = slice(start, stop) if rows is None else rows[start:stop]
        yield to_input(images[chunk], rank)


def check_batch_size(batch_size: int) -> None:
    if batch_size < 1:
        raise ConfigError(f"El tamaño del lote debe ser al menos 1; recibimos {batch_size}.")


def compile_call(function: Callable[[Any], Any], shape: tuple[int | None, ...]) -> Callable:
    """Compila ``function`` una sola vez para lotes de cualquier longitud.

    Sin la firma, TensorFlow volvería a trazar el grafo con el último lote, que es más corto.
    """
    load_keras()
    import tensorflow as tf

    signature = [tf.TensorSpec((None, *shape), tf.float32)]
    return tf.function(function, input_signature=signature, autograph=False, jit_compile=False)
