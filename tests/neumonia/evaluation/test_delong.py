"""DeLong contra su definición por parejas, scikit-learn y una simulación."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from neumonia.errors import DataError
from neumonia.evaluation import delong_interval, delong_test


def by_pairs(labels, scores):
    """Definición O(mn): la proporción de rivales que cada caso aventaja, sin rangos."""
    sick, healthy = scores[labels == 1], scores[labels == 0]
    wins = np.array([[(x > y) + 0.5 * (x == y) for y in healthy] for x in sick], dtype=float)
    return wins.mean(axis=1), wins.mean(axis=0)


@pytest.fixture
def pair(toy):
    labels, scores, _ = toy
    other = np.clip(scores + np.random.default_rng(8).normal(0, 0.25, scores.size), 0, 1).round(1)
    return labels, scores, other


def test_el_intervalo_es_el_de_la_definicion_con_empates(pair):
    labels, scores, _ = pair
    sick, healthy = by_pairs(labels, scores)
    variance = sick.var(ddof=1) / sick.size + healthy.var(ddof=1) / healthy.size
    found = delong_interval(labels, scores)
    assert found.auc == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert found.variance == pytest.approx(variance, rel=1e-12)
    ends = norm.interval(0.95, loc=found.auc, scale=np.sqrt(variance))
    assert (found.low, found.high) == pytest.approx(ends, abs=1e-12)


def test_la_prueba_usa_la_covarianza_de_los_dos_modelos(pair):
    labels, a, b = pair
    sick, healthy = zip(by_pairs(labels, a), by_pairs(labels, b), strict=True)
    covariance = np.cov(sick) / sick[0].size + np.cov(healthy) / healthy[0].size
    error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    found = delong_test(labels, a, b)
    difference = roc_auc_score(labels, a) - roc_auc_score(labels, b)
    assert found.difference == pytest.approx(difference, abs=1e-12)
    assert found.z == pytest.approx(difference / error, rel=1e-10)
    assert found.p_value == pytest.approx(2 * norm.sf(abs(difference / error)), rel=1e-10)
    assert (found.low, found.high) == pytest.approx(norm.interval(0.95, difference, error))
    back = delong_test(labels, b, a)
    assert (back.difference, back.z) == pytest.approx((-found.difference, -found.z))
    assert back.p_value == pytest.approx(found.p_value)


def test_los_logits_valen_igual_que_las_probabilidades(pair):
    labels, scores, _ = pair
    assert delong_interval(labels, 20 * scores - 7) == delong_interval(labels, scores)


def test_la_varianza_es_la_que_se_ve_al_repetir_el_experimento():
    rng = np.random.default_rng(3)
    labels = np.r_[np.zeros(60, int), np.ones(90, int)]
    runs = [delong_interval(labels, rng.normal(labels, 1.0)) for _ in range(1500)]
    truth = norm.cdf(1 / np.sqrt(2))
    assert np.var([r.auc for r in runs]) == pytest.approx(
        np.mean([r.variance for r in runs]), rel=0.1
    )
    assert np.mean([r.low <= truth <= r.high for r in runs]) == pytest.approx(0.95, abs=0.025)


def test_con_separacion_perfecta_el_intervalo_es_un_punto():
    found = delong_interval([0, 0, 0, 1, 1, 1, 1], [0.1, 0.2, 0.3, 0.7, 0.8, 0.9, 0.9])
    assert (found.auc, found.variance, found.low, found.high) == (1.0, 0.0, 1.0, 1.0)


def test_el_intervalo_no_sale_de_cero_a_uno():
    labels = [0, 0, 0, 1, 1, 1]
    assert delong_interval(labels, [1, 2, 4, 3, 5, 6]).high == 1.0
    assert delong_interval(labels, [6, 5, 3, 4, 2, 1]).low == 0.0


def test_dos_modelos_que_ordenan_igual_no_difieren(pair):
    labels, scores, _ = pair
    found = delong_test(labels, scores, scores**3)
    assert (found.difference, found.low, found.high, found.z, found.p_value) == (0, 0, 0, 0, 1)


def test_perfecto_contra_invertido_no_tiene_varianza_y_se_explica():
    labels = np.array([0, 0, 0, 1, 1, 1, 1])
    with pytest.raises(DataError, match=r"difieren en 1\.000.*varianza estimada es 0"):
        delong_test(labels, labels, -labels)


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([1, 1, 1], [0.1, 0.2, 0.3], "una sola clase"),
        ([0, 1, 1], [0.1, 0.2, 0.3], "al menos dos de cada una"),
        ([0, 0, 1, 1], [0.1, 0.2], "una por radiografía"),
        ([0, 0, 1, 1], [0.1, np.nan, 0.2, 0.3], "posición 1"),
        ([0, 0, 1, 1], ["a", "b", "c", "d"], "deben ser números"),
    ],
)
def test_los_datos_malos_se_rechazan(labels, scores, message):
    with pytest.raises(DataError, match=message):
        delong_interval(labels, scores)
    with pytest.raises(DataError, match=message):
        delong_test(labels, np.arange(len(labels)), scores)
