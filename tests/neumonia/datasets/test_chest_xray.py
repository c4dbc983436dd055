"""Importar y abrir las películas de Kermany: nombres, daños, atomicidad y reutilización."""

import errno
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neumonia.datasets import chest_xray
from neumonia.datasets.base import CLASSES
from neumonia.datasets.chest_xray import import_kermany, open_kermany, parse_name
from neumonia.datasets.images import decode, resize
from neumonia.errors import DataError, NeumoniaError
from neumonia.files import cache_dir


def leftovers(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir() if item.name.startswith(".tmp"))


@pytest.mark.parametrize(
    ("name", "folder", "expected"),
    [
        ("IM-0115-0001.jpeg", "NORMAL", ("IM-0115", "normal")),
        ("IM-0115-0001-0002.jpeg", "NORMAL", ("IM-0115", "normal")),
        ("NORMAL2-IM-0115-0001.jpeg", "NORMAL", ("NORMAL2-IM-0115", "normal")),
        ("person7_bacteria_22.jpeg", "PNEUMONIA", ("person7_bacteria", "bacteria")),
        ("person7_virus_22.jpeg", "PNEUMONIA", ("person7_virus", "virus")),
        ("person447_virus_921_1.jpeg", "PNEUMONIA", ("person447_virus", "virus")),
        ("Person07_Bacteria_1.JPG", "pneumonia", ("person7_bacteria", "bacteria")),
        ("rx.de.maria.png", "NORMAL", ("archivo:rx.de.maria", "normal")),
        ("rx.png", "PNEUMONIA", ("archivo:rx", "")),
        ("person7_bacteria_22.jpeg", "NORMAL", ("archivo:person7_bacteria_22", "normal")),
        ("IM-0115-0001.jpeg", "PNEUMONIA", ("archivo:IM-0115-0001", "")),
        ("person7_hongos_2.jpeg", "PNEUMONIA", ("archivo:person7_hongos_2", "")),
    ],
)
def test_el_paciente_sale_del_nombre(name, folder, expected):
    assert parse_name(name, folder) == expected


def test_importar_un_zip_guarda_los_mismos_bytes(tmp_path, make_zip, tree):
    report = import_kermany(make_zip(tree), tmp_path / "datos", progress=False)
    assert (report.imported, report.skipped, report.unparsed) == (24, (), ())
    for name, data in tree.items():
        assert (tmp_path / "datos" / name).read_bytes() == data
    facts = json.loads((tmp_path / "datos" / "informe.json").read_text(encoding="utf-8"))
    assert facts["source"] == "datos.zip"
    assert facts["imported"] == 24


def test_abrir_lo_importado(tmp_path, make_zip, tree):
    import_kermany(make_zip(tree), tmp_path / "datos", progress=True)
    dataset = open_kermany(tmp_path / "datos")
    manifest = dataset.manifest
    assert list(manifest["image_id"]) == sorted(tree)
    assert manifest["patient"].nunique() == 24
    assert (manifest["height"] == 30).all()
    assert (manifest["width"] == 40).all()
    expected = [name.split("/")[1] for name in manifest["image_id"]]
    assert [CLASSES[label] for label in manifest["label"]] == expected
    images = dataset.load(np.array([5, 0]), 16, progress=True)
    for image, row in zip(images, (5, 0), strict=True):
        np.testing.assert_array_equal(image, resize(decode(tree[manifest["image_id"][row]]), 16))


def test_zip_carpeta_e_importado_son_el_mismo_conjunto(tmp_path, make_zip, make_folder, tree):
    path, folder = make_zip(tree), make_folder(tree)
    import_kermany(folder, tmp_path / "datos", progress=False)
    opened = [open_kermany(place, progress=False) for place in (path, folder, tmp_path / "datos")]
    assert len({dataset.fingerprint for dataset in opened}) == 1
    for dataset in opened[1:]:
        pd.testing.assert_frame_equal(dataset.manifest, opened[0].manifest)
        np.testing.assert_array_equal(dataset.load(size=16), opened[0].load(size=16))


@pytest.mark.parametrize("source", ["zip", "carpeta"])
def test_la_segunda_vez_no_se_vuelve_a_leer(make_zip, make_folder, tree, source, monkeypatch):
    path = make_zip(tree) if source == "zip" else make_folder(tree)
    first = open_kermany(path, progress=False)

    def never(*args, **kwargs):
        raise AssertionError("se volvió a leer")

    monkeypatch.setattr(chest_xray, "_examine", never)
    assert open_kermany(path, progress=False).fingerprint == first.fingerprint


def test_una_carpeta_abierta_directamente_no_se_toca(make_folder, tree):
    root = make_folder({f"a/{name}": data for name, data in tree.items()})
    before = sorted(root.rglob("*"))
    dataset = open_kermany(root, progress=False)
    assert sorted(root.rglob("*")) == before
    assert dataset.load(np.array([3]), 16).shape == (1, 16, 16)
    assert dataset.info["root"] == str(root)


def test_una_pelicula_nueva_en_la_carpeta_se_nota(make_folder, tree, film):
    root = make_folder(tree)
    assert len(open_kermany(root, progress=False)) == 24
    (root / "train" / "NORMAL" / "IM-9999-0001.jpeg").write_bytes(film(9))
    assert len(open_kermany(root, progress=False)) == 25


def test_lo_danado_se_nombra_y_se_sigue(tmp_path, make_zip, tree, film):
    broken = {
        "train/NORMAL/vacia.jpeg": b"",
        "train/NORMAL/truncada.jpeg": film(3)[:300],
        "test/PNEUMONIA/texto.png": b"no soy una imagen",
        "val/PNEUMONIA/rara.png": film(4, kind="PNG"),
    }
    path = make_zip({**tree, **broken}, prefix="")
    report = import_kermany(path, tmp_path / "datos", progress=False)
    assert report.imported == 25
    found = {item.name: item.reason for item in report.skipped}
    assert set(found) == set(broken) - {"val/PNEUMONIA/rara.png"}
    assert "vacío" in found["train/NORMAL/vacia.jpeg"]
    assert "truncado" in found["train/NORMAL/truncada.jpeg"]
    assert report.unparsed == ("val/PNEUMONIA/rara.png",)
    dataset = open_kermany(tmp_path / "datos")
    assert {item.name for item in dataset.skipped} == set(found)
    assert not (tmp_path / "datos" / "train" / "NORMAL" / "vacia.jpeg").exists()


@pytest.mark.parametrize("content", [{"leame.txt": b"x"}, {"train/NORMAL/a.jpeg": b"rota"}])
def test_sin_ninguna_pelicula_util_no_queda_nada(tmp_path, make_zip, make_folder, content):
    path = make_zip(content)
    with pytest.raises(DataError, match="train, val y test"):
        import_kermany(path, tmp_path / "datos", progress=False)
    with pytest.raises(DataError, match="no hay ninguna película"):
        open_kermany(path, progress=False)
    with pytest.raises(DataError, match="no hay ninguna película"):
        open_kermany(make_folder(content), progress=False)
    assert not (tmp_path / "datos").exists()
    assert leftovers(tmp_path) == []
    library = cache_dir() / "datos"
    assert not library.exists() or list(library.iterdir()) == []


def test_no_se_pisa_un_destino_con_datos(tmp_path, make_zip, tree, film):
    destination = tmp_path / "datos"
    import_kermany(make_zip(tree), destination, progress=False)
    other = make_zip({"train/NORMAL/IM-5-1.jpeg": film(5)}, name="otro.zip")
    with pytest.raises(DataError, match=r"ya tiene archivos.*replace"):
        import_kermany(other, destination, progress=False)
    assert len(open_kermany(destination)) == 24
    assert import_kermany(other, destination, progress=False, replace=True).imported == 1
    assert len(open_kermany(destination)) == 1
    assert leftovers(tmp_path) == []


def test_un_destino_vacio_si_se_usa(tmp_path, make_zip, tree):
    (tmp_path / "datos").mkdir()
    assert import_kermany(make_zip(tree), tmp_path / "datos", progress=False).imported == 24


def test_el_destino_no_puede_ser_archivo_ni_contener_la_fuente(tmp_path, make_folder, tree):
    root = make_folder(tree)
    (tmp_path / "archivo").write_text("x")
    with pytest.raises(DataError, match="es un archivo"):
        import_kermany(root, tmp_path / "archivo", progress=False)
    for destination in (root, tmp_path):
        with pytest.raises(DataError, match="contiene a la fuente"):
            import_kermany(root, destination, progress=False, replace=True)
    assert len(list(root.rglob("*.jpeg"))) == 24


def test_un_destino_que_no_se_puede_leer(tmp_path, make_zip, tree, monkeypatch):
    path = make_zip(tree)
    (tmp_path / "datos").mkdir()

    def denied(self):
        raise PermissionError(errno.EACCES, "sin permiso")

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(NeumoniaError, match=r"No se puede leer .*datos: "):
        import_kermany(path, tmp_path / "datos", progress=False)


@pytest.mark.parametrize("previous", [False, True])
@pytest.mark.parametrize("failure", [KeyboardInterrupt, OSError(errno.ENOSPC, "lleno")])
def test_una_interrupcion_no_deja_nada_a_medias(
    tmp_path, make_zip, tree, film, monkeypatch, failure, previous
):
    destination = tmp_path / "datos"
    if previous:
        old = make_zip({"train/NORMAL/IM-5-1.jpeg": film(5)}, name="viejo.zip")
        import_kermany(old, destination, progress=False)
    path = make_zip(tree)
    original = Path.write_bytes
    written = []

    def fails(self, data):
        written.append(self)
        if len(written) > 10:
            raise failure
        return original(self, data)

    monkeypatch.setattr(Path, "write_bytes", fails)
    expected = KeyboardInterrupt if failure is KeyboardInterrupt else NeumoniaError
    with pytest.raises(expected) as caught:
        import_kermany(path, destination, progress=False, replace=True)
    monkeypatch.undo()
    if expected is NeumoniaError:
        assert "No queda espacio" in str(caught.value)
    assert len(written) > 10
    assert leftovers(tmp_path) == []
    assert destination.exists() == previous
    if previous:
        assert len(open_kermany(destination)) == 1


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("train/NORMAL/IM-0000-0001.jpeg", "../fuera.jpeg", "no corresponde"),
        ("train/NORMAL/IM-0000-0001.jpeg", "train/NORMAL/../x.jpeg", "no corresponde"),
        ("train/NORMAL/IM-0000-0001.jpeg", "train/PNEUMONIA/x.jpeg", "no corresponde"),
        ("train/NORMAL/IM-0000-0001.jpeg", "train/NORMAL/otra.jpeg", "Faltan 1 películas"),
        ("sha256", "suma", "sha256"),
        (",30,40,", ",treinta,40,", "número entero"),
    ],
)
def test_un_manifiesto_alterado_se_rechaza(tmp_path, make_zip, tree, old, new, expected):
    folder = tmp_path / "datos"
    import_kermany(make_zip(tree), folder, progress=False)
    table = folder / "manifest.csv"
    table.write_text(table.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(DataError, match=expected):
        open_kermany(folder)


def test_un_manifiesto_ilegible_dice_que_hacer(tmp_path, make_zip, tree):
    folder = tmp_path / "datos"
    import_kermany(make_zip(tree), folder, progress=False)
    (folder / "informe.json").unlink()
    assert open_kermany(folder).skipped == ()
    (folder / "manifest.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(DataError, match="neumonia datos importar"):
        open_kermany(folder)
    (folder / "manifest.csv").write_bytes(b"")
    with pytest.raises(DataError, match="neumonia datos importar"):
        open_kermany(folder)


def test_un_archivo_borrado_despues_se_nombra_al_cargar(make_folder, tree):
    root = make_folder(tree)
    dataset = open_kermany(root, progress=False)
    (root / "val" / "NORMAL" / "IM-0010-0001.jpeg").unlink()
    with pytest.raises(DataError, match="IM-0010-0001"):
        dataset.load(size=16)
