"""Score-CAM y oclusión frente a cálculos hechos a mano, película por película y sin lotes."""

import numpy as np
import pytest

from neumonia.gradcam import cam_steps, grad_cam_raw
from neumonia.models import assemble, build_cnn, build_head, load_backbone
from neumonia.models.backend import load_keras
from neumonia.training import predict_logits

SIZE = 12


def films(count: int = 3, height: int = SIZE, width: int = SIZE, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (count, height, width)).astype(np.uint8)


def linear(weights: np.ndarray, bias: float = 0.0):
    """logit = suma de pesos por píxeles, más ``bias``."""
    keras = load_keras()
    model = keras.Sequential(
        [keras.Input((*weights.shape, 1)), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    model.set_weights([weights.reshape(-1, 1).astype(np.float32), np.full(1, bias, np.float32)])
    return model


# --- Oclusión ------------------------------------------------------------------------------------


def occlusion_by_hand(image: np.ndarray, weights: np.ndarray, side: int) -> np.ndarray:
    """En una red lineal, tapar un cuadrado quita la suma de w (x - gris) en él."""
    height, width = image.shape
    effect = weights * (image - image.mean(dtype=np.float64))
    total, times = np.zeros((height, width)), np.zeros((height, width))
    for top in sorted({*range(0, height - side + 1, side // 2), height - side}):
        for left in sorted({*range(0, width - side + 1, side // 2), width - side}):
            patch = slice(top, top + side), slice(left, left + side)
            total[patch] += effect[patch].sum()
            times[patch] += 1
    assert times.min() >= 1
    return total / times


@pytest.mark.parametrize(("target", "sign"), [("PNEUMONIA", 1), ("NORMAL", -1)])
@pytest.mark.parametrize(
    ("height", "width", "side"), [(32, 32, 4), (33, 33, 4), (30, 41, 4), (41, 30, 4), (44, 48, 6)]
)
def test_la_oclusion_de_una_red_lineal_se_calcula_a_mano(height, width, side, target, sign):
    weights = np.random.default_rng(2).normal(size=(height, width)) / 100
    images = films(2, height, width)
    result = grad_cam_raw(linear(weights), images, target, method="occlusion", batch_size=13)
    expected = np.stack([sign * occlusion_by_hand(image, weights, side) for image in images])
    assert expected.min() < -0.5 < 0.5 < expected.max()
    assert np.allclose(result.maps, expected, atol=1e-3)
    positive = np.maximum(expected, 0)
    heat = positive / positive.max(axis=(1, 2), keepdims=True)
    assert np.allclose(result.heatmaps, heat, atol=1e-3)


def test_la_oclusion_encuentra_la_zona_de_la_que_depende_el_logit():
    weights = np.zeros((32, 32))
    weights[8:12, 20:24] = 0.1
    image = np.full((1, 32, 32), 40, np.uint8)
    image[0, 8:12, 20:24] = 240
    result = grad_cam_raw(linear(weights), image, method="occlusion")
    row, column = np.unravel_index(result.heatmaps[0].argmax(), (32, 32))
    assert 8 <= row < 12 and 20 <= column < 24
    reached = np.zeros((32, 32), bool)
    reached[8 - 3 : 12 + 3, 20 - 3 : 24 + 3] = True
    assert not result.maps[0][~reached].any(), "donde tapar no cambia nada el valor es cero exacto"
    other = grad_cam_raw(linear(weights), image, "NORMAL", method="occlusion")
    assert other.all_negative.all() and not other.heatmaps.any()


@pytest.mark.parametrize("target", ["PNEUMONIA", "NORMAL"])
@pytest.mark.parametrize("batch_size", [5, 32])
def test_en_una_placa_lisa_no_hay_nada_que_tapar(target, batch_size):
    """El redondeo de la red depende del tamaño del lote y no debe pasar por evidencia."""
    flat = np.full((1, 32, 32), 90, np.uint8)
    model = build_cnn(32, seed=0)
    result = grad_cam_raw(model, flat, target, method="occlusion", batch_size=batch_size)
    assert result.all_negative.all() and not result.maps.any()


def test_una_placa_menor_que_ocho_pixeles_se_tapa_pixel_por_pixel():
    weights = np.arange(20.0).reshape(4, 5) - 9
    image = films(1, 4, 5)
    result = grad_cam_raw(linear(weights), image, method="occlusion")
    assert np.allclose(result.maps[0], weights * (image[0] - image[0].mean()), atol=1e-2)


# --- Score-CAM -----------------------------------------------------------------------------------


def copier(gain: float = 0.05):
    """Canal 0, la placa; canal 1, su negativo; canal 2, constante. logit = gain * brillo medio."""
    keras = load_keras()
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 1)),
            keras.layers.Conv2D(3, 1, activation="relu", name="conv"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(1),
        ]
    )
    kernel = np.array([1, -1, 0], np.float32).reshape(1, 1, 1, 3)
    dense = np.array([[gain], [0], [0]], np.float32)
    model.set_weights([kernel, np.array([0, 255, 50], np.float32), dense, np.ones(1, np.float32)])
    return model


@pytest.mark.parametrize(("target", "sign"), [("PNEUMONIA", 1), ("NORMAL", -1)])
def test_los_pesos_de_score_cam_se_saben_de_antemano(target, sign):
    image = np.zeros((SIZE, SIZE), np.uint8)
    image[2:7, 6:11] = 200
    share = 25 / SIZE**2
    grey = 200 * share
    # El canal 0 deja ver la mancha sobre gris; el canal 1, el fondo negro y la mancha en gris.
    brightness = np.array([share * 200 + (1 - share) * grey, share * grey])
    powers = np.exp(sign * 0.05 * brightness)
    first, second = powers / powers.sum()
    assert abs(first - second) > 0.5
    steps = cam_steps(copier(), image, target, method="score_cam")
    assert np.allclose(steps["weights"], [first, second, 0], atol=1e-5)
    expected = first * image + second * (255.0 - image)
    result = grad_cam_raw(copier(), image[None], target, method="score_cam")
    assert np.allclose(result.maps[0], expected, atol=1e-3)
    assert np.allclose(result.heatmaps[0], expected / expected.max(), atol=1e-5)


def network(scale: float = 1.0):
    keras = load_keras()
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 1)),
            keras.layers.Conv2D(5, 3, strides=2, activation="relu", name="conv"),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
        ]
    )
    rng = np.random.default_rng(4)
    values = [rng.normal(size=w.shape) * 0.1 for w in model.get_weights()]
    model.set_weights([*values[:2], scale * values[2] / 10, values[3]])
    return model


def score_cam_by_hand(model, image: np.ndarray, sign: float) -> np.ndarray:
    keras = load_keras()
    import tensorflow as tf

    features = np.asarray(
        keras.Model(model.inputs, model.layers[0].output)([image[None, ..., None]])
    )
    grey = np.full_like(image, image.mean())
    increases, maps = [], []
    for k in range(features.shape[-1]):
        channel = features[0, :, :, k]
        if channel.min() == channel.max():
            continue
        mask = tf.image.resize(channel[None, ..., None], image.shape).numpy()[0, :, :, 0]
        mask = (mask - mask.min()) / (mask.max() - mask.min())
        pair = np.stack([mask * image + (1 - mask) * grey, grey])[..., None]
        seen, nothing = np.asarray(model(pair))[:, 0].astype(np.float64)
        increases.append(sign * (seen - nothing))
        maps.append(channel)
    weights = np.exp(increases) / np.exp(increases).sum()
    return np.tensordot(weights, maps, axes=1)


@pytest.mark.parametrize(("target", "sign"), [("PNEUMONIA", 1), ("NORMAL", -1)])
@pytest.mark.parametrize("batch_size", [1, 3, 32])
def test_score_cam_por_lotes_es_el_algoritmo_canal_por_canal(target, sign, batch_size):
    model, images = network(), films(4).astype(np.float32)
    result = grad_cam_raw(model, images, target, batch_size=batch_size, method="score_cam")
    expected = np.stack([score_cam_by_hand(model, image, sign) for image in images])
    assert result.maps.shape == (4, 5, 5)
    assert np.allclose(result.maps, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("target", ["PNEUMONIA", "NORMAL"])
def test_con_logits_enormes_la_softmax_elige_un_canal_y_no_desborda(target):
    model, image = network(scale=1e5), films(1)[0]
    steps = cam_steps(model, image, target, method="score_cam")
    assert steps["weights"].max() == pytest.approx(1) and np.isfinite(steps["normalised"]).all()
    best = steps["weights"].argmax()
    assert np.allclose(steps["weighted_sum"], steps["features"][..., best], rtol=1e-5)


@pytest.mark.parametrize("ripple", [0.0, 2e-5])
def test_si_ningun_canal_varia_el_mapa_es_de_ceros_y_se_avisa(ripple):
    """Una placa lisa, y otra que lo es salvo el último dígito de float32."""
    flat = np.full((1, SIZE, SIZE), 200, np.float32)
    flat[0, ::2] += np.float32(ripple)
    assert np.ptp(flat) == pytest.approx(ripple, abs=1e-5)
    varied = films(1).astype(np.float32)
    images = np.concatenate([flat, varied])
    result = grad_cam_raw(copier(), images, method="score_cam")
    assert result.all_negative.tolist() == [True, False]
    assert not result.heatmaps[0].any() and result.heatmaps[1].max() == 1
    alone = grad_cam_raw(copier(), varied, method="score_cam")
    assert np.allclose(alone.heatmaps[0], result.heatmaps[1], atol=1e-6)


def test_score_cam_pinta_un_mapa_aunque_el_logit_no_dependa_de_la_placa():
    """Sus pesos suman uno pase lo que pase: reparte, y la oclusión en cambio lo descubre."""
    model, images = copier(gain=0.0), films()
    steps = cam_steps(model, images[0], method="score_cam")
    assert np.allclose(steps["weights"], [0.5, 0.5, 0])
    assert grad_cam_raw(model, images, method="score_cam").heatmaps.any()
    assert grad_cam_raw(model, images, method="occlusion").all_negative.all()


# --- La red de verdad ----------------------------------------------------------------------------


@pytest.mark.real
def test_con_los_pesos_reales_anidada_es_como_la_vgg16_de_keras_desplegada(shared):
    keras = load_keras()
    path = shared / "pesos" / "vgg16_imagenet_notop.h5"
    head = build_head((1, 1, 512), seed=0)
    nested = assemble(load_backbone(32, path), head, 32)
    plain = keras.applications.VGG16(include_top=False, weights=str(path), input_shape=(32, 32, 3))
    flat = keras.Sequential([*plain.layers, *head.layers])
    images = films(1, 32, 32)
    rgb = np.repeat(images[..., None], 3, axis=-1) - np.array([103.939, 116.779, 123.68])
    for method in ("score_cam", "occlusion"):
        a = grad_cam_raw(nested, images, layer="block2_conv2", method=method)
        b = grad_cam_raw(flat, rgb, layer="block2_conv2", method=method)
        assert np.abs(a.maps).max() > 0
        assert np.allclose(a.maps, b.maps, rtol=1e-2, atol=1e-3 * np.abs(b.maps).max())
        assert np.allclose(a.logits, predict_logits(nested, images), atol=1e-4)
