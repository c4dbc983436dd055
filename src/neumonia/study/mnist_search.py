"""La búsqueda de la red de 28 píxeles: qué se probó y con qué cifras, sin tocar la prueba.

La validación del archivo viene de la misma fuente que el entrenamiento y da 0.99 a casi todo. Por
eso cada configuración se entrena además sin cierto conjunto y se mide en él: cada grupo de
adquisición, y las radiografías que contradicen la pista de la nitidez.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from neumonia.errors import ConfigError
from neumonia.evaluation import binary_metrics
from neumonia.models.recipe28 import Recipe28
from neumonia.study.mnist_training import (
    Films,
    Trial,
    acquisition_features,
    acquisition_groups,
    best_threshold,
    train_product,
)
from neumonia.study.store import Store
from neumonia.training import sigmoid

# Con menos radiografías de una clase, la cifra de un grupo es casi azar.
MIN_CLASS = 50
SEARCH_SEED = 0
KIND = "mnist-busqueda"
AGAINST = "contra"


def _trial(name: str, balance: str = "ninguno", **recipe: object) -> Trial:
    return Trial(name, Recipe28(**recipe), balance)


TRIALS = (
    _trial("sin-aumento", normalization="escala", geometry=0),
    _trial("escala", normalization="escala"),
    _trial("estandar"),
    _trial("suave", normalization="suave"),
    _trial("bandas", normalization="bandas"),
    _trial("estandar-aspecto", appearance=2),
    _trial("suave-aspecto", normalization="suave", appearance=2),
    _trial("bandas-aspecto", normalization="bandas", appearance=2),
    _trial("estandar-aspecto-clase", "clase", appearance=2),
    _trial("suave-fuerte", normalization="suave", geometry=2, appearance=2),
    _trial("suave-fuerte-nitidez", "nitidez", normalization="suave", geometry=2, appearance=2),
    _trial("suave-fuerte-ancha", normalization="suave", geometry=2, appearance=2, width=24),
    Trial("suave-larga", Recipe28("suave"), epochs=20),
)
"""Todo lo que se probó, en el orden en que se probó."""


RULES = ("validacion", "grupos", "imitadas")


@dataclass(frozen=True)
class Choice:
    """Lo que la búsqueda elige: la configuración, cómo se predice y de dónde sale el umbral.

    Parameters
    ----------
    trial : Trial
    shifts : bool
        Si el logit es la media del de la radiografía y los de sus cuatro traslaciones.
    rule : {"validacion", "grupos", "imitadas"}
        El corte con mayor exactitud balanceada en la validación de cada semilla, o ``threshold``,
        el que la tiene al reunir los grupos de adquisición ausentes de la búsqueda, o las
        adquisiciones imitadas de la segunda.
    threshold : float
        Logit; con la regla ``"validacion"`` no cuenta.
    """

    trial: Trial
    shifts: bool = True
    rule: str = "validacion"
    threshold: float = 0.0

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ConfigError(
                f"La regla del umbral no puede ser {self.rule!r}. Las que hay: {', '.join(RULES)}."
            )

    def combine(self, logits: np.ndarray) -> np.ndarray:
        """Un logit por radiografía, (N,), a partir de los de ``shifted_logits``, (N, 5)."""
        return logits.mean(axis=1) if self.shifts else logits[:, 0]

    def cut(self, val_labels: np.ndarray, val_probabilities: np.ndarray) -> float:
        """El umbral de probabilidad."""
        if self.rule == "validacion":
            return best_threshold(val_labels, val_probabilities)
        return float(sigmoid(np.asarray(self.threshold)))

    def describe(self) -> dict[str, Any]:
        """Todo lo elegido, listo para JSON."""
        return asdict(self)


CHOSEN = Choice(next(trial for trial in TRIALS if trial.name == "suave"), False, "grupos", 0.2859)
"""Lo que eligió ``choose(run_search(...))``: la primera apertura de la prueba."""


def held_out_sets(films: Films, groups: np.ndarray) -> dict[str, np.ndarray]:
    """Posiciones de train y val que se apartan por turno.

    ``"0"``, ``"1"``…: cada grupo de adquisición con al menos ``MIN_CLASS`` radiografías de cada
    clase. ``AGAINST``: el cuarto menos nítido de las NORMAL y el más nítido de las PNEUMONIA; en
    lo que queda la nitidez separa las clases aún mejor, y en lo apartado engaña.
    """
    seen = groups >= 0
    table = pd.crosstab(groups[seen], films.labels[seen])
    enough = table.index[(table >= MIN_CLASS).all(axis=1)]
    sets = {str(group): np.flatnonzero(groups == group) for group in enough}
    sharpness = acquisition_features(films.images)[:, -1]
    train = films.split == "train"
    normal = films.labels == 0
    blurred = sharpness < np.quantile(sharpness[train & normal], 0.25)
    sharp = sharpness > np.quantile(sharpness[train & ~normal], 0.75)
    sets[AGAINST] = np.flatnonzero(seen & np.where(normal, blurred, sharp))
    return sets


def run_search(
    films: Films,
    store: Store,
    trials: tuple[Trial, ...] = TRIALS,
    report: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """Entrena cada configuración dejando fuera un conjunto por vez y devuelve todas las cifras.

    Returns
    -------
    DataFrame
        Dos filas por configuración, sin y con traslaciones al predecir (``shifts``). ``val_auc``
        es la media en la validación del archivo, sin lo apartado. De cada conjunto apartado ``s``
        hay ``auc_s``; ``balanced_s``, la exactitud balanceada con el umbral elegido en los otros
        conjuntos apartados; y ``balanced_val_s``, con el elegido en validación. ``auc``,
        ``balanced`` y ``balanced_val`` promedian por mitades la media de los grupos y el conjunto
        ``AGAINST``. ``score``, el criterio, es la media de ``auc`` y ``balanced``. ``threshold``
        es el logit de corte que sale de reunir los grupos y el conjunto ``AGAINST``.
    """
    groups = acquisition_groups(films)
    sets = held_out_sets(films, groups)
    rows = []
    for trial in trials:
        parts = {
            name: train_without(films, trial, store, groups, absent)
            for name, absent in sets.items()
        }
        rows += [_row(films, trial, parts, shifts) for shifts in (False, True)]
        if report is not None:
            last = rows[-1]
            report(f"{trial.name}: AUC {last['auc']:.4f}, balanceada {last['balanced']:.4f}")
    return pd.DataFrame(rows)


def choose(table: pd.DataFrame, trials: tuple[Trial, ...] = TRIALS) -> Choice:
    """La configuración con mayor ``score``; si empatan, la primera.

    El umbral sale de la regla que dio mayor exactitud balanceada en los grupos ausentes.
    """
    if table.empty:
        raise ConfigError("No hay configuraciones entre las cuales elegir.")
    best = table.loc[table["score"].idxmax()]
    trial = next(item for item in trials if item.name == best["trial"])
    rule = "grupos" if best["balanced"] > best["balanced_val"] else "validacion"
    return Choice(trial, bool(best["shifts"]), rule, round(float(best["threshold"]), 4))


class Held(NamedTuple):
    """Posiciones y logits (N, 5) de la validación que quedó y de lo apartado."""

    present: np.ndarray
    present_logits: np.ndarray
    absent: np.ndarray
    absent_logits: np.ndarray


def train_without(
    films: Films, trial: Trial, store: Store, groups: np.ndarray, absent: np.ndarray
) -> Held:
    """Entrena ``trial`` sin las radiografías ``absent`` y predice en ellas."""
    train, val = films.rows("train"), films.rows("val")
    present = val[~np.isin(val, absent)]
    product = train_product(
        films,
        trial,
        store,
        SEARCH_SEED,
        train=train[~np.isin(train, absent)],
        val=present,
        predict=np.concatenate([present, absent]),
        groups=groups,
        kind=KIND,
    )
    logits = np.load(product.folder / "logits.npy", allow_pickle=False)
    return Held(present, logits[: len(present)], absent, logits[len(present) :])


def _row(films: Films, trial: Trial, parts: dict[str, Held], shifts: bool) -> dict[str, Any]:
    view = Choice(trial, shifts).combine
    labels = films.labels

    def pooled_cut(held: list[Held]) -> float:
        return best_threshold(
            labels[np.concatenate([part.absent for part in held])],
            np.concatenate([view(part.absent_logits) for part in held]),
        )

    row: dict[str, Any] = {"trial": trial.name, "shifts": shifts}
    for name, part in parts.items():
        truth, logits = labels[part.absent], view(part.absent_logits)
        others = [other for key, other in parts.items() if key != name]
        row[f"val_auc_{name}"] = _auc(labels[part.present], view(part.present_logits))
        row[f"auc_{name}"] = _auc(truth, logits)
        row[f"balanced_{name}"] = _balanced(truth, logits, pooled_cut(others))
        row[f"balanced_val_{name}"] = _balanced(
            truth, logits, best_threshold(labels[part.present], view(part.present_logits))
        )
    for measure in ("val_auc", "auc", "balanced", "balanced_val"):
        of_groups = [row[f"{measure}_{name}"] for name in parts if name != AGAINST]
        row[measure] = float((np.mean(of_groups) + row[f"{measure}_{AGAINST}"]) / 2)
    row["score"] = (row["auc"] + row["balanced"]) / 2
    row["threshold"] = pooled_cut(list(parts.values()))
    return row


def _auc(labels: np.ndarray, logits: np.ndarray) -> float:
    return float(binary_metrics(labels, sigmoid(logits))["roc_auc"])


def _balanced(labels: np.ndarray, logits: np.ndarray, cut: float) -> float:
    measured = binary_metrics(labels, sigmoid(logits), float(sigmoid(np.asarray(cut))))
    return (measured["sensitivity"] + measured["specificity"]) / 2
