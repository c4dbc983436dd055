"""Entrenar una red que no dependa del equipo: otra toma en cada época, clases a la par y promedio.

Tres ingredientes, y cada uno se puede quitar para medir cuánto aporta: el aumento que imita otro
equipo, tantas normales como neumonías en cada época, y los pesos promediados en el tiempo con
etiquetas suavizadas.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from neumonia.errors import ConfigError, DataError
from neumonia.models.augmentation import CHANGES, acquire, acquisition_of
from neumonia.models.backend import check_precision, load_keras
from neumonia.progress import EpochReport
from neumonia.training import (
    HISTORY_COLUMNS,
    classification_metrics,
    epoch_guard,
    predict_logits,
    set_determinism,
)

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

NETWORKS = ("cnn", "vgg16", "congelada")
_WARMUP = 200
_RATES = {"cnn": 1e-3, "vgg16": 6e-5, "congelada": 1e-3}
VIEW_SHIFT = 0.04


@dataclass(frozen=True)
class Recipe:
    """Qué red se entrena y cómo; con los datos y la semilla, determina sus números.

    Parameters
    ----------
    network : {"cnn", "vgg16", "congelada"}
        La CNN del capítulo 3; VGG16 entera, o solo su cabeza.
    size : int
        Lado de la imagen en píxeles.
    epochs : int
        Las que se hacen: no hay parada anticipada, y la última red es la que vale.
    changes : tuple of str
        Qué cambia en cada época, de ``CHANGES``; vacía, nada.
    balanced : bool
        Tantas normales como neumonías en cada época.
    averaged : bool
        Media móvil de los pesos y etiquetas de 0.025 y 0.975 en vez de 0 y 1.
    batch_size : int
    precision : {"float32", "mixed_bfloat16"}

    Raises
    ------
    ConfigError
        Si algún valor está fuera de su dominio.
    """

    network: str = "cnn"
    size: int = 64
    epochs: int = 36
    changes: tuple[str, ...] = tuple(CHANGES)
    balanced: bool = True
    averaged: bool = True
    batch_size: int = 32
    precision: str = "float32"

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            raise ConfigError(f"No hay una red {self.network!r}: {', '.join(NETWORKS)}.")
        if self.epochs < 1 or self.batch_size < 1:
            raise ConfigError("Las épocas y el lote deben ser al menos 1.")
        acquisition_of(*self.changes)
        check_precision(self.precision)


def build(recipe: Recipe, seed: int, weights: Path | str | None = None) -> "keras.Model":
    """La red de ``recipe`` sin entrenar: (N, size, size, 1) en 0..255 → logit float32 (N, 1).

    Parameters
    ----------
    weights : Path
        Los de VGG16; la CNN no los usa.
    """
    from neumonia.models.cnn import build_cnn
    from neumonia.models.finetune import build_finetuned

    if recipe.network == "cnn":
        return build_cnn(recipe.size, seed, augment=False, precision=recipe.precision)
    if weights is None:
        raise ConfigError("VGG16 necesita sus pesos de ImageNet, y no los dimos.")
    first = "block1" if recipe.network == "vgg16" else "head"
    return build_finetuned(
        recipe.size,
        weights,
        seed,
        trainable_from=first,
        pooling="average_max",
        precision=recipe.precision,
    )


def fit(
    model: "keras.Model",
    recipe: Recipe,
    images: np.ndarray,
    labels: np.ndarray,
    train: np.ndarray,
    val: np.ndarray,
    seed: int,
    progress: bool = False,
) -> pd.DataFrame:
    """Entrena ``model`` según ``recipe`` y le deja los pesos del final, ya promediados.

    Parameters
    ----------
    images : uint8 (N, size, size)
        Puede ser un ``memmap``: se lee por lotes.
    labels : (N,) 0 o 1
    train, val : int
        Posiciones de ``images``. La validación solo se mira; no decide cuándo parar.
    seed : int

    Returns
    -------
    DataFrame
        Como el de ``neumonia.training.fit``; ``learning_rate`` es la del final de cada época, y las
        columnas ``val_`` son de los pesos promediados.

    Raises
    ------
    DataError
        Si falta una clase al entrenar, o hay menos radiografías que un lote.
    NeumoniaError
        Si la pérdida deja de ser un número finito.
    """
    steps = len(train) // recipe.batch_size
    if not steps or set(np.unique(labels[train]).tolist()) != {0, 1}:
        raise DataError(
            f"Para entrenar hacen falta las dos clases y al menos {recipe.batch_size} radiografías."
        )
    keras = load_keras()
    set_determinism(seed)
    total = recipe.epochs * steps
    warmup = min(_WARMUP, total // 4)
    rate = keras.optimizers.schedules.CosineDecay(
        1e-6, total - warmup, alpha=0.02, warmup_steps=warmup, warmup_target=_RATES[recipe.network]
    )
    model.compile(
        optimizer=keras.optimizers.AdamW(
            rate, weight_decay=1e-3, clipnorm=1.0, use_ema=recipe.averaged, ema_momentum=0.995
        ),
        loss=keras.losses.BinaryCrossentropy(
            from_logits=True, label_smoothing=0.05 if recipe.averaged else 0.0
        ),
        metrics=classification_metrics(),
        jit_compile=False,
    )
    judged = (_films(images[val]), labels[val].astype(np.float32)[:, None])
    with EpochReport(recipe.epochs, steps, progress) as report:
        callbacks = [epoch_guard(report), _teller(report)]
        if recipe.averaged:
            callbacks.append(keras.callbacks.SwapEMAWeights())
        history = model.fit(
            _stream(recipe, images, labels, train, seed),
            epochs=recipe.epochs,
            steps_per_epoch=steps,
            validation_data=judged,
            validation_batch_size=64,
            callbacks=callbacks,
            shuffle=False,
            verbose=0,
        ).history
    rates = [float(rate(steps * (epoch + 1))) for epoch in range(recipe.epochs)]
    table = pd.DataFrame({name: history[name] for name in HISTORY_COLUMNS[1:-1]})
    table.insert(0, "epoch", np.arange(1, recipe.epochs + 1))
    return table.assign(learning_rate=rates)


def _teller(report: EpochReport) -> "keras.callbacks.Callback":
    keras = load_keras()
    return keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: report.start(epoch + 1),
        on_epoch_end=lambda epoch, logs: report.finish(logs),
    )


def epoch_order(
    labels: np.ndarray, rows: np.ndarray, seed: int, epoch: int, balanced: bool
) -> np.ndarray:
    """Las posiciones de una época, barajadas: tantas como ``rows``, y a la par si ``balanced``.

    De la clase con menos radiografías se repiten las que hagan falta, todas las veces parecidas;
    de la otra quedan fuera unas distintas en cada época.
    """
    rng = np.random.default_rng([seed, epoch])
    if not balanced:
        return rng.permutation(rows)
    half = len(rows) // 2
    chosen = []
    for label in (0, 1):
        mine = rows[labels[rows] == label]
        rounds = [rng.permutation(mine) for _ in range(ceil(half / len(mine)))]
        chosen.append(np.concatenate(rounds)[:half])
    return rng.permutation(np.concatenate(chosen))


def _stream(
    recipe: Recipe, images: np.ndarray, labels: np.ndarray, rows: np.ndarray, seed: int
) -> "tf.data.Dataset":
    """Los lotes de todas las épocas, con cada radiografía ya cambiada."""
    import tensorflow as tf

    size = recipe.size
    steps = len(rows) // recipe.batch_size
    limits = acquisition_of(*recipe.changes)

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        for epoch in range(recipe.epochs):
            order = epoch_order(labels, rows, seed, epoch, recipe.balanced)
            order = np.resize(order, steps * recipe.batch_size).reshape(steps, -1)
            for step, chosen in enumerate(order):
                draw = np.array([seed % 2**31, epoch * steps + step], np.int32)
                yield images[chosen], labels[chosen].astype(np.float32)[:, None], draw

    signature = (
        tf.TensorSpec((recipe.batch_size, size, size), tf.uint8),
        tf.TensorSpec((recipe.batch_size, 1), tf.float32),
        tf.TensorSpec((2,), tf.int32),
    )
    stream = tf.data.Dataset.from_generator(batches, output_signature=signature)
    return stream.map(
        lambda films, truth, draw: (acquire(films, draw, limits), truth),
        num_parallel_calls=2,
        deterministic=True,
    ).prefetch(4)


def _films(images: np.ndarray) -> np.ndarray:
    return np.asarray(images, np.float32)[..., None]


def view_logits(model: "keras.Model", films: np.ndarray, progress: bool = False) -> np.ndarray:
    """Logits de cinco vistas: la original y cuatro desplazadas un 4 % del lado.

    Parameters
    ----------
    films : uint8 (N, H, W)

    Returns
    -------
    float64 (N, 5)
        La primera columna es la original. El borde que queda vacío se repite.
    """
    size = films.shape[1]
    step = max(1, round(VIEW_SHIFT * size))
    found = []
    for down, right in ((0, 0), (step, 0), (-step, 0), (0, step), (0, -step)):
        rows = np.clip(np.arange(size) - down, 0, size - 1)
        columns = np.clip(np.arange(size) - right, 0, size - 1)
        found.append(predict_logits(model, films[:, rows[:, None], columns], progress=progress))
    return np.stack(found, axis=1)
