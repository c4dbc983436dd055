"""El mapa superpuesto: opacidad, escala, contornos y archivo."""

import matplotlib
import numpy as np
import pytest
from PIL import Image

from neumonia.errors import ConfigError, DataError
from neumonia.gradcam.overlay import overlay, save_png


def disc(side: int = 61, radius: float = 12.0) -> np.ndarray:
    """Campana de altura 1 en el centro, en [0, 1]."""
    y, x = np.mgrid[:side, :side] - side // 2
    return np.exp(-(x**2 + y**2) / (2 * radius**2))


@pytest.fixture
def film() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (61, 61)).astype(np.uint8)


def test_un_mapa_vacio_deja_la_placa_intacta(film):
    painted = overlay(film, np.zeros(film.shape))
    assert painted.dtype == np.uint8
    assert np.array_equal(painted, np.repeat(film[..., None], 3, axis=2))


def test_la_mezcla_es_proporcional_al_calor(film):
    heat = np.full(film.shape, 0.3)
    color = 255 * np.array(matplotlib.colormaps["inferno"](0.3)[:3])
    expected = np.rint(0.82 * film[..., None] + 0.18 * color)
    assert np.array_equal(overlay(film, heat, alpha=0.6), expected.astype(np.uint8))


def test_con_alfa_cero_solo_quedan_los_contornos(film):
    painted = overlay(film, disc(), alpha=0.0)
    changed = np.any(painted != film[..., None], axis=2)
    values = {tuple(v) for v in painted[changed]}
    assert values == {(0, 0, 0), (255, 255, 255)}


def test_el_contorno_es_blanco_por_dentro_y_negro_por_fuera(film):
    heat = disc()
    painted = overlay(film, heat, alpha=0.0, levels=(0.5,))
    inside = heat >= 0.5
    white = np.all(painted == 255, axis=2) & (film != 255)
    black = np.all(painted == 0, axis=2) & (film != 0)
    assert white.any() and np.all(inside[white])
    assert black.any() and not np.any(inside[black])
    # El borde de la mitad está a sigma * sqrt(2 ln 2) del centro.
    y, x = np.nonzero(white | black)
    distance = np.hypot(x - 30, y - 30)
    assert np.abs(distance - 12 * np.sqrt(2 * np.log(2))).max() < 2


def test_cada_nivel_agrega_su_contorno(film):
    one = overlay(film, disc(), alpha=0.0, levels=(0.5,))
    two = overlay(film, disc(), alpha=0.0, levels=(0.8, 0.5))
    assert np.any(one != two)
    assert np.array_equal(two, overlay(film, disc(), alpha=0.0))


def test_el_trazo_crece_con_la_imagen():
    thin = np.full((100, 100), 128, np.uint8)
    thick = np.full((600, 600), 128, np.uint8)
    heat = [np.zeros(f.shape) for f in (thin, thick)]
    for h in heat:
        h[h.shape[0] // 4 : h.shape[0] // 2, h.shape[1] // 4 : h.shape[1] // 2] = 0.6
    widths = [
        np.all(overlay(f, h, alpha=0.0)[int(f.shape[0] * 0.375)] == 255, axis=1).sum() // 2
        for f, h in zip((thin, thick), heat, strict=True)
    ]
    assert widths == [1, 3]


def test_se_lee_en_gris():
    """Sin color, el borde del mapa contrasta con placas oscuras, medias y claras."""
    for gray in (0, 128, 255):
        painted = overlay(np.full((61, 61), gray, np.uint8), disc())
        luminosity = np.asarray(Image.fromarray(painted).convert("L")).astype(int)
        edge = np.abs(disc() - 0.5) < 0.08
        assert np.ptp(luminosity[edge]) > 150


def test_la_escala_no_inventa_bordes():
    """La luminosidad de la escala crece siempre: la de jet sube y baja."""
    weights = np.array([0.2126, 0.7152, 0.0722])
    heat = np.linspace(0, 1, 101)[None].repeat(3, axis=0)
    painted = overlay(np.zeros(heat.shape, np.uint8), heat, alpha=1.0, levels=())
    assert np.all(np.diff(painted[1] @ weights) >= 0)


@pytest.mark.parametrize(
    ("image", "heat", "message"),
    [
        (np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4)), r"\(H, W\)"),
        (np.zeros((0, 0), np.uint8), np.zeros((0, 0)), r"\(H, W\)"),
        (np.zeros((4, 4)), np.zeros((4, 4)), "uint8"),
        (np.zeros((4, 4), np.uint8), np.zeros((4, 5)), "deben coincidir"),
        (np.zeros((4, 4), np.uint8), np.full((4, 4), np.nan), "sin NaN"),
        (np.zeros((4, 4), np.uint8), np.full((4, 4), 1.5), "entre 0 y 1"),
    ],
)
def test_las_formas_y_valores_malos_se_rechazan(image, heat, message):
    with pytest.raises(DataError, match=message):
        overlay(image, heat)


def test_las_opciones_fuera_de_dominio_se_rechazan(film):
    with pytest.raises(ConfigError, match="alpha"):
        overlay(film, disc(), alpha=1.5)
    with pytest.raises(ConfigError, match="contorno"):
        overlay(film, disc(), levels=(0.0,))


def test_el_png_guarda_los_mismos_pixeles(film, tmp_path):
    path = save_png(tmp_path / "mapas" / "uno.png", film, disc(), alpha=0.4)
    assert np.array_equal(np.asarray(Image.open(path)), overlay(film, disc(), alpha=0.4))
    again = save_png(tmp_path / "otro.png", film, disc(), alpha=0.4)
    assert path.read_bytes() == again.read_bytes()


def test_un_fallo_no_deja_archivos(film, tmp_path):
    with pytest.raises(DataError):
        save_png(tmp_path / "x.png", film, np.zeros((2, 2)))
    with pytest.raises(ConfigError, match="png"):
        save_png(tmp_path / "x.jpg", film, disc())
    assert list(tmp_path.iterdir()) == []
