"""El .npz de PneumoniaMNIST: qué forma debe tener y cómo se abre."""

import errno
import pickle
import shutil
import zipfile

import numpy as np
import pytest

from neumonia.datasets import pneumoniamnist
from neumonia.datasets.images import resize
from neumonia.datasets.pneumoniamnist import file_name, import_npz, open_pneumoniamnist
from neumonia.errors import DataError, NeumoniaError


def arrays(size: int = 28) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(size)
    content = {}
    for split, films in (("train", 12), ("val", 4), ("test", 6)):
        content[f"{split}_images"] = rng.integers(0, 256, (films, size, size), dtype=np.uint8)
        content[f"{split}_labels"] = (np.arange(films) % 2).astype(np.uint8)[:, None]
    return content


@pytest.fixture
def npz(tmp_path):
    def make(size=28, name="datos.npz", **changes):
        content = {**arrays(size), **changes}
        path = tmp_path / name
        np.savez_compressed(path, **{k: v for k, v in content.items() if v is not None})
        return path

    return make


def test_el_manifiesto_dice_lo_que_hay(npz):
    dataset = open_pneumoniamnist(npz(64))
    manifest = dataset.manifest
    assert len(manifest) == 22
    assert set(manifest["official_split"]) == {"train", "val", "test"}
    assert manifest["image_id"].iloc[0] == "test-00000"
    assert (manifest["patient"] == "").all()
    assert set(manifest.loc[manifest["label"] == 0, "subtype"]) == {"normal"}
    assert set(manifest.loc[manifest["label"] == 1, "subtype"]) == {""}
    assert (manifest["height"] == 64).all()
    assert manifest["sha256"].is_unique


def test_cada_pelicula_es_la_de_su_fila(npz):
    content = arrays()
    dataset = open_pneumoniamnist(npz())
    wanted = np.random.default_rng(0).permutation(22)
    for size in (28, 16):
        images = dataset.load(wanted, size, progress=True)
        for image, row in zip(images, wanted, strict=True):
            split, place = dataset.manifest["image_id"][row].split("-")
            np.testing.assert_array_equal(
                image, resize(content[f"{split}_images"][int(place)], size)
            )
            assert dataset.manifest["label"][row] == content[f"{split}_labels"][int(place), 0]


def test_cargar_una_sola_particion_no_lee_las_otras(npz, monkeypatch):
    dataset = open_pneumoniamnist(npz())
    keys = []
    original = pneumoniamnist._read
    monkeypatch.setattr(
        pneumoniamnist, "_read", lambda path, key: keys.append(key) or original(path, key)
    )
    dataset.load(np.array([0, 1]), 28)
    assert keys == ["test_images"]


def test_etiquetas_planas_tambien_valen(npz):
    flat = {k: v.reshape(-1) for k, v in arrays().items() if k.endswith("labels")}
    assert len(open_pneumoniamnist(npz(**flat))) == 22


def test_se_elige_el_menor_tamano_que_alcance(npz, tmp_path):
    for size in (28, 64, 128):
        npz(size, file_name(size))
    npz(28, "otra_cosa.npz")

    def side(size):
        return open_pneumoniamnist(tmp_path, size).manifest["height"][0]

    assert [side(size) for size in (16, 28, 50, 64, 100, 224, None)] == [
        28, 28, 64, 64, 128, 128, 128,
    ]  # fmt: skip


def test_una_carpeta_sin_archivo_dice_que_hacer(tmp_path):
    for place in (tmp_path, tmp_path / "falta"):
        with pytest.raises(DataError, match="neumonia datos descargar pneumoniamnist"):
            open_pneumoniamnist(place)


def test_importar_copia_con_el_nombre_oficial(npz, tmp_path):
    report = import_npz(npz(64), tmp_path / "biblioteca")
    target = tmp_path / "biblioteca" / "pneumoniamnist_64.npz"
    assert report.imported == 22
    assert report.destination == str(target)
    assert target.read_bytes() == (tmp_path / "datos.npz").read_bytes()
    assert import_npz(target, tmp_path / "biblioteca").imported == 22


BAD = {
    "falta una matriz": ({"val_labels": None}, "val_labels"),
    "imágenes en coma flotante": ({"train_images": np.zeros((12, 28, 28))}, "float64"),
    "imágenes de color": ({"train_images": np.zeros((12, 28, 28, 3), np.uint8)}, "forma"),
    "imágenes no cuadradas": ({"train_images": np.zeros((12, 28, 30), np.uint8)}, "forma"),
    "lado muy pequeño": ({"train_images": np.zeros((12, 8, 8), np.uint8)}, "forma"),
    "partición vacía": ({"val_images": np.zeros((0, 28, 28), np.uint8)}, "vacía"),
    "etiquetas de más": ({"test_labels": np.zeros((7, 1), np.uint8)}, "para 6 películas"),
    "etiqueta desconocida": ({"test_labels": np.full((6, 1), 2, np.uint8)}, "0 y 1"),
    "etiqueta en coma flotante": ({"test_labels": np.zeros((6, 1))}, "0 y 1"),
    "lados distintos": ({"test_images": np.zeros((6, 64, 64), np.uint8)}, "lados distintos"),
}


@pytest.mark.parametrize("case", BAD)
def test_una_forma_distinta_se_rechaza(npz, tmp_path, case):
    changes, expected = BAD[case]
    path = npz(**changes)
    with pytest.raises(DataError, match=expected):
        open_pneumoniamnist(path)
    with pytest.raises(DataError, match=expected):
        import_npz(path, tmp_path / "biblioteca")
    assert not (tmp_path / "biblioteca").exists()


class _Trap:
    def __reduce__(self):
        return (open, ("/trampa", "w"))


def test_un_npz_con_objetos_no_se_ejecuta(npz, tmp_path):
    path = npz()
    poisoned = tmp_path / "veneno.npz"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(poisoned, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "val_labels.npy":
                data = b"\x93NUMPY\x01\x00v\x00" + (
                    b"{'descr': '|O', 'fortran_order': False, 'shape': (4, 1), }".ljust(117) + b"\n"
                )
                data += pickle.dumps(np.array([[_Trap()]] * 4, dtype=object))
            target.writestr(name, data)
    with pytest.raises(DataError, match=r"no es un \.npz legible"):
        open_pneumoniamnist(poisoned)


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
def test_un_npz_truncado_se_nombra(npz, keep):
    path = npz()
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * keep)])
    with pytest.raises(DataError, match=r"datos\.npz no es un \.npz legible"):
        open_pneumoniamnist(path)


def test_un_npz_que_declara_demasiado(npz, monkeypatch):
    path = npz()
    monkeypatch.setattr(pneumoniamnist, "MAX_BYTES", 1000)
    with pytest.raises(DataError, match="declara"):
        open_pneumoniamnist(path)


def test_importar_un_archivo_que_falta(tmp_path):
    with pytest.raises(DataError, match="No existe"):
        import_npz(tmp_path / "falta.npz", tmp_path / "biblioteca")


def test_con_el_disco_lleno_no_queda_nada(npz, tmp_path, monkeypatch):
    path = npz()

    def full(source, target):
        target.write_bytes(b"medio")
        raise OSError(errno.ENOSPC, "lleno")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(NeumoniaError, match="No queda espacio"):
        import_npz(path, tmp_path / "biblioteca")
    assert list((tmp_path / "biblioteca").iterdir()) == []


@pytest.mark.real
def test_el_archivo_real_tiene_los_conteos_publicados(shared):
    dataset = open_pneumoniamnist(shared / "datos" / "pneumoniamnist_28.npz")
    manifest = dataset.manifest
    assert manifest["official_split"].value_counts().to_dict() == dataset.info["n_samples"]
    test = manifest[manifest["official_split"] == "test"]
    assert test["label"].value_counts().to_dict() == {1: 390, 0: 234}
    # El corte 9 a 1 de MedMNIST se hizo por archivo: ocho copias idénticas lo cruzan.
    crossing = manifest.groupby("sha256")["official_split"].nunique()
    assert (crossing > 1).sum() == 8
