"""Puerta única a Keras: cuándo se carga, con qué motor y con qué precisión."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import numpy as np

from neumonia.errors import ConfigError

PRECISIONS = ("float32", "mixed_bfloat16")


def load_keras() -> ModuleType:
    """Importa Keras sobre TensorFlow, sin sus avisos, y lo devuelve.

    Quien quiera los avisos define antes ``TF_CPP_MIN_LOG_LEVEL=0``.

    Raises
    ------
    ConfigError
        Si falta TensorFlow o si Keras ya se cargó con otro motor.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    quiet = os.environ["TF_CPP_MIN_LOG_LEVEL"] == "3"
    if quiet:
        # Sus avisos de «retracing» aparecen cada vez que un mismo proceso entrena varias redes.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        with _quiet_start(quiet):
            import keras
    except ImportError as error:
        raise ConfigError(
            f"No podemos cargar Keras con TensorFlow ({error}). "
            "Instalemos las dependencias del libro, como indica su README."
        ) from error
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise ConfigError(
            f"Keras usa el motor {backend!r} y este libro necesita 'tensorflow'. "
            "Definamos KERAS_BACKEND=tensorflow y reiniciemos Python."
        )
    return keras


@contextmanager
def _quiet_start(quiet: bool) -> Iterator[None]:
    """Calla los avisos que TensorFlow 2.21 escribe al cargarse aunque se pida el nivel 3.

    Los escribe su parte en C++, en el descriptor 2; ``sys.stderr`` no los ve.
    """
    if not quiet or "tensorflow" in sys.modules:
        yield
        return
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with open(os.devnull, "wb") as sink:
            os.dup2(sink.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def check_precision(precision: str) -> str:
    """Devuelve ``precision`` si es una de ``PRECISIONS``; si no, lanza ``ConfigError``."""
    if precision not in PRECISIONS:
        raise ConfigError(
            f"La precisión {precision!r} no existe; elijamos una de: {', '.join(PRECISIONS)}."
        )
    return precision


def layer_seeds(seed: int) -> Iterator[int]:
    """Semillas sin fin, independientes entre sí, que solo dependen de ``seed``.

    Dar a cada capa la suya evita que dos capas con la misma semilla sorteen los mismos números.

    Raises
    ------
    ConfigError
        Si ``seed`` no es un entero mayor o igual que 0.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ConfigError(f"La semilla debe ser un entero mayor o igual que 0; recibimos {seed!r}.")
    generator = np.random.default_rng(int(seed))
    while True:
        yield int(generator.integers(2**31 - 1))
