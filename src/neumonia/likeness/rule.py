"""La regla: cuánto se aparta una imagen de las radiografías de entrenamiento, y si está derecha.

Solo se ajusta con radiografías; ninguna imagen de otra cosa interviene. Dos números por imagen:

- Novedad. La miniatura, con media 0 y desviación 1, se descompone en componentes principales; la
  distancia de Mahalanobis dentro de ellas y el residuo fuera (Jackson y Mudholkar, 1979,
  Technometrics 21), con el gris medio, el contraste y la nitidez, se comparan con los de
  entrenamiento por una segunda distancia de Mahalanobis.
- Orientación. Un discriminante lineal de Fisher por cada vuelta separa las radiografías de
  entrenamiento de ellas mismas reflejadas, volcadas o giradas media vuelta. La idea de juzgar por
  transformaciones es de Golan y El-Yaniv (2018), arXiv:1805.10917.

El límite de cada número sale de las radiografías de validación por predicción conforme (Vovk,
Gammerman y Shafer, 2005): si la siguiente es intercambiable con ellas, la probabilidad de una falsa
alarma no pasa de la declarada. Las radiografías de un mismo paciente se parecen, así que es una
aproximación, y por eso además se mide (``likeness_report``).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import numpy as np

from neumonia.datasets.images import resize
from neumonia.errors import DataError
from neumonia.likeness.colour import COLOUR_LIMIT
from neumonia.likeness.features import EPSILON, Components, Views, look

ALARM = 0.01
"""Falsas alarmas que se admiten en cada uno de los dos números."""
_FEWEST = 10

Turn = Callable[[np.ndarray], np.ndarray]

TURNS: Mapping[str, Turn] = MappingProxyType(
    {
        "mirrored": lambda films: films[..., ::-1],
        "upside_down": lambda films: films[..., ::-1, :],
        "half_turn": lambda films: films[..., ::-1, ::-1],
    }
)
"""Las vueltas que se aprenden, sobre (..., H, W)."""

UNDO: Mapping[str, Turn] = MappingProxyType(
    {
        **TURNS,
        "quarter_left": lambda films: np.rot90(films, -1, axes=(-2, -1)),
        "quarter_right": lambda films: np.rot90(films, 1, axes=(-2, -1)),
        "negative": lambda films: 255 - films,
    }
)
"""Cómo se deshace cada cosa que le puede pasar a una radiografía rechazada."""


class Judgement(NamedTuple):
    """El veredicto sobre una imagen.

    ``reasons`` reúne los motivos del rechazo: ``"novelty"``, ``"orientation"`` y ``"colour"``;
    ``undo`` es la clave de ``UNDO`` que la vuelve aceptable, o ``None`` si no hay ninguna.
    """

    novelty: float
    orientation: float
    colour: float
    reasons: tuple[str, ...]
    undo: str | None = None

    @property
    def is_film(self) -> bool:
        """Si parece una radiografía derecha como las de entrenamiento."""
        return not self.reasons


class Limit(NamedTuple):
    """Hasta dónde llega lo normal y qué parte de las radiografías, a lo sumo, lo pasa."""

    value: float
    rate: float


@dataclass(frozen=True, eq=False)
class Likeness:
    """La regla ajustada.

    Attributes
    ----------
    size : int
        Lado de las radiografías con que se ajustó: toda imagen pasa antes por él.
    components : Components
    center, precision : float64 (5,), (5, 5)
        De las características de la novedad.
    turns : dict de float64 (K + 1,)
        Un discriminante por vuelta: pesos y sesgo; positivo es «más bien dada la vuelta».
    novelty, orientation : Limit
    """

    size: int
    components: Components
    center: np.ndarray
    precision: np.ndarray
    turns: dict[str, np.ndarray]
    novelty: Limit
    orientation: Limit

    @property
    def rate(self) -> float:
        """Cota de las falsas alarmas de los dos números juntos."""
        return min(1.0, self.novelty.rate + self.orientation.rate)

    def scores(self, images: np.ndarray) -> np.ndarray:
        """Novedad y orientación de cada imagen uint8 (N, H, W): float64 (N, 2)."""
        return self._scores(look([resize(image, self.size) for image in images]))

    def exceeds(self, images: np.ndarray) -> np.ndarray:
        """Si cada imagen uint8 (N, H, W) pasa el límite de cada número: bool (N, 2)."""
        return self.scores(images) > self._limits

    def judge(self, image: np.ndarray, colour: float = 0.0) -> Judgement:
        """El veredicto sobre una imagen uint8 (H, W), con el ``colour_level`` de su archivo."""
        image = resize(image, self.size)
        novelty, orientation = (float(value) for value in self.scores(image[None])[0])
        found = {
            "novelty": novelty > self.novelty.value,
            "orientation": orientation > self.orientation.value,
            "colour": colour > COLOUR_LIMIT,
        }
        reasons = tuple(name for name, exceeded in found.items() if exceeded)
        undo = self._undo(image) if found["novelty"] or found["orientation"] else None
        return Judgement(novelty, orientation, colour, reasons, undo)

    @property
    def _limits(self) -> tuple[float, float]:
        return self.novelty.value, self.orientation.value

    def _undo(self, image: np.ndarray) -> str | None:
        scores = self.scores(np.stack([turn(image) for turn in UNDO.values()]))
        fits = (scores <= self._limits).all(axis=1)
        if not fits.any():
            return None
        return list(UNDO)[int(np.where(fits, scores[:, 0], np.inf).argmin())]

    def _scores(self, views: Views) -> np.ndarray:
        coordinates, features = self.components.describe(views)
        gap = features - self.center
        novelty = np.einsum("ij,jk,ik->i", gap, self.precision, gap)
        turned = [coordinates @ line[:-1] + line[-1] for line in self.turns.values()]
        return np.column_stack([novelty, np.max(turned, axis=0)])

    def to_json(self) -> dict[str, Any]:
        """La regla como números y listas, sin pérdida."""
        return {
            "size": self.size,
            "components": {name: part.tolist() for name, part in self.components._asdict().items()},
            "center": self.center.tolist(),
            "precision": self.precision.tolist(),
            "turns": {name: line.tolist() for name, line in self.turns.items()},
            "novelty": self.novelty._asdict(),
            "orientation": self.orientation._asdict(),
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """La inversa de ``to_json``; ``DataError`` si falta algo."""
        try:
            parts = {name: np.array(part) for name, part in stored["components"].items()}
            return cls(
                size=int(stored["size"]),
                components=Components(**parts),
                center=np.array(stored["center"]),
                precision=np.array(stored["precision"]),
                turns={name: np.array(line) for name, line in stored["turns"].items()},
                novelty=Limit(**stored["novelty"]),
                orientation=Limit(**stored["orientation"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(
                f"La regla de parecido guardada está incompleta ({error}). Borremos ese producto "
                "y se volverá a ajustar."
            ) from error


def fit_likeness(train: np.ndarray, val: np.ndarray, alarm: float = ALARM) -> Likeness:
    """Ajusta la regla con unas radiografías y pone los límites con otras.

    Parameters
    ----------
    train : uint8 (N, S, S), N >= 10
    val : uint8 (M, S, S), M >= 1, de otros pacientes
        Con menos de ``1 / alarm - 1`` no se puede prometer ``alarm``: el límite es la mayor de
        ellas y la cota declarada, ``1 / (M + 1)``.
    alarm : float en (0, 1)

    Raises
    ------
    DataError
        Si faltan radiografías o son todas iguales.
    """
    if len(train) < _FEWEST or len(val) < 1:
        raise DataError(
            f"Para saber cómo es una radiografía hacen falta al menos {_FEWEST} de entrenamiento y "
            f"una de validación; hay {len(train)} y {len(val)}."
        )
    views = look(train)
    components = Components.fit(views.thumbs)
    coordinates, features = components.describe(views)
    covariance = np.cov(features.T) + EPSILON * np.eye(features.shape[1])
    turns = {}
    for name, turn in TURNS.items():
        turned = components.describe(views._replace(thumbs=turn(views.thumbs)))
        turns[name] = _discriminant(coordinates, turned.coordinates)
    rule = Likeness(
        size=train.shape[1],
        components=components,
        center=features.mean(axis=0),
        precision=np.linalg.inv(covariance),
        turns=turns,
        novelty=Limit(math.inf, 0.0),
        orientation=Limit(math.inf, 0.0),
    )
    novelty, orientation = rule.scores(val).T
    return replace(rule, novelty=_limit(novelty, alarm), orientation=_limit(orientation, alarm))


def _discriminant(straight: np.ndarray, turned: np.ndarray) -> np.ndarray:
    """Discriminante de Fisher (K + 1,) entre dos grupos (N, K), con el umbral a mitad de camino."""
    first, second = straight.mean(axis=0), turned.mean(axis=0)
    within = np.atleast_2d(np.cov(straight.T) + np.cov(turned.T)) / 2
    weights = np.linalg.solve(within + EPSILON * np.eye(len(first)), second - first)
    return np.append(weights, -weights @ (first + second) / 2)


def _limit(scores: np.ndarray, alarm: float) -> Limit:
    """El menor valor de validación que, por predicción conforme, deja pasar a lo sumo ``alarm``."""
    total = len(scores) + 1
    rank = min(math.ceil((1 - alarm) * total), len(scores))
    return Limit(float(np.sort(scores)[rank - 1]), 1 - rank / total)
