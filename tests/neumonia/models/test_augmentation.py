"""El aumento que imita otro equipo, contra SciPy y contra casos que se resuelven a mano."""

import numpy as np
import pytest
from scipy import ndimage

from neumonia.errors import ConfigError, DataError
from neumonia.models.augmentation import (
    CHANGES,
    OTHER_DEVICE,
    Acquisition,
    acquisition_of,
    augment,
)
from neumonia.models.backend import load_keras

SIZE = 48


def blob(tall=4.0, wide=4.0):
    """Una mancha gaussiana en el centro de un fondo negro."""
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    return 255 * np.exp(-((y / tall) ** 2 + (x / wide) ** 2) / 2)


def films(film, count=64):
    return np.repeat(film[None].astype(np.float32), count, axis=0)


def changed(film, limits, seed=0, count=64):
    """Lo que da ``acquire``, sin redondear."""
    load_keras()
    from neumonia.models.augmentation import acquire

    out = acquire(films(film, count), np.array([seed, 0], np.int32), limits)
    return np.asarray(out)[..., 0].astype(np.float64)


def centroid(image):
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    return (y * image).sum() / image.sum(), (x * image).sum() / image.sum()


def moments(image):
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    cy, cx = centroid(image)
    total = image.sum()
    return (
        ((y - cy) ** 2 * image).sum() / total,
        ((x - cx) ** 2 * image).sum() / total,
        ((y - cy) * (x - cx) * image).sum() / total,
    )


def texture(seed=0):
    rng = np.random.default_rng(seed)
    return ndimage.gaussian_filter(rng.uniform(60, 190, (SIZE, SIZE)), 0.7)


def test_sin_cambios_deja_la_radiografia_igual():
    images = np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE)).astype(np.uint8)
    assert (augment(images, 3, Acquisition()) == images).all()
    assert acquisition_of() == Acquisition()


def test_la_misma_semilla_da_lo_mismo_y_otra_no():
    images = np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE)).astype(np.uint8)
    first = augment(images, 1)
    assert first.dtype == np.uint8 and first.shape == images.shape
    assert (augment(images, 1) == first).all()
    assert (augment(images, 2) != first).any()


def test_cada_radiografia_tiene_su_sorteo():
    out = changed(texture(), OTHER_DEVICE, count=8)
    assert len({image.tobytes() for image in out}) == 8


def test_desplazar_mueve_la_mancha_dentro_del_limite():
    found = np.array([centroid(image) for image in changed(blob(), Acquisition(shift=0.1))])
    assert np.abs(found).max() <= 0.1 * SIZE + 0.05
    # Con 64 sorteos uniformes, alguno pasa de la mitad del límite en los cuatro sentidos.
    assert (found.max(axis=0) > 0.05 * SIZE).all() and (found.min(axis=0) < -0.05 * SIZE).all()


def test_girar_inclina_la_mancha_tantos_grados_como_mucho():
    angles = []
    for image in changed(blob(tall=8, wide=3), Acquisition(rotation=20.0)):
        vertical, horizontal, mixed = moments(image)
        angles.append(np.degrees(0.5 * np.arctan2(2 * mixed, vertical - horizontal)))
    assert np.abs(angles).max() <= 20.5
    assert max(angles) > 10 and min(angles) < -10


def test_estirar_cambia_alto_y_ancho_por_su_cuenta():
    tall, wide, mixed = np.array(
        [moments(image) for image in changed(blob(), Acquisition(stretch=0.25))]
    ).T
    still = moments(blob())
    factors = np.stack([np.log(tall / still[0]), np.log(wide / still[1])]) / 2
    # El remuestreo lineal ensancha un poco la mancha.
    assert np.abs(factors).max() <= 0.25 + 0.03
    assert factors.max() > 0.12 and factors.min() < -0.12
    assert np.abs(np.corrcoef(factors)[0, 1]) < 0.5
    assert np.abs(mixed).max() < 0.05


def test_el_encuadre_es_el_de_scipy():
    """Giro, desplazamiento y estiramiento a la vez, con un borde que se repite."""
    keras = load_keras()
    from neumonia.models.augmentation import _framed

    turn, down, right, tall, wide = 0.15, 0.06, -0.04, 1.2, 0.85
    one = [keras.ops.full((1, 1, 1, 1), value) for value in (turn, down, right, tall, wide)]
    source = texture()
    out = np.asarray(_framed(source[None, ..., None].astype(np.float32), one[0], one[1:3], one[3:]))
    cosine, sine = np.cos(turn), np.sin(turn)
    # En SciPy las coordenadas van (fila, columna).
    matrix = np.array([[cosine / tall, sine / tall], [-sine / wide, cosine / wide]])
    centre = np.full(2, (SIZE - 1) / 2)
    offset = centre - matrix @ centre - np.array([down, right]) * SIZE
    expected = ndimage.affine_transform(source, matrix, offset, order=1, mode="nearest")
    assert np.abs(out[0, ..., 0] - expected).max() < 0.05


@pytest.mark.parametrize(
    ("limits", "low", "high"),
    [
        (Acquisition(blur=1.0), 0.0, 1.0),
        (Acquisition(sharpen=0.6), -0.6, 0.0),
        (Acquisition(blur=1.0, sharpen=0.6), -0.6, 1.0),
    ],
)
def test_la_nitidez_quita_o_pone_parte_del_detalle(limits, low, high):
    source = texture()
    row = np.array([1, 4, 6, 4, 1]) / 16
    smooth = ndimage.convolve(source, np.outer(row, row), mode="reflect")
    detail = (smooth - source).ravel()
    shares = []
    for image in changed(source, limits):
        moved = (image - source).ravel()
        share = moved @ detail / (detail @ detail)
        assert np.abs(moved - share * detail).max() < 0.01
        shares.append(share)
    assert low <= min(shares) and max(shares) <= high
    assert max(shares) - min(shares) > (high - low) / 2


def test_el_brillo_suma_lo_mismo_a_toda_la_radiografia():
    moved = changed(texture(), Acquisition(brightness=30.0)) - texture()
    added = moved.mean(axis=(1, 2))
    assert np.abs(moved - added[:, None, None]).max() < 0.01
    assert np.abs(added).max() <= 30 and added.max() > 15 and added.min() < -15


def test_el_contraste_conserva_la_media():
    source = texture()
    out = changed(source, Acquisition(contrast=0.4))
    assert np.abs(out.mean(axis=(1, 2)) - source.mean()).max() < 0.01
    factors = np.log(out.std(axis=(1, 2)) / source.std())
    assert np.abs(factors).max() <= 0.4 and np.ptp(factors) > 0.4


def test_la_gamma_es_una_potencia():
    source = texture()
    for image in changed(source, Acquisition(gamma=0.5)):
        exponent = np.log(image / 255) / np.log(source / 255)
        assert np.ptp(exponent) < 1e-3
        assert np.exp(-0.5) <= exponent.mean() <= np.exp(0.5)


def test_el_ruido_no_pasa_de_su_desviacion():
    noise = changed(np.full((SIZE, SIZE), 128.0), Acquisition(noise=12.0)) - 128
    spread = noise.std(axis=(1, 2))
    assert spread.max() <= 12 * 1.1 and spread.min() < 3
    assert np.abs(noise.mean(axis=(1, 2))).max() < 5 * 12 / SIZE


def test_cada_cambio_usa_sus_campos_y_todos_juntos_son_otro_equipo():
    assert acquisition_of(*CHANGES) == OTHER_DEVICE
    only = acquisition_of("proporción")
    assert only == Acquisition(stretch=OTHER_DEVICE.stretch)


def test_lo_que_no_puede_ser_lo_dice():
    with pytest.raises(ConfigError, match="shift"):
        Acquisition(shift=1.0)
    with pytest.raises(ConfigError, match="gamma"):
        Acquisition(gamma=-0.1)
    with pytest.raises(ConfigError, match="noise"):
        Acquisition(noise=float("nan"))
    with pytest.raises(ConfigError, match="colores"):
        acquisition_of("colores")
    with pytest.raises(DataError, match="alto, ancho"):
        augment(np.zeros((SIZE, SIZE)), 0)
