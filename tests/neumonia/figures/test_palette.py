"""La paleta se distingue sin color, con daltonismo y sobre blanco."""

import itertools

import numpy as np
import pytest

from neumonia.figures import palette

# Matrices de Machado, Oliveira y Fernandes (2009), severidad 1, para RGB lineal.
BLINDNESS = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def linear(color: str) -> np.ndarray:
    channels = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def luminance(rgb: np.ndarray) -> float:
    return float(np.clip(rgb, 0, 1) @ np.array([0.2126, 0.7152, 0.0722]))


def lightness(rgb: np.ndarray) -> float:
    """L* de CIE 1976, de 0 a 100."""
    y = luminance(rgb)
    return 116 * y ** (1 / 3) - 16 if y > 216 / 24389 else 24389 / 27 * y


EVERY = [style for pair in palette.PAIRS for style in pair]


@pytest.mark.parametrize("pair", palette.PAIRS)
def test_cada_pareja_difiere_en_luminosidad_trazo_y_marca(pair):
    first, second = pair
    assert abs(lightness(linear(first.color)) - lightness(linear(second.color))) >= 20
    assert first.line != second.line
    assert first.marker != second.marker


@pytest.mark.parametrize("pair", [palette.PAIRS[0], palette.PAIRS[1]])
def test_los_rellenos_se_distinguen_por_la_trama(pair):
    assert pair[0].hatch != pair[1].hatch


@pytest.mark.parametrize("kind", BLINDNESS)
@pytest.mark.parametrize("pair", palette.PAIRS)
def test_con_daltonismo_la_luminosidad_sigue_distinguiendo(pair, kind):
    seen = [lightness(np.array(BLINDNESS[kind]) @ linear(style.color)) for style in pair]
    assert abs(seen[0] - seen[1]) >= 15


@pytest.mark.parametrize("color", [s.color for s in EVERY] + [palette.TEXT, palette.MUTED])
def test_se_puede_escribir_con_cada_color_sobre_blanco(color):
    """WCAG 2.2 pide 4.5:1 para texto normal."""
    assert 1.05 / (luminance(linear(color)) + 0.05) >= 4.5


def test_cnn_y_vgg16_tienen_siempre_su_estilo():
    styles = palette.model_styles(["regresión", "VGG16", "cnn"])
    assert styles["cnn"] is palette.CNN
    assert styles["VGG16"] is palette.VGG16
    assert styles["regresión"] not in (palette.CNN, palette.VGG16)


def test_los_demas_modelos_no_se_repiten_y_tambien_contrastan():
    names = ["CNN", "VGG16", "a", "b", "c", "d"]
    styles = palette.model_styles(names)
    for first, second in itertools.combinations(names, 2):
        assert styles[first].color != styles[second].color
        assert styles[first].marker != styles[second].marker
        assert styles[first].line != styles[second].line
    for style in styles.values():
        assert 1.05 / (luminance(linear(style.color)) + 0.05) >= 4.5
    assert palette.model_styles([*names, "e"])["e"] == styles["a"]
