"""La CNN que promedia: reproducible, guardable, y con los mapas que el álgebra promete."""

import numpy as np
import pytest

from neumonia.errors import ConfigError
from neumonia.gradcam import conv_layers, grad_cam, grad_cam_raw
from neumonia.models.backend import load_keras
from neumonia.models.pooled_cnn import build_pooled_cnn
from neumonia.training import predict_logits


@pytest.fixture(scope="module")
def films() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, 40, 40), dtype=np.uint8)


@pytest.fixture(scope="module")
def model():
    built = build_pooled_cnn(40, seed=3, output_bias=0.5)
    # Con las medias y varianzas de fábrica la normalización no haría nada.
    rng = np.random.default_rng(1)
    for layer in built.layers:
        if layer.name.startswith("norm"):
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    return built


def test_la_misma_semilla_da_la_misma_red_y_otra_no():
    one, same, other = (build_pooled_cnn(32, seed).get_weights() for seed in (0, 0, 1))
    assert all((a == b).all() for a, b in zip(one, same, strict=True))
    assert any((a != b).any() for a, b in zip(one, other, strict=True))


def test_el_logit_de_una_radiografia_negra_es_el_sesgo():
    model = build_pooled_cnn(32, seed=0, output_bias=-0.75)
    assert predict_logits(model, np.zeros((1, 32, 32), np.uint8)) == pytest.approx(-0.75)


def test_en_la_ultima_capa_grad_cam_hires_cam_y_el_mapa_de_activacion_coinciden(model, films):
    maps = {
        name: grad_cam_raw(model, films, method=name).maps for name in ("grad_cam", "hires_cam")
    }
    assert maps["grad_cam"] == pytest.approx(maps["hires_cam"], rel=1e-4, abs=1e-7)
    keras = load_keras()
    inner = keras.Model(model.inputs[0], model.get_layer("conv4").output)
    features = np.asarray(inner(films[..., None].astype(np.float32), training=False))
    weights = model.get_layer("logit").get_weights()[0][:, 0]
    class_map = features @ weights / (features.shape[1] * features.shape[2])
    assert maps["hires_cam"] == pytest.approx(class_map, rel=1e-3, abs=1e-6)
    # La suma del mapa, más el sesgo, es el logit: no queda nada sin explicar.
    assert class_map.sum(axis=(1, 2)) + 0.5 == pytest.approx(predict_logits(model, films), rel=1e-3)


def test_en_una_capa_anterior_no_tienen_por_que_coincidir(model, films):
    one, other = (
        grad_cam(model, films, layer="conv2", method=m) for m in ("grad_cam", "hires_cam")
    )
    assert np.abs(one - other).max() > 0.05


def test_se_guarda_y_se_lee_igual(model, films, tmp_path):
    model.save(tmp_path / "red.keras")
    again = load_keras().saving.load_model(tmp_path / "red.keras", compile=False)
    assert conv_layers(again) == ["conv1", "conv2", "conv3", "conv4"]
    assert predict_logits(again, films) == pytest.approx(predict_logits(model, films))


def test_el_aumento_solo_actua_al_entrenar_y_se_puede_quitar():
    names = [layer.name for layer in build_pooled_cnn(32, 0).layers]
    bare = [layer.name for layer in build_pooled_cnn(32, 0, augment=False).layers]
    assert "rotation" in names and "rotation" not in bare
    assert len(names) - len(bare) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 15, "seed": 0}, "al menos 16"),
        ({"size": 32, "seed": -1}, "semilla"),
        ({"size": 32, "seed": 0, "precision": "float16"}, "precisión|precision"),
    ],
)
def test_lo_que_no_sirve_se_rechaza(options, message):
    with pytest.raises(ConfigError, match=message):
        build_pooled_cnn(**options)


def test_la_menor_imagen_admitida_da_un_mapa_de_mas_de_una_posicion():
    assert build_pooled_cnn(16, 0).get_layer("conv4").output.shape[1:3] == (2, 2)


def test_con_bfloat16_el_logit_sigue_en_float32():
    model = build_pooled_cnn(32, 0, precision="mixed_bfloat16")
    assert model.get_layer("logit").compute_dtype == "float32"
    assert model.get_layer("conv1").compute_dtype == "bfloat16"
