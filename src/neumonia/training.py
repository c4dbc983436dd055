"""Entrenar, interrumpir, retomar y predecir.

La misma función entrena la CNN (radiografías uint8) y la cabeza de VGG16 (características float32).
Cada época baraja con la semilla ``[seed, época]`` y al terminar guarda en disco, en un solo archivo
que está entero o no está, los pesos, el optimizador y los sorteos: retomar da los mismos números
que no haber parado.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from neumonia.errors import ConfigError, DataError, NeumoniaError
from neumonia.files import atomic_path
from neumonia.models.backend import load_keras
from neumonia.models.batches import check_batch_size, check_images, compile_call, iterate, to_input
from neumonia.progress import EpochReport, track

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

HISTORY_COLUMNS = (
    "epoch",
    "loss",
    "accuracy",
    "auc",
    "val_loss",
    "val_accuracy",
    "val_auc",
    "learning_rate",
)


class _Source(NamedTuple):
    images: np.ndarray
    labels: np.ndarray
    rows: np.ndarray


def set_determinism(seed: int) -> None:
    """Fija las semillas globales y pide a TensorFlow operaciones deterministas.

    Vale para todo el proceso y, en TensorFlow, no se puede deshacer.
    """
    keras = load_keras()
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def compile_model(model: "keras.Model", learning_rate: float = 1e-3) -> None:
    """Nadam y entropía cruzada sobre el logit; exactitud con umbral 0.5 y área bajo la curva."""
    keras = load_keras()
    model.compile(
        optimizer=keras.optimizers.Nadam(learning_rate),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=classification_metrics(),
        # En CPU, XLA tarda entre 4 y 7 veces más con estas redes.
        jit_compile=False,
    )


def classification_metrics() -> list["keras.metrics.Metric"]:
    """Exactitud con umbral 0.5 y área bajo la curva, las dos sobre el logit."""
    keras = load_keras()
    return [
        # Una probabilidad de 0.5 es un logit de 0.
        keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0),
        keras.metrics.AUC(name="auc", from_logits=True),
    ]


def fit(
    model: "keras.Model",
    train: tuple,
    val: tuple,
    epochs: int,
    batch_size: int = 32,
    patience: int = 5,
    seed: int = 0,
    workdir: Path | str | None = None,
    progress: bool = False,
    learning_rate: float = 1e-3,
    class_weight: dict[int, float] | None = None,
) -> pd.DataFrame:
    """Entrena ``model`` y le deja los pesos de la época con menor pérdida de validación.

    Parameters
    ----------
    model : keras.Model
        Su salida es un logit (N, 1). Se compila aquí; véase ``compile_model``.
    train, val : tuple
        ``(x, y)`` o ``(x, y, rows)``. ``x``: uint8 (N, H, W) o float32 (N, h, w, canales), que
        puede ser un ``memmap`` y se lee por lotes; ``y``: 0 o 1, (N,); ``rows``: posiciones de
        ``x`` y de ``y`` que se usan, por omisión todas.
    epochs : int
        Máximo de épocas.
    patience : int
        Nos detenemos si la pérdida de validación no mejora en tantas épocas seguidas. Cada dos
        épocas sin mejora, además, la tasa de aprendizaje baja a la mitad.
    seed : int
    workdir : Path, optional
        Carpeta donde se guarda el avance. Si hay allí un entrenamiento idéntico (mismos datos,
        pesos iniciales y opciones) a medias, lo retomamos; si terminó, lo leemos. Otro distinto se
        reemplaza.
    progress : bool
        Si mostramos cada época en la salida de errores.
    class_weight : dict, optional
        Peso en la pérdida de cada clase, por ejemplo ``{0: 1.9, 1: 0.7}``.

    Returns
    -------
    DataFrame
        Una fila por época: ``epoch`` (desde 1), ``loss``, ``accuracy``, ``auc``, sus pares
        ``val_`` y ``learning_rate``. Las de entrenamiento promedian la época, con aumento y
        Dropout activos.

    Errores: ``ConfigError`` (si una opción está fuera de su dominio); ``DataError`` (si los datos
    no tienen la forma que el modelo espera o falta una clase al entrenar); ``NeumoniaError`` (si la
    pérdida deja de ser un número finito).
    """
    for name, value in (("épocas", epochs), ("paciencia", patience)):
        if value < 1:
            raise ConfigError(f"El número de {name} debe ser al menos 1; recibimos {value}.")
    check_batch_size(batch_size)
    if not learning_rate > 0:
        raise ConfigError(f"La tasa de aprendizaje debe ser positiva; recibimos {learning_rate}.")
    train_source = _source(train, model, "entrenamiento", both_classes=True)
    val_source = _source(val, model, "validación")

    set_determinism(seed)
    compile_model(model, learning_rate)
    model.optimizer.build(model.trainable_variables)
    options = [epochs, batch_size, patience, seed, learning_rate, class_weight]
    identity = _identity(model, train_source, val_source, options)
    place = None if workdir is None else Path(workdir) / "entrenamiento.npz"
    state = load_state(place, model, identity) or TrainingState()

    val_order = np.arange(len(val_source.rows))
    val_stream = _stream(val_source, model, val_order, batch_size)
    with EpochReport(epochs, ceil(len(train_source.rows) / batch_size), progress) as report:
        while not state.finished(epochs, patience):
            epoch = len(state.history)
            report.start(epoch + 1)
            model.optimizer.learning_rate = scheduled_rate(state.history, learning_rate)
            order = np.random.default_rng([seed, epoch]).permutation(len(train_source.rows))
            logs = model.fit(
                _stream(train_source, model, order, batch_size),
                validation_data=val_stream,
                callbacks=[epoch_guard(report)],
                class_weight=class_weight,
                shuffle=False,
                verbose=0,
            ).history
            _check_finite(logs["val_loss"][0], epoch + 1, "validación")
            row = {name: logs[name][0] for name in HISTORY_COLUMNS[1:-1]}
            row |= {"epoch": epoch + 1, "learning_rate": float(model.optimizer.learning_rate)}
            state.history.append([float(row[name]) for name in HISTORY_COLUMNS])
            if best_epoch(state.history) == epoch:
                state.best_weights = model.get_weights()
            save_state(place, model, identity, state)
            report.finish(row)
    model.set_weights(state.best_weights)
    return pd.DataFrame(state.history, columns=list(HISTORY_COLUMNS)).astype({"epoch": int})


def predict_logits(
    model: "keras.Model",
    images: np.ndarray,
    batch_size: int = 64,
    rows: np.ndarray | None = None,
    progress: bool = False,
) -> np.ndarray:
    """Logit de cada imagen, con Dropout y aumento apagados.

    Parameters
    ----------
    images : ndarray
        uint8 (N, H, W) o características float32 (N, h, w, canales); se leen por lotes.
    rows : ndarray of int, optional
        Posiciones de ``images``; por omisión todas.

    Returns
    -------
    ndarray float64 (N,)

    Errores: ``DataError`` (si la forma de ``images`` no es la que espera ``model``);
    ``ConfigError`` (si ``model`` no entrega un solo valor por imagen).
    """
    if tuple(model.output_shape[1:]) != (1,):
        raise ConfigError(
            f"Esperamos un modelo con una salida por imagen y entrega {model.output_shape}."
        )
    shape = model.input_shape[1:]
    check_images(images, shape)
    call = compile_call(lambda batch: model(batch, training=False), shape)
    batches = iterate(images, len(shape) + 1, batch_size, rows)
    if progress:
        total = len(images) if rows is None else len(rows)
        batches = track(batches, "Predicciones", total=ceil(total / batch_size))
    parts = [call(batch).numpy()[:, 0] for batch in batches]
    return np.concatenate([np.empty(0), *parts])


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Probabilidad de neumonía, ``1 / (1 + exp(-logit))``, sin desbordes: float64."""
    return np.exp(-np.logaddexp(0.0, -np.asarray(logits, dtype=np.float64)))


def _source(data: tuple, model: "keras.Model", name: str, both_classes: bool = False) -> _Source:
    if len(data) not in (2, 3):
        raise DataError(f"Los datos de {name} deben ser (x, y) o (x, y, rows).")
    images, labels = data[0], np.asarray(data[1]).reshape(-1)
    if len(images) != len(labels):
        raise DataError(f"En {name} hay {len(images)} imágenes y {len(labels)} etiquetas.")
    rows = np.arange(len(labels)) if len(data) == 2 else np.asarray(data[2], dtype=np.int64)
    if not rows.size:
        raise DataError(f"No hay imágenes de {name}. Revisemos la partición.")
    if rows.min() < 0 or rows.max() >= len(labels):
        raise DataError(f"Las posiciones de {name} deben estar entre 0 y {len(labels) - 1}.")
    check_images(images, model.input_shape[1:])
    found = set(np.unique(labels[rows]).tolist())
    if not found <= {0, 1}:
        raise DataError(f"Las etiquetas de {name} deben ser 0 o 1 y encontramos {sorted(found)}.")
    if both_classes and len(found) < 2:
        raise DataError(f"En {name} solo hay una clase; con ella no se aprende a distinguir.")
    return _Source(images, labels, rows)


def _stream(
    source: _Source, model: "keras.Model", order: np.ndarray, batch_size: int
) -> "tf.data.Dataset":
    """Los lotes de ``_batches``, que se preparan mientras la red calcula."""
    import tensorflow as tf

    shape = model.input_shape[1:]
    signature = (
        tf.TensorSpec((None, *shape), tf.float32),
        tf.TensorSpec((None, 1), tf.float32),
    )
    stream = tf.data.Dataset.from_generator(
        lambda: _batches(source, order, batch_size, len(shape) + 1), output_signature=signature
    )
    cardinality = tf.data.experimental.assert_cardinality(ceil(len(order) / batch_size))
    return stream.apply(cardinality).prefetch(2)


def _batches(
    source: _Source, order: np.ndarray, batch_size: int, rank: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Lotes (imágenes float32 de ``rank`` ejes, etiquetas float32 (n, 1)) en el orden dado."""
    for start in range(0, len(order), batch_size):
        chosen = source.rows[order[start : start + batch_size]]
        labels = source.labels[chosen].astype(np.float32)[:, None]
        yield to_input(source.images[chosen], rank), labels


def _identity(model: "keras.Model", train: _Source, val: _Source, options: list) -> str:
    """Resumen de todo lo que determina el resultado: si cambia, no se retoma."""
    keras = load_keras()
    digest = hashlib.sha256(json.dumps([keras.__version__, options]).encode())
    digest.update(json.dumps(model.get_config(), default=str).encode())
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight))
    for source in (train, val):
        digest.update(np.ascontiguousarray(source.rows))
        digest.update(source.labels[source.rows].astype(np.int8))
        digest.update(str(source.images.dtype).encode())
        for start in range(0, len(source.rows), 256):
            digest.update(np.ascontiguousarray(source.images[source.rows[start : start + 256]]))
    return digest.hexdigest()


def epoch_guard(report: EpochReport) -> "keras.callbacks.Callback":
    """Tras cada lote, detiene el entrenamiento que diverge y anota el avance."""
    keras = load_keras()

    class Guard(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            _check_finite(logs["loss"], report.epoch, "entrenamiento")
            report.advance(logs)

    return Guard()


def _check_finite(loss: float, epoch: int, name: str) -> None:
    if not np.isfinite(loss):
        raise NeumoniaError(
            f"La pérdida de {name} dejó de ser un número finito en la época {epoch}. Probemos con "
            "una tasa de aprendizaje menor y revisemos que las imágenes estén en 0..255."
        )


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
