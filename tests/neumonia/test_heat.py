"""Lo que se mide de un mapa, contra cuentas a mano, azar simulado y letras plantadas."""

import numpy as np
import pytest
from scipy.stats import hypergeom

from neumonia.datasets import phantom_film
from neumonia.datasets.phantoms import make_films
from neumonia.errors import ConfigError, DataError
from neumonia.heat import (
    REGIONS,
    blind_maps,
    centre_maps,
    check_films,
    energy_inside,
    find_letters,
    iou_at_area,
    outside_shares,
    pointing_game,
    thorax_region,
    uniform_maps,
)

SIZE = 20
FILM = 150
ROWS = (
    "1111110 1100011 1100011 1100011 1111110 1101100 1100110 1100011 1100011",
)  # fmt: skip
LETTER = np.array([[bit == "1" for bit in row] for row in ROWS[0].split()])


def square(top, left, side, size=SIZE):
    mask = np.zeros((1, size, size), bool)
    mask[0, top : top + side, left : left + side] = True
    return mask


def peaked(row, column):
    heat = np.full((1, SIZE, SIZE), 0.2, np.float32)
    heat[0, row, column] = 1.0
    return heat


# --- Los mapas que no miran -----------------------------------------------------------------------
def test_los_mapas_ciegos_son_los_que_dicen():
    masks = np.concatenate([square(2, 3, 5), square(0, 0, 10), square(9, 9, 4)])
    train = np.concatenate([square(0, 0, 10), square(0, 0, 5)])
    found = blind_maps(masks, train, seed=3)
    assert list(found) == ["uniform", "centre", "random", "mean_mask", "perfect"]
    for maps in found.values():
        assert maps.shape == masks.shape and maps.dtype == np.float32
    assert (found["uniform"] == 1).all() and (found["perfect"] == masks).all()
    assert found["mean_mask"][2, 2, 2] == 1 and found["mean_mask"][0, 7, 7] == 0.5
    assert not np.array_equal(found["random"][0], found["random"][1])
    assert (found["random"] == blind_maps(masks, train, seed=3)["random"]).all()
    with pytest.raises(DataError, match="entrenamiento"):
        blind_maps(masks, train[:, :5], 0)


def test_el_centro_es_una_gaussiana_con_su_maximo_en_medio():
    heat = centre_maps((2, 21, 41))[1]
    assert heat[10, 20] == heat.max() == 1
    # A una desviación, un cuarto del lado corto.
    assert centre_maps((1, 41, 41))[0, 20, 20 + 10] == pytest.approx(
        np.exp(-((10 / 10.25) ** 2) / 2)
    )
    assert heat == pytest.approx(heat[::-1, ::-1])


# --- Dentro de una máscara ------------------------------------------------------------------------
def test_el_maximo_plantado_dentro_acierta_y_un_empate_se_reparte():
    masks = np.concatenate([square(5, 5, 4)] * 3)
    maps = np.concatenate([peaked(5, 5), peaked(8, 8), peaked(9, 8)])
    assert pointing_game(maps, masks).tolist() == [1, 1, 0]
    heat = np.zeros((1, SIZE, SIZE))
    heat[0, 9, 9] = heat[0, 9, 10] = heat[0, 15, 15] = heat[0, 0, 0] = 0.7
    assert pointing_game(heat, square(0, 0, 10)).tolist() == [0.5]


@pytest.mark.parametrize("heat", [1.0, 0.3])
def test_el_mapa_uniforme_da_el_area_de_la_mascara(heat):
    masks = np.concatenate([square(2, 3, 5), square(0, 0, 10)])
    maps = uniform_maps(masks.shape) * heat
    area = [25 / 400, 100 / 400]
    assert pointing_game(maps, masks) == pytest.approx(area)
    assert energy_inside(maps, masks) == pytest.approx(area)


@pytest.mark.parametrize("measure", [pointing_game, energy_inside, iou_at_area])
def test_el_mapa_nulo_vale_cero_y_la_escala_no_importa(measure):
    masks = np.concatenate([square(0, 0, 10)] * 3)
    maps = np.random.default_rng(3).random(masks.shape)
    maps[0] = 0
    found = measure(maps, masks)
    assert found[0] == 0 and found == pytest.approx(measure(maps / 2, masks))
    assert found[1:2] == pytest.approx(measure(maps[1:2], masks[1:2].astype(np.uint8)))


def test_la_energia_es_la_parte_del_calor_dentro():
    heat = np.zeros((1, SIZE, SIZE), np.float32)
    heat[0, 0, 0], heat[0, 10, 10], heat[0, 19, 19] = 0.25, 0.5, 0.25
    assert energy_inside(heat, square(9, 9, 3)).tolist() == [0.5]
    assert energy_inside(heat, square(9, 9, 11)).tolist() == [0.75]


def test_la_iou_de_dos_cuadrados_conocidos_y_su_techo():
    heat = square(0, 0, 10).astype(np.float32)
    # Se cruzan en 5 x 5: 25 / (100 + 100 - 25).
    assert iou_at_area(heat, square(5, 5, 10), 0.25) == pytest.approx([25 / 175])
    assert iou_at_area(heat, square(10, 10, 10), 0.25) == pytest.approx([0.0])
    # El mapa perfecto no pasa del techo que fija el área; lo que falta se completa al azar.
    for area, ceiling in ((0.1, 0.4), (0.25, 1.0), (0.5, 0.5), (1.0, 0.25)):
        assert iou_at_area(heat, square(0, 0, 10), area) == pytest.approx([ceiling])
    assert iou_at_area(peaked(5, 5), square(5, 5, 2), 1e-6) == pytest.approx([1 / 4])


def test_la_iou_con_empates_es_la_media_de_sortear_el_desempate():
    rng = np.random.default_rng(1)
    heat = rng.integers(1, 4, size=(1, 12, 12)) / 3.0
    mask = square(3, 2, 5, size=12)
    drawn = []
    for _ in range(5_000):
        order = np.lexsort((rng.random(144), -heat.ravel()))[:36]
        inside = mask.ravel()[order].sum()
        drawn.append(inside / (36 + 25 - inside))
    error = np.std(drawn) / np.sqrt(len(drawn))
    assert error > 0
    assert iou_at_area(heat, mask, 0.25)[0] == pytest.approx(np.mean(drawn), abs=4 * error)


def test_la_iou_del_mapa_uniforme_es_la_de_la_hipergeometrica():
    mask = square(3, 2, 9)
    inside = np.arange(41)
    expected = (hypergeom.pmf(inside, 400, 81, 40) * inside / (40 + 81 - inside)).sum()
    assert iou_at_area(uniform_maps(mask.shape), mask, 0.1) == pytest.approx([expected], rel=1e-9)


MASKS = np.concatenate([square(4, 4, 6)] * 2)
MAPS = np.full((2, SIZE, SIZE), 0.5)


@pytest.mark.parametrize(
    ("maps", "masks", "message"),
    [
        (MAPS[:1], MASKS, "máscaras"),
        (MAPS[0], MASKS, r"mapa\[None\]"),
        (MAPS[:0], MASKS[:0], "vacíos"),
        (np.where(MAPS > 0, np.nan, 0), MASKS, "NaN"),
        (MAPS * 3, MASKS, "1.5"),
        (MAPS.astype(str), MASKS, "números"),
        (MAPS, MASKS & [[[True]], [[False]]], "posición 1"),
        (MAPS, MASKS * 2, "ceros y unos"),
        (MAPS, MASKS[0], "máscaras"),
    ],
)
def test_los_datos_malos_se_explican(maps, masks, message):
    for measure in (pointing_game, energy_inside, iou_at_area):
        with pytest.raises(DataError, match=message):
            measure(maps, masks)


@pytest.mark.parametrize("area", [0, -0.1, 1.01, np.nan])
def test_un_area_imposible_se_explica(area):
    with pytest.raises(ConfigError, match="area"):
        iou_at_area(MAPS, MASKS, area)


@pytest.mark.parametrize(
    "films",
    [MAPS[0], MAPS.astype(str), MAPS[:0], MAPS[:1], MAPS * 600, MAPS * np.nan],
    ids=["plana", "texto", "vacía", "otra forma", "mayor", "nan"],
)
def test_las_radiografias_malas_se_explican(films):
    with pytest.raises(DataError, match=r"radiografías"):
        check_films(films, MAPS.shape)


# --- Fuera del tórax ------------------------------------------------------------------------------
def truth_of(left, top):
    truth = np.zeros((FILM, FILM), bool)
    truth[top : top + 9, left : left + 7] = LETTER
    return truth


def lettered(left=6, top=60, level=255):
    """Un tórax claro y liso en el centro, con una R a su izquierda."""
    film = np.full((FILM, FILM), 20, np.uint8)
    film[15:140, 35:115] = 190
    film[truth_of(left, top)] = level
    return film


def test_las_regiones_tienen_el_area_que_dicen():
    shares = outside_shares(np.ones((1, 100, 200))).iloc[0]
    assert shares["frame_area"] == pytest.approx(1 - 0.8**2)
    assert shares["corners_area"] == pytest.approx(0.3**2)
    region = thorax_region(200, 100)
    # (media anchura de arriba + la de abajo) por la altura: (0.34 + 0.45) * 0.92.
    assert region.mean() == pytest.approx(0.79 * 0.92, abs=0.01)
    assert (region == region[:, ::-1]).all()
    widths = region.sum(axis=1)
    assert widths[12] == pytest.approx(68, abs=2) and widths[190] == pytest.approx(90, abs=2)
    assert not widths[:9].any() and not widths[195:].any()


def test_un_mapa_uniforme_da_el_area_de_cada_region():
    films = np.stack([lettered(), lettered(level=20)])
    shares = outside_shares(np.full(films.shape, 0.4), films)
    for name in ("frame", "corners", "outside"):
        assert shares[name].to_numpy() == pytest.approx(shares[f"{name}_area"].to_numpy())
    assert shares["letters"][0] == pytest.approx(shares["letters_area"][0])
    assert np.isnan(shares["letters"][1]) and np.isnan(shares["letters_area"][1])
    assert shares["outside_area"][0] == pytest.approx(1 - thorax_region(FILM, FILM).mean())


def test_el_calor_plantado_cae_donde_se_planto_y_sin_calor_no_hay_parte():
    maps = np.zeros((5, 100, 100), np.float32)
    maps[0, 50, 50] = 1
    maps[1, 0, 0] = 1
    maps[2, 50, 2] = 1
    maps[3, 50, 50], maps[3, 2, 50] = 0.75, 0.25
    shares = outside_shares(maps)
    assert shares["frame"][:4].tolist() == [0, 1, 1, 0.25]
    assert shares["corners"][:4].tolist() == [0, 1, 0, 0]
    assert shares["outside"][:4].tolist() == [0, 1, 1, 0.25]
    assert shares["letters"].isna().all() and shares["letters_area"].isna().all()
    assert shares["null"].tolist() == [False] * 4 + [True]
    assert shares.loc[4, list(REGIONS)].isna().all()


@pytest.mark.parametrize(("left", "top"), [(6, 60), (8, 12), (138, 20), (3, 110)])
def test_la_letra_plantada_se_encuentra_y_nada_mas(left, top):
    assert (find_letters(lettered(left, top)) == truth_of(left, top)).all()


@pytest.mark.parametrize(("level", "seen"), [(20, False), (60, False), (110, False), (140, True)])
def test_una_letra_gris_no_cuenta(level, seen):
    assert find_letters(lettered(level=level)).any() == seen


@pytest.mark.parametrize(("left", "seen"), [(10, True), (20, False), (70, False)])
def test_una_letra_dentro_del_torax_no_cuenta(left, seen):
    film = np.where(truth_of(left, 60), 255, 20).astype(np.uint8)
    assert find_letters(film).any() == seen


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        (slice(60, 61), slice(4, 12)),
        (slice(60, 70), slice(4, 5)),
        (slice(40, 90), slice(4, 10)),
        (slice(60, 70), slice(2, 30)),
        (slice(0, 8), slice(4, 10)),
        (slice(142, 150), slice(4, 10)),
    ],
    ids=["raya", "hilo", "alta", "ancha", "borde superior", "borde inferior"],
)
def test_lo_que_no_tiene_forma_de_letra_no_cuenta(rows, columns):
    film = np.full((FILM, FILM), 20, np.uint8)
    film[rows, columns] = 255
    assert not find_letters(film).any()


def test_una_mancha_pegada_a_tejido_claro_no_esta_aislada():
    film = np.full((FILM, FILM), 20, np.uint8)
    film[60:68, 6:14] = 200
    assert find_letters(film).any()
    film[:, 15:] = 190
    assert not find_letters(film).any()


def test_las_letras_se_ensanchan_para_medir_su_calor():
    rows, columns = np.nonzero(truth_of(6, 60))
    maps = np.zeros((2, FILM, FILM))
    maps[0, rows.min() - 3, columns.min()] = 1
    maps[1, rows.min() - 4, columns.min()] = 1
    assert outside_shares(maps, np.stack([lettered()] * 2))["letters"].tolist() == [1, 0]


def test_en_la_maqueta_las_letras_halladas_son_las_dibujadas(monkeypatch):
    """La maqueta dibuja una R en parte de sus placas: sabemos dónde está cada una."""
    drawn = []
    finish = phantom_film._finish

    def spy(shown, technique):
        marker = technique.marker
        drawn.append(marker is not None and phantom_film._marker(len(shown), marker) > 0)
        return finish(shown, technique)

    monkeypatch.setattr(phantom_film, "_finish", spy)
    films = make_films(24, 150, seed=11).images
    hits, letters, strays = 0, 0, 0
    for film, letter in zip(films, drawn, strict=True):
        found = find_letters(film)
        letters += np.any(letter)
        hits += (found & letter).any()
        strays += (found & ~np.asarray(letter)).sum() > 4
    assert letters >= 15
    assert hits >= 0.9 * letters
    assert strays <= 1
