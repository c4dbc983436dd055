"""La configuración de un estudio: qué datos, qué partición, qué semilla, cuánto entrenamiento."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

from neumonia.datasets import NAMES
from neumonia.errors import ConfigError
from neumonia.splits import KINDS

_NO_ROBUST = {"batch_cnn": 16, "epochs_robust": 0}
# Lo que otros datos cambian: el tamaño de la imagen, la partición y cuánto hay que entrenar.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "kermany64": {},
    "maqueta": {"size": 128, "epochs_cnn": 15, **_NO_ROBUST},
    "kermany": {"size": 150, "epochs_cnn": 20, "patience_cnn": 6, **_NO_ROBUST},
    # VGG16 no admite imágenes de menos de 32 píxeles.
    "pneumoniamnist": {"size": 56, "split": "oficial", "epochs_cnn": 15, **_NO_ROBUST},
}
_PRECISIONS = ("float32", "mixed_bfloat16")
_MINIMUM = {
    "size": 32,
    "epochs_robust": 0,
    **dict.fromkeys(("epochs_cnn", "epochs_head", "patience_cnn", "patience_head"), 1),
    **dict.fromkeys(("batch_cnn", "batch_head", "n_films"), 1),
}
# El mayor que admiten a la vez NumPy, scikit-learn y Keras.
_MAX_SEED = 2**32 - 1


@dataclass(frozen=True)
class Config:
    """Todo lo que determina los números de un estudio, salvo los propios datos.

    Parameters
    ----------
    dataset : {"kermany64", "kermany", "pneumoniamnist", "maqueta"}
    split : {"paciente", "oficial", "archivo"}
    seed : int de 0 a 2**32 - 1
        Semilla de la partición, de los pesos iniciales, del orden y del aumento de datos.
    size : int
        Lado de la imagen en píxeles, al menos 32.
    epochs_cnn, epochs_head : int >= 1
        Máximo de épocas de la CNN y de la cabeza sobre VGG16.
    epochs_robust : int >= 0
        Épocas de la CNN que se entrena con otra toma cada vez; véase ``neumonia.robust``. Con 0, no
        se entrena.
    patience_cnn, patience_head : int >= 1
        Épocas sin mejora de la pérdida de validación antes de parar.
    batch_cnn, batch_head : int >= 1
        Radiografías por paso. La CNN aprende más por época con lotes pequeños.
    precision : {"float32", "mixed_bfloat16"}
        Aritmética de VGG16 y de la CNN; la segunda solo conviene si el procesador la trae.
    n_films : int
        Radiografías de la maqueta; las otras fuentes lo ignoran.
    difficulty : float en [0, 1], de la maqueta
    data_seed : int, optional
        Semilla de la maqueta; sin ella, ``seed``. Sirve para repetir un entrenamiento con otra
        semilla sobre las mismas radiografías. Las otras fuentes la ignoran.
    root : Path, optional
        Dónde están los datos. No forma parte de la identidad del estudio: la huella de los
        datos, sí.

    Un valor fuera de su dominio es un ``ConfigError``.
    """

    dataset: str = "kermany64"
    split: str = "paciente"
    seed: int = 0
    size: int = 64
    epochs_cnn: int = 8
    epochs_head: int = 30
    epochs_robust: int = 10
    patience_cnn: int = 4
    patience_head: int = 6
    batch_cnn: int = 32
    batch_head: int = 32
    precision: str = "float32"
    n_films: int = 1200
    difficulty: float = 0.5
    data_seed: int | None = None
    root: Path | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        _choice("--datos", self.dataset, NAMES)
        _choice("--particion", self.split, KINDS)
        _choice("precision", self.precision, _PRECISIONS)
        _at_least("--semilla", self.seed, 0)
        if self.seed > _MAX_SEED:
            raise ConfigError(f"--semilla no puede pasar de {_MAX_SEED}; llegó {self.seed}.")
        if self.data_seed is not None:
            _at_least("data_seed", self.data_seed, 0)
        for name, minimum in _MINIMUM.items():
            _at_least(name, getattr(self, name), minimum)
        number = isinstance(self.difficulty, int | float) and not isinstance(self.difficulty, bool)
        if not number or not 0 <= self.difficulty <= 1:
            raise ConfigError(f"difficulty debe ser un número de 0 a 1; llegó {self.difficulty!r}.")
        if not isinstance(self.root, str | Path | None):
            raise ConfigError(f"root debe ser una ruta; llegó {self.root!r}.")
        # Un mismo estudio no debe tener dos identidades según se escriba 1 o 1.0, texto o Path.
        object.__setattr__(self, "difficulty", float(self.difficulty))
        object.__setattr__(self, "root", None if self.root is None else Path(self.root))

    @classmethod
    def create(cls, dataset: str = "kermany64", **changes: Any) -> Self:
        """Configuración de ``dataset`` con sus valores propios y los cambios pedidos.

        Un cambio con valor ``None`` deja el valor por omisión.
        """
        _choice("--datos", dataset, NAMES)
        _known(changes)
        given = {name: value for name, value in changes.items() if value is not None}
        return cls(dataset=dataset, **{**_DEFAULTS[dataset], **given})

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Configuración según NEUMONIA_DATOS, _RAIZ, _PARTICION, _SEMILLA y _AJUSTES.

        ``NEUMONIA_AJUSTES`` es un objeto JSON con cualquier otro campo; por ejemplo,
        ``{"n_films": 240, "epochs_cnn": 2}`` para una pasada rápida.
        """
        environ = os.environ if environ is None else environ
        changes = _adjustments(environ.get("NEUMONIA_AJUSTES"))
        dataset = changes.pop("dataset", None)
        if environ.get("NEUMONIA_PARTICION"):
            changes["split"] = environ["NEUMONIA_PARTICION"]
        if environ.get("NEUMONIA_SEMILLA"):
            changes["seed"] = _seed(environ["NEUMONIA_SEMILLA"])
        if environ.get("NEUMONIA_RAIZ"):
            changes["root"] = Path(environ["NEUMONIA_RAIZ"])
        return cls.create(environ.get("NEUMONIA_DATOS") or dataset or "kermany64", **changes)

    def with_changes(self, **changes: Any) -> Self:
        """Copia con los campos dados cambiados; los demás quedan como estaban."""
        _known(changes)
        return replace(self, **changes)

    def identity(self) -> dict[str, Any]:
        """Los campos que determinan los números, listos para JSON (sin ``root``)."""
        values = asdict(self)
        del values["root"]
        if self.data_seed is None:
            del values["data_seed"]
        if not self.epochs_robust:
            del values["epochs_robust"]
        return values


def _known(changes: Mapping[str, Any]) -> None:
    known = {item.name for item in fields(Config)}
    unknown = sorted(set(changes) - known)
    if unknown:
        raise ConfigError(
            f"La configuración no tiene la opción {', '.join(unknown)}. "
            f"Las que hay: {', '.join(sorted(known))}."
        )


def _choice(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"{name} no puede ser {value!r}. Elijamos entre: {', '.join(allowed)}.")


def _at_least(name: str, value: Any, minimum: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise ConfigError(f"{name} debe ser un entero de al menos {minimum}; llegó {value!r}.")


def _seed(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ConfigError(f"NEUMONIA_SEMILLA debe ser un entero; llegó {text!r}.") from error


def _adjustments(text: str | None) -> dict[str, Any]:
    if not text:
        return {}
    try:
        values = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"NEUMONIA_AJUSTES no es JSON válido: {error}.") from error
    if not isinstance(values, dict):
        raise ConfigError('NEUMONIA_AJUSTES debe ser un objeto JSON, como {"n_films": 240}.')
    return values
