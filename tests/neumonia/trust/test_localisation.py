"""Pointing game, energía e IoU, contra cuentas hechas a mano y contra el azar simulado."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import hypergeom

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation import mean_distribution, percentile_interval
from neumonia.trust import (
    energy_inside,
    iou_at_area,
    localisation_scores,
    localisation_table,
    mean_interval,
    opacity_groups,
    pointing_game,
    uniform_maps,
)

SIZE = 20


def square(top, left, side, size=SIZE):
    mask = np.zeros((1, size, size), bool)
    mask[0, top : top + side, left : left + side] = True
    return mask


def peaked(row, column, size=SIZE):
    heat = np.full((1, size, size), 0.2, np.float32)
    heat[0, row, column] = 1.0
    return heat


def test_el_maximo_plantado_dentro_acierta_y_fuera_falla():
    masks = np.concatenate([square(5, 5, 4)] * 3)
    maps = np.concatenate([peaked(5, 5), peaked(8, 8), peaked(9, 8)])
    assert pointing_game(maps, masks).tolist() == [1, 1, 0]


def test_un_empate_en_el_maximo_vale_la_parte_que_cae_dentro():
    mask = square(0, 0, 10)
    heat = np.zeros((1, SIZE, SIZE))
    heat[0, 9, 9] = heat[0, 9, 10] = heat[0, 15, 15] = heat[0, 0, 0] = 0.7
    assert pointing_game(heat, mask).tolist() == [0.5]


@pytest.mark.parametrize("heat", [1.0, 0.3])
def test_el_mapa_uniforme_da_el_area_de_la_mascara(heat):
    masks = np.concatenate([square(2, 3, 5), square(0, 0, 10)])
    maps = uniform_maps(masks.shape) * heat
    area = [25 / 400, 100 / 400]
    assert pointing_game(maps, masks) == pytest.approx(area)
    assert energy_inside(maps, masks) == pytest.approx(area)


def test_el_mapa_nulo_vale_cero_en_todo_y_se_cuenta():
    masks = np.concatenate([square(0, 0, 10)] * 2)
    maps = np.concatenate([np.zeros((1, SIZE, SIZE)), peaked(1, 1)])
    scores = localisation_scores(maps, masks)
    assert scores.loc[0].tolist() == [0, 0, 0, True]
    assert scores.loc[1, "pointing_game"] == 1
    assert scores["null"].tolist() == [False, True][::-1]
    table = localisation_table({"a": maps, "b": masks.astype(float)}, masks, ["p", "q"], n=20)
    assert table.groupby("method")["n_null"].unique().map(list).to_dict() == {"a": [1], "b": [0]}


def test_la_energia_es_la_parte_del_calor_dentro():
    heat = np.zeros((1, SIZE, SIZE), np.float32)
    heat[0, 0, 0], heat[0, 10, 10], heat[0, 19, 19] = 0.25, 0.5, 0.25
    assert energy_inside(heat, square(9, 9, 3)).tolist() == [0.5]
    assert energy_inside(heat, square(9, 9, 11)).tolist() == [0.75]


def test_la_iou_de_dos_cuadrados_conocidos():
    # Se cruzan en 5 x 5: 25 / (100 + 100 - 25).
    heat = square(0, 0, 10).astype(float)
    assert iou_at_area(heat, square(5, 5, 10), 100 / 400) == pytest.approx([25 / 175])
    assert iou_at_area(heat, square(0, 0, 10), 100 / 400) == pytest.approx([1.0])
    assert iou_at_area(heat, square(10, 10, 10), 100 / 400) == pytest.approx([0.0])


def test_el_mapa_perfecto_tiene_el_techo_que_fija_el_area():
    mask = square(0, 0, 10)
    perfect = mask.astype(np.float32)
    assert iou_at_area(perfect, mask, 0.1) == pytest.approx([40 / 100])
    # Con más área que máscara, el resto se completa entre píxeles de calor nulo.
    assert iou_at_area(perfect, mask, 0.5) == pytest.approx([100 / 200])
    assert iou_at_area(perfect, mask, 1.0) == pytest.approx([100 / 400])


def test_el_area_se_redondea_y_nunca_es_menos_de_un_pixel():
    assert iou_at_area(peaked(5, 5), square(5, 5, 2), 1e-6) == pytest.approx([1 / 4])


def test_la_iou_con_empates_es_la_media_de_sortear_el_desempate():
    rng = np.random.default_rng(1)
    heat = rng.integers(1, 4, size=(1, 12, 12)) / 3.0
    mask = square(3, 2, 5, size=12)
    chosen = round(0.25 * 144)
    drawn = []
    for _ in range(20_000):
        order = np.lexsort((rng.random(144), -heat.ravel()))[:chosen]
        inside = mask.ravel()[order].sum()
        drawn.append(inside / (chosen + 25 - inside))
    error = np.std(drawn) / np.sqrt(len(drawn))
    assert np.std(drawn) > 0
    assert iou_at_area(heat, mask, 0.25)[0] == pytest.approx(np.mean(drawn), abs=4 * error)


def test_la_iou_del_mapa_uniforme_es_la_de_la_hipergeometrica():
    mask = square(3, 2, 9)
    inside = np.arange(41)
    expected = (hypergeom.pmf(inside, 400, 81, 40) * inside / (40 + 81 - inside)).sum()
    assert iou_at_area(uniform_maps(mask.shape), mask, 0.1) == pytest.approx([expected], rel=1e-9)


def test_cambiar_la_escala_del_mapa_no_cambia_nada():
    rng = np.random.default_rng(3)
    maps, masks = rng.random((3, SIZE, SIZE)), np.concatenate([square(4, 4, 6)] * 3)
    whole = localisation_scores(maps, masks)
    pd.testing.assert_frame_equal(whole, localisation_scores(maps / 2, masks))
    one = localisation_scores(maps[1:2], masks[1:2])
    assert one.loc[0].tolist() == whole.loc[1].tolist()


def test_la_tabla_lleva_la_media_y_el_intervalo_por_paciente():
    rng = np.random.default_rng(0)
    masks = np.concatenate([square(4, 4, 6)] * 9)
    maps = {"uno": rng.random((9, SIZE, SIZE)), "dos": rng.random((9, SIZE, SIZE))}
    patients = np.array(["a", "a", "b", "b", "b", "c", "d", "", ""])
    table = localisation_table(maps, masks, patients, n=300, seed=4)
    assert list(table["method"]) == ["uno"] * 3 + ["dos"] * 3
    assert table["n_films"].tolist() == [9] * 6 and table["n_patients"].tolist() == [6] * 6
    values = energy_inside(maps["dos"], masks)
    row = table[(table["method"] == "dos") & (table["metric"] == "energy_inside")].iloc[0]
    ends = percentile_interval(mean_distribution(values, patients, 300, 4))
    assert (row["value"], row["low"], row["high"]) == pytest.approx((values.mean(), *ends))
    assert row["low"] < row["value"] < row["high"]


def test_el_intervalo_de_una_constante_es_la_constante():
    masks = np.concatenate([square(4, 4, 10)] * 5)
    table = localisation_table({"u": uniform_maps(masks.shape)}, masks, list("aabbc"), n=200)
    energy = table[table["metric"] == "energy_inside"].iloc[0]
    assert [energy["value"], energy["low"], energy["high"]] == pytest.approx([0.25] * 3)


def test_los_grupos_se_miden_cada_uno_con_sus_placas():
    masks = np.concatenate([square(0, 0, 2), square(0, 0, 10), square(0, 0, 10)])
    maps = np.concatenate([peaked(1, 1), peaked(1, 1), peaked(15, 15)])
    table = localisation_table({"m": maps}, masks, list("abc"), n=50, by=["p", "g", "g"])
    pointing = table[table["metric"] == "pointing_game"].set_index("group")
    assert list(pointing.index) == ["todas", "g", "p"]
    assert pointing["value"].tolist() == pytest.approx([2 / 3, 0.5, 1.0])
    assert pointing["n_patients"].tolist() == [3, 2, 1]
    assert pointing.loc["p", ["low", "high"]].isna().all()
    assert pointing.loc["g", ["low", "high"]].tolist() == [0, 1]


def test_tamano_y_lugar_de_opacidades_plantadas():
    masks = np.concatenate(
        [square(6, 1, 3), square(9, 5, 5), square(13, 12, 6), square(7, 7, 6), square(5, 10, 10)]
    )
    found = opacity_groups(masks)
    assert found["area"].tolist() == pytest.approx([9 / 400, 25 / 400, 36 / 400, 36 / 400, 0.25])
    assert list(found["size"]) == ["pequeña", "mediana", "grande", "grande", "grande"]
    assert list(found["third"]) == ["superior", "media", "inferior", "media", "media"]
    assert list(found["side"]) == ["izquierda", "izquierda", "derecha", "ambos lados", "derecha"]
    assert found["place"][0] == "superior, izquierda"
    assert list(opacity_groups(masks, (0.2, 0.3))["size"])[-1] == "mediana"


def test_la_columna_central_se_reparte_entre_los_dos_lados():
    middle = np.zeros((2, 9, 9), bool)
    middle[0, 4, 4] = True
    middle[1, 4, 4] = middle[1, 4, 1] = True
    assert list(opacity_groups(middle)["side"]) == ["ambos lados", "izquierda"]


def test_la_media_sin_placas_o_con_un_paciente_lo_dice_con_nan():
    assert np.isnan(mean_interval([], [])).all()
    for patients in (["a", "a"], ["x", "x"]):
        value, low, high = mean_interval([0.2, 0.4], patients, n=10)
        assert value == pytest.approx(0.3) and np.isnan([low, high]).all()
    value, low, high = mean_interval([0.2], [""], n=10)
    assert value == 0.2 and np.isnan([low, high]).all()
    assert not np.isnan(mean_interval([0.2, 0.4], ["", ""], n=10)).any()


MASKS = np.concatenate([square(4, 4, 6)] * 2)
MAPS = np.full((2, SIZE, SIZE), 0.5)


@pytest.mark.parametrize(
    ("maps", "masks", "message"),
    [
        (MAPS[:1], MASKS, "una máscara por mapa"),
        (MAPS[:, :5], MASKS, "una máscara por mapa"),
        (MAPS[0], MASKS, r"mapa\[None\]"),
        (MAPS[None], MASKS, r"\(N, H, W\)"),
        (MAPS[:0], MASKS[:0], "sin ejes vacíos"),
        (np.where(MAPS > 0, np.nan, 0), MASKS, "NaN"),
        (MAPS * 3, MASKS, "van de 1.5 a 1.5"),
        (MAPS - 1, MASKS, "entre 0 y 1"),
        (MAPS.astype(str), MASKS, "números entre 0 y 1"),
        (MAPS, MASKS & [[[True]], [[False]]], "posición 1 está vacía"),
        (MAPS, MASKS * 2, "ceros y unos"),
        (MAPS, MASKS[0], "Las máscaras deben tener forma"),
    ],
)
@pytest.mark.parametrize("measure", [pointing_game, energy_inside, iou_at_area])
def test_los_datos_malos_se_explican(measure, maps, masks, message):
    with pytest.raises(DataError, match=message):
        measure(maps, masks)


def test_las_mascaras_de_ceros_y_unos_y_los_mapas_enteros_tambien_valen():
    assert energy_inside(MASKS, MASKS.astype(np.uint8)).tolist() == [1, 1]


@pytest.mark.parametrize("area", [0, -0.1, 1.01, np.nan])
def test_un_area_imposible_se_explica(area):
    with pytest.raises(ConfigError, match="area"):
        iou_at_area(MAPS, MASKS, area)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"maps_by_method": {}}, "al menos un método"),
        ({"patients": ["a"]}, "un identificador por placa"),
        ({"patients": ["a", None]}, "Falta el paciente"),
        ({"by": ["a"]}, "los grupos tienen forma"),
        ({"by": ["a", np.nan]}, "necesita su grupo"),
        ({"by": ["a", "todas"]}, "necesita su grupo"),
    ],
)
def test_la_tabla_explica_lo_que_no_cuadra(change, message):
    arguments = {"maps_by_method": {"m": MAPS}, "masks": MASKS, "patients": ["a", "b"]} | change
    with pytest.raises(DataError, match=message):
        localisation_table(**arguments, n=10)


@pytest.mark.parametrize("limits", [(0.2, 0.1), (0, 0.1), (0.1, 1.0), (0.1, 0.1)])
def test_los_limites_de_tamano_deben_crecer(limits):
    with pytest.raises(ConfigError, match="límites"):
        opacity_groups(MASKS, limits)
