"""Curvas de decisión: la fórmula de Vickers y Elkin, contada a mano y por remuestreo."""

import numpy as np
import pytest

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation import TREAT_ALL, TREAT_NONE, decision_curve, net_benefit

LIMITS = [0.0, 0.1, 0.25, 0.5, 0.8]


def by_hand(labels, scores, limit):
    treated = scores >= limit
    found, alarmed = np.sum(treated & (labels == 1)), np.sum(treated & (labels == 0))
    return found / labels.size - alarmed / labels.size * limit / (1 - limit)


def test_el_beneficio_neto_es_el_contado(toy):
    labels, scores, _ = toy
    expected = [by_hand(labels, scores, limit) for limit in LIMITS]
    assert net_benefit(labels, scores, LIMITS) == pytest.approx(expected)


def test_una_red_perfecta_gana_la_prevalencia_entera():
    labels = np.array([0, 0, 0, 1])
    assert net_benefit(labels, labels, [0.1, 0.5, 0.9]) == pytest.approx(0.25)


def test_otra_prevalencia_es_repetir_casos_de_una_clase(toy):
    """Con 9 copias de cada NORMAL, la proporción de enfermos es otra y el resultado el mismo."""
    labels, scores, _ = toy
    copies = np.where(labels == 1, 1, 9)
    many, more = np.repeat(labels, copies), np.repeat(scores, copies)
    found = net_benefit(labels, scores, LIMITS, prevalence=many.mean())
    assert found == pytest.approx(net_benefit(many, more, LIMITS))


def test_la_curva_trae_los_modelos_y_las_dos_estrategias_fijas(toy):
    labels, scores, patients = toy
    frame = decision_curve(labels, {"CNN": scores, "otra": 1 - scores}, patients, LIMITS, n=60)
    assert list(dict.fromkeys(frame["strategy"])) == ["CNN", "otra", TREAT_ALL, TREAT_NONE]
    parts = {name: part.set_index("threshold") for name, part in frame.groupby("strategy")}
    assert parts["CNN"]["net_benefit"].tolist() == pytest.approx(
        net_benefit(labels, scores, LIMITS).tolist()
    )
    share = labels.mean()
    odds = np.array(LIMITS) / (1 - np.array(LIMITS))
    assert parts[TREAT_ALL]["net_benefit"].tolist() == pytest.approx(
        (share - (1 - share) * odds).tolist()
    )
    assert (parts[TREAT_NONE][["net_benefit", "low", "high"]] == 0).all(axis=None)
    inside = (parts["CNN"]["low"] <= parts["CNN"]["net_benefit"]) & (
        parts["CNN"]["net_benefit"] <= parts["CNN"]["high"]
    )
    assert inside.all()


@pytest.mark.parametrize("prevalence", [None, 0.1])
def test_la_banda_es_la_del_bucle_por_pacientes(toy, prevalence):
    labels, scores, patients = toy
    unique = list(dict.fromkeys(patients))
    films = [np.flatnonzero(patients == name) for name in unique]
    rng = np.random.default_rng(7)
    values = []
    for row in rng.integers(len(unique), size=(80, len(unique))):
        chosen = np.concatenate([films[index] for index in row])
        values.append(net_benefit(labels[chosen], scores[chosen], LIMITS, prevalence))
    low, high = np.percentile(values, [2.5, 97.5], axis=0)
    frame = decision_curve(labels, {"CNN": scores}, patients, LIMITS, prevalence, n=80, seed=7)
    model = frame[frame["strategy"] == "CNN"]
    assert model["low"].tolist() == pytest.approx(low.tolist())
    assert model["high"].tolist() == pytest.approx(high.tolist())


def test_con_la_prevalencia_fija_tratar_a_todos_no_tiene_incertidumbre(toy):
    labels, scores, patients = toy
    frame = decision_curve(labels, {"CNN": scores}, patients, [0.2], prevalence=0.1, n=40)
    row = frame[frame["strategy"] == TREAT_ALL].iloc[0]
    expected = 0.1 - 0.9 * 0.25
    assert row[["net_benefit", "low", "high"]].tolist() == pytest.approx([expected] * 3)


def test_los_remuestreos_sin_una_clase_no_cuentan():
    """Sin la radiografía NORMAL no hay especificidad que pesar: esos remuestreos se descartan."""
    frame = decision_curve([0, 1, 1], {"CNN": [0.1, 0.6, 0.4]}, ["a", "b", "c"], [0.5], 0.3, n=200)
    model = frame.iloc[0]
    assert model["net_benefit"] == pytest.approx(0.15)
    assert model[["low", "high"]].tolist() == pytest.approx([0.0, 0.3])


def test_lo_que_no_vale_se_rechaza(toy):
    labels, scores, patients = toy
    for wrong in ([1.0], [], [-0.1], [[0.5]], [np.nan]):
        with pytest.raises(ConfigError, match="umbrales"):
            net_benefit(labels, scores, wrong)
    with pytest.raises(ConfigError, match="prevalencia"):
        net_benefit(labels, scores, [0.5], prevalence=5)
    with pytest.raises(DataError, match="una sola clase"):
        net_benefit([1, 1], [0.2, 0.7], [0.5], prevalence=0.2)
    with pytest.raises(DataError, match="una sola clase"):
        decision_curve([1, 1], {"CNN": [0.2, 0.7]}, ["a", "b"], [0.5], prevalence=0.2)
    with pytest.raises(DataError, match="al menos uno"):
        decision_curve(labels, {}, patients, [0.5])
    with pytest.raises(ConfigError, match="otro nombre"):
        decision_curve(labels, {TREAT_ALL: scores}, patients, [0.5])
    with pytest.raises(ConfigError, match="al menos 1"):
        decision_curve(labels, {"CNN": scores}, patients, [0.5], n=0)
