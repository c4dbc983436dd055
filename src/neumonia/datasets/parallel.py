"""Un mapa en hilos que conserva el orden y no lee la entrada por adelantado."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def workers() -> int:
    """Hilos útiles: Pillow suelta el candado de Python al decodificar; más de 4 no rinden."""
    return max(1, min(4, os.cpu_count() or 1))


def ordered_map(
    function: Callable[[A], B], items: Iterable[A], threads: int | None = None
) -> Iterator[B]:
    """Aplica ``function`` a cada elemento y entrega los resultados en el orden de entrada.

    Con ``Executor.map`` toda la entrada quedaría en memoria; aquí hay a lo sumo ocho elementos
    por hilo en vuelo. La primera excepción se propaga y las tareas pendientes se cancelan.
    """
    threads = threads or workers()
    pending: deque[Future[B]] = deque()
    with ThreadPoolExecutor(max_workers=threads) as pool:
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) >= 8 * threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
