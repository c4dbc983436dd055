"""Las partes de la revisión: cada una se calcula sola, se guarda al terminar y no se repite."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neumonia.errors import ConfigError, DataError
from neumonia.files import read_json, write_json
from neumonia.review.imbalance import run_imbalance
from neumonia.review.originals import measure_originals
from neumonia.review.protocols import run_protocols
from neumonia.review.shortcuts import run_shortcuts
from neumonia.study import Config, Study
from neumonia.study.provenance import sign

SEEDS = (0, 1, 2, 3, 4)
# La CNN se entrena cinco veces por protocolo: con 64 píxeles cada una tarda un minuto y pico.
CNN_CHANGES = {"size": 64, "epochs_cnn": 8, "precision": "mixed_bfloat16"}


@dataclass(frozen=True)
class Review:
    """Una revisión: sobre qué datos, y dónde se guarda.

    Parameters
    ----------
    base : Config
        Datos y raíz; cada parte cambia la partición, la semilla o el tamaño.
    folder : Path
        Carpeta de publicación.
    report : callable
        Recibe una línea de avance.
    seeds : tuple of int
        Semillas de las partes que repiten entrenamientos.
    originals : Path, optional
        Archivos originales, sin reducir; con ellos, ``atajos`` mide también lo que delatan.
    """

    base: Config
    folder: Path
    report: Callable[[str], None] = print
    seeds: tuple[int, ...] = SEEDS
    originals: Path | None = None

    def check(self, name: str) -> None:
        """Comprueba que la parte ``name`` existe; si no, ``ConfigError``."""
        if name not in PARTS:
            raise ConfigError(f"La revisión no tiene la parte {name!r}: {', '.join(PARTS)}.")

    def run(self, name: str) -> Path:
        """Calcula la parte ``name`` y escribe ``<name>.json``; devuelve su ruta.

        Raises
        ------
        ConfigError
            Si la parte no existe.
        """
        self.check(name)
        used: list[Study] = []

        def open_one(config: Config) -> Study:
            # Cambia la semilla del entrenamiento, no las radiografías que genera la maqueta.
            study = Study(config.with_changes(data_seed=self.base.seed), progress=False)
            used.append(study)
            return study

        results = PARTS[name](self, open_one)
        path = self.folder / f"{name}.json"
        write_json(path, results)
        sign(self.folder, name, used)
        return path

    def read(self, name: str) -> dict[str, Any]:
        """Los resultados ya publicados de la parte ``name``.

        Raises
        ------
        DataError
            Si aún no se ha calculado.
        """
        path = self.folder / f"{name}.json"
        if not path.exists():
            raise DataError(
                f"Falta {path.name}: calculemos antes esa parte con "
                f"«neumonia revision {name} --salida {os.path.relpath(self.folder)}»."
            )
        return read_json(path)


Part = dict[str, Any]


def _protocols(review: Review, open_one: Callable[[Config], Study]) -> Part:
    base = review.base
    small = CNN_CHANGES if base.dataset == "kermany" else {}
    configs = {"vgg16": base, "cnn": base.with_changes(**small)}
    return run_protocols(configs, review.seeds, open_one, review.report)


def _imbalance(review: Review, open_one: Callable[[Config], Study]) -> Part:
    splits = ("paciente", "oficial")
    return run_imbalance(review.base, splits, review.seeds, open_one, review.report)


def _shortcuts(review: Review, open_one: Callable[[Config], Study]) -> Part:
    # Primero los archivos: si la ruta está mal, se sabe en segundos y no al final.
    files = {} if review.originals is None else {"files": measure_originals(review.originals)}
    return run_shortcuts(review.base, open_one, review.report) | files


PARTS: dict[str, Callable[[Review, Callable[[Config], Study]], Part]] = {
    "atajos": _shortcuts,
    "protocolos": _protocols,
    "desbalance": _imbalance,
}
