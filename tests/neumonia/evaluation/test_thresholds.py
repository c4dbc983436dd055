"""Umbrales elegidos, contra probarlos todos."""

import numpy as np
import pytest

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation import (
    binary_metrics,
    threshold_balanced,
    threshold_for_cost,
    threshold_for_sensitivity,
)


def everything(labels, scores):
    """Sensibilidad y especificidad en todos los umbrales que deciden distinto, de menor a mayor."""
    found = []
    for cut in [*np.unique(scores), np.nextafter(scores.max(), 2)]:
        decided = scores >= cut
        found.append((cut, decided[labels == 1].mean(), 1 - decided[labels == 0].mean()))
    return found


def reached(labels, scores, threshold):
    measured = binary_metrics(labels, scores, threshold)
    return measured["sensitivity"], measured["specificity"]


@pytest.fixture(params=range(6))
def case(request):
    """Casos con empates y, en algunos, probabilidades de 0 y de 1 exactos."""
    rng = np.random.default_rng(request.param)
    labels = rng.permutation(np.r_[np.zeros(25, int), np.ones(40, int)])
    spread = 0.25 if request.param % 2 else 0.5
    return labels, np.clip(rng.normal(0.4 + 0.2 * labels, spread), 0, 1).round(2)


@pytest.mark.parametrize("wanted", [0.05, 0.5, 0.8, 0.9, 0.95, 0.975, 1.0])
def test_la_sensibilidad_pedida_con_el_umbral_mas_alto(case, wanted):
    labels, scores = case
    best = [row for row in everything(labels, scores) if row[1] >= wanted][-1]
    threshold = threshold_for_sensitivity(labels, scores, wanted)
    assert reached(labels, scores, threshold) == pytest.approx(best[1:])
    assert 0 <= threshold <= best[0]
    assert type(threshold) is float


@pytest.mark.parametrize("costs", [(1, 1), (10, 1), (1, 10), (1, 0), (0, 1), (3e9, 1e9)])
@pytest.mark.parametrize("prevalence", [None, 0.05])
def test_el_menor_coste_y_si_empatan_el_mas_bajo(case, costs, prevalence):
    labels, scores = case
    share = labels.mean() if prevalence is None else prevalence
    rows = everything(labels, scores)
    if scores.max() == 1:
        rows = rows[:-1]
    expected = [
        costs[0] * share * (1 - sens) + costs[1] * (1 - share) * (1 - spec)
        for _, sens, spec in rows
    ]
    first = next(i for i, value in enumerate(expected) if value <= min(expected) * (1 + 1e-9))
    threshold = threshold_for_cost(labels, scores, *costs, prevalence)
    assert reached(labels, scores, threshold) == pytest.approx(rows[first][1:])


def test_el_equilibrado_maximiza_youden(case):
    labels, scores = case
    best = max(sens + spec for _, sens, spec in everything(labels, scores))
    assert sum(reached(labels, scores, threshold_balanced(labels, scores))) == pytest.approx(best)


def test_el_umbral_es_el_punto_medio_del_hueco():
    labels, scores = [0, 0, 1, 1], [0.1, 0.3, 0.7, 0.9]
    assert threshold_balanced(labels, scores) == pytest.approx(0.5)
    assert threshold_for_sensitivity(labels, scores, 0.5) == pytest.approx(0.8)
    assert threshold_for_cost(labels, scores, 1, 0) == pytest.approx(0.05)
    assert threshold_for_cost(labels, scores, 0, 1) == pytest.approx(0.5)


def test_si_no_compensa_ninguna_alarma_el_umbral_queda_por_encima_de_todas():
    labels, scores = [1, 0, 0, 1], [0.2, 0.6, 0.8, 0.1]
    assert threshold_for_cost(labels, scores, 1, 100) == pytest.approx(0.9)


def test_con_probabilidades_contiguas_el_umbral_las_separa():
    low = 0.3
    high = np.nextafter(low, 1)
    labels, scores = np.array([0, 1, 0, 1]), np.array([low, high, low, high])
    assert reached(labels, scores, threshold_balanced(labels, scores)) == (1.0, 1.0)


def test_con_probabilidad_uno_siempre_hay_un_umbral_valido():
    labels, scores = np.array([1, 0, 1]), np.array([0.5, 1.0, 1.0])
    assert threshold_for_sensitivity(labels, scores, 0.4) == pytest.approx(0.75)
    # Ninguno evita la falsa alarma: empatan todos y queda el más bajo.
    assert threshold_for_cost(labels, scores, 0, 1) == pytest.approx(0.25)


def test_lo_que_no_se_puede_pedir_se_rechaza():
    labels, scores = [0, 1], [0.2, 0.8]
    for wanted in (0.0, 1.1, np.nan):
        with pytest.raises(ConfigError, match="sensibilidad pedida"):
            threshold_for_sensitivity(labels, scores, wanted)
    for costs in ((0, 0), (-1, 1), (np.inf, 1)):
        with pytest.raises(ConfigError, match="costes"):
            threshold_for_cost(labels, scores, *costs)
    for prevalence in (0, 1, 5):
        with pytest.raises(ConfigError, match="prevalencia"):
            threshold_for_cost(labels, scores, 1, 1, prevalence)
    with pytest.raises(DataError, match="una sola clase"):
        threshold_balanced([1, 1], scores)


def test_si_empatan_gana_el_umbral_que_no_deja_neumonias_sin_ver():
    labels, scores = [0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4]
    # Desde 0.2: sensibilidad 1 y especificidad 0.5. Desde 0.4, al revés.
    assert threshold_balanced(labels, scores) == pytest.approx(0.15)
