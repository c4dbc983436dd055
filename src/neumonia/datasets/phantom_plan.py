"""Qué placas trae la maqueta: pacientes, clases y particiones, antes de calcular un solo píxel."""

from dataclasses import dataclass

import numpy as np

from neumonia.datasets.phantom_opacities import SUBTYPES
from neumonia.errors import ConfigError

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
        check_integer("n_films (número de placas)", self.n_films, 1, MAX_FILMS)
        check_integer("size (lado en píxeles)", self.size, *SIZES)
        check_integer("seed (semilla)", self.seed, 0, 2**63 - 1)
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


def check_integer(name: str, value: object, low: int, high: int) -> None:
    """Exige un entero en [low, high]; si no lo es, `ConfigError` con el nombre del argumento."""
    integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not integer or not low <= value <= high:
        raise ConfigError(f"{name} debe ser un entero de {low} a {high}; recibimos {value!r}.")


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


def plan_films(recipe: Recipe) -> list[Film]:
    """Lista las placas en orden de ``image_id``, sin generarlas.

    La clase sigue una sucesión de baja discrepancia, de modo que desde cinco placas están las
    dos clases, y la partición se reparte en bloques de 25 pacientes por clase (84/4/12 %).
    """
    films: list[Film] = []
    # El segundo paciente siempre es normal y el primero no: con cinco placas hay dos clases.
    start = np.random.default_rng(seeds(recipe, _SPLIT_STREAM)).uniform(POSITIVES, 1.0)
    seen = {0: 0, 1: 0}
    patient = 0
    while len(films) < recipe.n_films:
        patient += 1
        positive = int((start + (patient - 2) * _GOLDEN) % 1.0 < POSITIVES)
        rng = np.random.default_rng(seeds(recipe, patient))
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
    rng = np.random.default_rng(seeds(recipe, _SPLIT_STREAM + block, positive))
    return _BLOCK[int(rng.permutation(len(_BLOCK))[place])]


def seeds(recipe: Recipe, patient: int, film: int = 0) -> np.random.SeedSequence:
    """Semilla de un flujo: el 0 de un paciente es su plan, 1 a 4 sus placas, 5 su anatomía."""
    return np.random.SeedSequence([recipe.seed, patient, film])
