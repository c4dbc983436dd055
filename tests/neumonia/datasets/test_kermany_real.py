"""Las 5 856 películas reales: los conteos publicados, los pacientes, la fuga y la revisión."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from neumonia.datasets.base import Dataset
from neumonia.datasets.chest_xray import open_kermany
from neumonia.datasets.images import open_arrays
from neumonia.exploration import audit, class_balance, intensity_summary, metadata_baseline
from neumonia.splits import make_split, shared_patients

pytestmark = pytest.mark.real


def test_los_conteos_son_los_publicados(kermany):
    manifest = kermany.manifest
    counts = manifest.groupby(["official_split", "label"]).size()
    published = kermany.info["n_samples"]
    for split, classes in published.items():
        assert counts[split, 0] == classes["NORMAL"]
        assert counts[split, 1] == classes["PNEUMONIA"]
    assert manifest["subtype"].value_counts().to_dict() == {
        "bacteria": 2780,
        "normal": 1583,
        "virus": 1493,
    }
    assert kermany.skipped == ()


def test_los_pacientes_son_4097_y_ninguno_cruza_las_carpetas_oficiales(kermany):
    manifest = kermany.manifest
    assert manifest["patient"].nunique() == 4097
    by_type = manifest.groupby("subtype")["patient"].nunique().to_dict()
    assert by_type == {"normal": 1444, "bacteria": 1437, "virus": 1216}
    assert (manifest.groupby("patient")["official_split"].nunique() == 1).all()
    odd = manifest[manifest["image_id"].str.contains("person447_virus")]
    assert list(odd["patient"].unique()) == ["person447_virus"]
    assert not manifest["patient"].str.startswith("archivo:").any()


def test_hay_treinta_grupos_de_archivos_identicos(kermany):
    report = audit(kermany, progress=False)
    assert len(report.duplicates) == 30
    assert sum(len(group) for group in report.duplicates) == 62
    assert report.surplus == 32
    assert report.crossing == ()
    assert report.corrupt == ()
    assert (
        "test/NORMAL/NORMAL2-IM-0095-0001.jpeg",
        "test/NORMAL/NORMAL2-IM-0096-0001.jpeg",
    ) in report.duplicates
    assert set(report.films["mode"]) == {"RGB"}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_por_paciente_nadie_cruza_y_las_clases_quedan_en_proporcion(kermany, seed):
    manifest = kermany.manifest
    split = make_split(manifest, "paciente", seed)
    assert shared_patients(manifest, split)["films_shared"].sum() == 0
    balance = class_balance(manifest, split)
    overall = (manifest["label"] == 1).mean()
    assert (balance["proportion_pneumonia"] - overall).abs().max() < 0.002
    shares = balance["total"] / len(manifest)
    assert abs(shares["test"] - 0.1) < 0.002
    assert abs(shares["val"] - 0.1) < 0.002
    # Ninguna parte se queda solo con pacientes de una película.
    films = manifest.groupby("patient")["image_id"].transform("size")
    assert (films > 2).groupby(split).mean().between(0.1, 0.5).all()


def test_la_oficial_conserva_la_prueba_y_corta_validacion_por_paciente(kermany):
    manifest = kermany.manifest
    split = make_split(manifest, "oficial", 0)
    assert ((split == "test") == (manifest["official_split"] == "test")).all()
    balance = class_balance(manifest, split)
    assert balance.loc["test", ["normal", "pneumonia"]].tolist() == [234, 390]
    assert abs(balance.loc["val", "total"] / 5232 - 0.1) < 0.002
    assert shared_patients(manifest, split)["films_shared"].sum() == 0


def test_por_archivo_cerca_de_cuatro_de_cada_diez_tienen_a_su_paciente_en_train(kermany):
    leaks = [
        shared_patients(kermany.manifest, make_split(kermany.manifest, "archivo", seed))
        for seed in range(5)
    ]
    mean = np.mean([leak.loc["test", "proportion"] for leak in leaks])
    assert 0.36 < mean < 0.46


def test_a_224_pixeles_el_tamano_ya_no_dice_nada(kermany):
    split = make_split(kermany.manifest, "paciente", 0)
    assert metadata_baseline(kermany.manifest, split) == 0.5


def test_el_arreglo_coincide_con_pillow_y_se_reabre(kermany, tmp_path, shared):
    """Con una película de cada ocho: leerlas todas solo tardaría más."""
    sample = Dataset(
        "kermany",
        kermany.manifest.iloc[::8].reset_index(drop=True),
        lambda rows, size, progress: kermany.loader(rows * 8, size, progress),
        kermany.info,
    )
    images = open_arrays(sample, 64, tmp_path, progress=False)
    assert images.shape == (732, 64, 64)
    rows = [0, 123, 731]
    with zipfile.ZipFile(shared / "datos" / "chest_xray_224.zip") as archive:
        for row in rows:
            content = archive.read(f"chest_xray/{sample.manifest['image_id'][row]}")
            picture = Image.open(io.BytesIO(content)).convert("L")
            expected = np.asarray(picture.resize((64, 64), Image.Resampling.BILINEAR))
            np.testing.assert_array_equal(images[row], expected)
    again = open_arrays(sample, 64, tmp_path, progress=False)
    np.testing.assert_array_equal(images[rows], again[rows])
    summary = intensity_summary(images, sample.manifest["label"].to_numpy())
    assert summary["films"].sum() == 732
    assert summary["mean"].between(115, 130).all()


def test_las_originales_delatan_la_clase_por_su_tamano_y_su_peso(shared):
    path = shared / "datos" / "chest_xray_originales_muestra.zip"
    dataset = open_kermany(path, progress=False)
    assert len(dataset) == 64
    manifest = dataset.manifest
    assert manifest.loc[manifest["label"] == 0, "height"].median() == 1353.5
    assert manifest.loc[manifest["label"] == 1, "height"].median() == 752
    table = audit(path, progress=False).as_frame()
    density = table["bytes_per_pixel"]
    assert density["train", "NORMAL"] > 2 * density["train", "PNEUMONIA"]
