"""``kermany64``: lo que viaja con el libro es lo que publicaron sus autores, o no se abre."""

import io
import re
import shutil
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neumonia.datasets import INFO, open_dataset
from neumonia.datasets.mosaic import EMBEDDED, MOSAIC, README, TABLE, compact, open_kermany64
from neumonia.errors import DataError, NeumoniaError
from neumonia.exploration import find_duplicates
from neumonia.splits import make_split

LIMIT = 16_000_000
DIGEST = r"contenido de .*radiografias\.csv no es el de kermany64"


@pytest.fixture(scope="module")
def dataset():
    return open_kermany64()


@pytest.fixture
def copy(tmp_path) -> Path:
    """Una copia de la carpeta del libro, para estropearla."""
    return Path(shutil.copytree(EMBEDDED, tmp_path / "copia"))


@pytest.fixture(scope="module")
def unpacked(dataset, tmp_path_factory) -> Path:
    """Un zip con la forma del conjunto completo, hecho con las radiografías del mosaico."""
    path = tmp_path_factory.mktemp("completo") / "archive.zip"
    images = dataset.load(np.arange(len(dataset)), 64, progress=False)
    with zipfile.ZipFile(path, "w") as archive:
        # Al revés: el resultado no debe depender del orden de la fuente.
        for name, film in reversed(list(zip(dataset.manifest["image_id"], images, strict=True))):
            buffer = io.BytesIO()
            Image.fromarray(film).save(buffer, "PNG", compress_level=1)
            archive.writestr(f"chest_xray/{name}", buffer.getvalue())
    return path


class TestLoQueViaja:
    def test_son_los_conteos_publicados_y_los_pacientes_de_los_nombres(self, dataset):
        manifest = dataset.manifest
        counts = manifest.groupby(["official_split", "label"]).size()
        for split, classes in INFO["kermany"]["n_samples"].items():
            assert counts[split, 0] == classes["NORMAL"]
            assert counts[split, 1] == classes["PNEUMONIA"]
        assert manifest["patient"].nunique() == INFO["kermany"]["n_patients"]
        for row in manifest.sample(200, random_state=0).itertuples():
            file = row.image_id.rsplit("/", 1)[1]
            person = re.match(r"(person\d+_[a-z]+|(?:NORMAL2-)?IM-\d+)", file)[1]
            assert row.patient == person and (row.subtype == "normal") == (row.label == 0)

    def test_cada_fila_es_su_celda_del_mosaico(self, dataset):
        with Image.open(EMBEDDED / MOSAIC) as image:
            mosaic = np.asarray(image)
        for row in (0, 95, 96, 5855):
            top, left = 64 * (row // 96), 64 * (row % 96)
            film = dataset.load(np.array([row]), 64, progress=False)[0]
            assert np.array_equal(film, mosaic[top : top + 64, left : left + 64])
        assert film.dtype == np.uint8 and film.std() > 0

    def test_cabe_y_dice_de_quien_es(self):
        assert sum(path.stat().st_size for path in EMBEDDED.iterdir()) < LIMIT
        assert {path.name for path in EMBEDDED.iterdir()} == {MOSAIC, TABLE, README}
        told = (EMBEDDED / README).read_text(encoding="utf-8")
        for fact in ("CC BY 4.0", "Kermany", "10.17632/rscbjbr9sj", "diagnosticar"):
            assert fact in told

    def test_los_grupos_de_archivos_identicos(self, dataset):
        groups = find_duplicates(dataset.manifest)
        assert len(groups) == 30 and sum(map(len, groups)) == 62

    def test_otro_lado_se_reduce_de_ahi(self, dataset):
        small = dataset.load(np.arange(3), 32, progress=True)
        whole = dataset.load(np.arange(3), 64, progress=False).astype(float)
        assert small.shape == (3, 32, 32)
        blocks = whole.reshape(3, 32, 2, 32, 2).mean(axis=(2, 4))
        assert np.abs(small - blocks).mean() < 4

    def test_abrirlo_dos_veces_da_lo_mismo_y_no_se_puede_escribir_en_el(self, dataset):
        assert open_dataset("kermany64", progress=False).fingerprint == dataset.fingerprint
        first = dataset.load(np.array([0]), 64, progress=False)
        first[:] = 0
        assert dataset.load(np.array([0]), 64, progress=False).any()

    def test_con_los_saltos_de_linea_de_windows_se_abre_igual(self, copy, dataset):
        text = (copy / TABLE).read_bytes()
        (copy / TABLE).write_bytes(text.replace(b"\n", b"\r\n"))
        assert open_kermany64(copy).manifest.equals(dataset.manifest)


class TestCompactar:
    def test_del_conjunto_completo_sale_el_mismo(self, unpacked, tmp_path, dataset, monkeypatch):
        made = compact(unpacked, tmp_path / "nuevo", progress=False)
        assert made.is_embedded and made.films == 5856
        assert made.pixels_sha256 == INFO["kermany64"]["pixels_sha256"]
        assert open_kermany64(made.folder).manifest.equals(dataset.manifest)
        with pytest.raises(DataError, match="ya tiene archivos"):
            compact(unpacked, made.folder, progress=False)
        (made.folder / TABLE).write_text("roto")

        def full(*arguments, **options):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Image.Image, "save", full)
        with pytest.raises(NeumoniaError, match="No queda espacio"):
            compact(unpacked, made.folder, progress=False, replace=True)
        assert (made.folder / TABLE).read_text() == "roto"
        assert [path.name for path in tmp_path.iterdir()] == ["nuevo"]

    def test_un_conjunto_incompleto_dice_que_falta(self, make_zip, tree, tmp_path):
        with pytest.raises(DataError, match=r"train/NORMAL tiene 4 y debe tener 1341"):
            compact(make_zip(tree), tmp_path / "nuevo", progress=False)
        assert not (tmp_path / "nuevo").exists()

    def test_un_zip_sin_radiografias_y_uno_que_no_esta(self, make_zip, tmp_path):
        for source in (make_zip({"LEEME.txt": b"hola"}), tmp_path / "no-esta.zip"):
            with pytest.raises(DataError):
                compact(source, tmp_path / "nuevo", progress=False)
        assert not (tmp_path / "nuevo").exists()

    def test_una_radiografia_ilegible_se_nombra(self, unpacked, tmp_path):
        broken = tmp_path / "roto.zip"
        with zipfile.ZipFile(unpacked) as old, zipfile.ZipFile(broken, "w") as new:
            for item in old.infolist():
                content = old.read(item)
                new.writestr(
                    item.filename, content[:200] if "IM-0115" in item.filename else content
                )
        with pytest.raises(DataError, match="IM-0115"):
            compact(broken, tmp_path / "nuevo", progress=False)
        assert not (tmp_path / "nuevo").exists()

    def test_el_destino_no_puede_contener_a_la_fuente(self, unpacked):
        with pytest.raises(DataError, match="contiene a la fuente"):
            compact(unpacked, unpacked.parent, progress=False, replace=True)
        assert unpacked.is_file()

    @pytest.mark.real
    def test_desde_las_radiografias_de_224_pixeles_sale_el_del_libro(self, shared, tmp_path):
        made = compact(shared / "datos" / "chest_xray_224.zip", tmp_path / "nuevo", progress=False)
        assert made.is_embedded
        with Image.open(made.folder / MOSAIC) as ours, Image.open(EMBEDDED / MOSAIC) as embedded:
            assert np.array_equal(np.asarray(ours), np.asarray(embedded))
        assert (made.folder / TABLE).read_text() == (EMBEDDED / TABLE).read_text()


@pytest.mark.real
@pytest.mark.parametrize("kind", ["paciente", "oficial", "archivo"])
def test_se_reparte_igual_que_el_conjunto_completo(dataset, kermany, kind):
    here, there = (make_split(item.manifest, kind, seed=0) for item in (dataset, kermany))
    assert dict(zip(dataset.manifest["image_id"], here, strict=True)) == dict(
        zip(kermany.manifest["image_id"], there, strict=True)
    )


def alter_table(folder: Path, old: str, new: str) -> None:
    text = (folder / TABLE).read_text(encoding="utf-8")
    assert old in text
    (folder / TABLE).write_text(text.replace(old, new, 1), encoding="utf-8")


def truncated(folder: Path) -> None:
    content = (folder / MOSAIC).read_bytes()
    (folder / MOSAIC).write_bytes(content[: len(content) // 2])


def not_an_image(folder: Path) -> None:
    (folder / MOSAIC).write_bytes(b"no soy un PNG")


def foreign(folder: Path) -> None:
    Image.new("L", (640, 640)).save(folder / MOSAIC)


def coloured(folder: Path) -> None:
    with Image.open(folder / MOSAIC) as image:
        grey = image.resize(image.size)
    grey.convert("RGB").save(folder / MOSAIC, compress_level=1)


def one_pixel(folder: Path) -> None:
    with Image.open(folder / MOSAIC) as image:
        image.load()
    image.putpixel((10, 10), image.getpixel((10, 10)) ^ 1)
    image.save(folder / MOSAIC, compress_level=1)


def bomb(folder: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    (folder / MOSAIC).write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def no_mosaic(folder: Path) -> None:
    (folder / MOSAIC).unlink()


def shorter(folder: Path) -> None:
    lines = (folder / TABLE).read_text(encoding="utf-8").splitlines()
    (folder / TABLE).write_text("\n".join(lines[:-1]) + "\n", encoding="utf-8")


def binary(folder: Path) -> None:
    (folder / TABLE).write_bytes(b"\xff\xfe\x00")


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (truncated, r"mosaico\.png está truncado o dañado"),
        (not_an_image, r"mosaico\.png no es un PNG legible"),
        (foreign, r"mide 640 × 640 en modo L, y debe medir 6144 × 3904"),
        (coloured, r"en modo RGB, y debe medir"),
        (one_pixel, r"contenido de .*mosaico\.png no es el de kermany64: su SHA-256"),
        (bomb, r"mosaico\.png"),
        (no_mosaic, r"Falta .*mosaico\.png"),
        (shorter, r"radiografias\.csv no es la tabla .* 5856 filas"),
        (binary, r"radiografias\.csv no es una tabla legible"),
        (lambda f: alter_table(f, "patient", "paciente"), r"debe tener 5856 filas"),
        (lambda f: alter_table(f, "NORMAL,", "GRIPE,"), DIGEST),
        (lambda f: alter_table(f, "NORMAL,", "PNEUMONIA,"), DIGEST),
    ],
)
def test_lo_danado_o_ajeno_se_dice_en_una_linea_y_no_se_abre(copy, damage, told):
    damage(copy)
    with pytest.raises(DataError, match=told) as caught:
        open_kermany64(copy)
    assert "\n" not in str(caught.value)
    assert "Volvamos a bajar el libro" in str(caught.value)


@pytest.mark.parametrize("place", ["nada", "archive.zip"])
def test_una_ruta_que_no_es_suya_dice_como_pedir_el_conjunto_completo(tmp_path, place):
    (tmp_path / "archive.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match="DATOS=kermany"):
        open_kermany64(tmp_path / place)
