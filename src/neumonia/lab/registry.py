"""Los experimentos del laboratorio, por su nombre."""

from collections.abc import Callable
from importlib import import_module

import pandas as pd

from neumonia.errors import ConfigError
from neumonia.study.experiment import Bench, Experiment

_MAQUETA, _KERMANY = "maqueta", "kermany"


def _lazy(module: str) -> Callable[[Bench], pd.DataFrame]:
    """El ``run`` de un módulo del laboratorio, que se importa al usarlo."""
    return lambda bench: import_module(f"neumonia.lab.{module}").run(bench)


def _maps(module: str) -> Callable[[Bench], pd.DataFrame]:
    """El ``measure`` de un módulo que examina los mapas de las redes del estudio."""

    def run(bench: Bench) -> pd.DataFrame:
        from neumonia.lab.networks import open_exam

        return import_module(f"neumonia.lab.{module}").measure(open_exam(bench))

    return run


EXPERIMENTS = (
    Experiment("localizacion", (_MAQUETA,), _maps("localisation")),
    Experiment("fidelidad", (_MAQUETA, _KERMANY), _maps("fidelity")),
    Experiment("cordura", (_MAQUETA, _KERMANY), _maps("sanity")),
    Experiment("estabilidad", (_MAQUETA, _KERMANY), _lazy("stability")),
    Experiment("fuera", (_KERMANY,), _maps("outside")),
    Experiment("atajo", (_MAQUETA,), _lazy("planted")),
    Experiment("aspecto", (_MAQUETA, _KERMANY), _maps("screening")),
    Experiment("figuras", (_MAQUETA, _KERMANY), _lazy("gallery")),
)


def experiments_for(dataset: str, names: tuple[str, ...] = ()) -> tuple[Experiment, ...]:
    """Los experimentos de esos datos, o solo ``names``; ``ConfigError`` si alguno no existe."""
    found = {one.name: one for one in EXPERIMENTS if dataset in one.datasets}
    wrong = [name for name in names if name not in found]
    if wrong or not found:
        known = ", ".join(found) or "ninguno"
        raise ConfigError(
            f"Con {dataset} no hay experimento {', '.join(map(repr, wrong))}. Los que hay: {known}."
        )
    return tuple(found[name] for name in names or found)
