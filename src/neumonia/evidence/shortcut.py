"""Parte «atajo»: el atajo plantado con dos cabezas, la que aplana y la que promedia."""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from neumonia.evidence.exam import Exam
from neumonia.gradcam import grad_cam
from neumonia.models import initial_bias
from neumonia.models.pooled_cnn import build_pooled_cnn
from neumonia.study.parts import records
from neumonia.training import fit
from neumonia.trust import Explain, ShortcutResult, shortcut_experiment, shortcut_films
from neumonia.trust.shortcut import BATCH_SIZE, EPOCHS, PATIENCE, Trainer, train_small

if TYPE_CHECKING:
    import keras

METHODS = ("grad_cam", "hires_cam", "gradient", "occlusion")
# En conv3 cada celda abarca 4 píxeles, y en conv4 de la que aplana, 8, más que la marca entera.
LAYERS: Mapping[str, str] = MappingProxyType({"cnn": "conv3", "cnn_promedio": "conv4"})


def train_pooled(train: tuple, val: tuple, seed: int) -> "keras.Model":
    """La CNN que promedia, sin aumento; lo demás, como ``train_small``."""
    images, labels, rows = train
    model = build_pooled_cnn(images.shape[1], seed, initial_bias(labels[rows]), augment=False)
    fit(model, train, val, EPOCHS, BATCH_SIZE, PATIENCE, seed)
    return model


TRAINERS: Mapping[str, Trainer] = MappingProxyType(
    {"cnn": train_small, "cnn_promedio": train_pooled}
)


def explainers(network: str) -> dict[str, Explain]:
    """Los cuatro métodos con la capa que conviene a cada red."""
    return {name: partial(grad_cam, layer=LAYERS[network], method=name) for name in METHODS}


def run_shortcut(exam: Exam) -> tuple[dict[str, Any], dict[str, ShortcutResult]]:
    """Planta la marca, la mide y la repara, con cada cabeza.

    Returns
    -------
    dict
        ``rows``: las de ``ShortcutResult.table`` con ``network``; ``chance``: la parte de la
        radiografía que ocupa la marca; ``n_films``.
    dict
        Red -> ``ShortcutResult``, para dibujar.
    """
    films = shortcut_films(seed=exam.seed)
    results = {
        network: shortcut_experiment(
            *films,
            seed=exam.seed,
            train=train,
            explainers=explainers(network),
            n=exam.budget.resamples,
            report=exam.report,
        )
        for network, train in TRAINERS.items()
    }
    rows = [
        row
        for network, result in results.items()
        for row in records(result.table.assign(network=network))
    ]
    chance = round(next(iter(results.values())).chance, 6)
    return {"rows": rows, "chance": chance, "n_films": len(films[0])}, results
