"""Publicar: qué queda en la carpeta, y que no quede nada a medias."""

import errno
import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from neumonia.errors import NeumoniaError
from neumonia.study import Published, export, export_study

FIGURES = {
    "balance", "ejemplos", "medias", "histogramas", "curvas-cnn", "curvas-vgg16", "confusion",
    "roc", "precision-exhaustividad", "probabilidades", "gradcam-cnn", "gradcam-vgg16",
}  # fmt: skip
TABLES = {"results.json", "predictions.csv", "history.csv", "layers.csv", "provenance.json"}
NUMBERS = TABLES | {"figures/figures.json"}


def layout(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def folder(trained, tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("publicado") / "kermany" / "paciente"
    assert export_study(trained.study, target) == target
    return target


@pytest.fixture
def one_figure(monkeypatch) -> None:
    """Una sola figura, para no dibujar doce en cada prueba."""
    original = export.illustrations
    monkeypatch.setattr(export, "illustrations", lambda study: [next(original(study))])


def test_la_carpeta_tiene_exactamente_lo_prometido(folder):
    drawings = {f"figures/{name}.png" for name in FIGURES}
    assert layout(folder) == NUMBERS | drawings | {"cnn.keras", "vgg16.keras"}


def test_las_columnas_de_las_predicciones_y_su_precision(folder, trained):
    table = pd.read_csv(folder / "predictions.csv")
    assert list(table.columns) == ["image_id", "patient", "label", "split", "p_cnn", "p_vgg16"]
    original = trained.study.predictions
    for name in ("p_cnn", "p_vgg16"):
        assert np.allclose(table[name], original[name], rtol=1e-8, atol=0)
    for name in ("image_id", "patient", "label", "split"):
        assert list(table[name]) == list(original[name])


def test_los_modelos_publicados_se_abren_en_modo_seguro_y_dan_las_predicciones(folder, trained):
    import keras

    images = np.asarray(trained.study.images[:40], dtype=np.float32)[..., None]
    table = pd.read_csv(folder / "predictions.csv").head(40)
    for name in ("cnn", "vgg16"):
        model = keras.saving.load_model(folder / f"{name}.keras", compile=False, safe_mode=True)
        probability = 1 / (1 + np.exp(-np.asarray(model(images, training=False))[:, 0]))
        assert np.allclose(probability, table[f"p_{name}"], rtol=1e-4), name


def test_cada_figura_es_un_png_con_su_texto_alternativo(folder):
    alts = json.loads((folder / "figures" / "figures.json").read_text(encoding="utf-8"))
    assert set(alts) == FIGURES
    for name, alt in alts.items():
        assert len(alt) > 40, name
        with Image.open(folder / "figures" / f"{name}.png") as image:
            image.verify()
            assert image.format == "PNG" and image.size[0] > 300


def test_lo_publicado_se_lee_con_published(folder, trained):
    study = Published(folder)
    assert study.results == trained.study.results
    for name in ("cnn", "vgg16"):
        pd.testing.assert_frame_equal(study.history(name), trained.study.history(name))
        assert list(study.layers(name)["layer"]) == list(trained.study.layers(name)["layer"])
    assert study.figure("roc").is_file()
    assert set(study.provenance) >= {"data", "split", "weights", "code", "seconds"}


def test_publicar_otra_vez_da_los_mismos_bytes(folder, trained, tmp_path, one_figure):
    again = export_study(trained.study, tmp_path / "otra", models=False)
    assert layout(again) == NUMBERS | {"figures/balance.png"}
    for name in TABLES | {"figures/balance.png"}:
        assert (again / name).read_bytes() == (folder / name).read_bytes(), name


def test_lo_que_ya_no_corresponde_se_retira_y_lo_ajeno_se_respeta(trained, tmp_path, one_figure):
    target = tmp_path / "salida"
    (target / "figures").mkdir(parents=True)
    old = {"curvas-vgg16": "De otro estudio.", "../notas": "No es un nombre de figura."}
    (target / "figures" / "figures.json").write_text(json.dumps(old))
    for name in ("figures/curvas-vgg16.png", "figures/mia.png", "notas.png", "vgg16.keras"):
        (target / name).write_bytes(b"x")
    (target / "results.json").write_text("{}")
    export_study(trained.study, target, models=False)
    ours = NUMBERS | {"figures/balance.png"}
    assert layout(target) == ours | {"figures/mia.png", "notas.png"}


@pytest.mark.parametrize("content", ["[3]", "{", "3"])
def test_un_indice_de_figuras_danado_no_impide_publicar(trained, tmp_path, one_figure, content):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "figures.json").write_text(content)
    export_study(trained.study, tmp_path, models=False)
    assert "balance" in json.loads((tmp_path / "figures" / "figures.json").read_text())


@pytest.mark.parametrize("error", [ValueError("roto"), KeyboardInterrupt()])
def test_si_una_figura_falla_lo_publicado_antes_queda_igual(trained, tmp_path, monkeypatch, error):
    target = tmp_path / "salida"
    target.mkdir()
    (target / "results.json").write_text("anterior")

    def broken(study):
        raise error

    monkeypatch.setattr(export, "illustrations", broken)
    with pytest.raises(type(error)):
        export_study(trained.study, target)
    assert layout(target) == {"results.json"} and len(os.listdir(target)) == 1
    assert (target / "results.json").read_text() == "anterior"


def test_sin_espacio_para_los_modelos_no_cambia_nada(trained, tmp_path, monkeypatch, one_figure):
    def full(source, destination):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(export.shutil, "copyfile", full)
    with pytest.raises(NeumoniaError, match="No queda espacio"):
        export_study(trained.study, tmp_path / "salida")
    assert layout(tmp_path) == set()


def test_con_pocas_radiografias_se_muestran_las_que_hay(trained, monkeypatch):
    """La figura de ejemplos pide cuatro por clase; un conjunto pequeño puede no tenerlas."""
    study = trained.study
    train = study.rows("train")
    few = np.concatenate([train[study.labels[train] == 0][:3], train[study.labels[train] == 1][:9]])
    split = study.split.copy()
    split[:] = "test"
    split.iloc[few] = "train"
    shown = []
    monkeypatch.setattr(
        export.figures, "example_films", lambda images, labels, rows, manifest: shown.extend(rows)
    )
    pretended = SimpleNamespace(
        dataset=study.dataset,
        images=study.images,
        labels=study.labels,
        split=split,
        config=study.config,
        rows=lambda part: np.flatnonzero(split == part),
    )
    drawings = export.illustrations(pretended)
    assert [next(drawings)[0], next(drawings)[0]] == ["balance", "ejemplos"]
    assert len(shown) == 3 + 4 and set(shown) <= set(few)
