"""El catálogo de ensayos: cada modelo que se probó, en el orden en que se cuenta."""

from dataclasses import dataclass
from typing import Any

from neumonia.errors import ConfigError
from neumonia.models.augmentation import PROFILES

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
}
ENSEMBLES = {
    "dos-tamanos": ("64 y 96 px, promedio", ("block3-ninguno", "block3-96")),
    "dos-normalizaciones": (
        "64 px, con y sin estandarizar, promedio",
        ("block3-ninguno", "block3-estandarizar"),
    ),
}
"""Promedios de logits de redes ya ensayadas: título y miembros."""
