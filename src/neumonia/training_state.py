"""El avance de un entrenamiento en disco: un solo archivo, que está entero o no está."""

import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from neumonia.files import atomic_path

if TYPE_CHECKING:
    import keras

_VAL_LOSS = 4  # su columna en el historial


@dataclass
class TrainingState:
    """Lo que hace falta para seguir: las épocas hechas y los mejores pesos hasta ahora."""

    history: list[list[float]] = field(default_factory=list)
    best_weights: list[np.ndarray] = field(default_factory=list)

    def finished(self, epochs: int, patience: int) -> bool:
        """Si ya se hicieron ``epochs`` o pasaron ``patience`` sin mejorar."""
        done = len(self.history)
        if not done:
            return False
        return done >= epochs or done - 1 - best_epoch(self.history) >= patience


def scheduled_rate(history: list[list[float]], base: float, wait: int = 2) -> float:
    """Tasa de aprendizaje de la próxima época: la mitad por cada ``wait`` épocas sin mejora.

    Se deduce del historial, de modo que un entrenamiento retomado sigue con la misma tasa.
    """
    rate, best, stale = base, float("inf"), 0
    for row in history:
        if row[_VAL_LOSS] < best:
            best, stale = row[_VAL_LOSS], 0
            continue
        stale += 1
        if stale == wait:
            rate, stale = rate / 2, 0
    return rate


def best_epoch(history: list[list[float]]) -> int:
    """Posición (desde 0) de la primera época con la menor pérdida de validación."""
    return int(np.argmin([row[_VAL_LOSS] for row in history]))


def save_state(
    path: Path | None, model: "keras.Model", identity: str, state: TrainingState
) -> None:
    """Guarda ``state`` y todas las variables de ``model`` y de su optimizador.

    Entre las variables están los generadores de Dropout y del aumento: sin ellos, lo retomado
    sortearía otros números.
    """
    if path is None:
        return
    arrays = {f"model_{i}": np.asarray(v) for i, v in enumerate(_variables(model))}
    arrays |= {f"best_{i}": weight for i, weight in enumerate(state.best_weights)}
    arrays["history"] = np.asarray(state.history, dtype=np.float64)
    arrays["identity"] = np.asarray(identity)
    with atomic_path(path) as temporary:
        np.savez(temporary, **arrays)


def load_state(path: Path | None, model: "keras.Model", identity: str) -> TrainingState | None:
    """Lee el avance y lo pone en ``model``.

    Returns
    -------
    TrainingState or None
        ``None`` si no hay avance, si está dañado o si es de otro entrenamiento.
    """
    if path is None or not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            if str(stored["identity"]) != identity:
                return None
            variables = _variables(model)
            values = [stored[f"model_{i}"] for i in range(len(variables))]
            best = [stored[f"best_{i}"] for i in range(len(model.weights))]
            history = stored["history"].tolist()
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return TrainingState(history, best)


def _variables(model: "keras.Model") -> list["keras.Variable"]:
    return [*model.variables, *model.optimizer.variables]
