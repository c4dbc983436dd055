"""La CNN: arquitectura, parámetros, semillas, aumento y guardado."""

import numpy as np
import pytest

from neumonia.errors import ConfigError, DataError
from neumonia.models import augment, augmentation_layers, build_cnn, layer_table
from neumonia.models.backend import load_keras


def films(count: int, size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size)).astype(np.uint8)


def analytic_parameters(size: int) -> int:
    """Suma de núcleos y sesgos, contada a mano a partir de la descripción de la red."""
    side = (((size - 2) // 2) // 2 // 2) // 2
    convolutions = (9 * 1 * 32 + 32) + (9 * 32 * 32 + 32) + (9 * 32 * 64 + 64) + (9 * 64 * 64 + 64)
    return convolutions + (side * side * 64 * 64 + 64) + (64 + 1)


@pytest.mark.parametrize("size", [18, 32, 47, 150])
def test_los_parametros_son_los_de_la_formula(size):
    assert build_cnn(size, seed=0).count_params() == analytic_parameters(size)


def test_las_capas_son_las_del_libro_en_su_orden():
    table = layer_table(build_cnn(150, seed=0))
    assert list(table.layer) == [
        *("rescaling", "rotation", "zoom", "translation", "shear"),
        *("conv1", "pool1", "conv2", "pool2", "dropout2", "conv3", "pool3", "dropout3"),
        *("conv4", "pool4", "flatten", "dense", "dropout", "logit"),
    ]
    shapes = dict(zip(table.layer, table.output_shape, strict=True))
    assert shapes["conv1"] == "(148, 148, 32)"
    assert shapes["conv2"] == "(74, 74, 32)"
    assert shapes["flatten"] == "(5184,)"
    assert shapes["logit"] == "(1,)"


def test_la_misma_semilla_da_los_mismos_pesos_y_otra_semilla_no():
    a, b, c = (build_cnn(32, seed=s).get_weights() for s in (5, 5, 6))
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    kernels = [(x, z) for x, z in zip(a, c, strict=True) if x.ndim > 1]
    assert kernels and not any(np.array_equal(x, z) for x, z in kernels)


def test_la_misma_semilla_sortea_el_mismo_aumento_y_el_mismo_dropout():
    x = films(4, 32)[..., None].astype(np.float32)
    first, second = (np.asarray(build_cnn(32, seed=3)(x, training=True)) for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, np.asarray(build_cnn(32, seed=3)(x, training=False)))


def test_el_sesgo_inicial_es_la_respuesta_a_una_imagen_negra():
    model = build_cnn(32, seed=0, output_bias=0.99)
    black = np.zeros((1, 32, 32, 1), np.float32)
    assert float(model(black)[0, 0]) == pytest.approx(0.99)


def test_en_inferencia_el_aumento_no_hace_nada():
    # Con el vecino más próximo, una cizalla de 2 % no mueve ningún píxel de una imagen pequeña.
    x = films(3, 128)[..., None].astype(np.float32)
    for layer in augmentation_layers(0):
        assert np.array_equal(np.asarray(layer(x, training=False)), x), layer.name
        assert not np.array_equal(np.asarray(layer(x, training=True)), x), layer.name


def test_sin_aumento_la_red_tiene_los_mismos_parametros():
    plain = build_cnn(32, seed=0, augment=False)
    assert not any(layer.name in ("rotation", "shear") for layer in plain.layers)
    assert plain.count_params() == build_cnn(32, seed=0).count_params()


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_guardar_y_abrir_no_cambia_la_red(tmp_path, precision):
    keras = load_keras()
    model = build_cnn(32, seed=1, precision=precision)
    model.save(tmp_path / "cnn.keras")
    loaded = keras.saving.load_model(tmp_path / "cnn.keras", safe_mode=True)
    x = films(4, 32)[..., None].astype(np.float32)
    assert np.array_equal(np.asarray(loaded(x)), np.asarray(model(x)))
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]
    assert not np.array_equal(np.asarray(loaded(x, training=True)), np.asarray(loaded(x)))


def test_con_bfloat16_calculan_las_convoluciones_pero_no_el_logit():
    model = build_cnn(32, seed=0, precision="mixed_bfloat16")
    assert model.get_layer("conv1").compute_dtype == "bfloat16"
    assert model.get_layer("logit").compute_dtype == "float32"
    assert model.get_layer("conv1").kernel.dtype == "float32"
    x = films(8, 32)[..., None].astype(np.float32)
    exact = np.asarray(build_cnn(32, seed=0)(x))
    assert np.allclose(np.asarray(model(x)), exact, atol=0.05)


def test_aumentar_conserva_forma_e_intervalo_y_casi_el_brillo():
    # Un degradado suave: un giro de 5 grados apenas cambia su media.
    ramp = np.tile(np.linspace(40, 200, 48, dtype=np.float32), (6, 48, 1)).astype(np.uint8)
    changed = augment(ramp, seed=2)
    assert changed.shape == ramp.shape and changed.dtype == np.uint8
    assert not np.array_equal(changed, ramp)
    assert changed.min() >= 40 and changed.max() <= 200, "los bordes repiten, no inventan negro"
    assert np.abs(changed.mean((1, 2)) - ramp.mean((1, 2))).max() < 25
    assert np.array_equal(changed, augment(ramp, seed=2))


def test_el_aumento_nunca_refleja():
    """Con media imagen blanca a la izquierda, la izquierda sigue siendo la clara."""
    half = np.zeros((40, 48, 48), np.uint8)
    half[:, :, :24] = 255
    changed = augment(half, seed=0).astype(float)
    assert (changed[:, :, :12].mean((1, 2)) > changed[:, :, -12:].mean((1, 2))).all()


def test_aumentar_pide_tres_dimensiones():
    with pytest.raises(DataError, match=r"\(32, 32\)"):
        augment(np.zeros((32, 32)), seed=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 17, "seed": 0}, "al menos 18"),
        ({"size": 32, "seed": -1}, "semilla"),
        ({"size": 32, "seed": 0, "precision": "float8"}, "float8"),
    ],
)
def test_las_opciones_imposibles_se_explican(options, message):
    with pytest.raises(ConfigError, match=message):
        build_cnn(**options)
