"""Lo que ven las referencias, contra imágenes calculadas a mano, Pillow y NumPy."""

import numpy as np
import pytest
from PIL import Image

from neumonia.baselines import (
    frame_mask,
    frame_pixels,
    intensity_statistics,
    sharpness,
    small_pixels,
)
from neumonia.errors import ConfigError


@pytest.fixture(scope="module")
def films() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (300, 50, 37)).astype(np.uint8)


def test_reducir_reparte_cada_pixel_por_su_area(films):
    """Repetir cada píxel 11 veces por lado hace exacta la división en 11 x 11 bloques."""
    small = small_pixels(films[:5], 11)
    for image, ours in zip(films, small, strict=False):
        large = np.kron(image.astype(float), np.ones((11, 11)))
        expected = large.reshape(11, 50, 11, 37).mean(axis=(1, 3)) / 255
        assert np.abs(ours.reshape(11, 11) - expected).max() < 1e-6


def test_con_un_factor_entero_es_el_filtro_de_caja_de_pillow(films):
    square = films[:5, :36, :36]
    for image, ours in zip(square, small_pixels(square, 12), strict=True):
        picture = Image.fromarray(image.astype(np.float32))
        theirs = np.asarray(picture.resize((12, 12), Image.Resampling.BOX)) / 255
        assert np.abs(ours.reshape(12, 12) - theirs).max() < 1e-5


def test_reducir_por_un_factor_entero_es_promediar_bloques(films):
    square = films[:, :36, :36]
    blocks = square.reshape(len(square), 12, 3, 12, 3).mean(axis=(2, 4)) / 255
    small = small_pixels(square, 12)
    assert small.dtype == np.float32 and small.shape == (300, 144)
    assert np.abs(small - blocks.reshape(300, -1)).max() < 1e-6


def test_lo_reducido_va_de_0_a_1_y_se_puede_ampliar():
    white = np.full((2, 128, 128), 255, np.uint8)
    assert small_pixels(white).max() == pytest.approx(1) and small_pixels(white).max() <= 1
    assert np.array_equal(small_pixels(0 * white), np.zeros((2, 784), np.float32))
    tiny = np.array([[[0, 255], [255, 0]]], np.uint8)
    expected = np.kron([[0, 1], [1, 0]], np.ones((2, 2)))
    assert np.allclose(small_pixels(tiny, 4).reshape(4, 4), expected)


@pytest.mark.parametrize(("side", "width"), [(28, 4), (28, 1), (5, 2)])
def test_el_marco_no_ve_el_centro(films, side, width):
    mask = frame_mask(side, width)
    assert mask.sum() == 4 * width * (side - width)
    assert not mask[width : side - width, width : side - width].any()
    big = np.repeat(
        np.repeat(np.random.default_rng(1).integers(0, 256, (3, side, side)), 2, 1), 2, 2
    )
    big = big.astype(np.uint8)
    changed = big.copy()
    changed[:, 2 * width : 2 * (side - width), 2 * width : 2 * (side - width)] = 99
    seen = frame_pixels(big, side, width)
    assert seen.shape == (3, mask.sum())
    assert np.array_equal(seen, frame_pixels(changed, side, width))
    changed[:, 0, 0] = 255 - changed[:, 0, 0]
    assert not np.array_equal(seen, frame_pixels(changed, side, width))
    assert np.array_equal(seen, frame_pixels(big, side, width, small_pixels(big, side)))


def test_los_percentiles_y_lo_demas_son_los_de_numpy(films):
    table = intensity_statistics(films)
    flat = films.reshape(300, -1).astype(float)
    names = ["p01", "p05", "p25", "p50", "p75", "p95", "p99"]
    expected = np.percentile(flat, [1, 5, 25, 50, 75, 95, 99], axis=1).T
    assert np.allclose(table[names], expected)
    assert np.allclose(table["mean"], flat.mean(axis=1))
    assert np.allclose(table["std"], flat.std(axis=1))
    assert np.allclose(table["black"], (flat < 5).mean(axis=1))
    assert np.allclose(table["white"], (flat > 250).mean(axis=1))


def test_una_imagen_lisa_no_tiene_contraste_ni_nitidez():
    flat = np.full((2, 20, 20), 77, np.uint8)
    assert intensity_statistics(flat).iloc[1].tolist() == [77, 0, *[77] * 7, 0, 0]
    assert (sharpness(flat) == 0).all(axis=None)


def test_la_nitidez_de_una_rampa_de_un_tablero_y_de_un_punto():
    ramp = np.tile(3 * np.arange(20, dtype=np.uint8), (12, 1))
    board = (np.indices((12, 20)).sum(axis=0) % 2 * 10).astype(np.uint8)
    point = np.zeros((12, 20), np.uint8)
    point[5, 5] = 200
    table = sharpness(np.stack([ramp, board, point]))
    assert table.loc[0].tolist() == pytest.approx([1.5, 0, 3, 0])
    assert table.loc[1].tolist() == pytest.approx([10, 10, 10, 40])
    energy = (800**2 + 4 * 200**2) / (10 * 18)
    assert table.loc[2].tolist() == pytest.approx(
        [(400 / 220 + 400 / 228) / 2, 400 / 220, 400 / 228, energy**0.5]
    )


def test_desenfocar_baja_la_nitidez_y_no_el_gris_medio(films):
    from scipy.ndimage import gaussian_filter

    smooth = [gaussian_filter(film.astype(float), 1.5, mode="wrap") for film in films[:20]]
    blurred = np.rint(smooth).astype(np.uint8)
    assert (sharpness(blurred)["gradient"] < 0.4 * sharpness(films[:20])["gradient"]).all()
    grey = [intensity_statistics(images)["mean"] for images in (blurred, films[:20])]
    assert np.abs(grey[0] - grey[1]).max() < 0.1


def test_un_memmap_da_lo_mismo(films, tmp_path):
    np.save(tmp_path / "x.npy", films)
    disk = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert np.array_equal(small_pixels(disk), small_pixels(films))
    assert intensity_statistics(disk).equals(intensity_statistics(films))
    assert sharpness(disk).equals(sharpness(films))


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 9, 9)),
        np.zeros((9, 9), np.uint8),
        np.zeros((0, 9, 9), np.uint8),
        [[1, 2]],
        None,
    ],
)
@pytest.mark.parametrize("function", [small_pixels, intensity_statistics, sharpness])
def test_lo_que_no_son_radiografias_se_rechaza(function, images):
    with pytest.raises(ConfigError, match="uint8"):
        function(images)


def test_los_tamanos_imposibles_se_rechazan(films):
    with pytest.raises(ConfigError, match="al menos 2"):
        small_pixels(films, 1)
    with pytest.raises(ConfigError, match="marco puede medir de 1 a 13"):
        frame_pixels(films, 28, 14)
    with pytest.raises(ConfigError, match="marco"):
        frame_mask(28, 0)
    with pytest.raises(ConfigError, match="tener forma"):
        frame_pixels(films, reduced=np.zeros((300, 9), np.float32))
    with pytest.raises(ConfigError, match="3 píxeles"):
        sharpness(films[:, :2])
