"""Imitar otro equipo: cada cambio hace lo que dice, y nada más."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from neumonia.acquisition.simulated import CHANGES, simulate
from neumonia.errors import ConfigError


@pytest.fixture(scope="module")
def films() -> np.ndarray:
    """Dos radiografías de grises medios con un detalle en el centro."""
    rng = np.random.default_rng(3)
    base = np.add.outer(np.linspace(70, 150, 96), np.linspace(0, 30, 96))
    detail = np.zeros((96, 96))
    detail[40:56, 40:56] = 40
    return np.stack([base + detail, base]).astype(np.uint8) + rng.integers(
        0, 6, (2, 96, 96), dtype=np.uint8
    )


@pytest.mark.parametrize("name", CHANGES)
def test_conserva_forma_y_tipo_cambia_la_imagen_y_es_repetible(films, name):
    before = films.copy()
    changed = simulate(films, name, seed=5)
    assert changed.shape == films.shape and changed.dtype == np.uint8
    assert not np.array_equal(changed, films)
    assert np.array_equal(changed, simulate(films, name, seed=5))
    assert np.array_equal(films, before), "no se toca lo que nos prestan"


def test_los_nombres_no_repiten_cambio(films):
    seen = [simulate(films, name).tobytes() for name in CHANGES]
    assert len(set(seen)) == len(CHANGES)


def test_brillo_contraste_y_gamma_son_su_formula(films):
    x = films.astype(float)
    mean = x.mean(axis=(1, 2), keepdims=True)
    expected = {
        "oscura": x - 40,
        "clara": x + 40,
        "poco contraste": mean + 0.6 * (x - mean),
        "mucho contraste": mean + 1.4 * (x - mean),
        "grises bajos levantados": 255 * (x / 255) ** 0.6,
        "grises bajos hundidos": 255 * (x / 255) ** 1.6,
    }
    for name, values in expected.items():
        assert np.abs(simulate(films, name) - np.clip(values, 0, 255)).max() <= 0.5 + 1e-9, name


def test_los_encuadres_quitan_el_marco_que_dicen():
    ramp = np.tile(np.arange(100, dtype=np.uint8), (100, 1))
    tall, wide = (
        simulate(np.stack([ramp]), f"estirada a lo {way}")[0] for way in ("alto", "ancho")
    )
    assert np.array_equal(tall, ramp), "estirar a lo alto no mueve nada de izquierda a derecha"
    assert abs(int(wide[50, 0]) - 10) <= 1 and abs(int(wide[50, -1]) - 89) <= 1
    turned = simulate(np.stack([ramp.T]), "estirada a lo alto")[0]
    assert np.array_equal(turned, wide.T)
    closed = simulate(np.stack([ramp]), "encuadre cerrado")[0]
    assert np.array_equal(closed, wide), "y con las filas iguales, cerrar es lo mismo"


def _detail(images: np.ndarray) -> float:
    smooth = [np.asarray(Image.fromarray(x).filter(ImageFilter.BoxBlur(2)), float) for x in images]
    return float(np.abs(images - np.stack(smooth)).mean())


def test_lo_borroso_pierde_detalle_y_lo_afilado_lo_gana(films):
    original = _detail(films)
    assert _detail(simulate(films, "borrosa")) < 0.6 * original
    assert _detail(simulate(films, "afilada")) > 1.3 * original
    assert _detail(simulate(films, "con ruido")) > 1.3 * original


def test_el_radio_crece_con_la_imagen():
    step = np.zeros((1, 192, 192), np.uint8)
    step[:, :, 96:] = 200
    small, big = simulate(step[:, ::2, ::2], "borrosa"), simulate(step, "borrosa")
    widths = [int(((row > 10) & (row < 190)).sum()) for row in (small[0, 48], big[0, 96])]
    assert widths[1] == pytest.approx(2 * widths[0], abs=2)


def test_el_ruido_tiene_la_desviacion_que_dice_y_depende_de_la_semilla():
    flat = np.full((1, 96, 96), 128, np.uint8)
    first, other = simulate(flat, "con ruido", seed=0), simulate(flat, "con ruido", seed=1)
    assert first.std() == pytest.approx(10, abs=0.4)
    assert not np.array_equal(first, other)


def test_un_cambio_desconocido_dice_los_que_hay(films):
    with pytest.raises(ConfigError, match=r"imitar 'niebla'.*estirada a lo alto"):
        simulate(films, "niebla")
