"""El promedio de vistas: desplazar, repetir el borde y promediar logits."""

import numpy as np
import pytest

from neumonia.errors import ConfigError
from neumonia.models.backend import load_keras
from neumonia.review.views import averaged_logits, shifted
from neumonia.training import predict_logits


@pytest.fixture(scope="module")
def model():
    """El logit de una imagen es el valor de su píxel central, entre 10."""
    keras = load_keras()
    kernel = np.zeros((50 * 50, 1), np.float32)
    kernel[25 * 50 + 25] = 0.1
    network = keras.Sequential(
        [keras.Input((50, 50, 1)), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    network.layers[-1].set_weights([kernel, np.zeros(1)])
    return network


@pytest.mark.parametrize("down", [-3, 0, 2])
@pytest.mark.parametrize("right", [-1, 0, 4])
def test_desplazar_es_rodar_y_repetir_el_borde(down, right):
    images = np.random.default_rng(0).integers(0, 256, (3, 9, 11)).astype(np.uint8)
    found = shifted(images, down, right)
    # Con el borde repetido de antemano, lo que entra al rodar es el borde.
    pad = 5
    padded = np.pad(images, ((0, 0), (pad, pad), (pad, pad)), mode="edge")
    expected = np.roll(padded, (down, right), axis=(1, 2))[:, pad:-pad, pad:-pad]
    assert np.array_equal(found, expected) and found.dtype == np.uint8


def test_un_desplazamiento_que_no_cabe_se_rechaza():
    images = np.zeros((1, 9, 11), np.uint8)
    assert shifted(images, 8, 10).shape == images.shape
    for move in ((9, 0), (-9, 0), (0, 11), (0, -11)):
        with pytest.raises(ConfigError, match="no cabe en 9 x 11"):
            shifted(images, *move)


def test_una_imagen_lisa_da_lo_mismo_en_todas_las_vistas(model):
    images = np.repeat(np.arange(0, 250, 50, dtype=np.uint8), 2500).reshape(5, 50, 50)
    rows = np.array([4, 1, 2])
    plain = predict_logits(model, images, rows=rows)
    assert averaged_logits(model, images, rows) == pytest.approx(plain, abs=1e-6)
    assert plain == pytest.approx([20, 5, 10])


def test_el_promedio_es_el_de_la_original_y_sus_cuatro_vecinas(model):
    """Con 50 píxeles, el 4 % son 2: el logit mira el centro y los cuatro píxeles a distancia 2."""
    images = np.random.default_rng(1).integers(0, 256, (4, 50, 50)).astype(np.uint8)
    places = ((25, 25), (23, 25), (27, 25), (25, 23), (25, 27))
    expected = np.mean([images[:, y, x] / 10 for y, x in places], axis=0)
    found = averaged_logits(model, images, np.arange(4))
    assert found.dtype == np.float64
    assert found == pytest.approx(expected, abs=1e-5)


def test_en_una_imagen_pequena_se_desplaza_al_menos_un_pixel():
    keras = load_keras()
    network = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    kernel = np.zeros((64, 1), np.float32)
    kernel[0] = 1
    network.layers[-1].set_weights([kernel, np.zeros(1)])
    image = np.zeros((1, 8, 8), np.uint8)
    image[0, 0, 0] = 100
    # Al bajar o ir a la derecha, el borde se repite: la esquina sigue siendo 100.
    assert averaged_logits(network, image, np.array([0])) == pytest.approx([60])
