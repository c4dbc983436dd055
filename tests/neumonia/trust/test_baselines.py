"""Las referencias que no miran la placa: su forma exacta y el valor que les toca."""

import numpy as np
import pytest

from neumonia.errors import ConfigError, DataError
from neumonia.trust import (
    baseline_maps,
    centre_maps,
    energy_inside,
    localisation_table,
    mean_mask_maps,
    pointing_game,
    random_maps,
    uniform_maps,
)

SHAPE = (4, 21, 31)


def test_el_uniforme_es_uno_en_todas_partes():
    maps = uniform_maps(SHAPE)
    assert maps.shape == SHAPE and maps.dtype == np.float32
    assert (maps == 1).all()


def test_el_centro_es_una_gaussiana_de_la_desviacion_dicha():
    maps = centre_maps(SHAPE, sigma=0.2)
    assert maps.shape == SHAPE and maps.dtype == np.float32
    assert maps[0, 10, 15] == maps.max() == 1
    scale = 0.2 * 21
    for down, across in ((3, 0), (0, 3), (5, -7), (-10, 15)):
        expected = np.exp(-(down**2 + across**2) / (2 * scale**2))
        assert maps[2, 10 + down, 15 + across] == pytest.approx(expected, rel=1e-5)


def test_con_lados_pares_el_maximo_empata_en_los_cuatro_del_medio():
    heat = centre_maps((1, 8, 6), sigma=1e-3)[0]
    assert heat.sum() == 4 and (heat[3:5, 2:4] == 1).all()


def test_una_gaussiana_muy_ancha_es_casi_uniforme():
    assert centre_maps(SHAPE, sigma=1e4).min() == pytest.approx(1)


def test_el_azar_es_distinto_por_placa_y_repetible():
    maps = random_maps((2, 50, 50), seed=3)
    assert maps.dtype == np.float32 and maps.min() >= 0 and maps.max() < 1
    assert maps.mean() == pytest.approx(0.5, abs=0.03)
    assert (maps == random_maps((2, 50, 50), seed=3)).all()
    assert (maps[0] != maps[1]).any() and (maps != random_maps((2, 50, 50), seed=4)).any()


def test_la_media_de_las_mascaras_de_entrenamiento():
    masks = np.zeros((8, 3, 3), bool)
    masks[:4, 0, 0] = True
    masks[4:6, 1, 1] = True
    masks[6:, 2, :2] = True
    maps = mean_mask_maps(masks, 5)
    assert maps.shape == (5, 3, 3) and maps.dtype == np.float32
    for heat in maps:
        assert heat.tolist() == [[1, 0, 0], [0, 0.5, 0], [0.5, 0.5, 0]]


def test_todas_juntas_con_su_valor_conocido():
    masks = np.zeros((4, 20, 20), bool)
    masks[:, 8:12, 8:12] = True
    found = baseline_maps(masks.shape, seed=1, train_masks=masks[:2], masks=masks)
    assert list(found) == ["uniform", "centre", "random", "mean_mask", "perfect"]
    area = 16 / 400
    assert energy_inside(found["uniform"], masks) == pytest.approx([area] * 4)
    assert energy_inside(found["random"], masks).mean() == pytest.approx(area, abs=0.01)
    assert pointing_game(found["centre"], masks).tolist() == [1] * 4
    assert energy_inside(found["centre"], masks).min() > area
    assert energy_inside(found["mean_mask"], masks).tolist() == [1] * 4
    table = localisation_table(found, masks, list("abcd"), n=50)
    perfect = table[table["method"] == "perfect"].set_index("metric")["value"]
    assert perfect.to_dict() == pytest.approx(
        {"pointing_game": 1, "energy_inside": 1, "iou": 16 / 40}
    )


def test_sin_mascaras_quedan_tres():
    assert list(baseline_maps((1, 4, 4))) == ["uniform", "centre", "random"]


def test_el_azar_y_la_sigma_llegan_a_cada_una():
    found = baseline_maps((1, 9, 9), seed=5, sigma=0.5)
    assert (found["random"] == random_maps((1, 9, 9), 5)).all()
    assert (found["centre"] == centre_maps((1, 9, 9), 0.5)).all()


@pytest.mark.parametrize("shape", [(3, 4), (0, 4, 4), (1, 4, 4.0), (1, -2, 4)])
@pytest.mark.parametrize("build", [uniform_maps, centre_maps, random_maps])
def test_una_forma_imposible_se_explica(build, shape):
    with pytest.raises(ConfigError, match=r"\(N, H, W\)"):
        build(shape)


@pytest.mark.parametrize("sigma", [0, -1, np.nan, np.inf])
def test_una_sigma_imposible_se_explica(sigma):
    with pytest.raises(ConfigError, match="sigma"):
        centre_maps(SHAPE, sigma)


def test_mascaras_de_otro_tamano_o_vacias_se_explican():
    masks = np.ones((2, 5, 5), bool)
    with pytest.raises(DataError, match="mismo tamaño"):
        baseline_maps((2, 6, 6), train_masks=masks)
    with pytest.raises(DataError, match="una máscara por mapa"):
        baseline_maps((2, 6, 6), masks=masks)
    with pytest.raises(DataError, match="vacía"):
        mean_mask_maps(np.zeros((1, 5, 5), bool), 2)
    with pytest.raises(ConfigError, match="enteros positivos"):
        mean_mask_maps(masks, 0)
