"""Un estudio diminuto de verdad, entrenado una vez por sesión, con una VGG16 de pesos al azar."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from neumonia.models.weights import ResolvedWeights
from neumonia.study import Config, Study

SMALL = {"dataset": "maqueta", "n_films": 120, "size": 32, "epochs_cnn": 2, "epochs_head": 2}
"""Lo menos que recorre todo el camino: las dos clases en cada parte y dos épocas."""


def random_backbone(size: int, weights: Path, precision: str = "float32") -> Any:
    """La arquitectura de VGG16 con pesos al azar: no hace falta descargar nada."""
    from neumonia.models.backend import load_keras
    from neumonia.models.vgg16 import build_backbone

    load_keras().utils.set_random_seed(7)
    backbone = build_backbone(size, precision)
    backbone.trainable = False
    return backbone


def replace_vgg16(patch: pytest.MonkeyPatch) -> None:
    """Sustituye los pesos de VGG16 por otros al azar, siempre los mismos."""
    found = ResolvedWeights(Path("pesos.h5"), "pesos de prueba", "0" * 64)
    patch.setattr("neumonia.models.weights.resolve_weights", lambda path=None, download=True: found)
    patch.setattr("neumonia.models.vgg16.load_backbone", random_backbone)


@dataclass(frozen=True)
class Trained:
    """El estudio ya calculado y cómo volver a abrirlo."""

    cache: Path
    study: Study

    def enter(self, patch: pytest.MonkeyPatch) -> None:
        """Pone en el entorno lo necesario para que la orden abra este mismo estudio."""
        replace_vgg16(patch)
        patch.setenv("NEUMONIA_CACHE", str(self.cache))
        patch.setenv("NEUMONIA_AJUSTES", json.dumps(SMALL))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    """El estudio de ``SMALL`` con todos sus productos calculados."""
    cache = tmp_path_factory.mktemp("estudio")
    with pytest.MonkeyPatch.context() as patch:
        replace_vgg16(patch)
        patch.setenv("NEUMONIA_CACHE", str(cache))
        study = Study(Config.create(**SMALL), progress=False)
        assert study.results
        for name in study.models:
            study.maps(name)
    return Trained(cache, study)


@pytest.fixture
def random_vgg16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Una VGG16 de pesos al azar mientras dura la prueba."""
    replace_vgg16(monkeypatch)


@pytest.fixture
def no_vgg16(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Sin pesos de VGG16 y sin intentar la red."""
    monkeypatch.setenv("NEUMONIA_VGG16", str(tmp_path / "no-esta.h5"))
