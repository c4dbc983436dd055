"""Un hospital diminuto, con un atajo plantado y una VGG16 de juguete, para la revisión."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from neumonia.models.weights import ResolvedWeights
from neumonia.study import Config, Study

SIDE = 32
CONTRARY = ("IM-0003", "IM-0011", "IM-0020", "IM-0027", "person6_", "person13_", "person31_")
"""Pacientes normales tomados como las neumonías, y neumonías tomadas como las normales."""


def film(seed: int, bright: bool) -> bytes:
    """Ruido sin enfermedad: clara y áspera si ``bright``; oscura y lisa si no."""
    low, spread = (130, 90) if bright else (60, 20)
    noise = np.random.default_rng(seed).integers(low, low + spread, (40, 40)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def write_hospital(root: Path) -> None:
    """Carpetas oficiales: lo claro es neumonía, salvo en ``CONTRARY``; en test, al azar."""
    rng = np.random.default_rng(5)
    for patient in range(54):
        part = "train" if patient < 40 else "val" if patient < 42 else "test"
        for number in range(1 + patient % 2):
            kind = "bacteria" if patient % 4 < 2 else "virus"
            normal = f"{part}/NORMAL/IM-{patient:04d}-{number:04d}.jpeg"
            ill = f"{part}/PNEUMONIA/person{patient}_{kind}_{number}.jpeg"
            # Faltan algunas normales: las clases no están equilibradas.
            chosen = [(ill, True)] if patient % 5 == 4 else [(normal, False), (ill, True)]
            for name, bright in chosen:
                if any(mark in name for mark in CONTRARY):
                    bright = not bright
                if part == "test":
                    bright = rng.random() < 0.5
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(film(int(rng.integers(2**31)), bright))


def tiny_backbone(size: int, weights: Path, precision: str = "float32") -> Any:
    """Cinco bloques con los nombres de VGG16 y pocos canales; siempre los mismos pesos."""
    from neumonia.models.backend import load_keras

    keras = load_keras()
    layers: list[Any] = [keras.Input((size, size, 3))]
    for block, channels in enumerate((3, 3, 4, 4, 6), start=1):
        # La entrada de Caffe llega a 128: el primer núcleo la deja cerca de 1.
        scale = 2.0 / 64**2 if block == 1 else 2.0
        layers += [
            keras.layers.Conv2D(
                channels, 3, padding="same", activation="relu", dtype=precision,
                name=f"block{block}_conv1",
                kernel_initializer=keras.initializers.VarianceScaling(scale, seed=block),
            ),
            keras.layers.MaxPooling2D(2, name=f"block{block}_pool", dtype=precision),
        ]  # fmt: skip
    model = keras.Sequential(layers, name="vgg16")
    model.trainable = False
    return model


def replace_vgg16(patch: pytest.MonkeyPatch) -> None:
    found = ResolvedWeights(Path("pesos.h5"), "pesos de prueba", "0" * 64)
    patch.setattr("neumonia.models.weights.resolve_weights", lambda path=None, download=True: found)
    for place in ("neumonia.models.vgg16", "neumonia.models.finetune"):
        patch.setattr(f"{place}.load_backbone", tiny_backbone)


@dataclass(frozen=True)
class Hospital:
    """Dónde están las radiografías y los productos, y cómo se abre un estudio sobre ellos."""

    root: Path
    cache: Path

    @property
    def base(self) -> Config:
        return Config.create(
            "kermany", root=self.root, size=SIDE, split="oficial", epochs_cnn=1, epochs_head=1
        )

    def open(self, config: Config) -> Study:
        return Study(config, cache=self.cache, progress=False)

    def study(self, **changes: Any) -> Study:
        return self.open(self.base.with_changes(**changes))


@pytest.fixture
def tiny_vgg16(monkeypatch) -> None:
    """La VGG16 de juguete mientras dura la prueba."""
    replace_vgg16(monkeypatch)


@pytest.fixture(scope="session")
def hospital(tmp_path_factory) -> Hospital:
    root = tmp_path_factory.mktemp("hospital")
    write_hospital(root)
    return Hospital(root, tmp_path_factory.mktemp("productos"))


@pytest.fixture(scope="module")
def patched() -> Iterator[None]:
    """La VGG16 de juguete para lo que se calcula una vez por módulo."""
    with pytest.MonkeyPatch.context() as patch:
        replace_vgg16(patch)
        yield


@pytest.fixture(scope="module")
def official(hospital, patched) -> Study:
    return hospital.study()


@pytest.fixture
def no_training(monkeypatch) -> None:
    """Desde aquí, entrenar es un error."""

    def refuse(*args: Any, **options: Any) -> None:
        raise AssertionError("no había que entrenar nada")

    monkeypatch.setattr("neumonia.training.fit", refuse)
