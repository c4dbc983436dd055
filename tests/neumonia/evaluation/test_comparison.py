"""Comparaciones entre modelos, contra bucles sencillos y varianzas conocidas."""

import numpy as np
import pytest
from sklearn.metrics import recall_score, roc_auc_score

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation import (
    METRIC_NAMES,
    bootstrap_by_patient,
    hierarchical_interval,
    independent_difference,
    metric_distributions,
    paired_differences,
    seed_spread,
)


@pytest.fixture
def pair(toy):
    labels, scores, patients = toy
    other = np.clip(scores + np.random.default_rng(8).normal(0, 0.2, scores.size), 0, 1).round(2)
    return labels, scores, other, patients


def test_la_diferencia_pareada_es_la_del_bucle(pair):
    labels, a, b, patients = pair
    unique = list(dict.fromkeys(patients))
    films = [np.flatnonzero(patients == name) for name in unique]
    rng = np.random.default_rng(5)
    auc, recall = [], []
    for row in rng.integers(len(unique), size=(150, len(unique))):
        chosen = np.concatenate([films[index] for index in row])
        y = labels[chosen]
        auc.append(roc_auc_score(y, a[chosen]) - roc_auc_score(y, b[chosen]))
        recall.append(recall_score(y, a[chosen] >= 0.4) - recall_score(y, b[chosen] >= 0.6))
    frame = paired_differences(labels, a, b, patients, 0.4, 0.6, n=150, seed=5)
    assert list(frame.index) == list(METRIC_NAMES)
    for name, values in (("roc_auc", auc), ("sensitivity", recall)):
        ends = np.percentile(values, [2.5, 97.5])
        assert frame.loc[name, ["low", "high"]].tolist() == pytest.approx(ends, abs=1e-12)
    expected = roc_auc_score(labels, a) - roc_auc_score(labels, b)
    assert frame.loc["roc_auc", "value"] == pytest.approx(expected)


def test_un_modelo_contra_si_mismo_no_difiere_en_nada(toy):
    labels, scores, patients = toy
    frame = paired_differences(labels, scores, scores, patients, metrics=["roc_auc", "f1"], n=50)
    assert frame.to_numpy().tolist() == [[0, 0, 0], [0, 0, 0]]


def test_emparejar_estrecha_lo_que_separar_cuenta_dos_veces(pair):
    labels, a, b, patients = pair
    paired = paired_differences(labels, a, b, patients, metrics=["roc_auc"], n=800).loc["roc_auc"]
    drawn = [metric_distributions(labels, x, patients, ["roc_auc"], 800)["roc_auc"] for x in (a, b)]
    value, low, high = independent_difference(
        *drawn, roc_auc_score(labels, a), roc_auc_score(labels, b)
    )
    assert value == pytest.approx(paired["value"])
    assert paired["high"] - paired["low"] < 0.9 * (high - low)


def test_lo_que_no_esta_definido_queda_vacio():
    frame = paired_differences([0, 0, 0], [0.1, 0.6, 0.7], [0.6, 0.2, 0.1], ["a", "b", "c"], n=40)
    assert frame.loc["sensitivity"].isna().all()
    assert frame.loc["specificity", "value"] == pytest.approx(-1 / 3)


def test_la_diferencia_independiente_suma_varianzas():
    rng = np.random.default_rng(1)
    a, b = rng.normal(0.9, 0.03, 2000), rng.normal(0.8, 0.04, 2500)
    difference, low, high = independent_difference(a, b, 0.9, 0.8)
    assert difference == pytest.approx(0.1)
    assert (low, high) == pytest.approx((0.1 - 1.96 * 0.05, 0.1 + 1.96 * 0.05), abs=0.005)


def test_restar_distribuciones_ordenadas_igual_no_las_empareja():
    """Con la misma semilla y los mismos números, emparejadas darían un intervalo de ancho cero."""
    values = np.random.default_rng(2).normal(0.9, 0.02, 1000)
    _, low, high = independent_difference(values, values, 0.9, 0.9)
    assert (low, high) == pytest.approx((-1.96 * 0.02 * 2**0.5, 1.96 * 0.02 * 2**0.5), abs=0.004)


def test_la_diferencia_independiente_no_inventa_valores():
    good, bad = np.array([0.5, 0.6, np.nan]), np.array([np.nan, np.nan, 0.5])
    assert independent_difference(good, good, None, 0.5) == (None, None, None)
    assert independent_difference(good, bad, 0.7, 0.5) == (pytest.approx(0.2), None, None)
    assert independent_difference(good, good, 0.7, 0.5)[1] == pytest.approx(-0.1, abs=0.02)
    with pytest.raises(DataError, match="vector"):
        independent_difference(good, [], 0.7, 0.5)


def test_la_dispersion_entre_semillas():
    found = seed_spread([0.90, 0.94, 0.92])
    assert (found.mean, found.std) == pytest.approx((0.92, 0.02))
    assert (found.minimum, found.maximum, found.n) == (0.90, 0.94, 3)
    assert seed_spread([0.9]).std is None


@pytest.mark.parametrize("values", [[], [0.9, np.nan], [[0.9]]])
def test_la_dispersion_necesita_numeros(values):
    with pytest.raises(DataError, match="al menos una semilla"):
        seed_spread(values)


def width(low, high):
    return (high - low) / (2 * 1.959964)


def test_el_intervalo_jerarquico_tiene_las_dos_varianzas():
    """Varianza: entre semillas, (k−1)/k · s²/k; de los pacientes, entera si son los mismos."""
    rng = np.random.default_rng(4)
    means = np.array([0.86, 0.90, 0.88, 0.93])
    shared = rng.normal(0, 0.03, 4000)
    between = means.var(ddof=1) * (3 / 4) / 4
    same = hierarchical_interval([m + shared for m in means], n=20_000)
    assert width(*same) == pytest.approx(np.sqrt(between + 0.03**2), rel=0.04)
    apart = [m + rng.normal(0, 0.03, 3000 + 100 * i) for i, m in enumerate(means)]
    found = hierarchical_interval(apart, same_patients=False, n=20_000)
    assert width(*found) == pytest.approx(np.sqrt(between + 0.03**2 / 4), rel=0.04)
    assert np.mean(found) == pytest.approx(means.mean(), abs=0.003)


def test_con_una_semilla_es_el_intervalo_por_paciente(toy):
    drawn = metric_distributions(*toy, ["roc_auc"])["roc_auc"]
    expected = bootstrap_by_patient(*toy, "roc_auc")
    assert hierarchical_interval([drawn], n=40_000) == pytest.approx(expected, abs=0.004)


def test_el_jerarquico_es_reproducible_y_descarta_lo_no_definido():
    draws = [np.array([0.8, 0.9, 0.85]), np.array([0.7, 0.75, 0.72])]
    assert hierarchical_interval(draws, seed=3) == hierarchical_interval(draws, seed=3)
    lost = np.full(3, np.nan)
    assert hierarchical_interval([draws[0], lost], n=500) == (None, None)
    kept = hierarchical_interval([np.array([0.8, 0.8, 0.8, np.nan])], n=500)
    assert kept == pytest.approx((0.8, 0.8))


def test_el_jerarquico_rechaza_lo_que_no_cuadra():
    with pytest.raises(DataError, match="una por semilla"):
        hierarchical_interval([])
    with pytest.raises(DataError, match=r"\[2, 3\].*same_patients=False"):
        hierarchical_interval([[0.1, 0.2], [0.1, 0.2, 0.3]])
    with pytest.raises(ConfigError, match="al menos 1"):
        hierarchical_interval([[0.1, 0.2]], n=0)
