"""VGG16: preparación de Caffe, cabeza, unión y características."""

import numpy as np
import pytest

from neumonia.errors import ConfigError, DataError, WeightsError
from neumonia.models import (
    assemble,
    build_backbone,
    build_head,
    compute_features,
    layer_table,
    load_backbone,
)
from neumonia.models.backend import load_keras
from neumonia.training import predict_logits

SIZE = 24


def films(count: int, size: int = SIZE) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, size, size)).astype(np.uint8)


@pytest.fixture(scope="module")
def backbone():
    """Una base pequeña con la forma de VGG16: congelada, anidable y con capas ``blockN_convM``."""
    keras = load_keras()
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="block1_conv1"),
            keras.layers.MaxPooling2D(4, name="block1_pool"),
            keras.layers.Conv2D(5, 3, padding="same", activation="relu", name="block2_conv1"),
        ],
        name="vgg16",
    )
    model.trainable = False
    return model


def test_la_preparacion_es_la_de_keras_applications():
    keras = load_keras()
    images = films(3)
    identity = keras.Sequential([keras.Input((SIZE, SIZE, 3)), keras.layers.Identity()])
    ours = compute_features(identity, images)
    rgb = np.repeat(images[..., None], 3, axis=-1).astype(np.float32)
    theirs = keras.applications.vgg16.preprocess_input(rgb)
    assert np.abs(ours - theirs).max() < 1e-4


def test_las_caracteristicas_mas_la_cabeza_son_el_modelo_unido(backbone):
    images = films(7)
    features = compute_features(backbone, images, batch_size=3)
    assert features.dtype == np.float32 and features.shape == (7, 6, 6, 5)
    head = build_head(features.shape[1:], seed=4, output_bias=0.3)
    whole = assemble(backbone, head, SIZE)
    assert np.abs(predict_logits(head, features) - predict_logits(whole, images)).max() < 1e-4


def test_calcular_por_filas_con_avance_y_desde_disco_da_lo_mismo(backbone, tmp_path):
    images = films(6)
    np.save(tmp_path / "x.npy", images)
    disk = np.load(tmp_path / "x.npy", mmap_mode="r")
    everything = compute_features(backbone, images, batch_size=6)
    rows = np.array([5, 1])
    some = compute_features(backbone, disk, batch_size=1, progress=True, rows=rows)
    assert np.allclose(some, everything[rows], atol=1e-4)


def test_el_modelo_unido_se_abre_en_modo_seguro_y_conserva_lo_congelado(backbone, tmp_path):
    keras = load_keras()
    whole = assemble(backbone, build_head((6, 6, 5), seed=0), SIZE)
    whole.save(tmp_path / "vgg.keras")
    loaded = keras.saving.load_model(tmp_path / "vgg.keras", safe_mode=True)
    assert np.array_equal(predict_logits(loaded, films(4)), predict_logits(whole, films(4)))
    shapes = [tuple(weight.shape) for weight in loaded.trainable_weights]
    assert shapes == [(180, 128), (128,), (128, 1), (1,)], "solo se entrena la cabeza"
    names = list(layer_table(loaded).layer)
    assert names[:3] == ["three_channels", "caffe_means", "vgg16/block1_conv1"]
    assert names[-1] == "head/logit"


def test_la_misma_semilla_da_la_misma_cabeza():
    a, b, c = (build_head((2, 2, 3), seed=s).get_weights() for s in (1, 1, 2))
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert not np.array_equal(a[0], c[0])


def test_las_piezas_que_no_encajan_se_rechazan(backbone):
    head = build_head((6, 6, 5), seed=0)
    with pytest.raises(ConfigError, match="La base recibe"):
        assemble(backbone, head, 32)
    with pytest.raises(ConfigError, match=r"La cabeza recibe.*\(1, 1, 5\)"):
        assemble(backbone, build_head((1, 1, 5), seed=0), SIZE)
    with pytest.raises(DataError, match=r"recibió \(2, 20, 20\)"):
        compute_features(backbone, films(2, 20))


def test_la_base_es_vgg16_y_cambia_de_precision_sin_tocar_la_global():
    keras = load_keras()
    before = keras.config.dtype_policy().name
    model = build_backbone(32, precision="mixed_bfloat16")
    assert keras.config.dtype_policy().name == before
    assert model.name == "vgg16" and model.count_params() == 14_714_688
    assert model.output_shape == (None, 1, 1, 512)
    assert model.get_layer("block5_conv3").compute_dtype == "bfloat16"


def test_las_opciones_imposibles_se_explican(tmp_path):
    with pytest.raises(ConfigError, match="al menos 32"):
        build_backbone(31)
    with pytest.raises(ConfigError, match="float16"):
        build_backbone(32, precision="float16")
    with pytest.raises(WeightsError, match="no existe"):
        load_backbone(32, tmp_path / "falta.h5")


@pytest.mark.real
def test_con_los_pesos_reales_la_base_es_la_de_keras_y_la_union_coincide(shared, tmp_path):
    keras = load_keras()
    path = shared / "pesos" / "vgg16_imagenet_notop.h5"
    ours = load_backbone(48, path)
    theirs = keras.applications.VGG16(include_top=False, weights=str(path), input_shape=(48, 48, 3))
    images = films(3, 48)
    rgb = np.repeat(images[..., None], 3, axis=-1).astype(np.float32)
    expected = theirs.predict(keras.applications.vgg16.preprocess_input(rgb), verbose=0)
    features = compute_features(ours, images)
    assert np.allclose(features, expected, atol=1e-3)
    assert not ours.trainable_weights

    head = build_head(features.shape[1:], seed=0)
    whole = assemble(ours, head, 48)
    assert np.abs(predict_logits(head, features) - predict_logits(whole, images)).max() < 1e-3
    whole.save(tmp_path / "vgg.keras")
    loaded = keras.saving.load_model(tmp_path / "vgg.keras", safe_mode=True)
    assert np.array_equal(predict_logits(loaded, images), predict_logits(whole, images))


@pytest.mark.real
def test_bfloat16_se_aparta_poco_de_float32(shared):
    path = shared / "pesos" / "vgg16_imagenet_notop.h5"
    images = films(2, 48)
    exact, rough = (
        compute_features(load_backbone(48, path, precision), images)
        for precision in ("float32", "mixed_bfloat16")
    )
    assert rough.dtype == np.float32
    assert np.abs(rough - exact).max() < 0.05 * exact.max()
