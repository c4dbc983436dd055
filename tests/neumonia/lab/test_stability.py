"""La estabilidad, con «métodos» cuya respuesta al cambio se conoce de antemano."""

import numpy as np
import pytest
from scipy.ndimage import shift as scipy_shift

from neumonia.lab.sanity import ssim
from neumonia.lab.stability import SIGMAS, noisy, shift_images, shifted_pairs


@pytest.fixture
def films() -> np.ndarray:
    return np.random.default_rng(0).integers(40, 216, (8, 20, 24)).astype(np.uint8)


def itself(model, images: np.ndarray) -> np.ndarray:
    """El mapa es la placa: sigue a la imagen píxel a píxel."""
    return np.asarray(images, np.float64) / 255


def fixed(model, images: np.ndarray) -> np.ndarray:
    """El mismo mapa para cualquier placa."""
    return np.broadcast_to(np.random.default_rng(1).random(images.shape[1:]), images.shape)


def test_el_ruido_tiene_la_desviacion_pedida_y_es_el_mismo_en_cada_nivel():
    films = np.full((40, 30, 30), 128, np.uint8)
    found = noisy(films, seed=3)
    assert list(found) == [f"ruido {sigma}" for sigma in SIGMAS]
    weak, strong = (found[f"ruido {sigma}"] - 128.0 for sigma in (2, 10))
    assert weak.std() == pytest.approx(2, rel=0.02) and abs(weak.mean()) < 0.06
    np.testing.assert_allclose(strong, 5 * weak, atol=1e-4)
    assert np.array_equal(found["ruido 5"], noisy(films, seed=3)["ruido 5"])
    assert not np.array_equal(found["ruido 5"], noisy(films, seed=4)["ruido 5"])


def test_los_valores_con_ruido_no_salen_de_0_a_255():
    found = noisy(np.tile(np.array([0, 255], np.uint8), (2, 20, 10)), 0)["ruido 10"]
    assert found.min() == 0 and found.max() == 255


@pytest.mark.parametrize(("down", "right"), [(0, 0), (1, 0), (-2, 3), (4, -1)])
def test_desplazar_coincide_con_scipy(films, down, right):
    expected = [scipy_shift(film, (down, right), order=0, mode="nearest") for film in films]
    np.testing.assert_array_equal(shift_images(films, down, right), expected)


def test_un_metodo_que_sigue_a_la_imagen_no_cambia_al_desplazarla_y_uno_atado_al_marco_si(films):
    for original, back in shifted_pairs(None, itself, films):
        assert original.shape == (8, 18, 22)
        np.testing.assert_array_equal(original, back)
    for original, back in shifted_pairs(None, fixed, films):
        assert (ssim(original, back) < 0.3).all()


def test_lo_que_entro_por_el_borde_no_cuenta(films):
    """Un método que se equivoca en el píxel del borde no pierde nada; en el segundo, sí."""

    def wrong(width):
        def explain(model, images):
            maps = itself(model, images)
            frame = np.ones(images.shape[1:], bool)
            frame[width:-width, width:-width] = False
            maps[:, frame] = np.random.default_rng(int(images.sum())).random(frame.sum())
            return maps

        return explain

    original, back = shifted_pairs(None, wrong(2), films)[0]
    assert not np.array_equal(original[:, :, 1:], back[:, :, 1:])
    original, back = shifted_pairs(None, wrong(1), films)[0]
    np.testing.assert_array_equal(original[:, :, :-1], back[:, :, :-1])
