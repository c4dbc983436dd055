"""Las partes de la prueba de confianza: cada una se calcula sola y se publica al terminar."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from neumonia.errors import ConfigError
from neumonia.evidence.exam import Budget, Exam
from neumonia.evidence.fidelity import run_fidelity
from neumonia.evidence.gallery import draw_shortcut, run_gallery, save_figures
from neumonia.evidence.localisation import run_localisation
from neumonia.evidence.networks import open_network
from neumonia.evidence.outside import run_outside
from neumonia.evidence.sanity import run_sanity
from neumonia.evidence.screening import run_screening
from neumonia.evidence.shortcut import run_shortcut
from neumonia.evidence.stability import OpenSeed, run_stability
from neumonia.files import write_json
from neumonia.review.runner import CNN_CHANGES
from neumonia.study import Config, Study, recipes
from neumonia.study.parts import publish_part
from neumonia.study.store import code_digest

_MAQUETA, _KERMANY = "maqueta", "kermany"


@dataclass(frozen=True, eq=False)
class Evidence:
    """Una prueba de confianza: sobre qué datos, con qué presupuesto y dónde se guarda.

    Parameters
    ----------
    base : Config
        Los datos. Con las radiografías reales la partición es la oficial, que es la difícil.
    folder : Path
        Carpeta de publicación.
    report : callable
        Recibe una línea de avance.
    budget : Budget
    seeds : tuple of int
        Semillas de las redes que se comparan entre sí.
    networks : tuple of str, optional
        Cuáles se examinan; por omisión, todas las que hay para esos datos.
    """

    base: Config
    folder: Path
    report: Callable[[str], None] = print
    budget: Budget = field(default_factory=Budget)
    seeds: tuple[int, ...] = (0, 1, 2)
    networks: tuple[str, ...] | None = None

    @cached_property
    def config(self) -> Config:
        real = self.base.dataset == _KERMANY
        return self.base.with_changes(split="oficial") if real else self.base

    @cached_property
    def exam(self) -> Exam:
        """El estudio con sus redes; se abren, y se entrenan si hace falta, al pedirlas."""
        study = Study(self.config)
        # La que promedia se entrena aparte: solo donde hay máscaras con que compararla.
        pooled = ("cnn_promedio",) if self.config.dataset == _MAQUETA else ()
        vgg16 = ("vgg16",) if "vgg16" in study.models else ()
        keys = self.networks or ("cnn", *pooled, *vgg16)
        networks = tuple(open_network(study, key) for key in keys)
        return Exam(study, networks, self.budget, self.report)

    def available(self) -> tuple[str, ...]:
        """Las partes que existen para estos datos; si ninguna, ``ConfigError``."""
        found = tuple(name for name, part in PARTS.items() if self.base.dataset in part.datasets)
        if not found:
            raise ConfigError(
                f"El examen de los mapas no se hace con {self.base.dataset}: se hace con "
                f"--datos {_MAQUETA}, donde se sabe la verdad, o con --datos {_KERMANY}."
            )
        return found

    def check(self, name: str) -> None:
        """Comprueba que la parte ``name`` existe para estos datos; si no, ``ConfigError``."""
        if name not in self.available():
            raise ConfigError(
                f"No hay una parte {name!r} para {self.base.dataset}. Las que hay: "
                f"{', '.join(self.available())}."
            )

    def run(self, name: str) -> Path:
        """Calcula la parte ``name``, si no estaba, y la publica; devuelve la ruta de su JSON.

        Raises
        ------
        ConfigError
            Si la parte no existe para estos datos.
        """
        self.check(name)
        used = [self.exam.study]

        def open_seed(key: str, seed: int) -> Study:
            small = CNN_CHANGES if (key, self.base.dataset) == ("cnn", _KERMANY) else {}
            changes = {"split": "oficial", "seed": seed, "data_seed": self.base.seed, **small}
            study = Study(self.base.with_changes(**changes), progress=False)
            used.append(study)
            return study

        def build(folder: Path) -> None:
            results = PARTS[name].run(self, open_seed, folder)
            write_json(folder / f"{name}.json", results)

        product = self.exam.study.store.get(f"confianza-{name}", self._recipe(name), build)
        return publish_part(product.folder, self.folder, name, used)

    def _recipe(self, name: str) -> dict[str, Any]:
        """Lo que determina una parte: los datos, las redes, el presupuesto y el código."""
        study = self.exam.study
        return {
            "part": name,
            "images": recipes.images_recipe(study),
            "split": study.split_digest,
            "networks": {network.key: network.product for network in self.exam.networks},
            "config": self.config.identity(),
            "budget": asdict(self.budget),
            "seeds": list(self.seeds) if name == "estabilidad" else None,
            "code": PARTS[name].code(),
        }


# (prueba, cómo se abre otra semilla, carpeta donde dejar figuras) -> resultados.
Run = Callable[[Evidence, OpenSeed, Path], dict[str, Any]]


@dataclass(frozen=True)
class Part:
    """Una parte: para qué datos, cómo se calcula y qué módulos y paquetes la determinan."""

    datasets: tuple[str, ...]
    run: Run
    modules: tuple[str, ...]
    packages: tuple[str, ...] = ()

    def code(self) -> str:
        """Huella del código del que salen sus números."""
        shared = [
            f"neumonia.{package}.{item.name}"
            for package in ("trust", "gradcam", *self.packages)
            for item in pkgutil.iter_modules(
                importlib.import_module(f"neumonia.{package}").__path__
            )
        ]
        mine = [f"neumonia.evidence.{name}" for name in ("exam", "networks", *self.modules)]
        return code_digest(*shared, *mine)


def _stability(evidence: Evidence, open_seed: OpenSeed, folder: Path) -> dict[str, Any]:
    # En la maqueta, otra semilla es otra partición: las redes no compartirían la prueba.
    seeds = evidence.seeds if evidence.base.dataset == _KERMANY else ()
    return run_stability(evidence.exam, open_seed, seeds)


def _shortcut(evidence: Evidence, open_seed: OpenSeed, folder: Path) -> dict[str, Any]:
    found, results = run_shortcut(evidence.exam)
    return {**found, "figures": save_figures(folder, draw_shortcut(results), "atajo")}


def _gallery(evidence: Evidence, open_seed: OpenSeed, folder: Path) -> dict[str, Any]:
    return run_gallery(evidence.exam, folder)


def _simple(measure: Callable[[Exam], dict[str, Any]]) -> Run:
    return lambda evidence, open_seed, folder: measure(evidence.exam)


PARTS: dict[str, Part] = {
    "localizacion": Part((_MAQUETA,), _simple(run_localisation), ("localisation",)),
    "fidelidad": Part((_MAQUETA, _KERMANY), _simple(run_fidelity), ("fidelity",)),
    "cordura": Part((_MAQUETA, _KERMANY), _simple(run_sanity), ("sanity", "permuted")),
    "estabilidad": Part((_MAQUETA, _KERMANY), _stability, ("stability",)),
    "fuera": Part((_KERMANY,), _simple(run_outside), ("outside",)),
    "atajo": Part((_MAQUETA,), _shortcut, ("shortcut", "gallery")),
    "aspecto": Part(
        (_MAQUETA, _KERMANY), _simple(run_screening), ("screening",), ("likeness", "explain")
    ),
    "figuras": Part((_MAQUETA, _KERMANY), _gallery, ("gallery", "outside")),
}
