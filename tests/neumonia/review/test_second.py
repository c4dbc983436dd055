"""La segunda vuelta: el examen pregunta por decisiones y nadie predice la prueba al elegir."""

import numpy as np
import pytest
from sklearn import metrics

from neumonia.acquisition.simulated import CHANGES, simulate
from neumonia.models.backend import load_keras
from neumonia.review import second
from neumonia.review.catalogue import CANDIDATES, MIXED, TRIALS, Trial
from neumonia.review.chosen import train_final
from neumonia.review.second import (
    judge,
    open_candidate,
    run_second,
    simulate_product,
    simulated_logits,
    train_candidate,
)
from neumonia.review.views import averaged_logits
from neumonia.training import fit, predict_logits

SMALL = {"size": 32, "epochs": 1, "precision": "float32", "batch_size": 16}
TINY = {
    "uno": Trial("ajuste", trainable_from="block5", profile="adquisicion", **SMALL),
    "otro": Trial("CNN", "cnn", learning_rate=1e-3, **SMALL),
}


@pytest.fixture(scope="module")
def watched(hospital, patched):
    """Los resultados y las filas con que se entrenó; cuántas radiografías se predijeron."""
    seen = {"train": [], "val": [], "predicted": []}

    def spy_fit(model, train, val, **options):
        seen["train"].append(train[2])
        seen["val"].append(val[2])
        return fit(model, train, val, **options)

    def spy_predict(model, images, *args, **options):
        seen["predicted"].append(np.array(images))
        return predict_logits(model, images, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("neumonia.training.fit", spy_fit)
        patch.setattr("neumonia.training.predict_logits", spy_predict)
        patch.setattr(second, "CANDIDATES", TINY)
        patch.setattr(second, "MIXED", {"par": ("los dos", tuple(TINY))})
        return run_second(lambda size: hospital.study(size=size)), seen


def test_ningun_candidato_ve_ni_predice_la_prueba(official, watched):
    _, seen = watched
    test = set(official.rows("test"))
    assert len(seen["train"]) == len(TINY)
    for rows in seen["train"] + seen["val"]:
        assert not set(rows) & test
    val = official.images[official.rows("val")]
    expected = [val, *(simulate(val, name) for name in CHANGES)] * len(TINY)
    assert len(seen["predicted"]) == len(expected)
    for got, wanted in zip(seen["predicted"], expected, strict=True):
        assert np.array_equal(got, wanted)


def test_se_entrena_con_todo_el_entrenamiento_oficial_equilibrado(official, watched):
    train = set(official.rows("train"))
    fewest = np.bincount(official.labels[official.rows("train")]).min()
    for rows in watched[1]["train"]:
        assert set(rows) <= train and len(rows) == 2 * fewest
        assert official.labels[rows].mean() == 0.5


def test_gana_el_de_mayor_puntuacion_y_el_promedio_no_compite(official, watched):
    results, _ = watched
    scores = {key: one["score"][0] for key, one in results["candidates"].items()}
    assert scores[results["chosen"]] == max(scores.values())
    labels = official.labels[official.rows("val")]
    assert results["n"] == len(labels) and results["positives"] == labels.sum()
    logits = [
        simulated_logits(simulate_product(official, trial, train_candidate(official, trial)))
        for trial in TINY.values()
    ]
    mean = (logits[0]["borrosa"] + logits[1]["borrosa"]) / 2
    got = results["combined"]["par"]["changes"]["borrosa"]
    assert got["roc_auc"][0] == pytest.approx(metrics.roc_auc_score(labels, mean))
    for changes in (one["changes"] for one in results["candidates"].values()):
        assert list(changes) == ["original", *CHANGES]


def test_se_decide_con_logit_cero():
    labels, patients = np.array([0, 0, 1, 1]), np.array(list("abcd"))
    logits = {"original": np.zeros(4), "borrosa": np.array([-0.1, 0.1, 0.1, -0.1])}
    assert judge(labels, patients, logits)["score"][0] == 0.5
    moved = {name: values + 1 for name, values in logits.items()}
    assert judge(labels, patients, moved)["changes"]["borrosa"]["specificity"][0] == 0.0


def test_la_apertura_promedia_vistas_de_validacion_y_prueba(official, watched):
    trial = TINY["uno"]
    product = train_candidate(official, trial)
    logits = np.load(open_candidate(official, trial).folder / "logits.npy")
    judged = np.flatnonzero(np.isfinite(logits))
    parts = np.sort(np.concatenate([official.rows("val"), official.rows("test")]))
    assert np.array_equal(judged, parts)
    model = load_keras().saving.load_model(product.folder / "model.keras", compile=False)
    expected = averaged_logits(model, official.images, parts)
    assert np.allclose(logits[parts], expected, atol=1e-6)


def test_el_primer_elegido_no_se_entrena_otra_vez(official, watched, monkeypatch):
    trial = TINY["uno"]
    already = train_final(official, trial)
    monkeypatch.setattr(second, "TRIALS", {"mejor": trial})
    monkeypatch.setattr("neumonia.training.fit", None)
    assert train_candidate(official, trial).key == already.key


def test_el_catalogo_parte_del_primero_y_mezcla_lo_que_existe():
    assert CANDIDATES["primero"] in TRIALS.values()
    assert sum(trial in TRIALS.values() for trial in CANDIDATES.values()) == 1
    assert all(trial.kind != "cabeza" for trial in CANDIDATES.values())
    for _, members in MIXED.values():
        assert len(set(members)) >= 2 and set(members) <= set(CANDIDATES)
