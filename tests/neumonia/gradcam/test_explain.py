"""Grad-CAM frente a verdades ajenas: NumPy, diferencias finitas y redes de respuesta conocida."""

import numpy as np
import pytest

from neumonia.errors import ConfigError, DataError, NeumoniaError
from neumonia.gradcam import cam_steps, conv_layers, explainer, grad_cam, grad_cam_raw
from neumonia.gradcam.maps import normalise, resize_bilinear
from neumonia.models import assemble, build_backbone, build_cnn, build_head, load_backbone
from neumonia.models.backend import load_keras
from neumonia.training import predict_logits

SIZE = 12


def films(count: int = 3, size: int = SIZE, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size)).astype(np.uint8)


def small_network(last: str = "logit", dtype: str = "float64", seed: int = 4, scale: float = 1.0):
    """Dos convoluciones y un logit, con pesos al azar y, si se pide, en float64."""
    keras = load_keras()
    ends = {
        "logit": [keras.layers.Dense(1, dtype=dtype, name="logit")],
        "sigmoid": [keras.layers.Dense(1, activation="sigmoid", dtype=dtype, name="p")],
        "activation": [
            keras.layers.Dense(1, dtype=dtype, name="z"),
            keras.layers.Activation("sigmoid", dtype=dtype, name="p"),
        ],
    }
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 1), dtype=dtype),
            keras.layers.Rescaling(1 / 255, dtype=dtype, name="rescaling"),
            keras.layers.Conv2D(3, 3, activation="relu", dtype=dtype, name="conv1"),
            keras.layers.MaxPooling2D(2, dtype=dtype, name="pool1"),
            keras.layers.Conv2D(4, 3, padding="same", activation="relu", dtype=dtype, name="conv2"),
            keras.layers.Flatten(dtype=dtype, name="flatten"),
            keras.layers.Dense(6, activation="relu", dtype=dtype, name="dense"),
            keras.layers.Dropout(0.5, dtype=dtype, name="dropout"),
            *ends[last],
        ]
    )
    rng = np.random.default_rng(seed)
    values = [rng.normal(size=w.shape) * 0.4 for w in model.get_weights()]
    values[-2:] = [values[-2] * scale, values[-1] * scale]
    model.set_weights(values)
    return model


# --- Una red escrita de nuevo en NumPy -----------------------------------------------------------


def convolve(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, pad: int) -> np.ndarray:
    x = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
    height, width = x.shape[0] - 2, x.shape[1] - 2
    out = np.zeros((height, width, kernel.shape[-1])) + bias
    for i in range(3):
        for j in range(3):
            out += x[i : i + height, j : j + width] @ kernel[i, j]
    return np.maximum(out, 0)


def numpy_features(weights: list[np.ndarray], image: np.ndarray) -> np.ndarray:
    first = convolve(image[..., None] / 255, weights[0], weights[1], 0)
    pooled = first.reshape(5, 2, 5, 2, 3).max(axis=(1, 3))
    return convolve(pooled, weights[2], weights[3], 1)


def numpy_logit(weights: list[np.ndarray], features: np.ndarray) -> float:
    hidden = np.maximum(features.reshape(-1) @ weights[4] + weights[5], 0)
    return float((hidden @ weights[6] + weights[7])[0])


def finite_differences(weights: list[np.ndarray], features: np.ndarray) -> np.ndarray:
    gradient = np.zeros_like(features)
    step = 1e-6
    for index in np.ndindex(features.shape):
        up, down = features.copy(), features.copy()
        up[index] += step
        down[index] -= step
        gradient[index] = (numpy_logit(weights, up) - numpy_logit(weights, down)) / (2 * step)
    return gradient


def tensorflow_resize(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    load_keras()
    import tensorflow as tf

    return tf.image.resize(maps[..., None], size, method="bilinear").numpy()[..., 0]


@pytest.mark.parametrize(("target", "sign"), [("PNEUMONIA", 1), ("NORMAL", -1)])
def test_cada_paso_coincide_con_numpy_y_diferencias_finitas(target, sign):
    model = small_network()
    weights, image = model.get_weights(), films(1)[0]
    features = numpy_features(weights, image)
    gradients = sign * finite_differences(weights, features)
    channel = gradients.mean(axis=(0, 1))
    raw = sum(channel[k] * features[..., k] for k in range(4))

    steps = cam_steps(model, image, target)
    assert steps["features"].dtype == np.float64, "la comprobación es en doble precisión"
    assert np.abs(gradients).max() > 0.01, "una red sin gradiente no probaría nada"
    assert raw.min() < -0.01 < 0.01 < raw.max(), "sin los dos signos no se probaría la ReLU"
    assert steps["logit"] == pytest.approx(numpy_logit(weights, features), abs=1e-6)
    assert np.allclose(steps["features"], features, atol=1e-6)
    assert np.allclose(steps["gradients"], gradients, atol=1e-4)
    assert np.allclose(steps["weights"], channel, atol=1e-4)
    assert np.allclose(steps["weighted_sum"], raw, atol=1e-4)
    assert np.allclose(steps["relu"], np.maximum(raw, 0), atol=1e-4)
    assert steps["normalised"].shape == (SIZE, SIZE) and steps["layer"] == "conv2"

    result = grad_cam_raw(model, image[None], target)
    assert np.allclose(result.maps[0], raw, atol=1e-4)
    assert result.maps.dtype == result.heatmaps.dtype == np.float32
    heatmap = tensorflow_resize(np.maximum(raw, 0)[None], (SIZE, SIZE))[0]
    assert np.allclose(result.heatmaps[0], heatmap / heatmap.max(), atol=1e-4)
    assert np.allclose(steps["normalised"], heatmap / heatmap.max(), atol=1e-4)
    assert not result.all_negative[0]
    assert (result.layer, result.target, result.method) == ("conv2", target, "grad_cam")


def test_normal_es_el_opuesto_de_neumonia_y_el_logit_no_cambia():
    model = small_network()
    a, b = (grad_cam_raw(model, films(), target) for target in ("PNEUMONIA", "NORMAL"))
    assert np.allclose(a.maps, -b.maps) and np.array_equal(a.logits, b.logits)
    assert not np.allclose(a.heatmaps, b.heatmaps)


@pytest.mark.parametrize("last", ["sigmoid", "activation"])
@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_con_sigmoide_al_final_se_deriva_el_logit(last, scale):
    """Con ``scale`` 1000 la sigmoide está saturada: su derivada es cero y no habría mapa."""
    plain = small_network(scale=scale)
    squashed = small_network(last, scale=scale)
    a, b = grad_cam_raw(plain, films()), grad_cam_raw(squashed, films())
    assert np.allclose(a.logits, b.logits) and np.allclose(a.maps, b.maps)
    assert np.abs(b.maps).max() > 0
    if scale > 1:
        p = np.asarray(squashed(films()[..., None].astype(np.float64)))
        assert (np.abs(p - 0.5) == 0.5).all()


def test_la_densa_final_puede_no_tener_sesgo():
    keras = load_keras()
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 1)),
            keras.layers.Conv2D(2, 3, name="c"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(1, activation="sigmoid", use_bias=False, name="p"),
        ]
    )
    expected = np.asarray(model(films()[..., None].astype(np.float32)))[:, 0]
    logits = grad_cam_raw(model, films()).logits
    assert np.allclose(1 / (1 + np.exp(-logits)), expected, atol=1e-5)


# --- Una red de respuesta conocida ---------------------------------------------------------------


def blob_detector():
    """Canal 0: brillo medio de 3x3; canal 1: constante sin valor para la decisión."""
    keras = load_keras()
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 1)),
            keras.layers.Conv2D(2, 3, padding="same", activation="relu", name="conv"),
            keras.layers.GlobalAveragePooling2D(name="average"),
            keras.layers.Dense(1, name="logit"),
        ]
    )
    kernel = np.zeros((3, 3, 1, 2), np.float32)
    kernel[..., 0] = 1 / 9
    dense = np.array([[2.0], [0.0]], np.float32)
    model.set_weights([kernel, np.array([0, 50], np.float32), dense, np.array([-1], np.float32)])
    return model


def test_el_mapa_del_detector_de_manchas_se_sabe_de_antemano():
    image = np.zeros((SIZE, SIZE), np.uint8)
    image[2:7, 6:11] = 180
    result = grad_cam_raw(blob_detector(), image[None])
    padded = np.pad(image.astype(float), 1)
    brightness = sum(padded[i : i + SIZE, j : j + SIZE] for i in range(3) for j in range(3)) / 9
    # El gradiente de la media es 2/144 en todas partes; el del canal 1, cero.
    assert np.allclose(result.maps[0], brightness * 2 / SIZE**2, atol=1e-5)
    assert np.allclose(result.heatmaps[0], brightness / 180, atol=1e-5)
    assert result.logits[0] == pytest.approx(2 * brightness.mean() - 1, abs=1e-3)
    assert not result.all_negative[0]


def test_para_la_otra_clase_ese_mapa_es_todo_negativo_y_se_avisa():
    bright = np.full((1, SIZE, SIZE), 90, np.uint8)
    result = grad_cam_raw(blob_detector(), bright, "NORMAL")
    assert result.all_negative.tolist() == [True]
    assert (result.maps < 0).all() and not result.heatmaps.any()
    black = np.zeros((SIZE, SIZE), np.uint8)
    mixed = grad_cam_raw(blob_detector(), np.stack([bright[0], black, films(1)[0]]))
    assert mixed.all_negative.tolist() == [False, True, False]
    assert not mixed.heatmaps[1].any() and mixed.heatmaps[2].max() == 1


@pytest.mark.parametrize("method", ["hires_cam", "grad_cam++"])
def test_con_media_global_los_tres_metodos_dan_el_mismo_mapa(method):
    """El gradiente es igual en todas las posiciones: promediarlo o no da lo mismo."""
    images = films()
    base = grad_cam(blob_detector(), images)
    assert np.allclose(grad_cam(blob_detector(), images, method=method), base, atol=1e-4)


def test_hirescam_no_promedia_los_gradientes():
    model, image = small_network(), films(1)[0]
    steps = cam_steps(model, image, method="hires_cam")
    expected = (steps["features"] * steps["gradients"]).sum(-1)
    assert steps["weights"].shape == steps["features"].shape
    assert np.allclose(steps["weighted_sum"], expected)
    # La última capa plana es lineal a trozos: HiResCAM reparte el logit entre las posiciones.
    assert not np.allclose(expected, cam_steps(model, image)["weighted_sum"])


def test_grad_cam_mas_mas_sigue_su_formula():
    steps = cam_steps(small_network(), films(1)[0], method="grad_cam++")
    features, g = steps["features"], steps["gradients"]
    for k in range(4):
        divisor = 2 * g[..., k] ** 2 + features[..., k].sum() * g[..., k] ** 3
        weight = sum(
            g[i, j, k] ** 2 / divisor[i, j] * max(g[i, j, k], 0)
            for i, j in np.ndindex(divisor.shape)
            if divisor[i, j] != 0
        )
        assert steps["weights"][k] == pytest.approx(weight)


# --- Invariancias --------------------------------------------------------------------------------


def test_multiplicar_los_ultimos_pesos_no_cambia_el_mapa_normalizado():
    images = films()
    base = grad_cam(small_network(), images)
    assert np.allclose(grad_cam(small_network(scale=37.0), images), base, atol=1e-5)


def test_por_lotes_o_una_por_una_da_lo_mismo():
    model = build_cnn(20, seed=1)
    images = films(5, 20)
    together = grad_cam_raw(model, images, batch_size=5)
    for size in (1, 2):
        apart = grad_cam_raw(model, images, batch_size=size)
        assert np.abs(apart.heatmaps - together.heatmaps).max() < 1e-5
        assert np.abs(apart.maps - together.maps).max() < 1e-5
    alone = np.concatenate([grad_cam(model, images[i : i + 1]) for i in range(5)])
    assert np.abs(alone - together.heatmaps).max() < 1e-5


@pytest.mark.parametrize("method", ["grad_cam", "gradient", "occlusion"])
def test_preparado_una_vez_explica_muchas_tandas_y_lee_los_pesos_de_ahora(method, monkeypatch):
    model = small_network()
    prepared = explainer(model, method=method)
    # Después de preparar ya no se compila nada.
    monkeypatch.setattr("neumonia.gradcam.network.compile_call", None)
    first, second = films(3), films(2, seed=9)
    found = [prepared(first), prepared(second)]
    model.set_weights(small_network(seed=11).get_weights())
    found.append(prepared(first))
    monkeypatch.undo()
    expected = [
        grad_cam_raw(small_network(), first, method=method),
        grad_cam_raw(small_network(), second, method=method),
        grad_cam_raw(small_network(seed=11), first, method=method),
    ]
    for got, wanted in zip(found, expected, strict=True):
        assert got.heatmaps == pytest.approx(wanted.heatmaps, abs=1e-6)
        assert got.logits == pytest.approx(wanted.logits)
        assert (got.layer, got.method) == (wanted.layer, wanted.method)
    assert np.abs(found[0].heatmaps - found[2].heatmaps).max() > 0.05


def test_entero_o_real_con_canal_o_sin_el_es_la_misma_imagen():
    model, images = small_network(), films()
    base = grad_cam(model, images)
    assert np.array_equal(grad_cam(model, images.astype(np.float32)), base)
    assert np.array_equal(grad_cam(model, images[..., None]), base)


def test_el_modelo_queda_como_estaba():
    model, images = build_cnn(20, seed=1), films(2, 20)
    before = predict_logits(model, images)
    states = [np.asarray(variable) for variable in model.variables]
    result = grad_cam_raw(model, images)
    assert np.allclose(result.logits, before, atol=1e-5)
    assert all(np.array_equal(a, b) for a, b in zip(states, model.variables, strict=True))
    assert all("call" not in vars(layer) for layer in model.layers)


def test_el_modelo_se_restaura_aunque_el_calculo_falle(monkeypatch):
    model = small_network(dtype="float32")
    conv, dense = model.get_layer("conv2"), model.get_layer("dense")

    def fail(*_, **__):
        raise RuntimeError("fallo provocado")

    monkeypatch.setattr(dense, "call", fail)
    with pytest.raises(RuntimeError, match="fallo provocado"):
        grad_cam(model, films())
    assert "call" not in vars(conv)


# --- Modelos anidados y leídos del disco ---------------------------------------------------------


def small_vgg(nested: bool = True):
    keras = load_keras()
    keras.utils.set_random_seed(0)
    backbone = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="block1_conv1"),
            keras.layers.MaxPooling2D(2, name="pool"),
            keras.layers.Conv2D(5, 3, padding="same", activation="relu", name="block2_conv1"),
        ],
        name="vgg16",
    )
    backbone.trainable = False
    head = build_head((6, 6, 5), seed=0)
    if nested:
        return assemble(backbone, head, SIZE)
    film = keras.Input((SIZE, SIZE, 1))
    x = keras.layers.Concatenate()([film, film, film])
    x = keras.layers.Rescaling(1.0, offset=[-103.939, -116.779, -123.68])(x)
    for layer in (*backbone.layers, *head.layers):
        x = layer(x)
    return keras.Model(film, x)


@pytest.mark.parametrize("name", [None, "block2_conv1", "block1_conv1"])
def test_anidada_o_desplegada_la_red_se_explica_igual(name):
    nested, flat = small_vgg(), small_vgg(nested=False)
    a, b = grad_cam_raw(nested, films(), layer=name), grad_cam_raw(flat, films(), layer=name)
    assert np.allclose(a.maps, b.maps, atol=1e-4)
    assert np.abs(a.maps).max() > 0
    assert a.layer == f"vgg16/{name or 'block2_conv1'}"


def test_una_secuencial_con_vgg16_anidada_tambien_se_explica():
    keras = load_keras()
    nested = small_vgg()
    parts = [nested.get_layer("vgg16"), *nested.get_layer("head").layers]
    model = keras.Sequential([keras.Input((SIZE, SIZE, 3)), *parts])
    with pytest.raises(DataError, match=r"\(N, 12, 12, 3\)"):
        grad_cam(model, films())
    rgb = np.repeat(films()[..., None], 3, axis=-1) - np.array([103.939, 116.779, 123.68])
    maps = grad_cam_raw(model, rgb).maps
    assert np.allclose(maps, grad_cam_raw(nested, films()).maps, atol=1e-4)


@pytest.mark.parametrize("build", [small_vgg, lambda: build_cnn(SIZE + 8, seed=0)])
def test_leida_del_disco_da_el_mismo_mapa(tmp_path, build):
    keras = load_keras()
    model = build()
    size = model.input_shape[1]
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert conv_layers(loaded) == conv_layers(model)
    images = films(2, size)
    assert np.allclose(grad_cam(loaded, images), grad_cam(model, images), atol=1e-6)


def test_una_red_congelada_por_entero_y_leida_del_disco_tambien_se_explica(tmp_path):
    keras = load_keras()
    model = small_vgg()
    expected = grad_cam_raw(model, films()).maps
    model.trainable = False
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert not loaded.trainable_weights
    assert np.allclose(grad_cam_raw(loaded, films()).maps, expected, atol=1e-6)


def test_la_sigmoide_dentro_de_una_cabeza_anidada_leida_del_disco(tmp_path):
    keras = load_keras()
    plain = small_vgg()
    head = keras.models.clone_model(plain.get_layer("head"))
    head.layers[-1].activation = keras.activations.sigmoid
    head.set_weights(plain.get_layer("head").get_weights())
    model = assemble(plain.get_layer("vgg16"), head, SIZE)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    a, b = grad_cam_raw(plain, films()), grad_cam_raw(loaded, films())
    assert np.allclose(a.maps, b.maps, atol=1e-5) and np.allclose(a.logits, b.logits, atol=1e-4)


def test_vgg16_entera_con_bfloat16_se_explica_en_float32():
    load_keras().utils.set_random_seed(1)
    backbone = build_backbone(32, precision="mixed_bfloat16")
    model = assemble(backbone, build_head((1, 1, 512), seed=0), 32)
    result = grad_cam_raw(model, films(2, 32), layer="block4_conv3")
    assert result.maps.shape == (2, 4, 4) and result.maps.dtype == np.float32
    assert len(conv_layers(model)) == 13 and conv_layers(model)[-1] == "vgg16/block5_conv3"
    assert cam_steps(model, films(1, 32)[0])["gradients"].dtype == np.float32


@pytest.mark.real
def test_con_los_pesos_reales_anidada_es_como_la_vgg16_de_keras_desplegada(shared):
    keras = load_keras()
    path = shared / "pesos" / "vgg16_imagenet_notop.h5"
    head = build_head((1, 1, 512), seed=0)
    nested = assemble(load_backbone(48, path), head, 48)
    plain = keras.applications.VGG16(include_top=False, weights=str(path), input_shape=(48, 48, 3))
    flat = keras.Sequential([*plain.layers, *head.layers])
    images = films(2, 48)
    rgb = np.repeat(images[..., None], 3, axis=-1) - np.array([103.939, 116.779, 123.68])
    for name in ("block5_conv3", "block3_conv3"):
        a = grad_cam_raw(nested, images, layer=name)
        b = grad_cam_raw(flat, rgb, layer=name)
        assert np.abs(a.maps).max() > 0
        assert np.allclose(a.maps, b.maps, rtol=1e-3, atol=1e-4 * np.abs(b.maps).max())


# --- Errores -------------------------------------------------------------------------------------


def test_las_capas_se_listan_en_orden_y_la_ultima_es_la_de_omision():
    model = build_cnn(20, seed=0)
    assert conv_layers(model) == ["conv1", "conv2", "conv3", "conv4"]
    assert grad_cam_raw(model, films(1, 20)).layer == "conv4"


def test_la_capa_desconocida_o_ambigua_muestra_las_que_hay():
    with pytest.raises(ConfigError, match=r"'conv9' no existe.*conv1, conv2"):
        grad_cam(small_network(), films(), layer="conv9")
    with pytest.raises(ConfigError, match="'dense' no existe"):
        grad_cam(small_network(), films(), layer="dense")
    keras = load_keras()

    def part(name):
        return keras.Sequential(
            [keras.Input((SIZE, SIZE, 1)), keras.layers.Conv2D(1, 3, padding="same", name="c")],
            name=name,
        )

    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 1)),
            part("a"),
            part("b"),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
        ]
    )
    with pytest.raises(ConfigError, match=r"'c' es ambigua.*a/c, b/c"):
        grad_cam(model, films(), layer="c")
    assert grad_cam_raw(model, films(), layer="a/c").layer == "a/c"


def test_sin_convoluciones_no_hay_grad_cam():
    with pytest.raises(ConfigError, match="no tiene capas convolucionales"):
        conv_layers(build_head((2, 2, 3), seed=0))


@pytest.mark.parametrize("target", ["pneumonia", "VIRUS", 1])
def test_la_clase_desconocida_muestra_las_que_hay(target):
    with pytest.raises(ConfigError, match="PNEUMONIA, NORMAL"):
        grad_cam(small_network(), films(), target)


def test_el_metodo_desconocido_muestra_los_que_hay():
    with pytest.raises(ConfigError, match=r"grad_cam, hires_cam, grad_cam\+\+"):
        cam_steps(small_network(), films(1)[0], method="lime")


def test_las_imagenes_de_otra_forma_o_con_nan_se_rechazan():
    model = small_network()
    with pytest.raises(DataError, match=r"\(N, 12, 12, 1\) y recibió \(2, 9, 9\)"):
        grad_cam(model, films(2, 9))
    with pytest.raises(DataError, match=r"imagen\[None\]"):
        grad_cam(model, films(1)[0])
    broken = films().astype(float)
    broken[0, 0, 0] = np.nan
    with pytest.raises(DataError, match="no finitos"):
        grad_cam(model, broken)


def test_una_red_danada_no_devuelve_un_mapa_de_ceros():
    model = small_network()
    weights = model.get_weights()
    weights[-1][:] = np.nan
    model.set_weights(weights)
    with pytest.raises(NeumoniaError, match="no finitos"):
        grad_cam(model, films())


@pytest.mark.parametrize(
    ("units", "activation", "message"), [(2, "softmax", "softmax"), (1, "tanh", "tanh")]
)
def test_la_ultima_capa_debe_permitir_leer_un_logit(units, activation, message):
    keras = load_keras()
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 1)),
            keras.layers.Conv2D(1, 3),
            keras.layers.Flatten(),
            keras.layers.Dense(units, activation=activation, name="fin"),
        ]
    )
    with pytest.raises(ConfigError, match=f"'fin'.*{message}"):
        grad_cam(model, films())


def test_sin_imagenes_no_hay_mapas():
    result = grad_cam_raw(small_network(), films(0))
    assert result.heatmaps.shape == (0, SIZE, SIZE) and result.logits.shape == (0,)


# --- Ampliar y normalizar ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "target"), [((4, 4), (150, 150)), ((3, 5), (8, 5)), ((1, 1), (7, 6))]
)
def test_ampliar_es_lo_que_hace_tensorflow(source, target):
    maps = np.random.default_rng(0).random((2, *source))
    assert np.allclose(resize_bilinear(maps, *target), tensorflow_resize(maps, target), atol=1e-5)


def test_ampliar_no_crea_valores_fuera_del_intervalo():
    maps = np.random.default_rng(0).random((1, 4, 4))
    grown = resize_bilinear(maps, 33, 47)
    assert grown.min() >= maps.min() and grown.max() <= maps.max()


def test_normalizar_divide_por_el_maximo_y_respeta_los_ceros():
    maps = np.array([[[0.0, 2.0]], [[0.0, 0.0]], [[1e-30, 5e-31]]])
    assert np.allclose(normalise(maps), [[[0, 1]], [[0, 0]], [[1, 0.5]]])
