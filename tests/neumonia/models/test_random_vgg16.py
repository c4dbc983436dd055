"""VGG16 de pesos al azar: la semilla la fija, no es la de ImageNet y cabe donde cabe la otra."""

import numpy as np
import pytest

from neumonia.errors import ConfigError
from neumonia.models import assemble, build_head, compute_features, load_backbone
from neumonia.models.random_vgg16 import build_random_backbone
from neumonia.training import predict_logits


@pytest.fixture(scope="module")
def films() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (8, 32, 32)).astype(np.uint8)


@pytest.fixture(scope="module")
def backbone():
    return build_random_backbone(32, seed=3)


@pytest.fixture(scope="module")
def features(backbone, films) -> np.ndarray:
    return compute_features(backbone, films)


def test_la_semilla_decide_los_pesos_y_no_el_estado_global(backbone, films, features):
    from neumonia.models.backend import load_keras

    load_keras().utils.set_random_seed(99)
    again = build_random_backbone(32, seed=3)
    for ours, theirs in zip(backbone.get_weights(), again.get_weights(), strict=True):
        assert np.array_equal(ours, theirs)
    other = compute_features(build_random_backbone(32, seed=4), films)
    assert np.corrcoef(features.ravel(), other.ravel())[0, 1] < 0.9


def test_los_nucleos_son_normales_de_he_y_distintos_entre_si(backbone):
    kernels = [w for w in backbone.get_weights() if w.ndim == 4]
    biases = [w for w in backbone.get_weights() if w.ndim == 1]
    assert len(kernels) == 13 and all((bias == 0).all() for bias in biases)
    scales = [64.0] + [1.0] * 12
    for kernel, scale in zip(kernels, scales, strict=True):
        expected = np.sqrt(2 / np.prod(kernel.shape[:3])) / scale
        assert kernel.std() == pytest.approx(expected, rel=0.06)
    assert not np.array_equal(kernels[11], kernels[12]), "dos capas con la misma forma"
    assert not backbone.trainable_weights


def test_las_caracteristicas_son_de_orden_uno_y_dependen_de_la_imagen(features):
    assert features.shape == (8, 1, 1, 512) and features.dtype == np.float32
    assert 0.1 < features.std() < 20 and (features >= 0).all()
    assert features.std(axis=0).max() > 0


def test_se_une_con_una_cabeza(backbone, films, features):
    head = build_head(features.shape[1:], seed=1)
    whole = assemble(backbone, head, 32)
    assert np.abs(predict_logits(head, features) - predict_logits(whole, films)).max() < 1e-3


@pytest.mark.real
def test_no_es_la_de_imagenet(shared, films, features):
    learned = load_backbone(32, shared / "pesos" / "vgg16_imagenet_notop.h5")
    theirs = compute_features(learned, films)
    assert theirs.shape == features.shape
    assert abs(np.corrcoef(features.ravel(), theirs.ravel())[0, 1]) < 0.3


def test_los_argumentos_impropios_se_rechazan():
    with pytest.raises(ConfigError, match="semilla"):
        build_random_backbone(32, seed=-1)
    with pytest.raises(ConfigError, match="32 píxeles"):
        build_random_backbone(16, seed=0)
    with pytest.raises(ConfigError, match="precisión"):
        build_random_backbone(32, 0, "float8")
