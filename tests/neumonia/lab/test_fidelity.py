"""Borrado e inserción: sobre una red lineal las curvas tienen fórmula cerrada."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter
from scipy.special import expit

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation import mean_interval
from neumonia.lab.fidelity import RANDOM_ORDER, Curve, area_rows, deletion_curve

RNG = np.random.default_rng(0)
FILMS = RNG.integers(0, 256, size=(5, 6, 8)).astype(np.uint8)
WEIGHTS = RNG.normal(0, 0.01, size=(6, 8))
MAPS = np.full(FILMS.shape, 0.5)


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
    maps, films = RNG.random(FILMS.shape), FILMS.astype(np.float32)
    curve = deletion_curve(linear, films, maps, 7, replacement, deletes=deletes)
    assert (films == FILMS).all()
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

    def areas(order):
        maps = np.array(order).reshape(1, 2, 3) / 5
        return [deletion_curve(predict, film, maps, 6, "mean", 0, d).auc[0] for d in (True, False)]

    contribution = (weights * (film[0] - film[0].mean())).ravel()
    every = np.array([areas(order) for order in permutations(range(6))])
    best = areas(np.argsort(np.argsort(contribution)))
    assert best == pytest.approx([every[:, 0].min(), every[:, 1].max()])
    assert best[0] < np.median(every[:, 0])


def test_las_placas_van_por_lotes_y_la_curva_es_la_de_cada_una():
    many, maps = np.tile(FILMS, (8, 1, 1)), RNG.random((40, 6, 8))
    seen = []

    def predict(films):
        assert films.dtype == np.float32
        seen.append(len(films))
        return linear(films)

    whole = deletion_curve(predict, many, maps, 4).probabilities
    assert set(seen) == {32, 8}
    assert whole[33] == pytest.approx(
        deletion_curve(linear, many[33:34], maps[33:34], 4).probabilities[0]
    )


def test_el_calor_manda_y_los_empates_se_ordenan_al_azar_con_la_semilla():
    zeros = np.zeros(FILMS.shape)
    first = deletion_curve(linear, FILMS, zeros, 8, seed=1).probabilities
    assert (first == deletion_curve(linear, FILMS, zeros, 8, seed=1).probabilities).all()
    assert (first != deletion_curve(linear, FILMS, zeros, 8, seed=2).probabilities).any()
    twins = deletion_curve(linear, np.repeat(FILMS[:1], 2, axis=0), zeros[:2], 8).probabilities
    assert (twins[0] != twins[1]).any()
    half, film = np.zeros((1, 4, 4)), np.zeros((1, 4, 4))
    half[0, :, :2], film[0, :, :2] = 0.5, 100
    curve = deletion_curve(
        lambda films: films[:, :, :2].sum(axis=(1, 2)) / 1000, film, half, 4, "mean", seed=9
    )
    assert curve.probabilities[0] == pytest.approx(expit(np.array([8, 6, 4, 4, 4]) / 10))


def test_contra_el_azar_un_mapa_nulo_no_gana_ni_pierde_y_la_diferencia_es_pareada():
    films = np.repeat(FILMS, 4, axis=0)
    useful = np.maximum(WEIGHTS * (films - films.mean(axis=(1, 2), keepdims=True)), 0)
    maps = {
        "nulo": np.zeros(films.shape),
        "fiel": useful / useful.max(axis=(1, 2), keepdims=True),
        RANDOM_ORDER: np.zeros(films.shape),
    }
    curves = {
        name: deletion_curve(linear, films, heat, 12, "mean", 3) for name, heat in maps.items()
    }
    patients = [f"p{number // 2}" for number in range(20)]
    table = pd.DataFrame(area_rows(curves, "deletion", patients, (300, 2)))
    ends = ["value", "low", "high"]
    by = table[table["fraction"].isna()].set_index(["method", "metric"])[ends]
    assert by.loc[("nulo", "deletion_difference")].tolist() == [0, 0, 0]
    assert by.loc[(RANDOM_ORDER, "deletion_difference")].tolist() == [0, 0, 0]
    gap = curves["fiel"].auc - curves[RANDOM_ORDER].auc
    assert tuple(by.loc[("fiel", "deletion_difference")]) == mean_interval(gap, patients, 300, 2)
    assert by.loc[("fiel", "deletion_difference"), "high"] < 0
    areas = mean_interval(curves["fiel"].auc, patients, 300, 2)
    assert tuple(by.loc[("fiel", "deletion")]) == areas
    line = table[(table["metric"] == "deletion_curve") & (table["method"] == "fiel")]
    assert np.trapezoid(line["value"], line["fraction"]) == pytest.approx(areas[0])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"maps": MAPS[:2]}, DataError, "una radiografía por mapa"),
        ({"maps": MAPS * 4}, DataError, "entre 0 y 1"),
        ({"films": FILMS[0]}, DataError, "forma"),
        ({"predict": lambda films: np.zeros((len(films), 1))}, DataError, "predict"),
        ({"predict": lambda films: np.full(len(films), np.nan)}, DataError, "predict"),
        ({"steps": 0}, ConfigError, "pasos"),
        ({"steps": 49}, ConfigError, "48"),
        ({"replacement": "negro"}, ConfigError, "'negro'"),
    ],
)
def test_lo_malo_se_explica(change, error, message):
    with pytest.raises(error, match=message):
        deletion_curve(**({"predict": linear, "films": FILMS, "maps": MAPS} | change))
