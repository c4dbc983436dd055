"""Los seis métodos por la misma puerta: lo que deben cumplir todos y, aparte, el gradiente."""

import numpy as np
import pytest

from neumonia.errors import ConfigError, NeumoniaError
from neumonia.gradcam import INPUT, METHODS, cam_steps, grad_cam, grad_cam_raw
from neumonia.gradcam.maps import normalise, resize_bilinear, weighted_sum
from neumonia.models import assemble, build_backbone, build_cnn, build_head, load_backbone
from neumonia.models.backend import load_keras

SIZE = 12
ON_PIXELS = ("gradient", "occlusion")
ON_CHANNELS = tuple(name for name in METHODS if name not in ON_PIXELS)


def films(count: int = 3, size: int = SIZE, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size)).astype(np.uint8)


def network(end: str = "logit", scale: float = 1.0, shift: float = 0.0, dtype: str = "float32"):
    """Dos convoluciones y una salida con los pesos por ``scale`` y el sesgo más ``shift``."""
    keras = load_keras()
    activation = "sigmoid" if end == "sigmoid" else None
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 1), dtype=dtype),
            keras.layers.Rescaling(1 / 255, dtype=dtype),
            keras.layers.Conv2D(3, 3, activation="relu", dtype=dtype, name="conv1"),
            keras.layers.MaxPooling2D(2, dtype=dtype),
            keras.layers.Conv2D(4, 3, padding="same", activation="relu", dtype=dtype, name="conv2"),
            keras.layers.Flatten(dtype=dtype),
            keras.layers.Dense(6, activation="relu", dtype=dtype),
            keras.layers.Dense(1, activation=activation, dtype=dtype, name="fin"),
        ]
    )
    rng = np.random.default_rng(4)
    values = [rng.normal(size=w.shape) * 0.4 for w in model.get_weights()]
    values[-2:] = [values[-2] * scale, values[-1] * scale + shift]
    model.set_weights(values)
    return model


def nested():
    """Como la VGG16 del libro, en pequeño: funcional, con base y cabeza anidadas."""
    keras = load_keras()
    keras.utils.set_random_seed(0)
    backbone = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="block1_conv1"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Conv2D(5, 3, padding="same", activation="relu", name="block2_conv1"),
        ],
        name="vgg16",
    )
    backbone.trainable = False
    return assemble(backbone, build_head((6, 6, 5), seed=0), SIZE)


def test_los_seis_metodos_en_su_orden():
    assert list(METHODS) == [
        "grad_cam",
        "hires_cam",
        "grad_cam++",
        "score_cam",
        "gradient",
        "occlusion",
    ]
    with pytest.raises(ConfigError, match=", ".join(METHODS).replace("+", r"\+")):
        grad_cam(network(), films(), method="lime")


# --- Lo que cumplen los seis ---------------------------------------------------------------------


@pytest.mark.parametrize("build", [network, nested, lambda: build_cnn(20, seed=1)])
@pytest.mark.parametrize("method", METHODS)
def test_forma_tipo_e_intervalo(build, method):
    model = build()
    size = model.input_shape[1]
    result = grad_cam_raw(model, films(3, size), method=method)
    assert result.heatmaps.shape == (3, size, size) and result.heatmaps.dtype == np.float32
    assert result.heatmaps.min() >= 0 and np.isin(result.heatmaps.max(axis=(1, 2)), (0, 1)).all()
    assert np.array_equal(result.all_negative, ~result.heatmaps.any(axis=(1, 2)))
    assert result.maps.dtype == np.float32 and result.method == method
    expected = normalise(resize_bilinear(np.maximum(result.maps, 0), size, size))
    assert np.allclose(result.heatmaps, expected, atol=1e-6)
    if method in ON_PIXELS:
        assert result.layer == INPUT == "entrada" and result.maps.shape[1:] == (size, size)
    else:
        assert result.layer in ("conv2", "conv4", "vgg16/block2_conv1")
    assert np.allclose(result.logits, grad_cam_raw(model, films(3, size)).logits, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_por_lotes_o_una_por_una_da_lo_mismo(method):
    model, images = network(), films(4)
    together = grad_cam_raw(model, images, method=method)
    assert together.heatmaps.any(axis=(1, 2)).all()
    for size in (1, 3):
        apart = grad_cam_raw(model, images, batch_size=size, method=method)
        assert np.abs(apart.heatmaps - together.heatmaps).max() < 1e-4
    alone = grad_cam(model, images[2:3], method=method)
    assert np.abs(alone[0] - together.heatmaps[2]).max() < 1e-4


@pytest.mark.parametrize("target", ["PNEUMONIA", "NORMAL"])
@pytest.mark.parametrize("method", METHODS)
def test_sumar_una_constante_al_logit_no_cambia_el_mapa(method, target):
    a = grad_cam_raw(network(), films(), target, method=method)
    b = grad_cam_raw(network(shift=3.0), films(), target, method=method)
    assert np.allclose(b.logits - a.logits, 3, atol=1e-5)
    assert np.allclose(a.heatmaps, b.heatmaps, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_normal_es_la_red_que_responde_lo_contrario(method):
    """Cambiar el signo de la última capa y pedir PNEUMONIA debe dar el mismo mapa."""
    normal = grad_cam_raw(network(), films(), "NORMAL", method=method)
    opposite = grad_cam_raw(network(scale=-1.0), films(), "PNEUMONIA", method=method)
    assert np.allclose(normal.maps, opposite.maps, atol=1e-6)
    assert np.allclose(normal.logits, -opposite.logits, atol=1e-6)
    pneumonia = grad_cam_raw(network(), films(), method=method)
    assert np.allclose(pneumonia.heatmaps, normal.heatmaps) == (method == "gradient")


@pytest.mark.parametrize("method", METHODS)
def test_con_sigmoide_saturada_al_final_se_explica_el_logit(method):
    plain, squashed = network(shift=200.0), network("sigmoid", shift=200.0)
    assert np.asarray(squashed(films()[..., None].astype(np.float32))).min() == 1
    a, b = (grad_cam_raw(model, films(), method=method) for model in (plain, squashed))
    assert np.allclose(a.maps, b.maps, atol=1e-6) and np.abs(a.maps).max() > 0
    assert np.allclose(a.logits, b.logits)


@pytest.mark.parametrize("build", [network, nested])
@pytest.mark.parametrize("method", METHODS)
def test_leida_del_disco_da_el_mismo_mapa_y_la_red_queda_igual(tmp_path, build, method):
    keras = load_keras()
    model = build()
    model.save(tmp_path / "m.keras")
    before = [np.asarray(variable) for variable in model.variables]
    expected = grad_cam(model, films(), method=method)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.variables, strict=True))
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert np.allclose(grad_cam(loaded, films(), method=method), expected, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_otra_capa_cambia_los_mapas_de_canales_y_no_los_de_pixeles(method):
    model = network()
    last, first = (
        grad_cam_raw(model, films(), layer=name, method=method) for name in (None, "conv1")
    )
    if method in ON_PIXELS:
        assert np.array_equal(last.maps, first.maps)
    else:
        assert first.layer == "conv1" and first.maps.shape == (3, 10, 10)


@pytest.mark.parametrize("method", ["score_cam", "gradient", "occlusion"])
def test_vgg16_entera_con_bfloat16_se_explica_en_float32(method):
    load_keras().utils.set_random_seed(1)
    backbone = build_backbone(32, precision="mixed_bfloat16")
    model = assemble(backbone, build_head((1, 1, 512), seed=0), 32)
    result = grad_cam_raw(model, films(1, 32), layer="block1_conv2", method=method)
    assert result.heatmaps.dtype == np.float32 and result.heatmaps.max() == 1


@pytest.mark.parametrize("method", METHODS)
def test_una_red_danada_no_devuelve_un_mapa(method):
    with pytest.raises(NeumoniaError, match="no finitos"):
        grad_cam(network(shift=np.nan), films(), method=method)


@pytest.mark.parametrize("method", METHODS)
def test_sin_imagenes_no_hay_mapas_y_el_lote_debe_ser_positivo(method):
    result = grad_cam_raw(network(), films(0), method=method)
    assert result.heatmaps.shape == (0, SIZE, SIZE) and result.all_negative.shape == (0,)
    with pytest.raises(ConfigError, match="al menos 1"):
        grad_cam(network(), films(), batch_size=0, method=method)


@pytest.mark.parametrize("method", ON_PIXELS)
def test_sobre_los_pixeles_no_hace_falta_ninguna_convolucion(method):
    keras = load_keras()
    model = keras.Sequential(
        [keras.Input((SIZE, SIZE, 1)), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    assert grad_cam(model, films(), method=method).any()
    with pytest.raises(ConfigError, match="no tiene capas convolucionales"):
        grad_cam(model, films(), method="score_cam")


# --- Los pasos -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ON_CHANNELS)
def test_los_pasos_son_los_del_mapa(method):
    model, image = network(), films(1)[0]
    steps, result = (
        cam_steps(model, image, method=method),
        grad_cam_raw(model, image[None], method=method),
    )
    summed = (steps["features"] * steps["weights"]).sum(axis=-1)
    assert np.allclose(steps["weighted_sum"], summed, atol=1e-5)
    assert np.allclose(steps["weighted_sum"], result.maps[0], atol=1e-5)
    assert np.allclose(steps["normalised"], result.heatmaps[0], atol=1e-5)
    assert steps["logit"] == pytest.approx(result.logits[0], abs=1e-5)
    assert ("gradients" in steps) == (method != "score_cam")


@pytest.mark.parametrize("method", ON_PIXELS)
def test_sin_pesos_por_canal_no_hay_pasos(method):
    with pytest.raises(ConfigError, match=rf"'{method}' no pesa canales.*{ON_CHANNELS[-1]}"):
        cam_steps(network(), films(1)[0], method=method)


@pytest.mark.parametrize("method", ON_CHANNELS)
def test_una_capa_de_un_solo_canal_tiene_un_peso(method):
    keras = load_keras()
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 1)),
            keras.layers.Conv2D(1, 3, name="conv"),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
        ]
    )
    expected = (10, 10, 1) if method == "hires_cam" else (1,)
    assert cam_steps(model, films(1)[0], method=method)["weights"].shape == expected


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-4)])
def test_sumar_canal_por_canal_o_de_una_vez_es_la_misma_suma(dtype, tolerance):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(2, 5, 6, 512)).astype(dtype)
    alphas = rng.normal(size=(2, 512)).astype(dtype)
    ours = weighted_sum(features, alphas[:, None, None])
    for n in range(2):
        loop = np.zeros((5, 6), dtype)
        for k in range(512):
            loop += alphas[n, k] * features[n, :, :, k]
        at_once = (np.tensordot(features[n], alphas[n], axes=1), features[n] @ alphas[n])
        for other in (loop, *at_once):
            assert np.allclose(ours[n], other, rtol=0, atol=tolerance)


# --- El gradiente --------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["PNEUMONIA", "NORMAL"])
def test_el_gradiente_de_una_red_lineal_son_sus_pesos_sin_signo(target):
    keras = load_keras()
    model = keras.Sequential(
        [keras.Input((SIZE, SIZE, 1)), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    weights = np.random.default_rng(1).normal(size=(SIZE, SIZE)).astype(np.float32)
    model.set_weights([weights.reshape(-1, 1), np.zeros(1, np.float32)])
    result = grad_cam_raw(model, films(), target, method="gradient")
    assert np.allclose(result.maps, np.abs(weights), atol=1e-6)
    assert np.allclose(result.heatmaps, np.abs(weights) / np.abs(weights).max(), atol=1e-6)


def test_con_tres_canales_el_gradiente_es_el_del_mayor():
    keras = load_keras()
    model = keras.Sequential(
        [keras.Input((SIZE, SIZE, 3)), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    weights = np.random.default_rng(1).normal(size=(SIZE, SIZE, 3)).astype(np.float32)
    model.set_weights([weights.reshape(-1, 1), np.zeros(1, np.float32)])
    result = grad_cam_raw(model, np.repeat(films()[..., None], 3, axis=-1), method="gradient")
    assert np.allclose(result.maps, np.abs(weights).max(axis=-1), atol=1e-6)


def test_el_gradiente_coincide_con_diferencias_finitas():
    model, image = network(dtype="float64"), films(1)[0].astype(np.float64)
    moves = 1e-4 * np.eye(SIZE**2).reshape(-1, SIZE, SIZE, 1)
    up, down = (np.asarray(model(image[..., None] + sign * moves))[:, 0] for sign in (1, -1))
    expected = np.abs(up - down).reshape(SIZE, SIZE) / 2e-4
    assert expected.max() > 1e-4
    result = grad_cam_raw(model, image[None], method="gradient")
    assert np.allclose(result.maps[0], expected, rtol=1e-4, atol=1e-8)


def test_si_ningun_pixel_cuenta_el_gradiente_es_un_mapa_de_ceros_con_aviso():
    result = grad_cam_raw(network(scale=0.0), films(), method="gradient")
    assert result.all_negative.all() and not result.heatmaps.any()


@pytest.mark.real
def test_el_gradiente_con_los_pesos_reales_es_el_que_da_tensorflow(shared):
    load_keras()
    import tensorflow as tf

    backbone = load_backbone(48, shared / "pesos" / "vgg16_imagenet_notop.h5")
    model = assemble(backbone, build_head((1, 1, 512), seed=0), 48)
    images = films(2, 48)
    batch = tf.constant(images[..., None], tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(batch)
        logit = model(batch)
    expected = np.abs(tape.gradient(logit, batch).numpy()[..., 0])
    result = grad_cam_raw(model, images, method="gradient")
    assert expected.max() > 0
    assert np.allclose(result.maps, expected, rtol=1e-3, atol=1e-4 * expected.max())
