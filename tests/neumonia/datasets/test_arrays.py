"""El arreglo en disco: igual a lo decodificado, reutilizado, reparado y nunca a medias."""

import errno
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neumonia.datasets import images as arrays
from neumonia.datasets.base import Dataset, tidy_manifest
from neumonia.datasets.images import open_arrays
from neumonia.errors import DataError, NeumoniaError
from neumonia.files import cache_dir


def dataset(films=20, flavour="", counter=None, wrong=False) -> Dataset:
    manifest = tidy_manifest(
        pd.DataFrame(
            {
                "image_id": [f"f{k:03d}" for k in range(films)],
                "label": np.arange(films) % 2,
                "patient": [f"p{k}" for k in range(films)],
                "subtype": "",
                "official_split": "train",
                "height": 10,
                "width": 10,
                "sha256": [f"{flavour}{k}" for k in range(films)],
            }
        )
    )

    def loader(rows, size, progress):
        if counter is not None:
            counter.append(len(rows))
        if wrong:
            return np.zeros((len(rows), size, size + 1), np.uint8)
        return np.stack([np.full((size, size), row % 251, np.uint8) for row in rows])

    return Dataset("maqueta", manifest, loader, {})


def test_el_arreglo_es_de_solo_lectura_y_sigue_al_manifiesto(tmp_path):
    images = open_arrays(dataset(), 16, tmp_path)
    assert isinstance(images, np.memmap)
    assert images.shape == (20, 16, 16)
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images[:, 3, 5], np.arange(20))
    with pytest.raises(ValueError, match="read-only"):
        images[0, 0, 0] = 1


def test_la_segunda_vez_no_decodifica(tmp_path):
    calls = []
    for _ in range(2):
        open_arrays(dataset(counter=calls), 16, tmp_path, progress=False)
    assert calls == [20]


def test_por_bloques_no_se_pierde_ninguna(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "_CHUNK", 7)
    calls = []
    images = open_arrays(dataset(counter=calls), 8, tmp_path)
    assert calls == [7, 7, 6]
    np.testing.assert_array_equal(images[:, 0, 0], np.arange(20))


def test_otros_datos_tamano_o_decodificador_son_otro_archivo(tmp_path, monkeypatch):
    open_arrays(dataset(), 16, tmp_path)
    open_arrays(dataset(flavour="z"), 16, tmp_path)
    open_arrays(dataset(), 8, tmp_path)
    monkeypatch.setattr(arrays, "DECODER_VERSION", 99)
    open_arrays(dataset(), 16, tmp_path)
    assert len(list(tmp_path.glob("*.npy"))) == 4
    facts = json.loads(next(iter(sorted(tmp_path.glob("*-8-*.json")))).read_text())
    assert facts["shape"] == [20, 8, 8]
    assert facts["fingerprint"] == dataset().fingerprint


def test_sin_carpeta_usa_la_de_trabajo():
    open_arrays(dataset(), 8)
    assert len(list((cache_dir() / "imagenes").glob("maqueta-8-*.npy"))) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[:-1],
        lambda raw: raw[: len(raw) // 2],
        lambda raw: b"",
        lambda raw: b"basura" * 100,
        lambda raw: raw.replace(b"|u1", b"|i1"),
        lambda raw: raw.replace(b"(20, 16, 16)", b"(10, 32, 16)"),
        lambda raw: raw.replace(b"'|u1'", b" '|O'"),
    ],
)
def test_un_archivo_danado_se_rehace_y_se_avisa(tmp_path, capsys, damage):
    open_arrays(dataset(), 16, tmp_path)
    (path,) = tmp_path.glob("*.npy")
    raw = path.read_bytes()
    assert damage(raw) != raw
    path.write_bytes(damage(raw))
    images = open_arrays(dataset(), 16, tmp_path)
    assert "dañado; lo rehacemos" in capsys.readouterr().err
    np.testing.assert_array_equal(images[:, 0, 0], np.arange(20))
    assert path.read_bytes() == raw


class _Full:
    """Un archivo en un disco que se llena tras ``limit`` bytes."""

    def __init__(self, handle, limit):
        self.handle, self.left = handle, limit

    def write(self, data):
        self.left -= len(data)
        if self.left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.handle.write(data)

    def __enter__(self):
        return self

    def __exit__(self, *reason):
        self.handle.close()


@pytest.mark.parametrize("limit", [10, 3000])
def test_con_el_disco_lleno_no_queda_nada(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(arrays, "_CHUNK", 5)

    def opened(path, mode):
        return _Full(Path(path).open(mode), limit)

    monkeypatch.setattr(arrays, "open", opened, raising=False)
    with pytest.raises(NeumoniaError, match="No queda espacio"):
        open_arrays(dataset(), 16, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_una_interrupcion_no_deja_nada(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "_CHUNK", 5)
    source = dataset()

    def interrupted(rows, size, progress):
        if rows[0] >= 10:
            raise KeyboardInterrupt
        return source.loader(rows, size, progress)

    broken = Dataset("maqueta", source.manifest, interrupted, {})
    with pytest.raises(KeyboardInterrupt):
        open_arrays(broken, 16, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_un_conjunto_que_entrega_otra_forma_se_nombra(tmp_path):
    with pytest.raises(DataError, match=r"\(20, 16, 17\).*esperábamos \(20, 16, 16\)"):
        open_arrays(dataset(wrong=True), 16, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_un_conjunto_vacio(tmp_path):
    empty = Dataset("maqueta", dataset().manifest.iloc[:0], None, {})
    with pytest.raises(DataError, match="no tiene películas"):
        open_arrays(empty, 16, tmp_path)


def test_sin_permiso_de_lectura_se_dice(tmp_path, monkeypatch):
    def denied(*args, **kwargs):
        raise PermissionError(errno.EACCES, "sin permiso")

    monkeypatch.setattr(np, "load", denied)
    with pytest.raises(NeumoniaError, match=r"No se puede leer .*npy: "):
        open_arrays(dataset(), 16, tmp_path)


def test_si_el_disco_no_devuelve_lo_escrito_se_dice(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "_open", lambda path, shape: None)
    with pytest.raises(NeumoniaError, match="Revisemos el disco"):
        open_arrays(dataset(), 16, tmp_path)
