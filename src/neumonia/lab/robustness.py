"""Qué red resiste otro equipo: candidatas, regla y resultados.

La regla se fijó antes de que ninguna de estas redes predijera la prueba oficial. Cada red se
entrena una vez por semilla y deja sus logits en un archivo: los de las radiografías de validación,
tal como son y como las habría dado otro equipo, y los de la prueba. Todo lo demás sale de ahí, así
que un archivo que ya está no se calcula de nuevo.
"""

import json
import time
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neumonia.acquisition.simulated import CHANGES as SIMULATED
from neumonia.acquisition.simulated import simulate
from neumonia.datasets import Dataset, open_dataset
from neumonia.datasets.images import open_arrays
from neumonia.errors import ConfigError, DataError, WeightsError
from neumonia.files import atomic_path, cache_dir, digest, write_text
from neumonia.models.augmentation import CHANGES
from neumonia.models.weights import WeightsMemory
from neumonia.robust import Recipe, build, fit, view_logits
from neumonia.splits import make_split
from neumonia.study.provenance import data_origin, environment
from neumonia.study.published import read_table

COMMAND = "neumonia robustez --salida DIR"
ORIGINAL = "original"
ACQUISITIONS = (ORIGINAL, *SIMULATED)
OFFICIAL = "oficial"
# Sube cuando cambian las cuentas de la receta, del aumento, de la imitación o de las redes: las
# que ya estaban se entrenan de nuevo. Mover o documentar el código no la cambia.
METHOD = 1
_SPLIT_SEED = 0


@dataclass(frozen=True)
class Candidate:
    """Una red que se presenta al examen, y con qué semillas."""

    title: str
    recipe: Recipe
    seeds: tuple[int, ...] = (0, 1, 2)


def _cnn(title: str, *changes: str, seeds: int = 3, **options: Any) -> Candidate:
    recipe = Recipe("cnn", changes=changes, precision="mixed_bfloat16", **options)
    return Candidate(title, recipe, tuple(range(seeds)))


def _vgg16(title: str, network: str, size: int, epochs: int) -> Candidate:
    return Candidate(title, Recipe(network, size, epochs, precision="mixed_bfloat16"))


_ALL = tuple(CHANGES)
CANDIDATES = {
    "cnn64-nada": _cnn("CNN, sin aumento", seeds=5),
    "cnn64-encuadre": _cnn("CNN, encuadre", "encuadre"),
    "cnn64-nitidez": _cnn("CNN, encuadre y nitidez", "encuadre", "nitidez"),
    "cnn64-grises": _cnn("CNN, encuadre y grises", "encuadre", "grises"),
    "cnn64-proporcion": _cnn("CNN, encuadre y proporción", "encuadre", "proporción"),
    "cnn64-proporcion-nitidez": _cnn(
        "CNN, encuadre, proporción y nitidez", "encuadre", "proporción", "nitidez"
    ),
    "cnn64-proporcion-grises": _cnn(
        "CNN, encuadre, proporción, grises y ruido", "encuadre", "proporción", "grises", "ruido"
    ),
    "cnn64-todo": _cnn("CNN, todo", *_ALL, seeds=5),
    "cnn64-todo-desparejo": _cnn("CNN, todo, sin igualar las clases", *_ALL, balanced=False),
    "cnn64-todo-crudo": _cnn("CNN, todo, sin promediar ni suavizar", *_ALL, averaged=False),
    "cnn112-todo": _cnn("CNN, todo", *_ALL, size=112),
    "vgg64-congelada": _vgg16("VGG16 congelada, todo", "congelada", 64, 6),
    "vgg64-todo": _vgg16("VGG16 entera, todo", "vgg16", 64, 6),
    "vgg112-congelada": _vgg16("VGG16 congelada, todo", "congelada", 112, 4),
    "vgg112-todo": _vgg16("VGG16 entera, todo", "vgg16", 112, 5),
}
"""La lista entera, fijada antes de abrir la prueba."""
ELSEWHERE = ("cnn64-nada", "cnn64-todo", "vgg64-todo")
"""Las que se miden también con otras particiones, para saber qué cuesta resistir otro equipo."""
MINIATURES = {
    "cnn28-nada": _cnn("CNN, sin aumento", seeds=5, size=28, epochs=60),
    "cnn28-todo": _cnn("CNN, todo", *_ALL, seeds=5, size=28, epochs=60),
}
"""Las de PneumoniaMNIST, a 28 píxeles."""
SMALL, MINIATURE = "cnn64-todo", "cnn28-todo"
"""Las CNN pequeñas con todo el aumento: lo que un estudiante entrena en su computadora."""


@dataclass(frozen=True)
class Outcome:
    """Lo que predijo una red ya entrenada.

    Parameters
    ----------
    network, split, seed : de qué candidata, con qué partición y con qué semilla
    val : float32 (n, 14)
        Logits de validación; una columna por cada ``ACQUISITIONS``.
    val_views, test_views : float32 (n, 5), (m, 5)
        Logits de las cinco vistas desplazadas; la primera es la radiografía tal cual.
    stamp : dict
        ``inputs`` (lo que determina estos números), ``seconds``, ``parameters`` y la máquina.
    """

    network: str
    split: str
    seed: int
    val: np.ndarray
    val_views: np.ndarray
    test_views: np.ndarray
    stamp: dict[str, Any] = field(repr=False)


def plan(dataset: str) -> list[tuple[str, str, int]]:
    """Qué redes se entrenan con ``dataset``: (candidata, partición, semilla), en orden.

    Primero todas con la partición oficial, de la más barata a la más cara.
    """
    if dataset == "pneumoniamnist":
        return [(key, OFFICIAL, seed) for key, one in MINIATURES.items() for seed in one.seeds]
    official = [(key, OFFICIAL, seed) for key, one in CANDIDATES.items() for seed in one.seeds]
    official.sort(key=lambda item: _cost(CANDIDATES[item[0]].recipe))
    return official + [
        (key, split, seed)
        for key in ELSEWHERE
        for split in ("paciente", "archivo")
        for seed in CANDIDATES[key].seeds[:3]
    ]


def _cost(recipe: Recipe) -> int:
    return (recipe.network != "cnn", recipe.size, recipe.network == "vgg16")


def candidate(key: str) -> Candidate:
    """La candidata ``key``; ``ConfigError`` si no está en la lista."""
    known = CANDIDATES | MINIATURES
    if key not in known:
        raise ConfigError(f"No hay una candidata {key!r}. Las que hay: {', '.join(known)}.")
    return known[key]


class Laboratory:
    """Los datos y la carpeta de un examen.

    ``dataset`` es ``"kermany"``, ``"kermany64"`` (solo las redes de 64 píxeles) o
    ``"pneumoniamnist"``; ``folder``, donde se publica; ``report`` recibe una línea de avance.
    """

    def __init__(
        self,
        dataset: str,
        folder: Path,
        root: Path | None = None,
        report: Callable[[str], None] = print,
        progress: bool = False,
    ) -> None:
        self.dataset: Dataset = open_dataset(dataset, root=root, size=28, progress=progress)
        self.folder = Path(folder)
        self.report = report
        self.progress = progress
        self._weights = WeightsMemory(cache_dir())

    def run(self, only: tuple[str, ...] = ()) -> None:
        """Entrena lo que falte de ``only`` (por omisión, todo) y escribe un archivo por red.

        ``ConfigError``, antes de empezar, si alguna de ``only`` no está en la lista.
        """
        for key in only:
            candidate(key)
        for key, split, seed in plan(self.dataset.name):
            one = candidate(key)
            if only and key not in only:
                continue
            if self.dataset.name == "kermany64" and one.recipe.size > 64:
                self.report(f"{key}: no cabe en copias de 64 px; se hace con --datos kermany")
                continue
            path = self.folder / split / f"{key}-{seed}.npz"
            try:
                inputs = self._inputs(one.recipe, split, seed)
            except WeightsError as error:
                self.report(f"{key}: sin pesos de VGG16 ({error})")
                continue
            before = _read(path)
            if before is not None and before.stamp["inputs"] == inputs:
                self.report(f"{key}, {split}, semilla {seed}: ya estaba")
                continue
            seconds = self._train(key, split, seed, path, inputs)
            self.report(f"{key}, {split}, semilla {seed}: {seconds:.0f} s")

    def films(self, split: str) -> pd.DataFrame:
        """``image_id, patient, subtype, label, split`` de todas las radiografías."""
        manifest = self.dataset.manifest
        table = manifest[["image_id", "patient", "subtype", "label"]].copy()
        table["split"] = make_split(manifest, split, _SPLIT_SEED).to_numpy()
        return table

    def _inputs(self, recipe: Recipe, split: str, seed: int) -> dict[str, Any]:
        weights = None if recipe.network == "cnn" else self._weights.resolve().sha256
        films = self.films(split)
        return {
            "data": self.dataset.fingerprint,
            "split": digest(list(zip(films["image_id"], films["split"], strict=True))),
            "recipe": {**asdict(recipe), "changes": list(recipe.changes)},
            "seed": seed,
            "weights": weights,
            "method": METHOD,
        }

    def _train(self, key: str, split: str, seed: int, path: Path, inputs: dict[str, Any]) -> float:
        from neumonia.training import predict_logits

        recipe = candidate(key).recipe
        weights = None if inputs["weights"] is None else self._weights.resolve().path
        images = open_arrays(self.dataset, recipe.size, progress=self.progress)
        films = self.films(split)
        labels = films["label"].to_numpy()
        rows = {name: np.flatnonzero(films["split"] == name) for name in ("train", "val", "test")}
        model = build(recipe, seed, weights)
        start = time.perf_counter()
        fit(model, recipe, images, labels, rows["train"], rows["val"], seed, self.progress)
        seconds = time.perf_counter() - start
        val, test = (np.asarray(images[rows[name]]) for name in ("val", "test"))
        changed = [predict_logits(model, val)]
        changed += [predict_logits(model, simulate(val, name)) for name in SIMULATED]
        stamp = {
            "inputs": inputs,
            "seconds": round(seconds, 1),
            "parameters": model.count_params(),
            "data": data_origin(self.dataset),
            **environment(),
        }
        written = films[films["split"] != "train"].to_csv(index=False, lineterminator="\n")
        write_text(path.parent / "radiografias.csv", written)
        arrays = {
            "val": np.stack(changed, axis=1),
            "val_views": view_logits(model, val),
            "test_views": view_logits(model, test),
        }
        with atomic_path(path) as temporary:
            np.savez_compressed(
                temporary,
                stamp=np.asarray(json.dumps(stamp, ensure_ascii=False)),
                **{name: values.astype(np.float32) for name, values in arrays.items()},
            )
        return seconds


def outcomes(folder: Path, split: str = OFFICIAL) -> dict[str, list[Outcome]]:
    """Las redes entrenadas de ``folder``, por candidata y en el orden de la lista.

    ``DataError`` si no hay ninguna.
    """
    found: dict[str, list[Outcome]] = {}
    for key, one in (CANDIDATES | MINIATURES).items():
        read = (_read(folder / split / f"{key}-{seed}.npz") for seed in one.seeds)
        mine = [item for item in read if item is not None]
        if mine:
            found[key] = mine
    if not found:
        raise DataError(
            f"En {folder} no hay redes de la partición {split!r}. Se entrenan con «{COMMAND}»."
        )
    return found


def films_of(folder: Path, split: str = OFFICIAL) -> dict[str, pd.DataFrame]:
    """``"val"`` y ``"test"`` → ``image_id, patient, subtype, label`` de sus filas, en orden."""
    path = Path(folder) / split / "radiografias.csv"
    table = read_table(path, COMMAND, text=("patient", "subtype", "image_id"))
    return {part: table[table["split"] == part].reset_index(drop=True) for part in ("val", "test")}


def _read(path: Path) -> Outcome | None:
    """Lo guardado en ``path``, o ``None`` si falta o está dañado."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in ("val", "val_views", "test_views")}
            stamp = json.loads(str(stored["stamp"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    key, seed = path.stem.rsplit("-", 1)
    return Outcome(key, path.parent.name, int(seed), stamp=stamp, **arrays)
