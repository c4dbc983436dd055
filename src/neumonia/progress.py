"""Tareas largas: su avance, en la salida de errores, y el reparto en hilos."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

A = TypeVar("A")
T = TypeVar("T")

_PATIENCE = 2.0
_LINE_EVERY = 10.0


def track(iterable: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Recorre ``iterable`` y muestra cuánto falta si la tarea pasa de dos segundos.

    En una terminal dibuja una barra; en un registro escribe una línea cada diez segundos, para
    que el archivo siga siendo legible.
    """
    if total is None and hasattr(iterable, "__len__"):
        total = len(iterable)
    if sys.stderr.isatty():
        yield from _bar(iterable, description, total)
    else:
        yield from _lines(iterable, description, total)


def in_threads(function: Callable[[A], T], items: Sequence[A], description: str = "") -> list[T]:
    """Aplica ``function`` a cada elemento, en hilos: los resultados, en el orden de entrada.

    Con ``description`` muestra el avance. Ante un error o una interrupción ningún hilo sigue
    trabajando al volver: lo pendiente se cancela y se espera a lo que está en curso.
    """
    # Pillow suelta el candado de Python al decodificar; más de 4 hilos no rinden.
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        try:
            results = pool.map(function, items)
            return list(track(results, description, len(items)) if description else results)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


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


def _new_bar(timed: bool):
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    clock = (TimeElapsedColumn(), TimeRemainingColumn()) if timed else ()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        *clock,
        console=Console(stderr=True),
        # Si la salida va a un archivo, lo que se imprima durante el avance debe llegar allí.
        redirect_stdout=sys.stdout.isatty(),
    )


def _bar(iterable: Iterable[T], description: str, total: int | None) -> Iterator[T]:
    start = time.monotonic()
    bar = _new_bar(timed=True)
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


class EpochReport:
    """Una barra por época en la terminal; en un registro, una línea por época.

    No muestra nada hasta que el entrenamiento pasa de dos segundos.
    """

    def __init__(self, epochs: int, steps: int, enabled: bool) -> None:
        self.epoch = 0
        self._epochs = epochs
        self._steps = steps
        self._enabled = enabled
        self._bar = None
        self._task = None
        self._began = 0.0

    def __enter__(self) -> "EpochReport":
        self._began = time.monotonic()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def start(self, epoch: int) -> None:
        """Anuncia que empieza la época ``epoch`` (desde 1)."""
        self.epoch = epoch
        if self._bar is not None:
            self._bar.reset(self._task)

    def advance(self, logs: Mapping[str, float]) -> None:
        """Anota un lote más, con la media de la época hasta ahora."""
        if not self._enabled or not sys.stderr.isatty() or self._early():
            return
        if self._bar is None:
            self._open()
        self._bar.update(self._task, advance=1, description=f"{self._title()}: {_summary(logs)}")

    def finish(self, logs: Mapping[str, float]) -> None:
        """Cierra la época con sus cifras, también las de validación."""
        if not self._enabled or self._early():
            return
        line = f"{self._title()}: {_summary(logs)}; validación: {_summary(logs, 'val_')}"
        if self._bar is not None:
            self._bar.console.print(line, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def _early(self) -> bool:
        return time.monotonic() - self._began < _PATIENCE

    def _title(self) -> str:
        return f"Época {self.epoch}/{self._epochs}"

    def _open(self) -> None:
        self._bar = _new_bar(timed=False)
        self._task = self._bar.add_task(self._title(), total=self._steps)
        self._bar.start()


def _summary(logs: Mapping[str, float], prefix: str = "") -> str:
    loss, auc = logs[f"{prefix}loss"], logs[f"{prefix}auc"]
    return f"pérdida {loss:.4f}, AUC {auc:.4f}"
