"""PneumoniaMNIST a 28 píxeles: un entrenamiento y lo que necesita, sin mirar la prueba."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neumonia.datasets import Dataset
from neumonia.errors import ConfigError, DataError
from neumonia.files import digest, write_text
from neumonia.models.bias import initial_bias
from neumonia.models.cnn28 import SIZE
from neumonia.models.recipe28 import Recipe28
from neumonia.study.store import Product, Store, code_digest

BALANCES = ("ninguno", "clase", "grupo", "nitidez")
GROUPS = 4
# Más copias de las mismas pocas radiografías ya no enseñan nada.
_MAX_COPIES = 10
_SHIFTS = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))
_CODE = (
    "neumonia.models.batches",
    "neumonia.models.cnn28",
    "neumonia.training",
    "neumonia.training_state",
    "neumonia.study.mnist_training",
)


@dataclass(frozen=True)
class Trial:
    """Una configuración completa: la red y cómo se entrena.

    ``balance`` dice qué ve cada época: los datos como vienen; las dos clases por igual; o las dos
    por igual dentro de cada grupo de adquisición, o de cada décimo de nitidez.
    """

    name: str
    recipe: Recipe28
    balance: str = "ninguno"
    epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 2e-3

    def __post_init__(self) -> None:
        if self.balance not in BALANCES:
            raise ConfigError(
                f"balance no puede ser {self.balance!r}. Elijamos entre: {', '.join(BALANCES)}."
            )

    def identity(self) -> dict[str, Any]:
        """Lo que determina los números; el nombre, no."""
        values = asdict(self)
        del values["name"]
        return values


class Films:
    """Las radiografías a 28 píxeles con sus partes oficiales y sus grupos de adquisición.

    Raises
    ------
    DataError
        Si ``dataset`` no es PneumoniaMNIST o le falta una de sus partes.
    """

    def __init__(self, dataset: Dataset) -> None:
        if dataset.name != "pneumoniamnist":
            raise DataError(
                f"Este estudio es de PneumoniaMNIST y recibió el conjunto «{dataset.name}»."
            )
        self.dataset = dataset
        self.manifest = dataset.manifest
        self.labels = self.manifest["label"].to_numpy()
        self.split = self.manifest["official_split"].to_numpy().astype(str)
        missing = {"train", "val", "test"} - set(self.split)
        if missing:
            raise DataError(f"A PneumoniaMNIST le falta la parte {', '.join(sorted(missing))}.")
        self.images = dataset.load(None, SIZE)

    def rows(self, part: str) -> np.ndarray:
        """Posiciones de una parte; de ``"val"`` se quitan las copias exactas de train."""
        found = self.split == part
        if part == "val":
            sha = self.manifest["sha256"]
            found &= ~sha.isin(set(sha[self.split == "train"])).to_numpy()
        return np.flatnonzero(found)


def acquisition_features(images: np.ndarray) -> np.ndarray:
    """Cinco medidas de cómo se tomó cada radiografía, no de qué muestra: float64 (N, 5).

    Media y desviación de la imagen, media y desviación de su marco de 4 píxeles, y logaritmo de
    la nitidez (media del valor absoluto del laplaciano discreto).
    """
    films = images.astype(np.float64)
    frame = np.ones(films.shape[1:], dtype=bool)
    frame[4:-4, 4:-4] = False
    border = films[:, frame]
    centre = films[:, 1:-1, 1:-1]
    around = films[:, :-2, 1:-1] + films[:, 2:, 1:-1] + films[:, 1:-1, :-2] + films[:, 1:-1, 2:]
    sharpness = np.abs(4 * centre - around).mean(axis=(1, 2))
    return np.column_stack(
        [
            films.mean(axis=(1, 2)),
            films.std(axis=(1, 2)),
            border.mean(axis=1),
            border.std(axis=1),
            np.log1p(sharpness),
        ]
    )


def acquisition_groups(films: Films, n_groups: int = GROUPS, seed: int = 0) -> np.ndarray:
    """Grupo (desde 0) de cada radiografía de train y val; -1 en la prueba, que no interviene.

    k-medias sobre ``acquisition_features`` tipificadas, ajustado solo con train.
    """
    from sklearn.cluster import KMeans

    seen = np.flatnonzero(films.split != "test")
    features = acquisition_features(films.images[seen])
    train = films.split[seen] == "train"
    scaled = (features - features[train].mean(axis=0)) / features[train].std(axis=0)
    model = KMeans(n_groups, n_init=10, random_state=seed).fit(scaled[train])
    groups = np.full(len(films.labels), -1)
    groups[seen] = model.predict(scaled)
    return groups


def balanced_rows(
    rows: np.ndarray, labels: np.ndarray, strata: np.ndarray, seed: int
) -> np.ndarray:
    """Las dos clases por igual dentro de cada estrato, con repeticiones: unas ``len(rows)``.

    ``strata`` es el estrato de cada radiografía del manifiesto, como ``labels``. Ninguna pasa de
    diez copias; si una clase es tan escasa en su estrato que ni así se equilibra, queda en
    minoría.
    """
    rng = np.random.default_rng(seed)
    chosen = []
    for stratum in np.unique(strata[rows]):
        inside = rows[strata[rows] == stratum]
        for label in (0, 1):
            mine = inside[labels[inside] == label]
            if not mine.size:
                continue
            wanted = min(round(len(inside) / 2), _MAX_COPIES * mine.size)
            whole, rest = divmod(wanted, mine.size)
            chosen += [np.repeat(mine, whole), rng.choice(mine, rest, replace=False)]
    return np.concatenate(chosen)


def strata_for(films: Films, groups: np.ndarray, balance: str) -> np.ndarray | None:
    """Estrato de cada radiografía según ``balance``; ``None`` si no se equilibra."""
    if balance == "ninguno":
        return None
    if balance == "clase":
        return np.zeros_like(groups)
    if balance == "grupo":
        return groups
    sharpness = acquisition_features(films.images)[:, -1]
    edges = np.quantile(sharpness[films.split == "train"], np.linspace(0, 1, 11)[1:-1])
    return np.searchsorted(edges, sharpness)


def shifted_logits(model: Any, images: np.ndarray) -> np.ndarray:
    """Logits de la radiografía y de sus cuatro traslaciones de un píxel: float64 (N, 5).

    El borde que queda vacío repite el píxel vecino. La columna 0 es la radiografía sin mover.
    """
    from neumonia.training import predict_logits

    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)), mode="edge")
    height, width = images.shape[1:]
    columns = []
    for down, right in _SHIFTS:
        moved = padded[:, 1 + down : 1 + down + height, 1 + right : 1 + right + width]
        columns.append(predict_logits(model, moved, batch_size=256))
    return np.column_stack(columns)


def train_product(
    films: Films,
    trial: Trial,
    store: Store,
    seed: int,
    train: np.ndarray,
    val: np.ndarray,
    predict: np.ndarray,
    groups: np.ndarray,
    kind: str,
    keep_model: bool = False,
    progress: bool = False,
) -> Product:
    """Un entrenamiento guardado: ``logits.npy`` (de ``predict``, con traslaciones) e historial.

    ``train``, ``val`` y ``predict`` son posiciones del manifiesto. Si se interrumpe, la siguiente
    llamada sigue desde la última época.
    """
    recipe = {
        "fingerprint": films.dataset.fingerprint,
        "trial": trial.identity(),
        "seed": seed,
        "rows": [digest(part.tolist()) for part in (train, val, predict)],
        "model": keep_model,
        "code": code_digest(*_CODE),
    }
    work = store.folder.parent / "trabajo" / f"{kind}-{digest(recipe)}"

    def build(folder: Path) -> None:
        from neumonia.models.cnn28 import build_cnn28
        from neumonia.training import fit

        strata = strata_for(films, groups, trial.balance)
        chosen = train if strata is None else balanced_rows(train, films.labels, strata, seed)
        model = build_cnn28(seed, initial_bias(films.labels[chosen]), recipe=trial.recipe)
        history = fit(
            model,
            (films.images, films.labels, chosen),
            (films.images, films.labels, val),
            epochs=trial.epochs,
            batch_size=trial.batch_size,
            patience=trial.epochs,
            seed=seed,
            workdir=work,
            progress=progress,
            learning_rate=trial.learning_rate,
        )
        np.save(folder / "logits.npy", shifted_logits(model, films.images[predict]))
        write_text(folder / "history.csv", history.to_csv(index=False, lineterminator="\n"))
        if keep_model:
            model.save(folder / "model.keras")

    product = store.get(kind, recipe, build)
    shutil.rmtree(work, ignore_errors=True)
    return product


def duplicate_groups(manifest: pd.DataFrame) -> pd.DataFrame:
    """Grupos de radiografías con los mismos píxeles.

    Returns
    -------
    DataFrame
        Una fila por grupo: ``sha256``, ``films`` (cuántas), ``splits`` (partes que toca, unidas
        por «/») y ``labels`` (clases distintas).
    """
    table = manifest.groupby("sha256", sort=True).agg(
        films=("label", "size"),
        splits=("official_split", lambda parts: "/".join(sorted(set(parts)))),
        labels=("label", "nunique"),
    )
    return table[table["films"] > 1].reset_index()


def best_threshold(labels: Sequence[int] | np.ndarray, scores: np.ndarray) -> float:
    """Corte con mayor exactitud balanceada, a mitad de camino entre dos valores vecinos.

    Si varios empatan, el del medio. Sirve para logits y para probabilidades.

    Raises
    ------
    DataError
        Si falta una clase.
    """
    labels, scores = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    if len(set(labels.tolist())) < 2:
        raise DataError("Para elegir un umbral hacen falta radiografías de las dos clases.")
    values = np.unique(scores)
    if values.size == 1:
        return float(values[0])
    cuts = (values[1:] + values[:-1]) / 2
    positives, negatives = np.sort(scores[labels == 1]), np.sort(scores[labels == 0])
    sensitivity = 1 - np.searchsorted(positives, cuts) / positives.size
    specificity = np.searchsorted(negatives, cuts) / negatives.size
    gain = sensitivity + specificity
    best = np.flatnonzero(gain >= gain.max() - 1e-12)
    return float(cuts[best[len(best) // 2]])
