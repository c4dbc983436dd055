"""El avance del entrenamiento, en español y en la salida de errores."""

import sys
import time
from collections.abc import Mapping
from types import TracebackType

_PATIENCE = 2.0


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
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task(self._title(), total=self._steps)
        self._bar.start()


def _summary(logs: Mapping[str, float], prefix: str = "") -> str:
    loss, auc = (f"{logs[prefix + name]:.4f}".replace(".", ",") for name in ("loss", "auc"))
    return f"pérdida {loss}, AUC {auc}"
