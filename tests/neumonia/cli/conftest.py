"""La orden, llamada dentro del mismo proceso, y conjuntos pequeños con la forma del oficial."""

import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neumonia.cli import main


@dataclass(frozen=True)
class Outcome:
    """Con qué código salió la orden y qué escribió."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys, monkeypatch) -> Callable[..., Outcome]:
    """Ejecuta ``neumonia ARGUMENTOS`` y comprueba que no se escapó ningún rastro de pila."""
    # Lo que se escribe no debe depender de lo ocupada que esté la máquina.
    monkeypatch.setattr("neumonia.progress._PATIENCE", float("inf"))

    def call(*arguments: object) -> Outcome:
        capsys.readouterr()
        try:
            code = main([str(item) for item in arguments])
        except SystemExit as stop:
            code = stop.code
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return Outcome(code, out, err)

    return call


def encode(seed: int, bright: bool, kind: str = "JPEG") -> bytes:
    """Una película de 40 x 48 píxeles, distinta para cada ``seed`` y clara si ``bright``."""
    noise = np.random.default_rng(seed).integers(0, 60, (40, 48)) + 120 * bright
    buffer = io.BytesIO()
    Image.fromarray(noise.astype(np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def film_names(patients: int, films: int = 2) -> dict[str, bytes]:
    """``train``, ``val`` y ``test`` oficiales con ``patients`` niños por clase y parte."""
    content: dict[str, bytes] = {}
    for place, part in enumerate(("train", "val", "test")):
        for patient in range(patients):
            number = 100 * place + patient
            for film in range(films):
                seed = 10 * number + film
                normal = f"{part}/NORMAL/IM-{number:04d}-{film:04d}.jpeg"
                ill = f"{part}/PNEUMONIA/person{number}_bacteria_{film}.jpeg"
                content[normal] = encode(seed, bright=False)
                content[ill] = encode(seed + 5000, bright=True)
    return content


def write_folder(root: Path, content: Mapping[str, bytes]) -> Path:
    for name, data in content.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def write_zip(path: Path, content: Mapping[str, bytes], prefix: str = "chest_xray/") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(prefix + name, data)
    return path


@pytest.fixture
def films() -> Callable[..., dict[str, bytes]]:
    return film_names


@pytest.fixture
def make_folder(tmp_path) -> Callable[..., Path]:
    return lambda content, name="carpeta": write_folder(tmp_path / name, content)


@pytest.fixture
def make_zip(tmp_path) -> Callable[..., Path]:
    return lambda content, name="archive.zip": write_zip(tmp_path / name, content)
