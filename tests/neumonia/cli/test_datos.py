"""``neumonia datos``: importar sin fiarse, descargar y auditar."""

import io
import os
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest

from neumonia.datasets import INFO, ImportReport, library, open_dataset


def files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


class TestImportar:
    def test_un_zip_con_la_forma_oficial(self, run, make_zip, films):
        result = run("datos", "importar", make_zip(films(2)))
        assert (result.code, result.err) == (0, "")
        assert "Películas importadas: 24" in result.out and str(library("kermany")) in result.out
        dataset = open_dataset("kermany", progress=False)
        assert len(dataset) == 24 and dataset.manifest["patient"].nunique() == 12

    def test_las_entradas_hostiles_se_nombran_y_ninguna_escribe_fuera(self, run, films, tmp_path):
        good = films(1)
        path = tmp_path / "hostil.zip"
        link = zipfile.ZipInfo("chest_xray/train/NORMAL/enlace.jpeg")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        sample = next(iter(good.values()))
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in good.items():
                archive.writestr(f"chest_xray/{name}", data)
                archive.writestr(f"chest_xray/chest_xray/{name}", data)
                archive.writestr(f"__MACOSX/chest_xray/._{Path(name).name}", b"\x00\x05\x16\x07")
            archive.writestr("../../fuera.jpeg", sample)
            archive.writestr("/absoluta/train/NORMAL/a.jpeg", sample)
            archive.writestr("train/NORMAL/..\\..\\fuera.jpeg", sample)
            archive.writestr("chest_xray/train/NORMAL/bomba.png", b"\0" * 3_000_000)
            archive.writestr("chest_xray/train/NORMAL/vacia.jpeg", b"")
            archive.writestr("chest_xray/train/NORMAL/texto.jpeg", b"no soy una imagen")
            archive.writestr(link, "/etc/passwd")
        result = run("datos", "importar", path, "--destino", tmp_path / "a" / "b")
        assert result.code == 0
        assert "Películas importadas: 12" in result.out
        assert "Copias repetidas que no se guardaron: 12" in result.out
        for name in ("fuera.jpeg", "absoluta", "bomba", "vacia", "texto", "enlace"):
            assert name in result.out, name
        assert "enlace simbólico" in result.out and "Archivos rechazados: 7" in result.out
        assert files(tmp_path / "a") == {f"b/{name}" for name in good} | {
            "b/manifest.csv", "b/informe.json",
        }  # fmt: skip
        assert sorted(os.listdir(tmp_path)) == ["a", "hostil.zip"]

    def test_lo_ya_importado_solo_se_sustituye_si_se_pide(self, run, make_zip, films):
        assert run("datos", "importar", make_zip(films(1))).code == 0
        other = make_zip(films(2), "otro.zip")
        refused = run("datos", "importar", other)
        assert refused.code == 1 and "--reemplazar" in refused.err
        assert len(open_dataset("kermany", progress=False)) == 12
        assert run("datos", "importar", other, "--reemplazar").code == 0
        assert len(open_dataset("kermany", progress=False)) == 24

    @pytest.mark.parametrize("content", [b"", b"no soy un zip", b"PK\x03\x04 a medias"])
    def test_un_zip_danado_no_deja_nada(self, run, tmp_path, content):
        (tmp_path / "archive.zip").write_bytes(content)
        result = run("datos", "importar", tmp_path / "archive.zip")
        assert result.code == 1 and "zip" in result.err
        assert not library("kermany").exists()

    def test_un_zip_sin_radiografias_dice_que_se_esperaba(self, run, make_zip):
        result = run("datos", "importar", make_zip({"LEEME.txt": b"hola"}))
        assert result.code == 1 and "train, val y test" in result.err
        assert not library("kermany").exists()

    def test_un_npz(self, run, tmp_path):
        arrays = {}
        for part, number in (("train", 6), ("val", 2), ("test", 2)):
            images = np.random.default_rng(number).integers(0, 256, (number, 28, 28))
            arrays[f"{part}_images"] = images.astype(np.uint8)
            arrays[f"{part}_labels"] = (np.arange(number) % 2).reshape(-1, 1).astype(np.uint8)
        np.savez(tmp_path / "datos.npz", **arrays)
        result = run("datos", "importar", tmp_path / "datos.npz")
        assert (result.code, result.err) == (0, "") and "Películas importadas: 10" in result.out
        audited = run("datos", "auditar", "--datos", "pneumoniamnist")
        assert audited.code == 0 and "películas legibles: 10" in audited.out

    def test_un_npz_danado(self, run, tmp_path):
        (tmp_path / "datos.npz").write_bytes(b"roto")
        result = run("datos", "importar", tmp_path / "datos.npz")
        assert result.code == 1 and "no es un .npz legible" in result.err


class TestDescargar:
    @pytest.fixture
    def asked(self, monkeypatch) -> list:
        asked: list = []

        def download(name, destination, size, replace):
            asked.append((name, destination, size, replace))
            return ImportReport(imported=3, destination="aquí")

        monkeypatch.setattr("neumonia.cli.data.download_dataset", download)
        return asked

    def test_pide_lo_que_decimos_y_muestra_el_informe(self, run, asked, tmp_path):
        result = run(
            "datos", "descargar", "pneumoniamnist", "--lado", "64", "--destino", tmp_path,
            "--reemplazar",
        )  # fmt: skip
        assert result.code == 0 and "Películas importadas: 3" in result.out
        assert run("datos", "descargar", "kermany").code == 0
        assert asked == [
            ("pneumoniamnist", tmp_path, 64, True), ("kermany", None, 28, False),
        ]  # fmt: skip

    def test_sin_red_dice_como_hacerlo_a_mano(self, run, monkeypatch):
        import kagglehub

        def offline(handle):
            raise ConnectionError("Name or service not known")

        monkeypatch.setattr(kagglehub, "dataset_download", offline)
        result = run("datos", "descargar", "kermany")
        assert result.code == 1
        assert "neumonia datos importar" in result.err and "kaggle" in result.err


class TestAuditar:
    def test_una_carpeta_con_archivos_danados_y_repetidos(self, run, make_folder, films):
        content = films(2)
        first = next(iter(content))
        content["train/NORMAL/IM-0777-0001.jpeg"] = content[first]
        content["train/NORMAL/IM-0778-0001.jpeg"] = content[first][:100]
        result = run("datos", "auditar", make_folder(content))
        assert (result.code, result.err) == (0, "")
        assert "películas legibles: 25" in result.out
        assert "IM-0778-0001.jpeg" in result.out
        assert "archivos idénticos: 1 grupos" in result.out

    def test_la_maqueta_y_lo_ya_importado(self, run, make_zip, films, monkeypatch):
        monkeypatch.setattr(
            "neumonia.cli.data.open_dataset",
            lambda name: open_dataset(name, n_films=10, size=32),
        )
        assert "películas legibles: 10" in run("datos", "auditar", "--datos", "maqueta").out
        run("datos", "importar", make_zip(films(1)))
        assert "películas legibles: 12" in run("datos", "auditar", "--datos", "kermany").out

    def test_sin_decir_nada_las_radiografias_del_libro(self, run):
        result = run("datos", "auditar")
        assert (result.code, result.err) == (0, "")
        assert "train/NORMAL: 1341 películas de 1211 pacientes" in result.out
        assert "archivos idénticos: 30 grupos, 32 sobrantes" in result.out

    def test_una_carpeta_sin_imagenes(self, run, tmp_path):
        result = run("datos", "auditar", tmp_path)
        assert result.code == 1 and "no hay ninguna película" in result.err


class TestCompactar:
    def test_un_conjunto_incompleto_no_deja_nada(self, run, make_zip, films, tmp_path):
        result = run("datos", "compactar", make_zip(films(1)), "--destino", tmp_path / "nuevo")
        assert result.code == 1 and "no es el conjunto completo de Kermany" in result.err
        assert not (tmp_path / "nuevo").exists()

    @pytest.mark.real
    def test_dice_la_huella_y_si_es_la_del_libro(self, run, shared, tmp_path):
        source, target = shared / "datos" / "chest_xray_224.zip", tmp_path / "nuevo"
        result = run("datos", "compactar", source, "--destino", target)
        assert result.code == 0 and INFO["kermany64"]["pixels_sha256"] in result.out
        assert "Es igual al kermany64 del libro." in result.out and str(target) in result.out


def test_el_zip_de_prueba_es_un_zip(make_zip, films):
    with zipfile.ZipFile(io.BytesIO(make_zip(films(1)).read_bytes())) as archive:
        assert archive.testzip() is None
