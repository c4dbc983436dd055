"""Borrado e inserción: sobre una red lineal las curvas tienen fórmula cerrada."""

from itertools import permutations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.special import expit

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation import mean_distribution, percentile_interval
from neumonia.trust import (
    RANDOM_ORDER,
    Curve,
    Faithfulness,
    deletion_curve,
    faithfulness_curves,
    faithfulness_table,
    insertion_curve,
)

RNG = np.random.default_rng(0)
FILMS = RNG.integers(0, 256, size=(5, 6, 8)).astype(np.uint8)
WEIGHTS = RNG.normal(0, 0.01, size=(6, 8))


def linear(films):
    return (films * WEIGHTS).sum(axis=(1, 2), dtype=np.float64) - 0.2


def by_hand(film, heat, other, limits, deletes):
    """La curva de UNA placa sin empates, píxel a píxel."""
    order = np.argsort(-heat.ravel())
    points = []
    for limit in limits:
        pixels = (film if deletes else other).astype(float).ravel().copy()
        pixels[order[:limit]] = (other if deletes else film).ravel()[order[:limit]]
        points.append(expit((pixels * WEIGHTS.ravel()).sum() - 0.2))
    return points


@pytest.mark.parametrize("deletes", [True, False])
@pytest.mark.parametrize("replacement", ["mean", "blur"])
def test_la_curva_de_una_red_lineal_es_la_formula(deletes, replacement):
    maps = RNG.random(FILMS.shape)
    curve = (deletion_curve if deletes else insertion_curve)(
        linear, FILMS, maps, steps=7, replacement=replacement, batch_size=2
    )
    limits = [0, 7, 14, 21, 27, 34, 41, 48]
    assert curve.fractions == pytest.approx(np.array(limits) / 48)
    assert curve.probabilities.shape == (5, 8)
    for film, heat, found in zip(FILMS.astype(float), maps, curve.probabilities, strict=True):
        other = np.full(film.shape, film.mean())
        if replacement == "blur":
            other = gaussian_filter(film, 0.1 * 6, mode="nearest")
        assert found == pytest.approx(by_hand(film, heat, other, limits, deletes), abs=1e-5)


def test_el_area_es_la_de_los_trapecios():
    curve = Curve(np.array([0, 0.25, 1.0]), np.array([[1, 0.5, 0.0], [0.2, 0.2, 0.2]]))
    assert curve.auc == pytest.approx([0.25 * 0.75 + 0.75 * 0.25, 0.2])


def test_ordenar_por_la_contribucion_es_lo_mejor_de_todos_los_ordenes():
    film = np.array([[[10, 200, 90], [250, 30, 120]]], dtype=np.uint8)
    weights = np.array([[0.02, 0.01, -0.03], [0.015, 0.025, -0.01]])

    def predict(films):
        return (films * weights).sum(axis=(1, 2), dtype=np.float64)

    contribution = (weights * (film[0] - film[0].mean())).ravel()
    best = np.argsort(np.argsort(contribution)).reshape(1, 2, 3) / 5
    deletions, insertions = [], []
    for order in permutations(range(6)):
        maps = np.array(order).reshape(1, 2, 3) / 5
        options = {"steps": 6, "replacement": "mean"}
        deletions.append(deletion_curve(predict, film, maps, **options).auc[0])
        insertions.append(insertion_curve(predict, film, maps, **options).auc[0])
    assert deletion_curve(predict, film, best, 6, "mean").auc[0] == pytest.approx(min(deletions))
    assert insertion_curve(predict, film, best, 6, "mean").auc[0] == pytest.approx(max(insertions))
    assert min(deletions) < np.median(deletions)


def test_los_extremos_son_la_placa_entera_y_el_sustituto_entero():
    maps = RNG.random(FILMS.shape)
    deletion = deletion_curve(linear, FILMS, maps, 4, "mean").probabilities
    insertion = insertion_curve(linear, FILMS, maps, 4, "mean").probabilities
    whole = expit(linear(FILMS.astype(float)))
    grey = expit(linear(np.ones(FILMS.shape) * FILMS.mean(axis=(1, 2))[:, None, None]))
    assert deletion[:, 0] == pytest.approx(whole) and insertion[:, -1] == pytest.approx(whole)
    assert deletion[:, -1] == pytest.approx(grey) and insertion[:, 0] == pytest.approx(grey)


def test_el_tamano_del_lote_no_cambia_la_curva_ni_se_excede():
    maps = np.round(RNG.random(FILMS.shape), 1)
    seen = []

    def predict(films):
        assert films.dtype == np.float32
        seen.append(len(films))
        return linear(films)

    one = deletion_curve(predict, FILMS, maps, batch_size=1).probabilities
    assert set(seen) == {1}
    two = deletion_curve(predict, FILMS, maps, batch_size=2).probabilities
    assert max(seen) == 2
    assert one == pytest.approx(two, abs=1e-12)


def test_las_placas_de_quien_llama_no_se_tocan():
    films, maps = FILMS.astype(np.float32), RNG.random(FILMS.shape)
    before = films.copy()
    deletion_curve(linear, films, maps, 3)
    insertion_curve(linear, films, maps, 3)
    assert (films == before).all()


def test_para_normal_la_probabilidad_es_la_complementaria():
    maps = RNG.random(FILMS.shape)
    sick = deletion_curve(linear, FILMS, maps, 3).probabilities
    healthy = deletion_curve(linear, FILMS, maps, 3, target="NORMAL").probabilities
    assert sick + healthy == pytest.approx(np.ones_like(sick))


def test_los_empates_se_ordenan_al_azar_con_la_semilla():
    zeros = np.zeros(FILMS.shape)
    first = deletion_curve(linear, FILMS, zeros, 8, seed=1).probabilities
    assert (first == deletion_curve(linear, FILMS, zeros, 8, seed=1).probabilities).all()
    assert (first != deletion_curve(linear, FILMS, zeros, 8, seed=2).probabilities).any()
    same = np.repeat(FILMS[:1], 2, axis=0)
    twins = deletion_curve(linear, same, zeros[:2], 8).probabilities
    assert (twins[0] != twins[1]).any()


def test_el_calor_manda_y_el_azar_solo_desempata():
    half = np.zeros((1, 4, 4))
    half[0, :, :2] = 0.5
    film = np.zeros((1, 4, 4))
    film[0, :, :2] = 100

    def predict(films):
        return films[:, :, :2].sum(axis=(1, 2), dtype=np.float64) / 1000

    curve = deletion_curve(predict, film, half, steps=4, replacement="mean", seed=9)
    sums = np.array([800, 600, 400, 400, 400])
    assert curve.probabilities[0] == pytest.approx(expit(sums / 1000))


def test_contra_el_azar_un_mapa_nulo_no_gana_ni_pierde():
    films = np.repeat(FILMS, 4, axis=0)
    useful = np.maximum(WEIGHTS * (films - films.mean(axis=(1, 2), keepdims=True)), 0)
    maps = {"nulo": np.zeros(films.shape), "fiel": useful / useful.max(axis=(1, 2), keepdims=True)}
    curves = faithfulness_curves(linear, films, maps, steps=12, replacement="mean", seed=3)
    assert list(curves) == ["nulo", "fiel", RANDOM_ORDER]
    patients = [f"p{number // 2}" for number in range(20)]
    table = faithfulness_table(curves, patients, n=300, seed=2).set_index(["method", "metric"])
    columns = ["difference", "difference_low", "difference_high"]
    for method in ("nulo", RANDOM_ORDER):
        assert table.loc[method, columns].to_numpy().tolist() == [[0, 0, 0]] * 2
    assert table.loc[("fiel", "deletion"), "difference_high"] < 0
    assert table.loc[("fiel", "insertion"), "difference_low"] > 0
    areas = curves["fiel"].deletion.auc
    gap = areas - curves[RANDOM_ORDER].deletion.auc
    row = table.loc[("fiel", "deletion")]
    ends = percentile_interval(mean_distribution(gap, patients, 300, 2))
    assert row[columns].astype(float).tolist() == pytest.approx([gap.mean(), *ends])
    ends = percentile_interval(mean_distribution(areas, patients, 300, 2))
    expected = [areas.mean(), *ends]
    assert row[["value", "low", "high"]].astype(float).tolist() == pytest.approx(expected)
    assert table["n_films"].unique().tolist() == [20]


def test_una_red_que_no_mira_la_placa_da_curvas_planas():
    curves = faithfulness_curves(
        lambda films: np.full(len(films), 0.7), FILMS, {"m": RNG.random(FILMS.shape)}, steps=5
    )
    table = faithfulness_table(curves, list("abcde"), n=50)
    flat = table[["value", "low", "high"]].to_numpy()
    assert flat == pytest.approx(np.full((4, 3), expit(0.7)))
    assert table["difference"].tolist() == [0] * 4


MAPS = np.full(FILMS.shape, 0.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"maps": MAPS[:2]}, "una placa por mapa"),
        ({"maps": MAPS * np.nan}, "NaN"),
        ({"maps": MAPS * 4}, "entre 0 y 1"),
        ({"films": FILMS[0]}, r"\(N, H, W\)"),
        ({"films": FILMS.astype(str)}, "números"),
        ({"films": FILMS * 2.0}, "entre 0 y 255"),
        ({"films": FILMS * np.nan}, "entre 0 y 255"),
        ({"predict": lambda films: np.zeros((len(films), 1))}, "un logit finito"),
        ({"predict": lambda films: np.full(len(films), np.nan)}, "un logit finito"),
    ],
)
@pytest.mark.parametrize("measure", [deletion_curve, insertion_curve])
def test_los_datos_malos_se_explican(measure, change, message):
    with pytest.raises(DataError, match=message):
        measure(**({"predict": linear, "films": FILMS, "maps": MAPS} | change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "pasos"),
        ({"steps": 49}, "pasos van de 1 a 48"),
        ({"replacement": "negro"}, "sustituto 'negro'"),
        ({"batch_size": 0}, "lote"),
        ({"target": "SANO"}, "SANO"),
    ],
)
def test_las_opciones_malas_se_explican(change, message):
    with pytest.raises(ConfigError, match=message):
        deletion_curve(linear, FILMS, MAPS, **change)


def test_los_metodos_y_las_curvas_que_faltan_se_explican():
    with pytest.raises(DataError, match="al menos un método"):
        faithfulness_curves(linear, FILMS, {})
    with pytest.raises(ConfigError, match="orden al azar"):
        faithfulness_curves(linear, FILMS, {RANDOM_ORDER: MAPS})
    curve = Curve(np.array([0, 1.0]), np.ones((2, 2)))
    pair = Faithfulness(curve, curve)
    with pytest.raises(DataError, match="Falta el orden al azar"):
        faithfulness_table({"m": pair}, ["a", "b"])
    with pytest.raises(DataError, match="un identificador por placa"):
        faithfulness_table({RANDOM_ORDER: pair}, ["a"])
    longer = Curve(np.array([0, 1.0]), np.ones((3, 2)))
    with pytest.raises(DataError, match="mismas placas"):
        faithfulness_table({"m": Faithfulness(longer, longer), RANDOM_ORDER: pair}, list("abc"))
