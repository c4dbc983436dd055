"""Las redes que se examinan: cómo se abren, y que no se entrenan dos veces."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from neumonia import training
from neumonia.errors import ConfigError
from neumonia.evidence import networks, permuted
from neumonia.evidence.networks import open_network
from neumonia.evidence.permuted import open_permuted
from neumonia.gradcam import grad_cam
from neumonia.models.backend import load_keras
from neumonia.models.cnn import build_cnn
from neumonia.training import predict_logits


@pytest.fixture
def refuse(monkeypatch):
    """Después de llamarlo, entrenar es un error."""

    def stop():
        def fail(*args, **kwargs):
            raise AssertionError("se entrenó otra vez")

        monkeypatch.setattr(training, "fit", fail)

    return stop


def test_una_red_que_no_existe_se_rechaza(study):
    with pytest.raises(ConfigError, match=r"'resnet'.*cnn_promedio"):
        open_network(study, "resnet")


def test_la_cnn_es_la_del_estudio(study, monkeypatch):
    model, logits = build_cnn(32, 0), np.zeros(120)
    monkeypatch.setattr(study, "model", lambda name: model, raising=False)
    monkeypatch.setattr(study, "logits", lambda name: logits, raising=False)
    product = SimpleNamespace(folder=Path("cnn-0123"))
    monkeypatch.setattr(study, "product", lambda name: product, raising=False)
    network = open_network(study, "cnn")
    assert network.layers == ("conv1", "conv2", "conv3", "conv4")
    assert network.title == "CNN" and not network.slow
    assert network.product == "cnn-0123"
    assert network.model is model and network.logits is logits
    films = np.asarray(study.images[:3])
    maps = network.explain("hires_cam", "conv2")(model, films)
    assert (maps == grad_cam(model, films, layer="conv2", method="hires_cam")).all()


def test_la_que_promedia_se_entrena_una_vez(study, monkeypatch, refuse):
    monkeypatch.setattr(networks, "POOLED_EPOCHS", 1)
    first = open_network(study, "cnn_promedio")
    again = predict_logits(first.model, study.images)
    assert first.logits == pytest.approx(again, abs=1e-4)
    refuse()
    second = open_network(study, "cnn_promedio")
    assert second.product == first.product and second.product.startswith("cnn_promedio-")
    assert second.layers == ("conv1", "conv2", "conv3", "conv4")


def test_las_gemelas_aprenden_las_mismas_radiografias_con_otras_etiquetas(
    study, monkeypatch, refuse
):
    monkeypatch.setattr(permuted, "EPOCHS", {"cnn": 1})
    monkeypatch.setattr(permuted, "N_TRAIN", 40)
    seen = []

    def record(model, train, val, *options):
        seen.append(train)
        assert all((one == other).all() for one, other in zip(train, val, strict=True))

    monkeypatch.setattr(training, "fit", record)
    twins = open_permuted(study, "cnn")
    (_, truth, rows), (_, drawn, rows_again) = seen
    assert rows.tolist() == rows_again.tolist() and len(rows) == twins.n_train == 40
    assert set(rows) <= set(study.rows("train"))
    assert (truth == study.labels).all()
    others = np.setdiff1d(np.arange(len(truth)), rows)
    assert (drawn[others] == truth[others]).all()
    assert (drawn[rows] != truth[rows]).any()
    # Sin entrenar, las dos son la misma red: salieron de la misma semilla.
    weights = [model.get_weights() for model in (twins.reference, twins.model)]
    assert all((one == other).all() for one, other in zip(*weights, strict=True))
    logits = predict_logits(twins.model, study.images, rows=rows)
    assert twins.train_accuracy == ((logits > 0) == (drawn[rows] == 1)).mean()
    refuse()
    assert open_permuted(study, "cnn").train_accuracy == twins.train_accuracy


def test_la_gemela_de_vgg16_es_una_red_completa(study, monkeypatch):
    keras = load_keras()
    features = np.random.default_rng(0).random((len(study.images), 1, 1, 512), np.float32)
    base = keras.Sequential(
        [keras.Input((32, 32, 3)), keras.layers.Conv2D(512, 3), keras.layers.MaxPooling2D(30)],
        name="vgg16",
    )

    class Fake:
        config, labels, bias, features = study.config, study.labels, 0.0, None
        vgg16_weights = type("W", (), {"path": None, "sha256": "0"})

    fake = Fake()
    fake.features = features
    monkeypatch.setattr("neumonia.models.vgg16.load_backbone", lambda size, path: base)
    head, inputs, whole = permuted._build(fake, "vgg16")
    assert inputs is features and head.input_shape[1:] == (1, 1, 512)
    assert whole().input_shape[1:] == (32, 32, 1)
