"""La segunda búsqueda de la red de 28 píxeles: decidir bien con otro equipo imitado.

La primera elegida ordenó bien la prueba oficial y cortó mal. Aquí cada configuración se entrena
con el entrenamiento oficial y se juzga en la validación, cambiada como la cambiaría otro equipo.
El umbral sale del mismo sitio. La prueba no interviene, pero ya se había abierto una vez.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from neumonia.acquisition.simulated import CHANGES, simulate
from neumonia.errors import ConfigError
from neumonia.evaluation.robustness import ORIGINAL, decisions_under_changes
from neumonia.models.recipe28 import CHOSEN as CHOSEN_RECIPE
from neumonia.models.recipe28 import Recipe28
from neumonia.study.mnist_search import SEARCH_SEED, Choice
from neumonia.study.mnist_training import (
    Films,
    Trial,
    acquisition_groups,
    best_threshold,
    train_product,
)
from neumonia.study.store import Store
from neumonia.training import sigmoid

KIND = "mnist-simulacro"


def _trial(name: str, balance: str = "clase", epochs: int = 10, **recipe: Any) -> Trial:
    return Trial(name, Recipe28(**{"normalization": "suave", **recipe}), balance, epochs)


TRIALS = (
    _trial("suave", "ninguno"),
    _trial("suave-clase"),
    _trial("estandar-aspecto-clase", normalization="estandar", appearance=2),
    _trial("suave-aspecto-clase", appearance=2),
    _trial("bandas-aspecto-clase", normalization="bandas", appearance=2),
    _trial("suave-fuerte-clase", geometry=2, appearance=2),
    _trial("suave-ancha-clase", width=32),
    _trial("suave-ancha-aspecto-clase", width=32, appearance=2),
    _trial("suave-ancha-fuerte-clase", width=32, geometry=2, appearance=2),
    _trial("escala-fuerte-clase", normalization="escala", geometry=2, appearance=2),
    _trial("suave-geometria-larga", epochs=20, geometry=2, width=24),
    _trial("suave-ancha-geometria-larga", epochs=20, geometry=2, appearance=1, width=32),
    _trial("suave-plana-geometria-larga", epochs=20, geometry=2, width=24, head="aplanada"),
    _trial(
        "estandar-geometria-larga",
        epochs=20,
        normalization="estandar",
        geometry=2,
        appearance=1,
        width=24,
    ),
)
"""Todo lo que se probó, en el orden en que se probó; ``"suave"`` es la elegida de la primera."""


def run_second_search(
    films: Films,
    store: Store,
    trials: tuple[Trial, ...] = TRIALS,
    report: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """Entrena cada configuración con el entrenamiento oficial y la juzga en la validación imitada.

    Returns
    -------
    DataFrame
        Una fila por configuración: ``trial``; ``threshold``, el logit con mayor exactitud
        balanceada al reunir todas las adquisiciones imitadas; ``score``, ``low`` y ``high``, esa
        exactitud con su intervalo de 95 %; ``score_at_zero``, la del logit 0; y lo peor y lo medio
        de cada medida: ``worst_specificity``, ``worst_sensitivity``, ``auc``.
    """
    groups = acquisition_groups(films)
    val = films.rows("val")
    labels, images = films.labels[val], films.images[val]
    seen = {ORIGINAL: images, **{name: simulate(images, name) for name in CHANGES}}
    rows = []
    for trial in trials:
        logits = _logits(films, trial, store, groups, seen)
        rows.append({"trial": trial.name, **judge(labels, logits)})
        if report is not None:
            report(f"{trial.name}: {rows[-1]['score']:.4f}")
    return pd.DataFrame(rows)


def judge(labels: np.ndarray, logits: dict[str, np.ndarray]) -> dict[str, float]:
    """Una fila de ``run_second_search`` a partir de los logits de cada cambio."""
    imitated = [values for name, values in logits.items() if name != ORIGINAL]
    cut = best_threshold(np.tile(labels, len(imitated)), np.concatenate(imitated))
    alone = [""] * len(labels)
    probabilities = {name: sigmoid(values) for name, values in logits.items()}
    found = decisions_under_changes(labels, alone, probabilities, float(sigmoid(np.asarray(cut))))
    at_zero = decisions_under_changes(labels, alone, probabilities)
    changes = [found["changes"][name] for name in logits if name != ORIGINAL]
    return {
        "threshold": cut,
        **dict(zip(("score", "low", "high"), found["score"], strict=True)),
        "score_at_zero": at_zero["score"][0],
        "worst_specificity": min(one["specificity"][0] for one in changes),
        "worst_sensitivity": min(one["sensitivity"][0] for one in changes),
        "auc": float(np.mean([one["roc_auc"][0] for one in changes])),
    }


def choose(table: pd.DataFrame, trials: tuple[Trial, ...] = TRIALS) -> Choice:
    """La configuración con mayor ``score``, con su umbral; si empatan, la primera."""
    if table.empty:
        raise ConfigError("No hay configuraciones entre las cuales elegir.")
    best = table.loc[table["score"].idxmax()]
    trial = next(item for item in trials if item.name == best["trial"])
    return Choice(trial, False, "imitadas", round(float(best["threshold"]), 4))


def _logits(
    films: Films, trial: Trial, store: Store, groups: np.ndarray, seen: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    from neumonia.models.backend import load_keras
    from neumonia.training import predict_logits

    val = films.rows("val")
    product = train_product(
        films,
        trial,
        store,
        SEARCH_SEED,
        train=films.rows("train"),
        val=val,
        predict=val,
        groups=groups,
        kind=KIND,
        keep_model=True,
    )
    model = load_keras().saving.load_model(product.folder / "model.keras", compile=False)
    return {name: predict_logits(model, images, batch_size=256) for name, images in seen.items()}


CHOSEN = Choice(
    next(trial for trial in TRIALS if trial.recipe == CHOSEN_RECIPE), False, "imitadas", 0.9748
)
"""Lo que eligió ``choose(run_second_search(...))``; los números publicados salen de aquí."""
