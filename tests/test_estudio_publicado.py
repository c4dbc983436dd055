"""Los números publicados salen de las predicciones publicadas, y nadie está en dos conjuntos."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

ROOT = Path(__file__).resolve().parent.parent
SPLITS = ("paciente", "oficial")


@pytest.fixture(params=SPLITS)
def folder(request) -> Path:
    return ROOT / "estudio" / "kermany" / request.param


@pytest.fixture
def predictions(folder) -> pd.DataFrame:
    return pd.read_csv(folder / "predictions.csv", float_precision="round_trip")


@pytest.fixture
def results(folder) -> dict:
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))


def test_las_predicciones_tienen_las_columnas_prometidas(predictions):
    assert list(predictions.columns) == [
        "image_id", "patient", "label", "split", "p_cnn", "p_vgg16",
    ]  # fmt: skip
    assert len(predictions) == 5856
    assert predictions["image_id"].is_unique
    assert not predictions.isna().any().any()


@pytest.mark.parametrize("model", ["cnn", "vgg16"])
@pytest.mark.parametrize("part", ["val", "test"])
def test_scikit_learn_obtiene_las_mismas_metricas(predictions, results, model, part):
    rows = predictions[predictions["split"] == part]
    labels, scores = rows["label"].to_numpy(), rows[f"p_{model}"].to_numpy()
    decided = scores >= 0.5
    tn, fp, fn, tp = metrics.confusion_matrix(labels, decided).ravel()
    expected = {
        "n": len(rows),
        "accuracy": metrics.accuracy_score(labels, decided),
        "sensitivity": metrics.recall_score(labels, decided),
        "specificity": metrics.recall_score(labels, decided, pos_label=0),
        "precision": metrics.precision_score(labels, decided),
        "f1": metrics.f1_score(labels, decided),
        "roc_auc": metrics.roc_auc_score(labels, scores),
        "average_precision": metrics.average_precision_score(labels, scores),
        "tn": tn,
        "fp": fp,
        "fn": fn,
        "tp": tp,
    }
    stated = results["models"][model][part]
    for name, value in expected.items():
        assert stated[name] == pytest.approx(value, abs=1e-6), name


def test_ningun_paciente_esta_en_dos_conjuntos(predictions):
    assert predictions.groupby("patient")["split"].nunique().max() == 1


def test_cada_metrica_cae_dentro_de_su_intervalo(results):
    for values in results["models"].values():
        for name, (low, high) in values["test_interval"].items():
            assert low <= values["test"][name] <= high


def test_la_prueba_oficial_es_la_carpeta_test_de_los_autores():
    table = pd.read_csv(ROOT / "estudio" / "kermany" / "oficial" / "predictions.csv")
    from_authors = table["image_id"].str.startswith("test/")
    assert np.array_equal(from_authors, table["split"] == "test")
    assert from_authors.sum() == 624


def test_la_particion_por_paciente_alcanza_lo_prometido():
    text = (ROOT / "estudio" / "kermany" / "paciente" / "results.json").read_text(encoding="utf-8")
    models = json.loads(text)["models"]
    assert models["cnn"]["test"]["roc_auc"] >= 0.98
    assert models["vgg16"]["test"]["roc_auc"] >= 0.99


def test_la_procedencia_dice_de_donde_sale_todo_y_no_lleva_rutas(folder):
    text = (folder / "provenance.json").read_text(encoding="utf-8")
    origin = json.loads(text)
    assert {"data", "split", "config", "weights", "code", "packages", "machine", "seconds"} <= set(
        origin
    )
    assert origin["config"]["size"] == 150
    assert origin["config"]["seed"] == 0
    assert origin["seconds"]["cnn"] > 0
    assert "/" not in origin["weights"]["origin"].replace("y/o", "")
    assert not re.search(r'["\s]/\w|[A-Z]:\\\\', text)


def test_cada_figura_publicada_tiene_su_texto_alternativo(folder):
    alts = json.loads((folder / "figures" / "figures.json").read_text(encoding="utf-8"))
    assert {f"{name}.png" for name in alts} == {p.name for p in (folder / "figures").glob("*.png")}
    assert all(len(text) > 40 for text in alts.values())
