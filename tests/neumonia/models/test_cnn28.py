"""La red de 28 píxeles: formas, semillas, aumento y el archivo que deja."""

import subprocess
import sys

import numpy as np
import pytest

from neumonia.errors import ConfigError
from neumonia.models.cnn28 import build_cnn28
from neumonia.models.recipe28 import CHOSEN, NORMALIZATIONS, Recipe28
from neumonia.training import predict_logits


def films(n: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 28, 28), dtype=np.uint8)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("head", ["media", "aplanada"])
def test_cada_receta_da_un_logit_por_radiografia(normalization, head):
    recipe = Recipe28(normalization, width=2, head=head, noise=0.1, appearance=2, geometry=2)
    model = build_cnn28(0, recipe=recipe)
    assert model.input_shape == (None, 28, 28, 1)
    logits = predict_logits(model, films())
    assert logits.shape == (4,)
    assert np.isfinite(logits).all()


def test_la_misma_semilla_da_los_mismos_pesos_y_otra_no():
    one, two, other = (build_cnn28(seed).get_weights() for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert not np.array_equal(one[0], other[0])


def test_el_sesgo_inicial_es_el_logit_de_una_imagen_de_un_solo_tono():
    # Con la radiografía tipificada, un tono parejo llega en ceros a la última neurona.
    model = build_cnn28(0, output_bias=1.25, recipe=Recipe28("estandar", width=4))
    flat = np.full((1, 28, 28), 90, dtype=np.uint8)
    assert predict_logits(model, flat)[0] == pytest.approx(1.25, abs=1e-5)


@pytest.mark.parametrize("normalization", ["estandar", "bandas"])
def test_cambiar_brillo_y_contraste_no_cambia_el_logit(normalization):
    model = build_cnn28(0, recipe=Recipe28(normalization, width=4))
    original = films().astype(np.float32)[..., None]
    changed = 40 + 0.5 * original
    before = np.asarray(model(original, training=False))
    after = np.asarray(model(changed, training=False))
    np.testing.assert_allclose(after, before, atol=1e-4)
    raw = build_cnn28(0, recipe=Recipe28("escala", width=4))
    assert np.abs(np.asarray(raw(original) - raw(changed))).max() > 1e-3


def test_el_aumento_solo_actua_al_entrenar_y_se_puede_quitar():
    recipe = Recipe28("estandar", geometry=2, appearance=2, noise=0.2, dropout=0.0, width=4)
    model, plain = build_cnn28(0, recipe=recipe), build_cnn28(0, augment=False, recipe=recipe)
    names = {layer.name for layer in model.layers} - {layer.name for layer in plain.layers}
    assert names == {
        "rotation", "zoom", "translation", "sharpness1", "sharpness2", "contrast", "brightness",
        "noise",
    }  # fmt: skip
    plain.set_weights(model.get_weights()[-len(plain.get_weights()) :])
    batch = films().astype(np.float32)[..., None]
    np.testing.assert_array_equal(predict_logits(model, films()), predict_logits(model, films()))
    before = batch.copy()
    for layer in model.layers[:7]:
        batch = np.asarray(layer(batch, training=True))
    assert np.abs(batch - before).max() > 10
    assert batch.min() >= 0 and batch.max() <= 255


def test_el_archivo_se_abre_sin_el_paquete_y_predice_lo_mismo(tmp_path):
    model = build_cnn28(1, output_bias=0.4)
    model.save(tmp_path / "red.keras")
    np.save(tmp_path / "x.npy", films().astype(np.float32)[..., None])
    script = (
        "import sys, numpy as np, keras\n"
        "model = keras.saving.load_model('red.keras')\n"
        "np.save('y.npy', model(np.load('x.npy'), training=False))\n"
        "assert not any(name.startswith('neumonia') for name in sys.modules)\n"
    )
    env = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", "PATH": "/usr/bin"}
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, env=env, timeout=120)
    expected = predict_logits(model, films())
    np.testing.assert_allclose(np.load(tmp_path / "y.npy")[:, 0], expected, atol=1e-5)


def test_la_red_elegida_es_pequena():
    assert build_cnn28(0, recipe=CHOSEN).count_params() < 120_000


@pytest.mark.parametrize(
    "wrong",
    [
        {"normalization": "otra"},
        {"geometry": 3},
        {"appearance": -1},
        {"blocks": 4},
        {"head": "x"},
        {"width": 0},
        {"dropout": 1.0},
        {"noise": -0.1},
        {"weight_decay": -1.0},
    ],
)
def test_una_receta_imposible_se_rechaza_con_su_nombre(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Recipe28(**wrong)


def test_una_semilla_negativa_se_rechaza():
    with pytest.raises(ConfigError, match="semilla"):
        build_cnn28(-1)
