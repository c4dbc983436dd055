"""El ajuste fino: qué se entrena, qué no, y el aumento que no viaja con el modelo."""

import numpy as np
import pytest

from neumonia.errors import ConfigError, WeightsError
from neumonia.models import finetune
from neumonia.models.backend import load_keras
from neumonia.models.finetune import BLOCKS, build_finetuned, build_pooled_head
from neumonia.models.vgg16 import build_backbone, load_backbone
from neumonia.models.weights import VGG16_LAYERS, read_tensors
from neumonia.training import fit, predict_logits

SIZE = 32


@pytest.fixture(scope="module")
def films() -> tuple[np.ndarray, np.ndarray]:
    """Un cuadrado claro en las de clase 1."""
    rng = np.random.default_rng(0)
    labels = np.arange(12) % 2
    images = rng.integers(60, 140, (12, SIZE, SIZE))
    images[labels == 1, 8:24, 8:24] += 80
    return images.astype(np.uint8), labels


@pytest.fixture(scope="module")
def architecture():
    load_keras().utils.set_random_seed(3)
    return build_backbone(SIZE)


@pytest.fixture
def build(architecture, monkeypatch):
    """``build_finetuned`` con la arquitectura verdadera y pesos al azar."""

    def load(size, weights, precision="float32"):
        assert (size, weights, precision) == (SIZE, "pesos.h5", "float32")
        architecture.trainable = False
        return architecture

    monkeypatch.setattr(finetune, "load_backbone", load)
    return lambda **options: build_finetuned(SIZE, "pesos.h5", 1, **options)


@pytest.mark.parametrize("block", BLOCKS)
def test_se_entrenan_exactamente_las_capas_desde_el_bloque(build, block):
    """Las cuentas salen de la tabla de capas publicada, no del modelo."""
    model = build(trainable_from=block)
    wanted = [name for name in VGG16_LAYERS if name.split("_")[0] >= block]
    backbone = model.get_layer("vgg16")
    found = [layer.name for layer in backbone.layers if layer.trainable_weights]
    assert found == wanted
    counts = [9 * VGG16_LAYERS[name][0] * VGG16_LAYERS[name][1] + VGG16_LAYERS[name][1]
              for name in wanted]  # fmt: skip
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert trainable == sum(counts) + 512 + 1
    assert model.count_params() == 14_714_688 + 513


def test_al_entrenar_lo_congelado_queda_igual_y_lo_demas_cambia(build, films):
    images, labels = films
    model = build(trainable_from="block5", output_bias=0.5)
    backbone = model.get_layer("vgg16")
    before = {name: backbone.get_layer(name).get_weights() for name in VGG16_LAYERS}
    head = model.get_layer("head").get_weights()
    assert head[-1] == pytest.approx([0.5])
    trained = model
    fit(trained, (images, labels), (images, labels), epochs=1, batch_size=12, learning_rate=1e-3)
    for name, weights in before.items():
        same = [np.array_equal(a, b) for a, b in
                zip(weights, backbone.get_layer(name).get_weights(), strict=True)]  # fmt: skip
        assert same == ([False, False] if name.startswith("block5") else [True, True]), name
    after = model.get_layer("head").get_weights()
    assert all(not np.array_equal(a, b) for a, b in zip(head, after, strict=True))


@pytest.mark.parametrize(
    ("pooling", "parameters"),
    [("average", 513), ("max", 513), ("average_max", 1025), ("flatten", 3 * 3 * 512 + 1)],
)
def test_los_parametros_de_cada_cabeza(pooling, parameters):
    head = build_pooled_head((3, 3, 512), seed=0, pooling=pooling)
    assert head.count_params() == parameters
    assert [layer.name for layer in head.layers][-3:] == ["pool", "dropout", "logit"]
    assert head.get_layer("dropout").rate == 0.4


@pytest.mark.parametrize(("pooling", "summary"), [("average", np.mean), ("max", np.max)])
def test_el_logit_es_el_resumen_por_los_pesos(pooling, summary):
    features = np.random.default_rng(1).normal(size=(5, 2, 3, 7)).astype(np.float32)
    head = build_pooled_head((2, 3, 7), seed=2, output_bias=-0.3, pooling=pooling)
    kernel, bias = head.get_layer("logit").get_weights()
    expected = summary(features, axis=(1, 2)) @ kernel[:, 0] + bias[0]
    assert predict_logits(head, features) == pytest.approx(expected, abs=1e-5)
    assert bias[0] == pytest.approx(-0.3)
    same, other = (build_pooled_head((2, 3, 7), seed=s, pooling=pooling) for s in (2, 3))
    assert np.array_equal(kernel, same.get_layer("logit").get_weights()[0])
    assert not np.array_equal(kernel, other.get_layer("logit").get_weights()[0])


def test_las_opciones_imposibles_se_explican(build, tmp_path):
    with pytest.raises(ConfigError, match=r"'suma'.*average"):
        build_pooled_head((1, 1, 4), 0, pooling="suma")
    with pytest.raises(ConfigError, match=r"'block6'.*block1, block2"):
        build(trainable_from="block6")


def test_sin_pesos_se_dice_donde_faltan(tmp_path):
    with pytest.raises(WeightsError, match=r"falta\.h5"):
        build_finetuned(SIZE, tmp_path / "falta.h5", 0)


@pytest.mark.real
def test_con_los_pesos_reales_parte_de_imagenet_y_se_entrena(shared, films, tmp_path):
    images, labels = films
    path = shared / "pesos" / "vgg16_imagenet_notop.h5"
    tensors = read_tensors(path)
    model = build_finetuned(SIZE, path, 0, trainable_from="block5", precision="mixed_bfloat16")
    names = list(VGG16_LAYERS)
    backbone = model.get_layer("vgg16")
    kernel = backbone.get_layer("block3_conv2").get_weights()[0]
    assert np.array_equal(kernel, tensors[2 * names.index("block3_conv2")])
    history = fit(
        model, (images, labels), (images, labels), epochs=3, batch_size=6, learning_rate=1e-4
    )
    assert history["val_loss"].min() < 0.69, "un cuadrado claro se aprende enseguida"
    assert np.array_equal(backbone.get_layer("block3_conv2").get_weights()[0], kernel)
    last = backbone.get_layer("block5_conv3").get_weights()[0]
    assert not np.array_equal(last, tensors[2 * names.index("block5_conv3")])
    model.save(tmp_path / "ajuste.keras")
    loaded = load_keras().saving.load_model(tmp_path / "ajuste.keras", safe_mode=True)
    assert np.array_equal(predict_logits(loaded, images), predict_logits(model, images))
    assert load_backbone(SIZE, path).trainable is False
