"""El aumento de adquisición, componente por componente, contra lo que dice que hace."""

import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from neumonia.errors import ConfigError
from neumonia.models.acquisition_layers import PROFILES, Acquisition, acquisition_layers
from neumonia.models.backend import load_keras

N = 24
INNER = (slice(None), slice(2, -2), slice(2, -2))
COMPONENTS = {
    "brightness": 30.0, "contrast": 0.4, "gamma": 0.4, "blur": 1.0, "sharpen": 0.5,
    "noise": 6.0, "zoom": 0.15, "shift": 0.1, "stretch": 0.25, "rotation": 7.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def films() -> np.ndarray:
    """Ruido entre 90 y 160: ningún cambio de los que se piden lo lleva a 0 o a 255."""
    rng = np.random.default_rng(0)
    return rng.integers(90, 161, (N, 32, 32, 1)).astype(np.float32)


def augmented(films: np.ndarray, profile: Acquisition, seed: int = 0, training: bool = True):
    x = films
    for layer in acquisition_layers(profile, seed):
        x = layer(x, training=training)
    return np.asarray(x)[..., 0].astype(np.float64)


def before(films: np.ndarray) -> np.ndarray:
    return films[..., 0].astype(np.float64)


def spans(values: np.ndarray, low: float, high: float) -> bool:
    """Un número por radiografía, todos en el intervalo y repartidos en buena parte de él."""
    width = high - low
    inside = values.min() >= low - 0.01 * width and values.max() <= high + 0.01 * width
    return inside and np.ptp(values) > 0.6 * width


def test_el_brillo_suma_un_numero_por_radiografia(films):
    change = augmented(films, Acquisition(brightness=30)) - before(films)
    assert np.ptp(change, axis=(1, 2)).max() < 1e-3
    assert spans(change.mean(axis=(1, 2)), -30, 30)


def test_el_contraste_conserva_la_media_y_multiplica_la_desviacion(films):
    x, y = before(films), augmented(films, Acquisition(contrast=0.4))
    assert y.mean(axis=(1, 2)) == pytest.approx(x.mean(axis=(1, 2)), abs=1e-3)
    factor = y.std(axis=(1, 2)) / x.std(axis=(1, 2))
    assert spans(factor, 0.6, 1.4)
    center = x.mean(axis=(1, 2), keepdims=True)
    assert np.abs(y - (center + factor[:, None, None] * (x - center))).max() < 1e-2


def test_la_gamma_es_una_potencia_de_la_imagen_entre_cero_y_uno(films):
    x, y = before(films), augmented(films, Acquisition(gamma=0.4))
    exponent = np.log(y / 255) / np.log(x / 255)
    assert np.ptp(exponent, axis=(1, 2)).max() < 1e-3
    assert spans(np.log(exponent.mean(axis=(1, 2))), -0.4, 0.4)


@pytest.mark.parametrize(("blur", "sharpen"), [(1.0, 0.0), (0.0, 0.5), (1.0, 0.5)])
def test_la_nitidez_quita_o_anade_una_parte_del_detalle_fino(films, blur, sharpen):
    x, y = before(films), augmented(films, Acquisition(blur=blur, sharpen=sharpen))
    detail = (x - uniform_filter(x, (1, 5, 5)))[INNER]
    change = (y - x)[INNER]
    share = (change * detail).sum(axis=(1, 2)) / (detail**2).sum(axis=(1, 2))
    assert np.abs(change - share[:, None, None] * detail).max() < 1e-2
    assert spans(share, -blur, sharpen)


def test_el_promedio_del_borde_no_se_oscurece():
    flat = np.full((4, 32, 32, 1), 100, np.float32)
    assert np.abs(augmented(flat, Acquisition(blur=1.0)) - 100).max() < 1e-3


def test_el_ruido_es_gaussiano_y_su_desviacion_cambia_de_una_a_otra(films):
    change = augmented(films, Acquisition(noise=6)) - before(films)
    deviation = change.std(axis=(1, 2))
    assert deviation.max() < 6.3 and np.ptp(deviation) > 3.5
    scaled = (change / deviation[:, None, None]).ravel()
    assert np.abs(change.mean(axis=(1, 2))).max() < 0.8
    # De una normal, el 68.3 % está a menos de una desviación y el 95.4 % a menos de dos.
    assert (np.abs(scaled) < 1).mean() == pytest.approx(0.683, abs=0.02)
    assert (np.abs(scaled) < 2).mean() == pytest.approx(0.954, abs=0.01)
    assert abs(np.corrcoef(change[0].ravel(), change[1].ravel())[0, 1]) < 0.15


def test_el_encuadre_mueve_un_punto_lo_que_dice():
    """El centro de masa de un disco se desplaza hasta un 10 % del lado en cada eje."""
    y, x = np.mgrid[:64, :64]
    disk = 200.0 * (((y - 31.5) ** 2 + (x - 31.5) ** 2) < 64)
    films = np.repeat(disk[None, ..., None], N, axis=0).astype(np.float32)
    moved = augmented(films, Acquisition(shift=0.1))
    total = moved.sum(axis=(1, 2))
    down = (moved * y).sum(axis=(1, 2)) / total - 31.5
    right = (moved * x).sum(axis=(1, 2)) / total - 31.5
    for move in (down, right):
        assert spans(move, -6.4, 6.4)
    area = augmented(films, Acquisition(zoom=0.15)).sum(axis=(1, 2)) / disk.sum()
    assert area.min() < 0.9 and area.max() > 1.1
    both = augmented(films, Acquisition(stretch=0.25))
    middle = both[:, 31:33].mean(axis=1), both[:, :, 31:33].mean(axis=2)
    across, down = (profile.sum(axis=1) / disk[31].sum() for profile in middle)
    # Cada eje por su cuenta: la proporción cambia más de lo que un acercamiento cambiaría.
    assert np.ptp(across) > 0.25 and np.ptp(down) > 0.25
    assert abs(np.corrcoef(across, down)[0, 1]) < 0.6
    turned = augmented(films, Acquisition(rotation=7))
    assert np.abs(turned.sum(axis=(1, 2)) / disk.sum() - 1).max() < 0.03


@pytest.mark.parametrize("name", COMPONENTS)
def test_cada_componente_actua_al_entrenar_y_no_al_predecir(films, name):
    profile = Acquisition(**{name: COMPONENTS[name]})
    assert len(acquisition_layers(profile, 0)) == 1
    assert np.array_equal(augmented(films, profile, training=False), before(films))
    changed = augmented(films, profile)
    assert (np.abs(changed - before(films)).max(axis=(1, 2)) > 1e-3).all()
    again, other = augmented(films, profile), augmented(films, profile, seed=1)
    assert np.array_equal(changed, again) and not np.allclose(changed, other)


def test_el_perfil_fuerte_no_se_sale_de_los_grises():
    extreme = np.random.default_rng(2).choice([0, 255], (64, 32, 32, 1)).astype(np.float32)
    changed = augmented(extreme, PROFILES["fuerte"])
    assert changed.min() >= 0 and changed.max() <= 255 and np.isfinite(changed).all()
    assert (changed == 0).any() and (changed == 255).any(), "sin el recorte, se saldría"


def test_los_perfiles_dicen_lo_que_llevan(films):
    assert acquisition_layers(PROFILES["ninguno"], 0) == []
    names = {
        key: [type(layer).__name__ for layer in acquisition_layers(profile, 0)]
        for key, profile in PROFILES.items()
    }
    geometric = ["RandomRotation", "RandomZoom", "RandomTranslation"]
    assert names["geometrico"] == geometric
    assert names["adquisicion"] == ["RandomAcquisition"]
    assert names["fuerte"] == [*geometric, "RandomAcquisition"]
    assert names["encuadre"] == [
        "RandomRotation", "RandomZoom", "RandomZoom", "RandomTranslation", "RandomAcquisition",
    ]  # fmt: skip
    config = acquisition_layers(PROFILES["fuerte"], 3)[-1].get_config()
    assert config["profile"]["noise"] == 6.0 and isinstance(config["seed"], int)


def test_dentro_de_un_grafo_cada_paso_sortea_otra_vez(films):
    keras = load_keras()
    import tensorflow as tf

    layer = acquisition_layers(Acquisition(brightness=30), 0)[0]
    call = tf.function(lambda x: layer(x, training=True))
    first, second = np.asarray(call(films)), np.asarray(call(films))
    assert not np.allclose(first, second)
    assert isinstance(layer, keras.layers.Layer) and not layer.trainable_weights


@pytest.mark.parametrize("name", COMPONENTS)
def test_un_cambio_imposible_se_explica(name):
    for value in (-0.1, float("nan")):
        with pytest.raises(ConfigError, match=f"'{name}' debe ser"):
            Acquisition(**{name: value})
    if name in ("contrast", "blur", "zoom", "shift", "stretch"):
        with pytest.raises(ConfigError, match=r"entre 0 y 1; recibimos 1\.5"):
            Acquisition(**{name: 1.5})
    else:
        assert getattr(Acquisition(**{name: 1.5}), name) == 1.5
