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
from neumonia.datasets.phantom_anatomy import build_thorax
from neumonia.datasets.phantom_film import draw_technique, expose
from neumonia.datasets.phantom_opacities import add_opacity, draw_opacity, healthy_bands
from neumonia.datasets.phantom_patient import draw_anatomy, draw_pose
from neumonia.datasets.phantom_plan import SIZES, Film, Recipe, check_integer, plan_films, seeds
from neumonia.errors import ConfigError, DataError
from neumonia.files import atomic_path, cache_dir, digest
from neumonia.progress import track


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


def make_films(
    n_films: int = 1200,
    size: int = 128,
    seed: int = 0,
    difficulty: float = 0.5,
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


def _scenes(recipe: Recipe, films: Sequence[Film]) -> Iterator[tuple]:
    """Por cada placa: (generador, tórax, centímetros agregados, máscara, técnica)."""
    confusion = 0.15 + 0.85 * recipe.difficulty
    for patient, own in groupby(films, key=lambda film: film.patient):
        # Tercera palabra 5: un flujo propio, ajeno al del plan (0) y a los de las placas (1 a 4).
        rng = np.random.default_rng(seeds(recipe, patient, 5))
        anatomy = draw_anatomy(rng, confusion)
        opacity = None
        for item in own:
            if item.subtype != "normal" and opacity is None:
                opacity = draw_opacity(rng, item.subtype, recipe.difficulty)
            dice = np.random.default_rng(seeds(recipe, patient, item.film))
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
    return tidy_manifest(
        pd.DataFrame(
            {
                "image_id": [film.image_id for film in films],
                "label": [int(film.subtype != "normal") for film in films],
                "patient": [film.patient_id for film in films],
                "subtype": [film.subtype for film in films],
                "official_split": [film.split for film in films],
                "height": size,
                "width": size,
                "sha256": [hashlib.sha256(image.tobytes()).hexdigest() for image in images],
            }
        )
    )


def open_phantoms(
    n_films: int = 1200,
    size: int = 128,
    seed: int = 0,
    difficulty: float = 0.5,
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
    dataset: Dataset | Recipe,
    rows: np.ndarray | None = None,
    size: int | None = None,
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
    if wanted.size and not (wanted.min() >= 0 and wanted.max() < len(films)):
        raise ConfigError(f"Las posiciones van de 0 a {len(films) - 1}.")
    side = recipe.size if size is None else size
    check_integer("size (lado en píxeles)", side, 1, SIZES[1])
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
