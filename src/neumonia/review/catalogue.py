"""El catálogo de ensayos: cada modelo que se probó, en el orden en que se cuenta."""

from dataclasses import dataclass
from typing import Any

from neumonia.errors import ConfigError
from neumonia.models.acquisition_layers import PROFILES

KINDS = ("cabeza", "ajuste", "cnn")


@dataclass(frozen=True)
class Trial:
    """Un modelo por probar.

    Parameters
    ----------
    title : str
        Cómo se llama en la tabla.
    kind : {"cabeza", "ajuste", "cnn"}
        Cabeza sobre VGG16 congelada, VGG16 con bloques descongelados, o la CNN desde cero.
    size : int
        Lado de entrada en píxeles.
    profile : str
        Aumento, de ``PROFILES``; una cabeza no lo admite.
    trainable_from : str
        Primer bloque que se entrena, en un ajuste.
    normalization : str
        De ``neumonia.normalization``.
    pooling : {"average", "max", "flatten"}
    epochs : int
        Máximo de épocas; cada una ve tantas neumonías como normales.
    learning_rate : float
    """

    title: str
    kind: str = "ajuste"
    size: int = 64
    profile: str = "ninguno"
    trainable_from: str = "block3"
    normalization: str = "ninguna"
    pooling: str = "average"
    epochs: int = 3
    learning_rate: float = 1e-4
    batch_size: int = 32
    precision: str = "mixed_bfloat16"

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.profile not in PROFILES:
            raise ConfigError(f"El ensayo {self.title!r} pide algo que no existe: {self}.")


def _head(title: str, **changes: Any) -> Trial:
    return Trial(title, "cabeza", epochs=12, learning_rate=1e-3, **changes)


def _cnn(title: str, **changes: Any) -> Trial:
    return Trial(title, "cnn", epochs=8, learning_rate=1e-3, **changes)


TRIALS = {
    "congelada": _head("congelada"),
    "congelada-estandarizar": _head("congelada, estandarizada", normalization="estandarizar"),
    "congelada-igualar": _head("congelada, suavizada y estandarizada", normalization="igualar"),
    "block5-ninguno": Trial("desde block5, sin aumento", trainable_from="block5"),
    "block3-ninguno": Trial("desde block3, sin aumento"),
    "block3-geometrico": Trial("desde block3, geométrico", profile="geometrico"),
    "block3-encuadre": Trial("desde block3, encuadre", profile="encuadre"),
    "block3-estandarizar": Trial("desde block3, estandarizada", normalization="estandarizar"),
    "block3-igualar": Trial("desde block3, suavizada y estandarizada", normalization="igualar"),
    "block3-96": Trial("desde block3, 96 px", size=96),
    "congelada-maximo": _head("congelada, máximo de cada mapa", pooling="max"),
    "congelada-aplanada": _head("congelada, sin resumir", pooling="flatten"),
    "congelada-ecualizar": _head("congelada, ecualizada", normalization="ecualizar"),
    "congelada-recortar": _head("congelada, sin marco", normalization="recortar"),
    "cnn-ninguno": _cnn("CNN desde cero, sin aumento"),
    "cnn-encuadre": _cnn("CNN desde cero, encuadre", profile="encuadre"),
}
LATER = tuple(TRIALS)[10:]
"""Medidos después de abrir la prueba por primera vez: se publican, pero no compiten."""
ENSEMBLES = {
    "cnn-y-vgg16": ("CNN y VGG16 desde block3, promedio", ("cnn-ninguno", "block3-ninguno")),
    "dos-tamanos": ("64 y 96 px, promedio", ("block3-ninguno", "block3-96")),
    "dos-normalizaciones": (
        "64 px, con y sin estandarizar, promedio",
        ("block3-ninguno", "block3-estandarizar"),
    ),
}
"""Promedios de logits de redes ya ensayadas: título y miembros."""

CANDIDATES = {
    "primero": TRIALS["block3-96"],
    "ajuste-encuadre": Trial(
        "desde block3, encuadre, 96 px", size=96, profile="encuadre", epochs=6
    ),
    "entera-fuerte": Trial(
        "VGG16 entera, fuerte, 96 px",
        size=96,
        profile="fuerte",
        trainable_from="block1",
        epochs=4,
        learning_rate=5e-5,
    ),
    "entera-encuadre": Trial(
        "VGG16 entera, encuadre, 96 px",
        size=96,
        profile="encuadre",
        trainable_from="block1",
        epochs=5,
        learning_rate=5e-5,
    ),
    "cnn-encuadre": Trial(
        "CNN desde cero, encuadre, 96 px",
        "cnn",
        size=96,
        profile="encuadre",
        epochs=12,
        learning_rate=1e-3,
    ),
}
"""La segunda vuelta; ``"primero"`` es el elegido de la primera, como punto de partida."""
MIXED = {
    "cnn-y-ajuste": ("CNN y desde block3, encuadre, promedio", ("cnn-encuadre", "ajuste-encuadre")),
    "cnn-y-entera": (
        "CNN y VGG16 entera, encuadre, promedio",
        ("cnn-encuadre", "entera-encuadre"),
    ),
}
