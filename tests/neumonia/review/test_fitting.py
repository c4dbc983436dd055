"""Del ensayo a la red: filas, normalización y cabezas."""

import numpy as np
import pytest

from neumonia.models.vgg16 import compute_features
from neumonia.normalization import equalize
from neumonia.review.fitting import balanced_subset, fit_trial, prepared
from neumonia.review.trials import Trial


def test_el_subconjunto_equilibrado_tiene_toda_la_clase_menor():
    rng = np.random.default_rng(0)
    labels = (rng.random(500) < 0.7).astype(int)
    rows = rng.permutation(500)[:300]
    chosen = balanced_subset(rows, labels, seed=1)
    few = rows[labels[rows] == 0]
    assert len(few) < 150, "las normales son la clase menor"
    assert np.array_equal(np.sort(few), chosen[labels[chosen] == 0])
    assert (labels[chosen] == 1).sum() == len(few)
    assert len(np.unique(chosen)) == len(chosen) and set(chosen) <= set(rows)
    assert (np.diff(chosen) > 0).all()
    assert np.array_equal(chosen, balanced_subset(rows, labels, seed=1))
    assert not np.array_equal(chosen, balanced_subset(rows, labels, seed=2))
    flipped = balanced_subset(rows, 1 - labels, seed=1)
    assert np.array_equal(np.sort(few), flipped[labels[flipped] == 0])


def test_sin_normalizacion_se_leen_las_del_disco(official):
    assert prepared(official, "ninguna") is official.images
    assert np.array_equal(prepared(official, "ecualizar"), equalize(np.asarray(official.images)))


def test_una_cabeza_solo_calcula_las_filas_que_necesita(official, holdout, monkeypatch):
    asked = []

    def watched(backbone, images, rows=None, **options):
        asked.append(rows)
        return compute_features(backbone, images, rows=rows, **options)

    monkeypatch.setattr("neumonia.models.vgg16.compute_features", watched)
    trial = Trial("cabeza", "cabeza", size=32, epochs=1, precision="float32")
    judged = holdout.contrary
    model, inputs, history = fit_trial(
        official, trial, holdout.train, holdout.val, judged, 0.2, "prueba-cabeza"
    )
    needed = np.unique(np.concatenate([holdout.train, holdout.val, judged]))
    assert len(asked) == 1 and np.array_equal(asked[0], needed)
    assert inputs.shape == (len(official.labels), 1, 1, 6)
    assert not inputs[official.rows("test")].any(), "las de prueba ni se calculan"
    assert inputs[needed].any()
    assert len(history) == 1 and model.count_params() == 7


def test_el_ensayo_decide_la_red_el_aumento_y_las_opciones(official, holdout, monkeypatch):
    asked = {}

    def spy(model, **options):
        asked.update(options, model=model)
        return None

    monkeypatch.setattr("neumonia.training.fit", spy)
    common = (holdout.train, holdout.val, holdout.contrary, 0.7, "espía")
    changes = {"size": 32, "precision": "float32", "epochs": 3, "batch_size": 7}
    tuned = Trial("a", trainable_from="block4", profile="geometrico", pooling="max",
                  learning_rate=3e-4, **changes)  # fmt: skip
    model, inputs, _ = fit_trial(official, tuned, *common)
    assert inputs is official.images and asked["model"] is not model
    names = [layer.name for layer in model.get_layer("vgg16").layers if layer.trainable_weights]
    assert names == ["block4_conv1", "block5_conv1"]
    assert type(model.get_layer("head").get_layer("pool")).__name__ == "GlobalMaxPooling2D"
    assert model.get_layer("head").get_weights()[-1] == pytest.approx([0.7])
    assert [type(layer).__name__ for layer in asked["model"].layers[1:4]] == [
        "RandomRotation", "RandomZoom", "RandomTranslation",
    ]  # fmt: skip
    given = {key: asked[key] for key in ("epochs", "batch_size", "learning_rate", "seed")}
    assert given == {"epochs": 3, "batch_size": 7, "learning_rate": 3e-4, "seed": 0}
    assert np.array_equal(asked["train"][2], holdout.train)
    assert np.array_equal(asked["val"][2], holdout.val)

    scratch = Trial("b", "cnn", profile="adquisicion", normalization="suavizar", **changes)
    model, inputs, _ = fit_trial(official, scratch, *common)
    assert type(asked["model"].layers[1]).__name__ == "RandomAcquisition"
    assert not any("Random" in type(layer).__name__ for layer in model.layers)
    assert model.get_layer("logit").get_weights()[-1] == pytest.approx([0.7])
    assert inputs.shape == official.images.shape and not np.array_equal(inputs, official.images)
