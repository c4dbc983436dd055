"""Ajustar un ensayo: del ensayo a la red entrenada, lista para predecir."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from neumonia.models.acquisition_layers import PROFILES
from neumonia.models.finetune import build_finetuned, build_pooled_head, with_acquisition
from neumonia.normalization import normalize

if TYPE_CHECKING:
    import keras

    from neumonia.review.trials import Trial
    from neumonia.study import Study

PATIENCE = 3


def balanced_subset(rows: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    """Todas las posiciones de la clase menor y otras tantas de la mayor, al azar."""
    rng = np.random.default_rng(seed)
    by_class = [rng.permutation(rows[labels[rows] == label]) for label in (0, 1)]
    fewest = min(map(len, by_class))
    return np.sort(np.concatenate([mine[:fewest] for mine in by_class]))


def prepared(study: "Study", normalization: str) -> np.ndarray:
    """Las radiografías del estudio con su normalización; sin ella, tal como están en disco."""
    if normalization == "ninguna":
        return study.images
    return normalize(np.asarray(study.images), normalization)


def fit_trial(
    study: "Study",
    trial: "Trial",
    train: np.ndarray,
    val: np.ndarray,
    judged: np.ndarray,
    bias: float,
    key: str,
) -> tuple["keras.Model", np.ndarray, pd.DataFrame]:
    """Entrena ``trial`` con las filas dadas.

    Returns
    -------
    model, inputs, history
        ``model`` predice el logit de ``inputs``, un arreglo con tantas filas como el estudio. Solo
        valen las de ``train``, ``val`` y ``judged``: en una cabeza, las demás no se calculan.
    """
    from neumonia.models.cnn import build_cnn
    from neumonia.training import fit

    seed = study.config.seed
    images = prepared(study, trial.normalization)
    if trial.kind == "cabeza":
        needed = np.unique(np.concatenate([train, val, judged]))
        inputs = _features(study, images, trial.precision, needed)
        model = build_pooled_head(inputs.shape[1:], seed, bias, trial.pooling)
        fitted = model
    else:
        inputs = images
        if trial.kind == "cnn":
            model = build_cnn(trial.size, seed, bias, augment=False, precision=trial.precision)
        else:
            model = build_finetuned(
                trial.size,
                study.vgg16_weights.path,
                seed,
                bias,
                trial.trainable_from,
                trial.pooling,
                trial.precision,
            )
        fitted = with_acquisition(model, PROFILES[trial.profile], seed)
    history = fit(
        fitted,
        train=(inputs, study.labels, train),
        val=(inputs, study.labels, val),
        epochs=trial.epochs,
        batch_size=trial.batch_size,
        patience=PATIENCE,
        seed=seed,
        workdir=study.work_folder(f"ensayo-{key}"),
        learning_rate=trial.learning_rate,
        progress=study.progress,
    )
    return model, inputs, history


def _features(study: "Study", images: np.ndarray, precision: str, rows: np.ndarray) -> np.ndarray:
    from neumonia.models.vgg16 import compute_features, load_backbone

    size = images.shape[1]
    backbone = load_backbone(size, study.vgg16_weights.path, precision=precision)
    found = compute_features(backbone, images, rows=rows, progress=study.progress)
    features = np.zeros((len(images), *found.shape[1:]), np.float32)
    features[rows] = found
    return features
