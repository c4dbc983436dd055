"""Una revisión inventada con la forma de la verdadera, y un hospital diminuto donde calcularla."""

import io
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from neumonia.files import read_json, write_json, write_text
from neumonia.models.weights import ResolvedWeights
from neumonia.review.chosen import evaluate_chosen
from neumonia.review.holdout import Holdout, acquisition_holdout
from neumonia.review.subgroups import subtypes
from neumonia.study import Config, Published, Study, published
from neumonia.study.export import predictions_csv

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


def write_trials(folder: Path) -> None:
    part = {"n": 333, "roc_auc": [0.9012, 0.88, 0.92], "sensitivity": 0.9, "specificity": 0.8}
    trial = {"title": "ajuste", "val": part, "contrary": part, "trainable_parameters": 13000001}
    write_json(
        folder / "ensayos.json",
        {"trials": {"block3-fuerte": trial, "congelada": trial}, "chosen": "block3-fuerte"},
    )


def write_chosen(folder: Path) -> None:
    """El elegido: la prueba oficial verdadera, con las probabilidades de VGG16 movidas."""
    found = published("kermany", "oficial", root=ROOT).predictions
    table = found[found["split"] == "test"].reset_index(drop=True)
    p = table.pop("p_vgg16").to_numpy()
    table = table.drop(columns="p_cnn")
    table.insert(2, "subtype", subtypes(table["image_id"]))
    table["p"] = table["p_0"] = np.clip(p, 1e-6, 1 - 1e-6) ** 2
    results = evaluate_chosen(table.assign(patient_group=table["patient"]))
    trial = {"title": "ajuste desde block3", "kind": "ajuste", "size": 96, "epochs": 2}
    write_json(
        folder / "elegido.json",
        {"key": "block3-fuerte", "trial": trial, "threshold": 0.5, "spread": _spread(0.7),
         "seeds": [{"seed": 0}, {"seed": 1}, {"seed": 2}], **results},
    )  # fmt: skip
    write_text(folder / "elegido.csv", predictions_csv(table))
    stamp = {
        "weights": {"origin": "caché", "sha256": "abcdef0123456789" * 4},
        "code": {"source_digest": "fedcba9876543210"},
        "packages": {"keras": "9.8.7"},
    }
    write_json(folder / "provenance.json", {"elegido": stamp})


def write_second_exam(folder: Path) -> None:
    decided = {"sensitivity": [0.9, 0.8, 0.95], "specificity": [0.8, 0.7, 0.85]}
    changes = dict.fromkeys(("original", "borrosa"), decided)
    candidate = {"title": "ajuste", "score": [0.8765, 0.86, 0.89], "changes": changes,
                 "trainable_parameters": 7654321}  # fmt: skip
    write_json(
        folder / "simulacro.json",
        {"n": 444, "positives": 300, "candidates": {"nuevo": candidate, "otro": candidate},
         "combined": {}, "chosen": "nuevo"},
    )  # fmt: skip


def write_second(folder: Path) -> None:
    """La segunda apertura: la primera, con todas las probabilidades más altas."""
    first = read_json(folder / "elegido.json")
    table = pd.read_csv(folder / "elegido.csv", float_precision="round_trip")
    table["p"] = table["p_0"] = table["p"] ** 0.25
    results = evaluate_chosen(table.assign(patient_group=table["patient"]))
    trial = {**first["trial"], "title": "ajuste con encuadre", "size": 80}
    write_json(folder / "segunda.json", {**first, "key": "nuevo", "trial": trial, **results})
    write_text(folder / "segunda.csv", predictions_csv(table))
    stamp = read_json(folder / "provenance.json")
    write_json(folder / "provenance.json", {**stamp, "segunda": stamp["elegido"]})


SECOND_WRITERS = {"simulacro": write_second_exam, "segunda": write_second}
WRITERS: dict[str, Callable[[Path], None]] = {
    "protocolos": write_protocols,
    "atajos": write_shortcuts,
    "desbalance": write_imbalance,
    "ensayos": write_trials,
    "elegido": write_chosen,
}


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
    """La revisión de ese proyecto, con la primera vuelta."""
    folder = project / "estudio" / "kermany" / "revision"
    for write in WRITERS.values():
        write(folder)
    return folder


@pytest.fixture
def second_folder(review_folder) -> Path:
    """La revisión entera, con las dos vueltas."""
    for write in SECOND_WRITERS.values():
        write(review_folder)
    return review_folder


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
    patch.setattr("neumonia.study.weights.resolve_weights", lambda path=None, download=True: found)
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


@pytest.fixture(scope="module")
def holdout(official) -> Holdout:
    return acquisition_holdout(official)


@pytest.fixture
def planted(official) -> np.ndarray:
    """bool (N,): las radiografías de los pacientes de ``CONTRARY``."""
    ids = official.dataset.manifest["image_id"]
    return ids.str.contains("|".join(CONTRARY)).to_numpy()


@pytest.fixture
def no_training(monkeypatch) -> None:
    """Desde aquí, entrenar es un error."""

    def refuse(*args: Any, **options: Any) -> None:
        raise AssertionError("no había que entrenar nada")

    monkeypatch.setattr("neumonia.training.fit", refuse)
