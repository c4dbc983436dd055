"""Leer un estudio publicado: lo que dice, y qué pasa si le falta algo."""

import math

import pytest

from neumonia.errors import DataError
from neumonia.files import write_json, write_text
from neumonia.study import Published, published


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "estudio" / "kermany" / "paciente"
    write_json(
        folder / "results.json",
        {"models": {"cnn": {"val": {"accuracy": 0.75}, "test": {"accuracy": 0.5}}}},
    )
    write_json(folder / "provenance.json", {"seconds": {"cnn": 3}})
    write_text(
        folder / "predictions.csv",
        "image_id,patient,label,split,p_cnn,p_vgg16\n"
        "a,NA,0,train,0.25,\n"
        "b,,1,test,0.75,\n"
        "007,12,1,test,1e-09,\n",
    )
    write_text(folder / "history.csv", "model,epoch,loss,val_auc\ncnn,1,0.5,\ncnn,2,0.25,0.75\n")
    write_text(folder / "layers.csv", "model,layer,parameters\ncnn,conv1,320\ncnn,nan,0\n")
    write_json(folder / "figures" / "figures.json", {"roc": "Una curva.", "balance": "Barras."})
    (folder / "figures" / "roc.png").write_bytes(b"png")
    return folder


@pytest.fixture
def study(folder, tmp_path) -> Published:
    return published("kermany", "paciente", root=tmp_path)


def test_se_leen_los_numeros_y_la_procedencia(study):
    assert study.results["models"]["cnn"]["test"]["accuracy"] == 0.5
    assert study.provenance == {"seconds": {"cnn": 3}}
    assert study.metrics() == {"cnn": {"accuracy": 0.5}}
    assert study.metrics("val") == {"cnn": {"accuracy": 0.75}}


def test_los_textos_de_las_predicciones_no_se_toman_por_numeros_ni_por_huecos(study):
    table = study.predictions
    assert list(table["patient"]) == ["NA", "", "12"]
    assert list(table["image_id"]) == ["a", "b", "007"]
    assert list(table["label"]) == [0, 1, 1]
    assert list(table["p_cnn"]) == [0.25, 0.75, 1e-9]
    assert table["p_vgg16"].dtype == float and table["p_vgg16"].isna().all()


def test_el_historial_es_numerico_y_las_capas_conservan_su_nombre(study):
    history = study.history("cnn")
    assert list(history.columns) == ["epoch", "loss", "val_auc"]
    assert list(history["loss"]) == [0.5, 0.25]
    assert math.isnan(history.loc[0, "val_auc"]) and history.loc[1, "val_auc"] == 0.75
    layers = study.layers("cnn")
    assert list(layers["layer"]) == ["conv1", "nan"] and list(layers["parameters"]) == [320, 0]


def test_una_figura_se_pide_por_su_nombre(study, folder):
    assert study.figure("roc") == folder / "figures" / "roc.png"
    with pytest.raises(DataError, match=r"no tiene la figura 'otra'.*balance, roc"):
        study.figure("otra")


def test_un_modelo_o_una_parte_que_no_hay(study):
    with pytest.raises(DataError, match="no tiene el modelo 'vgg16'"):
        study.history("vgg16")
    with pytest.raises(DataError, match="no tiene el modelo 'vgg16'"):
        study.layers("vgg16")
    with pytest.raises(DataError, match="no de 'prueba'"):
        study.metrics("prueba")


def test_si_no_esta_publicado_dice_como_se_hace(tmp_path):
    with pytest.raises(DataError, match=r"neumonia estudio --datos kermany --particion oficial"):
        published("kermany", "oficial", root=tmp_path)


def test_sin_carpeta_se_usa_la_del_libro(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("NEUMONIA_PROYECTO", str(tmp_path))
    assert published("kermany", "paciente").folder == folder


@pytest.mark.parametrize(
    ("file", "read"),
    [
        ("predictions.csv", lambda s: s.predictions),
        ("history.csv", lambda s: s.history("cnn")),
        ("layers.csv", lambda s: s.layers("cnn")),
        ("provenance.json", lambda s: s.provenance),
        ("figures/figures.json", lambda s: s.figure("otra")),
    ],
)
@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_un_archivo_que_falta_o_danado_se_nombra(study, folder, file, read, content):
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_bytes(content)
    with pytest.raises(DataError, match=file.split("/")[-1].replace(".", r"\.")):
        read(study)
