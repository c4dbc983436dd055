"""Una revisión inventada con la forma de la verdadera, y un hospital diminuto donde calcularla."""

import io
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.special import logit

from neumonia.files import write_json
from neumonia.lab.exam import PublishedExam, write_tables
from neumonia.lab.robustness import ACQUISITIONS
from neumonia.models.weights import ResolvedWeights
from neumonia.review.subgroups import subtypes
from neumonia.study import Config, Published, Study, published

ROOT = Path(__file__).resolve().parents[3]
METRICS = ("roc_auc", "specificity", "sensitivity", "accuracy")
FILES = ("results.json", "predictions.csv", "provenance.json")


def _row(value: float) -> dict[str, list[float]]:
    return {name: [value, value - 0.02, value + 0.01] for name in METRICS}


def _spread(low: float) -> dict[str, dict[str, float]]:
    return {
        name: {"mean": low + 0.01, "std": 0.005, "minimum": low, "maximum": low + 0.02}
        for name in METRICS
    }


def write_protocols(folder: Path) -> None:
    models, contrasts = {}, {}
    for step, name in enumerate(("vgg16", "cnn")):
        means = {"archivo": 0.98, "paciente": 0.95, "oficial": 0.85}
        models[name] = {
            key: {"seeds": [], "mean": _row(value - step / 50), "spread": _spread(value - 0.1)}
            for key, value in means.items()
        }
        contrasts[name] = {"fuga": _row(0.0312), "adquisicion": _row(0.1034)}
    write_json(
        folder / "protocolos.json",
        {"seeds": [0, 1], "models": models, "contrasts": contrasts, "leak": {}, "shared": {}},
    )


def write_shortcuts(folder: Path) -> None:
    def line(key: str, name: str, auc: float) -> dict[str, object]:
        ends = {"roc_auc": auc, "roc_auc_low": auc - 0.03, "roc_auc_high": auc + 0.03}
        return {"baseline": key, "name": name, **ends}

    rows = [
        line("majority", "la clase mayoritaria", 0.5),
        line("frame", "marco sin el centro", 0.8123),
        line("mean", "gris medio (un número)", 0.7),
        line("pixels", "píxeles de 28 × 28", 0.97),
    ]
    domain = [
        {"features": key, "class": name, "auc": auc, "low": auc - 0.1, "high": auc + 0.05}
        for key, auc in (("frame", 0.7011), ("otras", 0.8022))
        for name in ("NORMAL", "PNEUMONIA", "ambas")
    ]
    write_json(
        folder / "atajos.json",
        {"baselines": {"paciente": rows, "oficial": rows}, "shares": {}, "domain": domain},
    )


def write_imbalance(folder: Path) -> None:
    rows = {"nada": _row(0.4111), "muestreo": _row(0.6222), "pesos": _row(0.5)}
    titles = {"nada": "sin tratar", "muestreo": "muestreo equilibrado", "pesos": "pesos de clase"}
    write_json(
        folder / "desbalance.json",
        {"seeds": [0], "titles": titles, "splits": {"paciente": rows, "oficial": rows}},
    )


WRITERS: dict[str, Callable[[Path], None]] = {
    "protocolos": write_protocols,
    "atajos": write_shortcuts,
    "desbalance": write_imbalance,
}
WINNER = "vgg64-todo"


def write_exam(folder: Path) -> None:
    """Un examen con una candidata: las predicciones de VGG16, movidas en cada semilla."""
    found = published("kermany", "oficial", root=ROOT).predictions
    table = found[found["split"] != "train"].reset_index(drop=True)
    logits = logit(np.clip(table["p_vgg16"].to_numpy(), 1e-6, 1 - 1e-6))
    films = table[["image_id", "patient", "label", "split"]].copy()
    films.insert(2, "subtype", subtypes(films["image_id"]))
    official = folder / "oficial"
    official.mkdir(parents=True)
    films.to_csv(official / "radiografias.csv", index=False)
    rng = np.random.default_rng(0)
    val, test = (films["split"] == part for part in ("val", "test"))
    for seed in range(3):
        moved = logits - 2 + rng.normal(0, 0.5, len(logits))
        changed = moved[val, None] + rng.normal(0, 1, (val.sum(), len(ACQUISITIONS)))
        views = moved[:, None] + rng.normal(0, 0.2, (len(moved), 5))
        stamp = {
            "inputs": {"data": "huella", "method": 1},
            "seconds": 1.5,
            "parameters": 7654321,
            "code": {"commit": "abc", "source_digest": "fedcba9876543210"},
            "packages": {"tensorflow": "9", "keras": "9.8.7"},
            "machine": {"processor": "uno", "cores": 2},
        }
        np.savez(
            official / f"{WINNER}-{seed}.npz",
            stamp=json.dumps(stamp),
            val=changed,
            val_views=views[val],
            test_views=views[test],
        )
    openings = "orden,trabajo\n1,uno\n2,otro\n"
    (folder / "aperturas.csv").write_text(openings, encoding="utf-8")
    write_tables(folder)


@pytest.fixture(scope="session")
def exam(tmp_path_factory) -> PublishedExam:
    """El examen inventado, que solo se lee."""
    folder = tmp_path_factory.mktemp("examen") / "robustez"
    write_exam(folder)
    return PublishedExam(folder)


@pytest.fixture
def project(tmp_path) -> Path:
    """Un proyecto con los dos estudios publicados de verdad y sin revisión."""
    for exam in ("paciente", "oficial"):
        folder = tmp_path / "estudio" / "kermany" / exam
        folder.mkdir(parents=True)
        for name in FILES:
            shutil.copy(ROOT / "estudio" / "kermany" / exam / name, folder / name)
    return tmp_path


@pytest.fixture
def studies(project) -> tuple[Published, ...]:
    return tuple(published("kermany", exam, project) for exam in ("paciente", "oficial"))


@pytest.fixture
def review_folder(project) -> Path:
    """La revisión entera de ese proyecto."""
    folder = project / "estudio" / "kermany" / "revision"
    for write in WRITERS.values():
        write(folder)
    return folder


# --- El hospital diminuto: un atajo plantado y una VGG16 de juguete -----------------------------

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
