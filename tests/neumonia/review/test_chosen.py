"""El elegido: una sola vez en la prueba oficial, promediando semillas."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn import metrics

from neumonia.files import write_json
from neumonia.models.backend import load_keras
from neumonia.review.catalogue import Trial
from neumonia.review.chosen import evaluate_chosen, final_recipe, run_chosen, train_final
from neumonia.review.fitting import balanced_subset
from neumonia.review.views import averaged_logits

SMALL = {"size": 32, "epochs": 1, "precision": "float32", "batch_size": 16}
TUNED = Trial("ajuste", trainable_from="block5", profile="encuadre", **SMALL)
HEAD = Trial("cabeza", "cabeza", **SMALL)


@pytest.fixture(scope="module")
def run(hospital, patched):
    return run_chosen(lambda seed: hospital.study(seed=seed), "mejor", TUNED, (0, 1))


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """120 radiografías de 70 pacientes, con dos tipos de neumonía de dificultad distinta."""
    rng = np.random.default_rng(0)
    subtype = np.repeat(["normal", "bacteria", "virus"], 40)
    center = np.select([subtype == "normal", subtype == "bacteria"], [-1.0, 2.0], 0.5)
    return pd.DataFrame(
        {
            "subtype": subtype,
            "label": (subtype != "normal").astype(np.int8),
            "p": expit(center + rng.normal(0, 1.2, 120)),
            "patient_group": np.arange(120) // 2 + 100,
        }
    )


def test_las_metricas_son_las_de_scikit_learn(table):
    found = evaluate_chosen(table)
    truth, scores = table["label"], table["p"]
    said = scores >= 0.5
    tn, fp, fn, tp = metrics.confusion_matrix(truth, said).ravel()
    assert found["counts"] == {"n": 120, "tn": tn, "fp": fp, "fn": fn, "tp": tp}
    expected = {
        "accuracy": metrics.accuracy_score(truth, said),
        "sensitivity": tp / (tp + fn),
        "specificity": tn / (tn + fp),
        "precision": metrics.precision_score(truth, said),
        "f1": metrics.f1_score(truth, said),
        "roc_auc": metrics.roc_auc_score(truth, scores),
        "average_precision": metrics.average_precision_score(truth, scores),
    }
    assert set(found["test"]) == set(expected)
    for name, value in expected.items():
        measured, low, high = found["test"][name]
        assert measured == pytest.approx(value, abs=1e-12)
        assert low < measured < high


def test_cada_tipo_de_neumonia_se_mide_con_las_mismas_normales(table):
    found = evaluate_chosen(table)["subgroups"]
    for name in ("bacteria", "virus"):
        mine = table[table["subtype"].isin([name, "normal"])]
        sensitivity = (table.loc[table["subtype"] == name, "p"] >= 0.5).mean()
        assert found[name]["n"] == 40
        assert found[name]["sensitivity"][0] == pytest.approx(sensitivity, abs=1e-12)
        auc = metrics.roc_auc_score(mine["label"], mine["p"])
        assert found[name]["roc_auc"][0] == pytest.approx(auc, abs=1e-12)
    assert found["bacteria"]["sensitivity"][1] > found["virus"]["sensitivity"][0]
    only = table[table["subtype"] != "virus"]
    assert list(evaluate_chosen(only)["subgroups"]) == ["bacteria"]


def test_lo_que_no_esta_definido_se_puede_escribir_como_json(table, tmp_path):
    """Si nada se llama PNEUMONIA no hay precisión: va vacío, no NaN."""
    found = evaluate_chosen(table.assign(p=table["p"] / 3))
    assert found["test"]["precision"] == [None] * 3
    write_json(tmp_path / "elegido.json", found)


def test_el_promedio_es_el_de_los_logits_y_solo_de_la_prueba(hospital, run):
    results, predictions = run
    study = hospital.study()
    test = study.rows("test")
    ids = study.dataset.manifest["image_id"].to_numpy()[test]
    assert predictions["image_id"].tolist() == ids.tolist()
    assert list(predictions.columns) == [
        "image_id", "patient", "subtype", "label", "split", "p_0", "p_1", "p",
    ]  # fmt: skip
    assert (predictions["split"] == "test").all()
    mean = expit((logit(predictions["p_0"]) + logit(predictions["p_1"])) / 2)
    assert predictions["p"].to_numpy() == pytest.approx(mean.to_numpy(), abs=1e-9)
    assert not np.allclose(predictions["p_0"], predictions["p_1"])
    auc = metrics.roc_auc_score(predictions["label"], predictions["p"])
    assert results["test"]["roc_auc"][0] == pytest.approx(auc, abs=1e-12)


def test_cada_semilla_y_su_dispersion(run):
    results, predictions = run
    values = []
    for seed, got in zip((0, 1), results["seeds"], strict=True):
        truth, said = predictions["label"], predictions[f"p_{seed}"] >= 0.5
        assert got["seed"] == seed
        assert got["accuracy"] == pytest.approx(metrics.accuracy_score(truth, said), abs=1e-12)
        values.append(metrics.roc_auc_score(truth, predictions[f"p_{seed}"]))
        assert got["roc_auc"] == pytest.approx(values[-1], abs=1e-12)
    assert results["spread"]["roc_auc"]["mean"] == pytest.approx(np.mean(values))
    assert results["spread"]["roc_auc"]["std"] == pytest.approx(np.std(values, ddof=1))
    assert (results["key"], results["threshold"]) == ("mejor", 0.5)
    assert results["trial"]["trainable_from"] == "block5"


def test_se_entrena_con_todo_el_entrenamiento_oficial_equilibrado(
    hospital, tiny_vgg16, monkeypatch
):
    study = hospital.study()
    seen = {}

    class Stop(Exception):
        pass

    def spy(model, train, val, **options):
        seen.update(train=train[2], val=val[2])
        raise Stop

    monkeypatch.setattr("neumonia.training.fit", spy)
    with pytest.raises(Stop):
        train_final(study, replace(TUNED, epochs=9))
    assert np.array_equal(seen["train"], balanced_subset(study.rows("train"), study.labels, 0))
    assert np.array_equal(seen["val"], study.rows("val"))
    assert not set(study.rows("test")) & {*seen["train"], *seen["val"]}


def test_los_logits_son_los_del_modelo_guardado_con_vistas(hospital, run, no_training, tiny_vgg16):
    study = hospital.study()
    product = train_final(study, TUNED)
    assert not product.fresh
    logits = np.load(product.folder / "logits.npy")
    judged = np.sort(np.concatenate([study.rows("val"), study.rows("test")]))
    assert np.array_equal(np.flatnonzero(np.isfinite(logits)), judged)
    model = load_keras().saving.load_model(product.folder / "model.keras", safe_mode=True)
    expected = averaged_logits(model, study.images, judged)
    assert logits[judged] == pytest.approx(expected, abs=1e-5)
    assert len(pd.read_csv(product.folder / "history.csv")) == 1


def test_retomar_no_entrena_y_da_los_mismos_bytes(hospital, run, no_training, tiny_vgg16, tmp_path):
    said = []
    results, predictions = run_chosen(
        lambda seed: hospital.study(seed=seed), "mejor", TUNED, (0, 1), said.append
    )
    write_json(tmp_path / "a", run[0])
    write_json(tmp_path / "b", results)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    pd.testing.assert_frame_equal(predictions, run[1], check_exact=True)
    assert len(said) == 2 and said[1].startswith("semilla 1: ")


def test_si_gana_una_cabeza_tambien_se_mide(hospital, tiny_vgg16):
    """Recibe características: no hay vistas que promediar."""
    study = hospital.study()
    logits = np.load(train_final(study, HEAD).folder / "logits.npy")
    assert np.isfinite(logits[study.rows("test")]).all()


def test_la_receta_cambia_con_lo_que_cambia_los_numeros(hospital, tiny_vgg16):
    study = hospital.study()
    base = final_recipe(study, TUNED)
    assert final_recipe(study, replace(TUNED, title="con otro nombre")) == base
    assert final_recipe(study, replace(TUNED, profile="ninguno")) != base
    assert final_recipe(hospital.study(seed=1), TUNED) != base
