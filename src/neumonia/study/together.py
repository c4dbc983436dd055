"""Entrenar a la vez las redes que falten, cada una en su proceso.

Una red pequeña no llena dos núcleos: dos redes, sí. Cada proceso guarda su producto en el mismo
almacén, donde un producto está entero o no está, así que el resultado es el de siempre.
"""

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TextIO

from neumonia.study.config import Config
from neumonia.study.pipeline import Study


class _Signed:
    """La salida de errores con el nombre de la red delante de cada línea."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream = stream
        self._name = name

    def write(self, text: str) -> int:
        return self._stream.write(f"  {self._name} · {text}" if text.strip() else text)

    def isatty(self) -> bool:
        return False

    def close(self) -> None:
        """Al acabar, el registro de TensorFlow cierra lo que tuvo por salida; esta sigue."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def train_together(study: Study, titles: dict[str, str]) -> Iterator[str]:
    """Entrena las redes que falten y entrega el nombre de cada una cuando termina.

    Con una sola red por entrenar o un solo núcleo no hace nada: se entrena al pedirla.

    Parameters
    ----------
    titles : {red: cómo se anuncia}
    """
    missing = [name for name in study.networks if not study.is_trained(name)]
    cores = os.cpu_count() or 1
    if len(missing) < 2 or cores < 2:
        return
    # Antes de repartir, para que no las preparen dos procesos a la vez.
    len(study.images)
    # La más larga primero: si quedara para el final, un núcleo esperaría.
    missing.sort(key=("vgg16", "cnn", "robusta").index)
    workers = min(cores, len(missing), 2)
    with ProcessPoolExecutor(workers, get_context("spawn"), max_tasks_per_child=1) as pool:
        waiting = {
            pool.submit(_train, study.config, study.cache, name, titles[name], study.progress): name
            for name in missing
        }
        try:
            for done in as_completed(waiting):
                done.result()
                yield waiting[done]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _train(config: Config, cache: Path, name: str, title: str, progress: bool) -> None:
    sys.stderr = _Signed(sys.stderr, title)
    try:
        Study(config, cache, progress).product(name)
    except KeyboardInterrupt:
        # Quien interrumpe ya lo ve en el proceso principal; lo hecho hasta aquí está guardado.
        os._exit(1)
