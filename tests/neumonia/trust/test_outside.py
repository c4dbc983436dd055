"""Calor fuera del tórax: regiones de área conocida y letras plantadas."""

import numpy as np
import pytest

from neumonia.datasets import phantom_film
from neumonia.datasets.phantoms import make_films
from neumonia.errors import ConfigError, DataError
from neumonia.evaluation import mean_distribution, percentile_interval
from neumonia.trust import find_letters, outside_shares, outside_table, thorax_region, worst_films
from neumonia.trust.outside import REGIONS, corner_region, frame_region

SIZE = 150


LETTER = np.array(
    [
        [int(bit) for bit in row]
        for row in (
            "1111110",
            "1100011",
            "1100011",
            "1100011",
            "1111110",
            "1101100",
            "1100110",
            "1100011",
            "1100011",
        )
    ],
    dtype=bool,
)


def truth_of(left, top):
    truth = np.zeros((SIZE, SIZE), bool)
    truth[top : top + 9, left : left + 7] = LETTER
    return truth


def lettered(left=6, top=60, level=255):
    """Un tórax claro y liso en el centro, con una R a su izquierda."""
    film = np.full((SIZE, SIZE), 20, np.uint8)
    film[15:140, 35:115] = 190
    film[truth_of(left, top)] = level
    return film


def test_el_marco_y_las_esquinas_tienen_el_area_que_dicen():
    assert frame_region(100, 200).mean() == pytest.approx(1 - 0.8**2)
    assert corner_region(100, 200).mean() == pytest.approx(0.3**2)
    frame = frame_region(20, 20)
    assert frame[:2].all() and frame[:, -2:].all() and not frame[2:18, 2:18].any()
    corners = corner_region(20, 20, 0.2)
    assert corners.sum() == 4 * 16 and corners[0, 0] and corners[-4, 3] and not corners[10, 0]


def test_el_torax_es_un_trapecio_simetrico_mas_ancho_abajo():
    region = thorax_region(200, 100)
    # (media anchura de arriba + la de abajo) por la altura: (0.34 + 0.45) * 0.92.
    assert region.mean() == pytest.approx(0.79 * 0.92, abs=0.01)
    assert (region == region[:, ::-1]).all()
    widths = region.sum(axis=1)
    assert widths[12] == pytest.approx(68, abs=2) and widths[190] == pytest.approx(90, abs=2)
    assert not widths[:9].any() and not widths[195:].any()
    assert region[100, 50] and not region[0, 0]


def test_un_mapa_uniforme_da_el_area_de_cada_region():
    films = np.stack([lettered(), lettered(level=20)])
    shares = outside_shares(np.full(films.shape, 0.4), films)
    for name in ("frame", "corners", "outside"):
        assert shares[name].to_numpy() == pytest.approx(shares[f"{name}_area"].to_numpy())
    assert shares["letters"][0] == pytest.approx(shares["letters_area"][0])
    assert np.isnan(shares["letters"][1]) and np.isnan(shares["letters_area"][1])
    assert shares["outside_area"][0] == pytest.approx(1 - thorax_region(SIZE, SIZE).mean())


def test_el_calor_plantado_cae_donde_se_planto():
    maps = np.zeros((4, 100, 100), np.float32)
    maps[0, 50, 50] = 1
    maps[1, 0, 0] = 1
    maps[2, 50, 2] = 1
    maps[3, 50, 50], maps[3, 2, 50] = 0.75, 0.25
    shares = outside_shares(maps)
    assert shares["frame"].tolist() == [0, 1, 1, 0.25]
    assert shares["corners"].tolist() == [0, 1, 0, 0]
    assert shares["outside"].tolist() == [0, 1, 1, 0.25]
    assert shares["letters"].isna().all() and shares["letters_area"].isna().all()


def test_un_mapa_nulo_no_esta_definido_y_se_cuenta_aparte():
    maps = np.zeros((3, SIZE, SIZE))
    maps[:2, 75, 75] = 1
    shares = outside_shares(maps, np.stack([lettered()] * 3))
    assert shares["null"].tolist() == [False, False, True]
    assert shares.loc[2, list(REGIONS)].isna().all()
    table = outside_table(shares, [1, 1, 1], list("abc"), n=20)
    assert table["n_null"].tolist() == [1] * 4 and table["n_films"].tolist() == [2] * 4
    assert table["value"].tolist() == [0] * 4


@pytest.mark.parametrize(("left", "top"), [(6, 60), (8, 12), (138, 20), (3, 110)])
def test_la_letra_plantada_se_encuentra_y_nada_mas(left, top):
    assert (find_letters(lettered(left, top)) == truth_of(left, top)).all()


def test_una_placa_sin_letra_no_tiene_letras():
    assert not find_letters(lettered(level=20)).any()


@pytest.mark.parametrize(("level", "seen"), [(60, False), (110, False), (140, True)])
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
    film = np.full((SIZE, SIZE), 20, np.uint8)
    film[rows, columns] = 255
    assert not find_letters(film).any()


def test_una_mancha_pegada_a_tejido_claro_no_esta_aislada():
    film = np.full((SIZE, SIZE), 20, np.uint8)
    film[60:68, 6:14] = 200
    assert find_letters(film).any()
    film[:, 15:] = 190
    assert not find_letters(film).any()


def test_las_letras_se_ensanchan_para_medir_su_calor():
    truth = truth_of(6, 60)
    rows, columns = np.nonzero(truth)
    film = lettered()[None]
    maps = np.zeros((2, SIZE, SIZE))
    maps[0, rows.min() - 3, columns.min()] = 1
    maps[1, rows.min() - 4, columns.min()] = 1
    shares = outside_shares(maps, np.concatenate([film, film]))
    assert shares["letters"].tolist() == [1, 0]


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


def test_la_tabla_por_clase_lleva_media_intervalo_y_azar():
    rng = np.random.default_rng(2)
    maps = rng.random((10, 40, 40)) ** 4
    labels = np.array([0, 1] * 5)
    patients = np.array(["a", "b", "a", "b", "c", "d", "c", "d", "e", "f"])
    shares = outside_shares(maps)
    table = outside_table(shares, labels, patients, n=200, seed=6)
    assert list(table["region"]) == list(REGIONS) * 2
    assert list(table["label"]) == ["NORMAL"] * 4 + ["PNEUMONIA"] * 4
    row = table.set_index(["label", "region"]).loc[("PNEUMONIA", "frame")]
    values = shares["frame"].to_numpy()[labels == 1]
    ends = percentile_interval(mean_distribution(values, patients[labels == 1], 200, 6))
    found = row[["value", "low", "high"]].astype(float).tolist()
    assert found == pytest.approx([values.mean(), *ends])
    assert row["chance"] == pytest.approx(0.36)
    letters = table[table["region"] == "letters"]
    assert letters["n_films"].tolist() == [0, 0] and letters["value"].isna().all()


def test_el_azar_de_las_letras_es_el_de_las_placas_que_las_tienen():
    films = np.stack([lettered(), lettered(level=20), lettered()])
    maps = np.ones(films.shape)
    shares = outside_shares(maps, films)
    table = outside_table(shares, [0, 0, 0], list("abc"), n=50).set_index("region")
    row = table.loc["letters"]
    assert row["n_films"] == 2
    same = [row["value"], row["low"], row["high"], row["chance"]]
    assert same == pytest.approx([shares["letters_area"][0]] * 4)


def test_las_peores_placas_van_de_mas_a_menos_sin_las_indefinidas():
    share = [0.1, np.nan, 0.9, 0.5, 0.9]
    assert worst_films(share, 3).tolist() == [2, 4, 3]
    assert worst_films(share, 10).tolist() == [2, 4, 3, 0]


MAPS = np.full((2, 30, 30), 0.5)


def test_los_datos_malos_se_explican():
    with pytest.raises(DataError, match="una placa por mapa"):
        outside_shares(MAPS, np.zeros((3, 30, 30)))
    with pytest.raises(DataError, match="NaN"):
        outside_shares(MAPS * np.nan)
    with pytest.raises(DataError, match="Las placas"):
        find_letters(np.zeros((2, 30, 30)))
    with pytest.raises(DataError, match="2 placas medidas y 3 etiquetas"):
        outside_table(outside_shares(MAPS), [0, 1, 1], list("abc"))
    with pytest.raises(DataError, match="un identificador por placa"):
        outside_table(outside_shares(MAPS), [0, 1], list("abc"))
    with pytest.raises(DataError, match="vector"):
        worst_films(MAPS)


def test_las_opciones_malas_se_explican():
    with pytest.raises(ConfigError, match="al menos una"):
        worst_films([0.1], 0)
    with pytest.raises(ConfigError, match="enteros positivos"):
        thorax_region(0, 10)
    for region in (frame_region, corner_region):
        for share in (0, 0.5, np.nan):
            with pytest.raises(ConfigError, match="franja"):
                region(20, 20, share)
