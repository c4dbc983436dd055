"""La revisión de archivos: dañados, repetidos, tamaños y modos."""

import io
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from neumonia.datasets.base import Dataset, Skipped, tidy_manifest
from neumonia.datasets.chest_xray import import_kermany, open_kermany
from neumonia.errors import DataError
from neumonia.exploration import audit, find_duplicates


def jpeg(shade: int, size=(40, 30), mode="L") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, shade if mode == "L" else (shade,) * 3).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def content() -> dict[str, bytes]:
    return {
        "train/NORMAL/IM-1-1.jpeg": jpeg(10, (50, 30)),
        "train/NORMAL/IM-2-1.jpeg": jpeg(10, (50, 30)),
        "train/PNEUMONIA/person1_virus_1.jpeg": jpeg(20, (60, 45), "RGB"),
        "train/PNEUMONIA/person1_virus_2.jpeg": jpeg(30, (70, 44)),
        "test/NORMAL/IM-3-1.jpeg": jpeg(10, (50, 30)),
        "test/PNEUMONIA/rota.jpeg": jpeg(40)[:200],
    }


@pytest.fixture
def archive(tmp_path, content):
    path = tmp_path / "datos.zip"
    with zipfile.ZipFile(path, "w") as target:
        for name, data in content.items():
            target.writestr(f"a/{name}", data)
            target.writestr(f"a/a/{name}", data)
    return path


def test_el_resumen_por_particion_y_clase(archive, content):
    report = audit(archive, progress=False)
    table = report.as_frame()
    assert list(table.index) == [("train", "NORMAL"), ("train", "PNEUMONIA"), ("test", "NORMAL")]
    row = table.loc[("train", "PNEUMONIA")]
    assert (row["films"], row["patients"]) == (2, 1)
    assert (row["height_min"], row["height_max"]) == (44, 45)
    assert (row["width_min"], row["width_max"]) == (60, 70)
    assert set(row["modes"].split(", ")) == {"L 1", "RGB 1"}
    assert row["formats"] == "JPEG 2"
    expected = len(content["test/NORMAL/IM-3-1.jpeg"]) / (50 * 30)
    assert table.loc[("test", "NORMAL"), "bytes_per_pixel"] == pytest.approx(expected)


def test_danados_repetidos_y_arbol_anidado(archive):
    report = audit(archive, progress=False)
    assert [item.name for item in report.corrupt] == ["a/test/PNEUMONIA/rota.jpeg"]
    assert report.duplicates == (
        ("test/NORMAL/IM-3-1.jpeg", "train/NORMAL/IM-1-1.jpeg", "train/NORMAL/IM-2-1.jpeg"),
    )
    assert report.surplus == 2
    assert report.crossing == report.duplicates
    assert report.repeated == 6
    text = str(report)
    for piece in (
        "películas legibles: 5",
        "rota.jpeg",
        "1 grupos, 2 sobrantes",
        "entre particiones oficiales: 1",
        "árbol anidado, que no cuentan: 6",
        "44–45 × 60–70",
    ):
        assert piece in text
    assert repr(report) == text


def test_un_conjunto_importado_se_vuelve_a_leer(archive, tmp_path):
    import_kermany(archive, tmp_path / "datos", progress=False)
    dataset = open_kermany(tmp_path / "datos")
    later = tmp_path / "datos" / "train" / "NORMAL" / "IM-1-1.jpeg"
    later.write_bytes(later.read_bytes()[:150])
    report = audit(dataset, progress=False)
    # Lo rechazado al importar y lo que se dañó después.
    assert sorted(item.name.rsplit("/", 1)[1] for item in report.corrupt) == [
        "IM-1-1.jpeg",
        "rota.jpeg",
    ]
    assert len(report.films) == 4


def test_un_conjunto_sin_archivos_se_revisa_por_su_tabla():
    films = 30
    manifest = tidy_manifest(
        pd.DataFrame(
            {
                "image_id": [f"f{k:02d}" for k in range(films)],
                "label": np.arange(films) % 2,
                "patient": "",
                "subtype": "",
                "official_split": "train",
                "height": 28,
                "width": 28,
                "sha256": [str(k // 2) for k in range(films)],
            }
        )
    )
    skipped = tuple(Skipped(f"mala{k}", "vacía") for k in range(22))
    report = audit(Dataset("pneumoniamnist", manifest, None, {}, skipped))
    assert len(report.duplicates) == 15
    assert report.corrupt == skipped
    table = report.as_frame()
    assert table["patients"].tolist() == [0, 0]
    assert table["bytes_per_pixel"].isna().all()
    text = str(report)
    assert "bytes por píxel" not in text
    assert "… y 10 grupos más" in text
    assert "… y 2 más" in text
    assert "árbol anidado" not in text


def test_un_npz_o_su_carpeta_se_revisan_igual(tmp_path):
    images = np.arange(4, dtype=np.uint8)[:, None, None].repeat(28, 1).repeat(28, 2)
    content = {}
    for split in ("train", "val", "test"):
        content[f"{split}_images"], content[f"{split}_labels"] = images, np.array([0, 1, 0, 1])
    np.savez(tmp_path / "pneumoniamnist.npz", **content)
    for place in (tmp_path, tmp_path / "pneumoniamnist.npz"):
        report = audit(place)
        assert len(report.films) == 12
        assert len(report.duplicates) == len(report.crossing) == 4


def test_los_grupos_identicos_salen_ordenados():
    films = pd.DataFrame({"image_id": list("dbca"), "sha256": ["x", "y", "y", "x"]})
    assert find_duplicates(films) == (("a", "d"), ("b", "c"))


def test_una_fuente_sin_peliculas(tmp_path):
    (tmp_path / "train" / "NORMAL").mkdir(parents=True)
    (tmp_path / "train" / "NORMAL" / "a.jpeg").write_bytes(b"nada")
    with pytest.raises(DataError, match=r"ninguna película utilizable.*a\.jpeg"):
        audit(tmp_path, progress=True)
