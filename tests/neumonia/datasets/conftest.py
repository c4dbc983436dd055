"""Películas de juguete, zips hostiles y, una sola vez por sesión, las 5 856 reales."""

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neumonia.datasets.base import Dataset


def _encode(shade: int, size: tuple[int, int], kind: str, mode: str) -> bytes:
    width, height = size
    ramp = (np.add.outer(np.arange(height), np.arange(width)) * 3 + shade) % 256
    buffer = io.BytesIO()
    Image.fromarray(ramp.astype(np.uint8)).convert(mode).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def film() -> Callable[..., bytes]:
    """Bytes de una imagen distinta para cada ``shade``."""

    def make(shade: int = 0, size=(40, 30), kind: str = "JPEG", mode: str = "L") -> bytes:
        return _encode(shade, size, kind, mode)

    return make


@pytest.fixture(scope="session")
def tree(film) -> dict[str, bytes]:
    """Un conjunto pequeño con la forma del oficial: 3 particiones, 2 clases, 24 películas."""
    content = {}
    for number, split in enumerate(("train", "val", "test")):
        for k in range(4):
            person = 10 * number + k
            content[f"{split}/NORMAL/IM-{person:04d}-0001.jpeg"] = film(person)
            content[f"{split}/PNEUMONIA/person{person}_bacteria_{k}.jpeg"] = film(100 + person)
    return content


@pytest.fixture
def make_zip(tmp_path) -> Callable[..., Path]:
    """Escribe un zip con los nombres dados, tal cual, anidados en ``prefix``."""

    def make(content: Mapping[str, bytes], prefix: str = "chest_xray/", name="datos.zip") -> Path:
        path = tmp_path / name
        with zipfile.ZipFile(path, "w") as archive:
            for key, data in content.items():
                archive.writestr(prefix + key, data)
        return path

    return make


@pytest.fixture
def make_folder(tmp_path) -> Callable[..., Path]:
    def make(content: Mapping[str, bytes], name: str = "carpeta") -> Path:
        root = tmp_path / name
        for key, data in content.items():
            path = root / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return root

    return make


@pytest.fixture(scope="session")
def kermany(shared, tmp_path_factory) -> Dataset:
    """Las 5 856 películas reales a 224 px, importadas una vez por sesión."""
    from neumonia.datasets.chest_xray import import_kermany, open_kermany

    folder = tmp_path_factory.mktemp("kermany") / "datos"
    report = import_kermany(shared / "datos" / "chest_xray_224.zip", folder, progress=False)
    assert report.imported == 5856
    return open_kermany(folder)
