"""La maqueta: radiografías de tórax sintéticas con opacidades plantadas y su máscara.

Cada placa nace de ``SeedSequence([seed, paciente, placa])``: se puede generar cualquiera sola y
pedir más placas no cambia las anteriores. Las placas de un paciente comparten anatomía y clase.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import PIL
import scipy

from neumonia.datasets.base import INFO, Dataset, tidy_manifest
from neumonia.datasets.images import resize
from neumonia.datasets.phantom_body import build_thorax, draw_anatomy, draw_pose
from neumonia.datasets.phantom_film import (
    SUBTYPES,
    add_opacity,
    draw_opacity,
    draw_technique,
    expose,
    healthy_bands,
)
from neumonia.errors import ConfigError, DataError
from neumonia.files import atomic_path, cache_dir, digest
from neumonia.progress import track

VERSION = 1
"""Sube cuando cambian los píxeles que da una misma receta: lo guardado se genera otra vez."""
POSITIVES = 0.73
"""Proporción de pacientes con neumonía, la misma que en las placas de Kermany et al. (2018)."""

_SUBTYPE_SHARE = (0.40, 0.35, 0.25)
_FILMS_SHARE = (0.25, 0.35, 0.25, 0.15)
_GOLDEN = 0.6180339887498949
_BLOCK = ("train", "test", "val", *["train"] * 7, "test", *["train"] * 7, "test", *["train"] * 6)
# Ningún paciente llega a este número: su semilla queda libre para sortear particiones.
_SPLIT_STREAM = 1_000_000
_LIMITS = {
    "n_films": ("número de placas", 1, 20_000),
    "size": ("lado en píxeles", 32, 1024),
    "seed": ("semilla", 0, 2**63 - 1),
}


@dataclass(frozen=True)
class Recipe:
    """Los cuatro números que determinan la maqueta entera.

    Cada paciente aporta de una a cuatro de las ``n_films`` placas (1 a 20000) de ``size`` píxeles
    de lado (32 a 1024); la misma ``seed`` da los mismos píxeles. Al subir ``difficulty``, de 0 a 1,
    las opacidades son más tenues y pequeñas, y crecen las variantes sanas que las imitan (mala
    inspiración, timo, bandas de atelectasia, hilios cargados). Fuera de ahí, ``ConfigError``.
    """

    n_films: int = 1200
    size: int = 128
    seed: int = 0
    difficulty: float = 0.5

    def __post_init__(self) -> None:
        for name in _LIMITS:
            object.__setattr__(self, name, _whole(name, getattr(self, name)))
        try:
            valid = 0.0 <= float(self.difficulty) <= 1.0
        except (TypeError, ValueError):
            valid = False
        if not valid:
            raise ConfigError(
                "difficulty (dificultad) va de 0, opacidades evidentes, a 1, opacidades tenues; "
                f"recibimos {self.difficulty!r}."
            )
        object.__setattr__(self, "difficulty", float(self.difficulty))


def _whole(name: str, value: object) -> int:
    meaning, low, high = _LIMITS[name]
    integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not integer or not low <= value <= high:
        raise ConfigError(
            f"{name} ({meaning}) debe ser un entero de {low} a {high}; recibimos {value!r}."
        )
    return int(value)


@dataclass(frozen=True)
class Film:
    """Una placa por hacer: de qué paciente, cuál de las suyas y con qué destino."""

    patient: int
    film: int
    subtype: str
    split: str

    @property
    def patient_id(self) -> str:
        return f"maqueta-{self.patient:04d}"

    @property
    def image_id(self) -> str:
        return f"{self.patient_id}-{self.film}"


def plan_films(recipe: Recipe) -> list[Film]:
    """Lista las placas en orden de ``image_id``, sin generarlas.

    La clase sigue una sucesión de baja discrepancia, de modo que desde cinco placas están las
    dos clases, y la partición se reparte en bloques de 25 pacientes por clase (84/4/12 %).
    """
    films: list[Film] = []
    # El segundo paciente siempre es normal y el primero no: con cinco placas hay dos clases.
    start = _stream(recipe, _SPLIT_STREAM).uniform(POSITIVES, 1.0)
    seen = {0: 0, 1: 0}
    patient = 0
    while len(films) < recipe.n_films:
        patient += 1
        positive = int((start + (patient - 2) * _GOLDEN) % 1.0 < POSITIVES)
        rng = _stream(recipe, patient)
        count = 1 + int(rng.choice(4, p=_FILMS_SHARE))
        subtype = str(rng.choice(SUBTYPES, p=_SUBTYPE_SHARE)) if positive else "normal"
        split = _split(recipe, positive, seen[positive])
        seen[positive] += 1
        films += [Film(patient, film, subtype, split) for film in range(1, count + 1)]
    return films[: recipe.n_films]


def _split(recipe: Recipe, positive: int, rank: int) -> str:
    block, place = divmod(rank, len(_BLOCK))
    if block == 0:
        # El primer bloque va en orden fijo: las tres particiones existen desde pocos pacientes.
        return _BLOCK[place]
    shuffled = _stream(recipe, _SPLIT_STREAM + block, positive).permutation(len(_BLOCK))
    return _BLOCK[int(shuffled[place])]


def _stream(recipe: Recipe, patient: int, film: int = 0) -> np.random.Generator:
    """El flujo 0 de un paciente es su plan, 1 a 4 sus placas, 5 su anatomía."""
    return np.random.default_rng(np.random.SeedSequence([recipe.seed, patient, film]))


def _scenes(recipe: Recipe, films: Sequence[Film]) -> Iterator[tuple]:
    """Por cada placa: (generador, tórax, centímetros agregados, máscara, técnica)."""
    confusion = 0.15 + 0.85 * recipe.difficulty
    for patient, own in groupby(films, key=lambda film: film.patient):
        rng = _stream(recipe, patient, 5)
        anatomy = draw_anatomy(rng, confusion)
        opacity = None
        for item in own:
            if item.subtype != "normal" and opacity is None:
                opacity = draw_opacity(rng, item.subtype, recipe.difficulty)
            dice = _stream(recipe, patient, item.film)
            pose = draw_pose(dice, confusion)
            technique = draw_technique(dice, item.split == "test", confusion)
            thorax = build_thorax(anatomy, pose, recipe.size)
            added = healthy_bands(dice, thorax, confusion)
            change = dice.uniform(0.8, 1.1)
            mask = np.zeros(added.shape, bool)
            if opacity is not None:
                filled, mask = add_opacity(opacity, thorax, pose, change)
                added = np.maximum(added, filled)
            yield dice, thorax, added, mask, technique


class Phantoms(NamedTuple):
    """``images`` uint8 (N, S, S), 0 negro y 255 denso; ``masks`` bool, dónde está la opacidad."""

    images: np.ndarray
    masks: np.ndarray
    manifest: pd.DataFrame


def make_films(
    n_films: int = 1200, size: int = 128, seed: int = 0, difficulty: float = 0.5
) -> Phantoms:
    """Genera la maqueta completa en memoria; los argumentos son los de `Recipe`."""
    recipe = Recipe(n_films, size, seed, difficulty)
    films = plan_films(recipe)
    images = np.empty((len(films), recipe.size, recipe.size), np.uint8)
    masks = np.empty(images.shape, bool)
    for row, (dice, thorax, added, mask, technique) in enumerate(_scenes(recipe, films)):
        images[row], masks[row] = expose(dice, thorax, added, technique), mask
    return Phantoms(images, masks, _manifest(films, images))


def _manifest(films: Sequence[Film], images: np.ndarray) -> pd.DataFrame:
    columns = {
        "image_id": [film.image_id for film in films],
        "label": [int(film.subtype != "normal") for film in films],
        "patient": [film.patient_id for film in films],
        "subtype": [film.subtype for film in films],
        "official_split": [film.split for film in films],
        "height": images.shape[1],
        "width": images.shape[1],
        "sha256": [hashlib.sha256(image.tobytes()).hexdigest() for image in images],
    }
    return tidy_manifest(pd.DataFrame(columns))


def open_phantoms(
    n_films: int = 1200, size: int = 128, seed: int = 0, difficulty: float = 0.5
) -> Dataset:
    """Abre la maqueta como `Dataset`; la primera vez la genera y la guarda en `cache_dir`.

    El archivo guardado lleva en su nombre la receta, ``VERSION`` y las versiones de las bibliotecas
    que hacen los píxeles: si algo de eso cambia, o está dañado, se genera otra vez.
    """
    recipe = Recipe(n_films, size, seed, difficulty)
    versions = [VERSION, np.__version__, scipy.__version__, PIL.__version__]
    key = digest({"recipe": asdict(recipe), "versions": versions})
    path = cache_dir() / "maqueta" / f"{key}.npy"
    images = _read_cache(path, recipe)
    if images is None:
        images = make_films(**asdict(recipe)).images
        with atomic_path(path) as temporary:
            np.save(temporary, images, allow_pickle=False)

    def loader(rows: np.ndarray, size: int, progress: bool) -> np.ndarray:
        wanted = track(rows, "Leyendo la maqueta") if progress else rows
        return np.stack([resize(images[row], size) for row in wanted])

    info = {**INFO["maqueta"], "recipe": asdict(recipe)}
    return Dataset("maqueta", _manifest(plan_films(recipe), images), loader, info)


def _read_cache(path: Path, recipe: Recipe) -> np.ndarray | None:
    """Placas guardadas, o ``None`` si no están o el archivo no sirve."""
    try:
        images = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    fits = images.shape == (recipe.n_films, recipe.size, recipe.size)
    return images if fits and images.dtype == np.uint8 else None


def phantom_masks(
    dataset: Dataset, rows: np.ndarray | None = None, size: int | None = None
) -> np.ndarray:
    """Máscaras de las opacidades de la maqueta: bool (N, size, size), en el orden de ``rows``.

    ``rows`` son posiciones en el manifiesto (todas si falta). Un ``size`` distinto del suyo reduce
    la máscara igual que la imagen y conserva los píxeles cubiertos al menos a la mitad.

    Raises
    ------
    DataError
        Si el conjunto no es una maqueta: en las placas reales nadie dibujó las opacidades.
    ConfigError
        Como ``Dataset.load``.
    """
    if "recipe" not in dataset.info:
        raise DataError(
            f"El conjunto «{dataset.name}» no trae máscaras: solo la maqueta sabe dónde está cada "
            "opacidad. Abramos el conjunto «maqueta» para este análisis."
        )
    recipe = Recipe(**dataset.info["recipe"])
    films = plan_films(recipe)
    side = recipe.size if size is None else size
    wanted = dataset.check_rows(rows, side)
    out = np.zeros((wanted.size, side, side), bool)
    chosen = [films[row] for row in wanted.tolist()]
    for place, (_, _, _, mask, _) in enumerate(_scenes(recipe, chosen)):
        out[place] = resize(mask.astype(np.uint8) * 255, side) >= 128
    return out
