"""Las normalizaciones contra su definición: histograma, momentos, encuadre y gaussiana."""

import zipfile

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from neumonia.datasets.images import decode, resize
from neumonia.errors import ConfigError
from neumonia.normalization import (
    CENTER,
    CROP,
    NORMALIZATIONS,
    SPREAD,
    blur,
    crop,
    equalize,
    normalize,
    standardize,
)


@pytest.fixture(scope="module")
def films() -> np.ndarray:
    """Cuatro imágenes suaves, oscuras y poco contrastadas, con distinta rampa cada una."""
    rng = np.random.default_rng(0)
    rough = gaussian_filter(rng.normal(0, 1, (4, 96, 80)), (0, 2, 2))
    ramp = np.linspace(0, 1, 80) * np.arange(1, 5)[:, None, None]
    values = rough / rough.std() * 8 + 60 + 10 * ramp
    return values.clip(0, 255).astype(np.uint8)


def test_ecualizar_es_el_histograma_acumulado(films):
    """Cada gris pasa a 255 veces la proporción de píxeles más oscuros, salvo redondeo.

    Pillow redondea el paso a un entero: con 96 x 80 píxeles la diferencia no llega a dos grises.
    """
    found = equalize(films)
    assert not np.array_equal(found, films)
    for film, changed in zip(films, found, strict=True):
        counts = np.bincount(film.ravel(), minlength=256)
        darker = np.cumsum(counts) - counts
        # El último gris no cuenta en el paso: así el más claro llega a 255.
        last = counts[counts > 0][-1]
        expected = 255 * darker / (film.size - last)
        assert np.abs(changed - expected[film]).max() <= 2
        assert changed.min() == 0 and changed.max() == 255
        # El orden de los grises no cambia.
        order = np.argsort(film.ravel(), kind="stable")
        assert (np.diff(changed.ravel()[order].astype(int)) >= 0).all()


def test_estandarizar_deja_la_media_y_la_desviacion_pedidas():
    """En una distribución uniforme nada pasa de 1.8 desviaciones: no se recorta ningún gris."""
    rng = np.random.default_rng(2)
    films = np.stack([rng.integers(low, low + 30 + low, (60, 50)) for low in (5, 30, 90)])
    found = standardize(films.astype(np.uint8))
    assert found.mean(axis=(1, 2)) == pytest.approx(CENTER, abs=0.3)
    assert found.std(axis=(1, 2)) == pytest.approx(SPREAD, abs=0.5)
    exact = (films - films.mean(axis=(1, 2), keepdims=True)) / films.std(axis=(1, 2), keepdims=True)
    assert np.abs(found - (CENTER + SPREAD * exact)).max() <= 0.51


def test_estandarizar_recorta_y_no_divide_entre_cero():
    flat = np.full((1, 8, 8), 200, np.uint8)
    assert (standardize(flat) == CENTER).all()
    point = np.zeros((1, 40, 40), np.uint8)
    point[0, 3, 3] = 255
    found = standardize(point)
    assert found[0, 3, 3] == 255, "saldría a cuarenta desviaciones"
    assert found[0, 0, 0] == round(CENTER - SPREAD / np.sqrt(1599))


def test_recortar_quita_exactamente_el_marco():
    """De una rampa de columnas queda la parte central de la rampa, estirada."""
    images = np.tile(np.arange(0, 200, 2, dtype=np.uint8), (2, 50, 1))
    images[:, :4] = images[:, -4:] = 255
    found = crop(images)
    assert found.shape == images.shape
    assert found.max() < 200, "las cuatro filas de arriba y de abajo eran el 8 %"
    edge = CROP * 100
    places = edge + (np.arange(100) + 0.5) * (100 - 2 * edge) / 100 - 0.5
    assert np.abs(found[0, 25, 2:-2] - 2 * places[2:-2]).max() <= 1.0
    assert np.array_equal(found[0, 10], found[0, 40])


def test_suavizar_se_parece_a_la_gaussiana_y_conserva_la_media(films):
    found = blur(films).astype(float)
    exact = gaussian_filter(films.astype(float), (0, 1, 1))
    inner = (slice(None), slice(4, -4), slice(4, -4))
    assert np.abs(found - exact)[inner].max() < 3
    assert found.mean() == pytest.approx(films.mean(), abs=1)
    assert np.array_equal(normalize(films, "igualar"), standardize(blur(films)))
    noise = np.random.default_rng(1).integers(0, 256, (1, 64, 64)).astype(np.uint8)
    # Una gaussiana de un píxel deja 1/(2·raíz(pi)) del ruido blanco.
    assert blur(noise).std() / noise.std() == pytest.approx(1 / (2 * np.sqrt(np.pi)), rel=0.15)


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_cada_radiografia_se_normaliza_sola_y_sin_tocar_la_original(films, name):
    before = films.copy()
    together = normalize(films, name)
    assert together.dtype == np.uint8 and together.shape == films.shape
    assert np.array_equal(together[2:3], normalize(films[2:3], name))
    assert np.array_equal(films, before)
    assert (name == "ninguna") == np.array_equal(together, films)


@pytest.mark.parametrize("name", ["estandarizar", "ecualizar"])
def test_otro_brillo_y_otro_contraste_dan_lo_mismo(films, name):
    """Es para lo que sirven: el equipo cambia la escala y la radiografía normalizada no."""
    other = (1.6 * films.astype(float) + 20).round().astype(np.uint8)
    distance = np.abs(normalize(films, name).astype(int) - normalize(other, name))
    assert distance.mean() < 2 and np.abs(films.astype(int) - other).mean() > 40


def test_lo_que_no_son_radiografias_se_rechaza(films):
    with pytest.raises(ConfigError, match=r"'afinar'.*ecualizar"):
        normalize(films, "afinar")
    for name in NORMALIZATIONS:
        with pytest.raises(ConfigError, match=r"uint8 \(N, alto, ancho\); recibimos float"):
            normalize(films.astype(float), name)
        with pytest.raises(ConfigError, match=r"\(96, 80\)"):
            normalize(films[0], name)


@pytest.mark.real
def test_en_radiografias_reales(shared):
    with zipfile.ZipFile(shared / "datos" / "chest_xray_224.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpeg")][::1000]
        films = np.stack([resize(decode(archive.read(name), name), 96) for name in names])
    assert len(films) >= 5
    uniform = np.linspace(0, 1, 256)
    for film in normalize(films, "ecualizar"):
        reached = np.cumsum(np.bincount(film.ravel(), minlength=256)) / film.size
        assert np.abs(reached - uniform).max() < 0.1
    levels = normalize(films, "estandarizar").mean(axis=(1, 2))
    assert levels == pytest.approx(CENTER, abs=4) and films.mean(axis=(1, 2)).std() > 4
    # Pillow interpola el borde del recorte con su vecino de fuera: el interior es idéntico.
    frame = Image.fromarray(films[0]).crop((8, 8, 88, 88)).resize((96, 96), Image.BILINEAR)
    expected = np.asarray(frame)[1:-1, 1:-1]
    assert np.array_equal(normalize(films, "recortar")[0, 1:-1, 1:-1], expected)
