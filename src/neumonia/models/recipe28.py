"""La receta de la red de 28 píxeles: lo que una búsqueda puede variar, y lo que eligió."""

from dataclasses import dataclass

from neumonia.errors import ConfigError

NORMALIZATIONS = ("escala", "estandar", "suave", "bandas")
HEADS = ("media", "aplanada")


@dataclass(frozen=True)
class Recipe28:
    """Cómo se arma la red; todo lo que una búsqueda puede variar.

    Parameters
    ----------
    normalization : {"escala", "estandar", "suave", "bandas"}
        Dividir entre 255; restar a cada radiografía su media y dividir entre su desviación;
        lo mismo tras promediar vecindades de 3x3 dos veces, que borra el detalle fino; o separar
        en dos canales lo borroso y el detalle, cada uno con su media y su desviación.
    geometry : int de 0 a 2
        Aumento geométrico: ninguno, leve o fuerte.
    appearance : int de 0 a 2
        Aumento de nitidez, contraste y brillo: ninguno, leve o fuerte.
    noise : float
        Desviación del ruido que se suma al entrenar, en desviaciones de la radiografía.
    width : int
        Filtros de la primera convolución; cada bloque siguiente tiene el doble.
    blocks : int de 1 a 3
    head : {"media", "aplanada"}
        Si la última neurona ve la media de cada mapa o todos sus píxeles.
    dropout : float en [0, 1)
    weight_decay : float
        Penalización L2 de las convoluciones.
    """

    normalization: str = "estandar"
    geometry: int = 1
    appearance: int = 0
    noise: float = 0.0
    width: int = 16
    blocks: int = 3
    head: str = "media"
    dropout: float = 0.3
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        for name, allowed in (
            ("normalization", NORMALIZATIONS),
            ("head", HEADS),
            ("geometry", (0, 1, 2)),
            ("appearance", (0, 1, 2)),
            ("blocks", (1, 2, 3)),
        ):
            value = getattr(self, name)
            if value not in allowed:
                options = ", ".join(str(option) for option in allowed)
                raise ConfigError(f"{name} no puede ser {value!r}. Elijamos entre: {options}.")
        if self.width < 1:
            raise ConfigError(f"width debe ser al menos 1; recibimos {self.width}.")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout debe estar en [0, 1); recibimos {self.dropout}.")
        if self.noise < 0 or self.weight_decay < 0:
            raise ConfigError("noise y weight_decay no pueden ser negativos.")


CHOSEN = Recipe28(normalization="suave", width=32)
"""La receta que ganó la segunda búsqueda, la de ``neumonia.study.mnist_second``."""
