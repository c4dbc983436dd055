"""La maqueta: radiografías de tórax sintéticas con opacidades plantadas y su máscara.

Cada placa nace de ``SeedSequence([seed, paciente, placa])``: se puede generar cualquiera sola y
pedir más placas no cambia las anteriores. Las placas de un paciente comparten anatomía y clase.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
import PIL
import scipy

from neumonia.datasets.base import Dataset, tidy_manifest
from neumonia.datasets.images import resize
from neumonia.datasets.info import INFO
from neumonia.datasets.phantom_anatomy import build_thorax, draw_anatomy, draw_pose
from neumonia.datasets.phantom_film import draw_technique, expose
from neumonia.datasets.phantom_opacities import (
    SUBTYPES, add_opacity, draw_opacity, healthy_bands,
)
from neumonia.errors import ConfigError, DataError
from neumonia.files import atomic_path, cache_dir, digest
from neumonia.progress import track

MAX_FILMS = 20_000
SIZES = (32, 1024)
POSITIVES = 0.73
"""Proporción de pacientes con neumonía, la misma que en las placas de Kermany et al. (2018)."""

_SUBTYPE_SHARE = (0.40, 0.35, 0.25)
_FILMS_SHARE = (0.25, 0.35, 0.25, 0.15)
_GOLDEN = 0.6180339887498949
_BLOCK = ("train", "test", "val", *["train"] * 7, "test", *["train"] * 7, "test", *["train"] * 6)
# Ningún paciente llega a este número: su semilla queda libre para sortear particiones.
_SPLIT_STREAM = 1_000_000


@dataclass(frozen=True)
class Recipe:
    """Los cuatro números que determinan la maqueta entera.

    Raises
    ------
    ConfigError
        Si ``n_films`` no está en [1, 20000], ``size`` en [32, 1024], ``difficulty`` en [0, 1] o
        ``seed`` no es un entero no negativo.
    """

    n_films: int = 1200
    size: int = 128
    seed: int = 0
    difficulty: float = 0.5

    def __post_init__(self) -> None:
        _check_integer("n_films (número de placas)", self.n_films, 1, MAX_FILMS)
        _check_integer("size (lado en píxeles)", self.size, *SIZES)
        _check_integer("seed (semilla)", self.seed, 0, 2**63 - 1)
        try:
            valid = 0.0 <= float(self.difficulty) <= 1.0
        except (TypeError, ValueError):
            valid = False
        if not valid:
            raise ConfigError(
                "difficulty (dificultad) va de 0, opacidades evidentes, a 1, opacidades tenues; "
                f"recibimos {self.difficulty!r}."
            )
        object.__setattr__(self, "n_films", int(self.n_films))
        object.__setattr__(self, "size", int(self.size))
        object.__setattr__(self, "seed", int(self.seed))
        object.__setattr__(self, "difficulty", float(self.difficulty))


def _check_integer(name: str, value: object, low: int, high: int) -> None:
    integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not integer or not low <= value <= high:
        raise ConfigError(f"{name} debe ser un entero de {low} a {high}; recibimos {value!r}.")


@dataclass(frozen=True, eq=False)
class Phantoms:
    """Placas de la maqueta.

    Attributes
    ----------
    images : uint8 (N, S, S)
        0 es negro (aire), 255 blanco (denso).
    masks : bool (N, S, S)
        Dónde está la opacidad; toda en falso en las placas normales.
    manifest : pandas.DataFrame
        Una fila por placa, con las columnas de `neumonia.datasets.base.COLUMNS`.
    """

    images: np.ndarray
    masks: np.ndarray
    manifest: pd.DataFrame


@dataclass(frozen=True)
class Film:
    """Una placa por hacer: de qué paciente, cuál de las suyas y con qué destino."""

    patient: int
    film: int
    subtype: str
    split: str

    @property
    def image_id(self) -> str:
        """Identificador de la placa, por ejemplo ``maqueta-0001-2``."""
        return f"{self.patient_id}-{self.film}"

    @property
    def patient_id(self) -> str:
        """Identificador del paciente, por ejemplo ``maqueta-0001``."""
        return f"maqueta-{self.patient:04d}"


def make_films(
    n_films: int = 1200, size: int = 128, seed: int = 0, difficulty: float = 0.5,
    progress: bool = False,
) -> Phantoms:
    """Genera la maqueta completa en memoria.

    Parameters
    ----------
    n_films : int
        Placas en total, de 1 a 20000; cada paciente aporta de una a cuatro.
    size : int
        Lado en píxeles, de 32 a 1024.
    seed : int
        La misma semilla da los mismos píxeles.
    difficulty : float
        En [0, 1]. Al subir, las opacidades son más tenues y pequeñas, y crecen las variantes sanas
        que las imitan (mala inspiración, timo, bandas de atelectasia, hilios cargados).
    progress : bool
        Muestra el avance si la tarea pasa de dos segundos.

    Raises
    ------
    ConfigError
        Si un argumento está fuera de su dominio (ver `Recipe`).
    """
    recipe = Recipe(n_films, size, seed, difficulty)
    films = plan_films(recipe)
    images = np.empty((len(films), recipe.size, recipe.size), np.uint8)
    masks = np.empty(images.shape, bool)
    made = _render(recipe, films)
    if progress:
        made = track(made, "Generando la maqueta", total=len(films))
    for row, (image, mask) in enumerate(made):
        images[row], masks[row] = image, mask
    return Phantoms(images, masks, _manifest(films, images))


def plan_films(recipe: Recipe) -> list[Film]:
    """Lista las placas en orden de ``image_id``, sin generarlas.

    La clase sigue una sucesión de baja discrepancia, de modo que desde cinco placas están las
    dos clases, y la partición se reparte en bloques de 25 pacientes por clase (84/4/12 %).
    """
    films: list[Film] = []
    # El segundo paciente siempre es normal y el primero no: con cinco placas hay dos clases.
    start = np.random.default_rng(_seeds(recipe, _SPLIT_STREAM)).uniform(POSITIVES, 1.0)
    seen = {0: 0, 1: 0}
    patient = 0
    while len(films) < recipe.n_films:
        patient += 1
        positive = int((start + (patient - 2) * _GOLDEN) % 1.0 < POSITIVES)
        rng = np.random.default_rng(_seeds(recipe, patient))
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
    rng = np.random.default_rng(_seeds(recipe, _SPLIT_STREAM + block, positive))
    return _BLOCK[int(rng.permutation(len(_BLOCK))[place])]


def _seeds(recipe: Recipe, patient: int, film: int = 0) -> np.random.SeedSequence:
    return np.random.SeedSequence([recipe.seed, patient, film])


def _scenes(recipe: Recipe, films: Sequence[Film]) -> Iterator[tuple]:
    """Por cada placa: (generador, tórax, centímetros agregados, máscara, técnica)."""
    confusion = 0.15 + 0.85 * recipe.difficulty
    for patient, own in groupby(films, key=lambda film: film.patient):
        # Tercera palabra 5: un flujo propio, ajeno al del plan (0) y a los de las placas (1 a 4).
        rng = np.random.default_rng(_seeds(recipe, patient, 5))
        anatomy = draw_anatomy(rng, confusion)
        opacity = None
        for item in own:
            if item.subtype != "normal" and opacity is None:
                opacity = draw_opacity(rng, item.subtype, recipe.difficulty)
            dice = np.random.default_rng(_seeds(recipe, patient, item.film))
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


def _render(recipe: Recipe, films: Sequence[Film]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for dice, thorax, added, mask, technique in _scenes(recipe, films):
        yield expose(dice, thorax, added, technique), mask


def _manifest(films: Sequence[Film], images: np.ndarray) -> pd.DataFrame:
    size = images.shape[1]
    return tidy_manifest(pd.DataFrame({
        "image_id": [film.image_id for film in films],
        "label": [int(film.subtype != "normal") for film in films],
        "patient": [film.patient_id for film in films],
        "subtype": [film.subtype for film in films],
        "official_split": [film.split for film in films],
        "height": size, "width": size,
        "sha256": [hashlib.sha256(image.tobytes()).hexdigest() for image in images],
    }))


def open_phantoms(
    n_films: int = 1200, size: int = 128, seed: int = 0, difficulty: float = 0.5,
    progress: bool = False,
) -> Dataset:
    """Abre la maqueta como `Dataset`; la primera vez la genera y la guarda en `cache_dir`.

    El archivo guardado lleva en su nombre la receta y la huella del código que la produjo: si algo
    de eso cambia, se genera otra vez. Los argumentos y errores son los de `make_films`.
    """
    recipe = Recipe(n_films, size, seed, difficulty)
    films = plan_films(recipe)
    path = cache_dir() / "maqueta" / f"{_recipe_digest(recipe)}.npy"
    images = _read_cache(path, recipe)
    if images is None:
        images = make_films(**asdict(recipe), progress=progress).images
        with atomic_path(path) as temporary:
            np.save(temporary, images, allow_pickle=False)

    def loader(rows: np.ndarray, size: int, progress: bool) -> np.ndarray:
        wanted = track(rows, "Leyendo la maqueta") if progress else rows
        return np.stack([_fit(images[row], size) for row in wanted])

    info = {**INFO["maqueta"], "recipe": asdict(recipe)}
    return Dataset("maqueta", _manifest(films, images), loader, info)


def phantom_masks(
    dataset: Dataset | Recipe, rows: np.ndarray | None = None, size: int | None = None,
) -> np.ndarray:
    """Máscaras de las opacidades: bool (N, size, size), en el orden de ``rows``.

    Parameters
    ----------
    dataset : Dataset or Recipe
        La maqueta abierta con `open_phantoms`, o su receta.
    rows : array de enteros (N,), optional
        Posiciones en el manifiesto; por omisión, todas.
    size : int, optional
        Lado en píxeles; por omisión, el de la maqueta. Otro lado reduce la máscara igual que la
        imagen y conserva los píxeles cubiertos al menos a la mitad.

    Raises
    ------
    DataError
        Si el conjunto no es una maqueta: en las placas reales nadie dibujó las opacidades.
    ConfigError
        Si una posición no existe o ``size`` no es un entero positivo.
    """
    if isinstance(dataset, Recipe):
        recipe = dataset
    elif dataset.name == "maqueta" and "recipe" in dataset.info:
        recipe = Recipe(**dataset.info["recipe"])
    else:
        raise DataError(
            f"El conjunto «{dataset.name}» no trae máscaras: solo la maqueta sabe dónde está cada "
            "opacidad. Abramos el conjunto «maqueta» para este análisis."
        )
    films = plan_films(recipe)
    wanted = np.arange(len(films)) if rows is None else np.asarray(rows)
    if wanted.ndim != 1 or (wanted.size and not np.issubdtype(wanted.dtype, np.integer)):
        raise ConfigError("Las posiciones deben ser un vector de enteros.")
    if wanted.size and not (0 <= wanted.min() and wanted.max() < len(films)):
        raise ConfigError(f"Las posiciones van de 0 a {len(films) - 1}.")
    side = recipe.size if size is None else size
    _check_integer("size (lado en píxeles)", side, 1, SIZES[1])
    out = np.zeros((wanted.size, side, side), bool)
    chosen = [films[row] for row in wanted.tolist()]
    for place, (_, _, _, mask, _) in enumerate(_scenes(recipe, chosen)):
        out[place] = _fit(mask.astype(np.uint8) * 255, side) >= 128
    return out


def _fit(image: np.ndarray, size: int) -> np.ndarray:
    return image if image.shape[0] == size else resize(image, size)


def _recipe_digest(recipe: Recipe) -> str:
    sources = sorted(Path(__file__).parent.glob("phantom*.py"))
    code = [hashlib.sha256(source.read_bytes()).hexdigest() for source in sources]
    versions = [np.__version__, scipy.__version__, PIL.__version__]
    return digest({"recipe": asdict(recipe), "code": code, "versions": versions})


def _read_cache(path: Path, recipe: Recipe) -> np.ndarray | None:
    """Placas guardadas, o ``None`` si no están o el archivo no sirve."""
    try:
        images = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    fits = images.shape == (recipe.n_films, recipe.size, recipe.size)
    return images if fits and images.dtype == np.uint8 else None
