"""Lo que comparten todas las partes: las redes, las radiografías y cuánto podemos gastar."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from neumonia.errors import DataError
from neumonia.evidence.networks import Network
from neumonia.gradcam import METHODS
from neumonia.study import Study

FAST = ("grad_cam", "hires_cam", "grad_cam++", "gradient")
SLOW = ("score_cam", "occlusion")


@dataclass(frozen=True)
class Budget:
    """Cuántas radiografías y sorteos se miran.

    Attributes
    ----------
    films, few : int
        Radiografías por prueba; ``few``, si la red o el método son lentos.
    draws, few_draws : int
        Redes al azar de la prueba de cordura.
    resamples : int
        De cada intervalo.
    steps : int
        Puntos de las curvas de borrado e inserción.
    """

    films: int = 60
    few: int = 8
    draws: int = 5
    few_draws: int = 2
    resamples: int = 2000
    steps: int = 20


@dataclass(frozen=True, eq=False)
class Exam:
    """Un estudio, sus redes y el presupuesto con que se examinan sus mapas."""

    study: Study
    networks: tuple[Network, ...]
    budget: Budget = field(default_factory=Budget)
    report: Callable[[str], None] = lambda text: None

    @property
    def seed(self) -> int:
        return self.study.config.seed

    def correct_positives(self, network: Network, part: str = "test") -> np.ndarray:
        """Posiciones de las radiografías con neumonía que la red acierta (logit mayor que 0).

        Raises
        ------
        DataError
            Si no acierta ninguna.
        """
        rows = self.study.rows(part)
        rows = rows[(self.study.labels[rows] == 1) & (network.logits[rows] > 0)]
        if rows.size == 0:
            raise DataError(
                f"{network.title} no acierta ninguna radiografía con neumonía de {part!r}: no hay "
                "mapas que medir. Entrenémosla con más radiografías o más épocas."
            )
        return rows

    def sample(self, rows: np.ndarray, few: bool) -> np.ndarray:
        """Hasta ``budget.films`` posiciones (o ``few``), al azar y con semilla, en orden."""
        limit = self.budget.few if few else self.budget.films
        return np.sort(np.random.default_rng(self.seed).permutation(rows)[:limit])

    def patients(self, rows: np.ndarray) -> np.ndarray:
        return self.study.dataset.manifest["patient"].to_numpy(dtype=object)[rows]

    def images(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(self.study.images[rows])


def methods_of(network: Network, layer: str) -> tuple[str, ...]:
    """Los métodos que tiene sentido medir en ``layer``.

    Los que trabajan sobre los píxeles no miran la capa: van solo con la última. Score-CAM en una
    red lenta, también.
    """
    last = layer == network.layers[-1]
    return tuple(
        name
        for name, method in METHODS.items()
        if last or (method.weighs_channels and not (network.slow and name in SLOW))
    )
