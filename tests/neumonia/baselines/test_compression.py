"""La trampa del archivo: JPEG de calidad conocida, archivos dañados y los originales reales."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from neumonia.baselines import PROPERTIES, blockiness, file_properties, sharpness
from neumonia.datasets.archive import open_source
from neumonia.datasets.images import decode, resize
from neumonia.errors import ConfigError, DataError


def texture(seed: int, shape=(64, 48)) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(seed).normal(0, 1, shape)
    smooth = gaussian_filter(noise, 2) * 300 + gaussian_filter(noise, 0.7) * 20 + 128
    return np.clip(smooth, 0, 255).astype(np.uint8)


def encode(image: np.ndarray, kind: str = "JPEG", mode: str = "L", **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def archive(tmp_path):
    content = {
        "x/train/NORMAL/IM-0001-0001.jpeg": encode(texture(0), quality=95),
        "x/train/NORMAL/IM-0002-0001.png": encode(texture(1), "PNG"),
        "x/train/PNEUMONIA/person1_virus_1.jpeg": encode(texture(2), quality=30),
        "x/test/PNEUMONIA/person2_bacteria_1.jpeg": encode(texture(3), mode="RGB", quality=30),
        "x/train/PNEUMONIA/person3_virus_1.jpeg": encode(texture(4))[:300],
        "x/train/PNEUMONIA/person4_virus_1.jpeg": b"",
        "x/train/PNEUMONIA/../../../person5_virus_1.jpeg": encode(texture(5)),
    }
    path = tmp_path / "datos.zip"
    with zipfile.ZipFile(path, "w") as target:
        for name, data in content.items():
            target.writestr(name, data)
    return path, content


def test_cada_propiedad_es_la_del_archivo_y_lo_danado_se_nombra(archive):
    path, content = archive
    report = file_properties(path, progress=True)
    table = report.table.set_index("image_id")
    assert list(table.index) == sorted(table.index) and len(table) == 4
    fine = table.loc["train/NORMAL/IM-0001-0001.jpeg"]
    size = len(content["x/train/NORMAL/IM-0001-0001.jpeg"])
    assert fine["bytes_per_pixel"] == size / (64 * 48)
    assert fine[["width", "height", "area", "aspect"]].tolist() == [48, 64, 3072, 0.75]
    assert fine["patient"] == "IM-0001" and fine["label"] == 0
    coarse = table.loc["train/PNEUMONIA/person1_virus_1.jpeg"]
    with Image.open(io.BytesIO(content["x/train/PNEUMONIA/person1_virus_1.jpeg"])) as image:
        assert coarse["luminance_table"] == sum(image.quantization[0])
    assert coarse["luminance_table"] > 3 * fine["luminance_table"]
    assert not coarse["chroma_table"] and not coarse["rgb"]
    colour = table.loc["test/PNEUMONIA/person2_bacteria_1.jpeg"]
    assert colour["chroma_table"] and colour["rgb"] and colour["official_split"] == "test"
    plain = table.loc["train/NORMAL/IM-0002-0001.png"]
    assert np.isnan(plain["luminance_table"]) and not plain["chroma_table"]
    reasons = {item.name.rsplit("/", 1)[1]: item.reason for item in report.skipped}
    assert set(reasons) == {
        "person3_virus_1.jpeg",
        "person4_virus_1.jpeg",
        "person5_virus_1.jpeg",
    }
    assert "truncado" in reasons["person3_virus_1.jpeg"]
    assert "vacío" in reasons["person4_virus_1.jpeg"]
    assert "fuera de la carpeta" in reasons["person5_virus_1.jpeg"]


def test_de_una_carpeta_sale_lo_mismo_que_del_zip(archive, tmp_path):
    path, content = archive
    for name, data in content.items():
        if ".." not in name:
            target = tmp_path / "carpeta" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    folder = file_properties(tmp_path / "carpeta").table
    assert folder.equals(file_properties(str(path)).table)


def test_una_fuente_sin_radiografias_o_ausente_se_explica(tmp_path):
    with pytest.raises(DataError, match="No existe"):
        file_properties(tmp_path / "no-esta.zip")
    (tmp_path / "train" / "NORMAL").mkdir(parents=True)
    (tmp_path / "train" / "NORMAL" / "a.jpeg").write_bytes(b"nada")
    with pytest.raises(DataError, match="Se rechazaron 1"):
        file_properties(tmp_path)


def test_la_rejilla_pura_vale_uno_y_lo_liso_cero():
    rng = np.random.default_rng(0)
    blocks = np.kron(rng.integers(0, 256, (3, 16, 16)), np.ones((8, 8))).astype(np.uint8)
    assert blockiness(blocks) == pytest.approx(np.ones(3))
    assert blockiness(np.roll(blocks, 3, axis=2)) == pytest.approx(np.ones(3), abs=1e-9)
    assert (blockiness(blocks, 5.0) < 0.2).all()
    ramp = np.add.outer(np.arange(128), np.arange(128)).astype(np.uint8)
    assert blockiness(np.stack([0 * ramp, ramp])) == pytest.approx([0, 0], abs=0.01)


def test_la_rejilla_reducida_se_encuentra_en_su_periodo_nuevo():
    rng = np.random.default_rng(1)
    blocks = np.kron(rng.integers(0, 256, (4, 28, 28)), np.ones((8, 8))).astype(np.uint8)
    reduced = np.stack([resize(block, 150) for block in blocks])
    period = 8 * 150 / 224
    assert (blockiness(reduced, period) > 4 * blockiness(reduced, 8.0)).all()


@pytest.mark.parametrize("period", [2, 0, -8, 33, float("nan")])
def test_un_periodo_que_no_cabe_se_rechaza(period):
    with pytest.raises(ConfigError, match="período"):
        blockiness(np.zeros((1, 64, 64), np.uint8), period)


def test_comprimir_mas_deja_mas_rejilla():
    originals = [texture(seed, (128, 128)) for seed in range(12)]

    def compressed(quality):
        return np.stack([decode(encode(image, quality=quality)) for image in originals])

    fine, coarse = (blockiness(compressed(quality)) for quality in (98, 5))
    assert coarse.mean() > 2 * fine.mean()
    truth = np.r_[np.zeros(12), np.ones(12)]
    assert roc_auc_score(truth, np.r_[fine, coarse]) > 0.95


@pytest.mark.real
def test_los_archivos_originales_delatan_la_clase_y_la_nitidez_lo_hereda(shared):
    source = shared / "datos" / "chest_xray_originales_muestra.zip"
    table = file_properties(source).table
    assert len(table) == 64 and (table["label"] == 0).sum() == 24
    auc = {name: roc_auc_score(table["label"], table[name].astype(float)) for name in PROPERTIES}
    assert auc["bytes_per_pixel"] < 0.01 and auc["luminance_table"] > 0.99
    assert (table.loc[table["label"] == 0, "luminance_table"] == 330).all()
    with open_source(source) as listing:
        images = np.stack([resize(decode(entry.read()), 150) for entry in listing.entries])
        assert [entry.image_id for entry in listing.entries] == table["image_id"].tolist()
    assert roc_auc_score(table["label"], sharpness(images)["gradient"]) < 0.05
    # La rejilla de 8 píxeles no sobrevive a reducir de 1 000 o más a 150.
    assert 0.3 < roc_auc_score(table["label"], blockiness(images)) < 0.7
