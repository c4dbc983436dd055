"""Avance de las tareas largas, en la salida de errores."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

_PATIENCE = 2.0
_LINE_EVERY = 10.0


def track(iterable: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Recorre ``iterable`` y muestra cuánto falta si la tarea pasa de dos segundos.

    En una terminal dibuja una barra; en un registro escribe una línea cada diez segundos, para
    que el archivo siga siendo legible.

    Parameters
    ----------
    iterable : iterable
        Los elementos; se entregan sin cambios y en orden.
    description : str
        Qué se está haciendo, en español.
    total : int, optional
        Número de elementos; por omisión ``len(iterable)`` si lo tiene.
    """
    if total is None and hasattr(iterable, "__len__"):
        total = len(iterable)
    if sys.stderr.isatty():
        yield from _bar(iterable, description, total)
    else:
        yield from _lines(iterable, description, total)


def _lines(iterable: Iterable[T], description: str, total: int | None) -> Iterator[T]:
    start = time.monotonic()
    due = start + _PATIENCE
    spoke = False
    count = 0
    for count, item in enumerate(iterable, start=1):
        yield item
        now = time.monotonic()
        if now >= due:
            of_total = f"/{total}" if total is not None else ""
            print(f"{description}: {count}{of_total}", file=sys.stderr, flush=True)
            due = now + _LINE_EVERY
            spoke = True
    if spoke:
        seconds = time.monotonic() - start
        print(f"{description}: {count} en {seconds:.0f} s", file=sys.stderr, flush=True)


def _bar(iterable: Iterable[T], description: str, total: int | None) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    start = time.monotonic()
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        # Si la salida va a un archivo, lo que se imprima durante el avance debe llegar allí.
        redirect_stdout=sys.stdout.isatty(),
    )
    task = bar.add_task(description, total=total)
    started = False
    try:
        for item in iterable:
            yield item
            bar.advance(task)
            if not started and time.monotonic() - start > _PATIENCE:
                bar.start()
                started = True
    finally:
        if started:
            bar.stop()
