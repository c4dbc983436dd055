"""Remuestreo por paciente y comparaciones, contra bucles sencillos con scikit-learn."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import average_precision_score, f1_score, recall_score, roc_auc_score

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation import (
    METRIC_NAMES,
    binary_metrics,
    bootstrap_by_patient,
    delong_test,
    hierarchical_interval,
    independent_difference,
    mean_distribution,
    mean_interval,
    metric_distributions,
    metrics_with_intervals,
    paired_differences,
    seed_spread,
)
from neumonia.evaluation.checks import patient_codes
from neumonia.evaluation.intervals import percentile_interval


def naive_intervals(labels, scores, patients, functions, n, seed):
    """Remuestrea con listas y scikit-learn, sin ninguno de los atajos del paquete."""
    unique = list(dict.fromkeys(patients))
    films = {name: np.flatnonzero(patients == name) for name in unique}
    rng = np.random.default_rng(seed)
    values = {name: [] for name in functions}
    for row in rng.integers(len(unique), size=(n, len(unique))):
        chosen = np.concatenate([films[unique[index]] for index in row])
        for name, function in functions.items():
            values[name].append(function(labels[chosen], scores[chosen]))
    return {name: np.percentile(v, [2.5, 97.5]) for name, v in values.items()}


def test_coincide_con_el_bucle_de_scikit_learn(toy):
    labels, scores, patients = toy
    functions = {
        "roc_auc": roc_auc_score,
        "average_precision": average_precision_score,
        "sensitivity": lambda y, p: recall_score(y, p >= 0.5),
        "specificity": lambda y, p: recall_score(y, p >= 0.5, pos_label=0),
        "f1": lambda y, p: f1_score(y, p >= 0.5),
        "accuracy": lambda y, p: float(np.mean(y == (p >= 0.5))),
    }
    expected = naive_intervals(labels, scores, patients, functions, n=120, seed=4)
    for name, interval in expected.items():
        found = bootstrap_by_patient(labels, scores, patients, name, n=120, seed=4)
        assert found == pytest.approx(tuple(interval), abs=1e-12), name


def test_la_exactitud_tiene_el_error_de_la_binomial():
    """Con un paciente por placa, el bootstrap de una proporción tiene error sqrt(p(1-p)/n)."""
    n = 400
    labels = np.tile([0, 1], n // 2)
    scores = np.where(np.arange(n) < 320, labels, 1 - labels).astype(float)
    drawn = metric_distributions(labels, scores, [""] * n, ["accuracy"], n=4000)["accuracy"]
    assert drawn.mean() == pytest.approx(0.8, abs=0.002)
    assert drawn.std() == pytest.approx(np.sqrt(0.8 * 0.2 / n), rel=0.05)


def test_repetir_placas_de_un_paciente_no_estrecha_el_intervalo(toy):
    """Copiar cuatro veces cada placa no agrega información si sabemos de quién es."""
    labels, scores, patients = toy
    once = bootstrap_by_patient(labels, scores, patients, "roc_auc", n=300)
    again = [np.tile(values, 4) for values in (labels, scores, patients)]
    assert bootstrap_by_patient(*again, "roc_auc", n=300) == pytest.approx(once, abs=1e-12)
    blind = bootstrap_by_patient(again[0], again[1], [""] * 600, "roc_auc", n=300)
    assert blind[1] - blind[0] < 0.7 * (once[1] - once[0])


def test_la_misma_semilla_da_los_mismos_numeros(toy):
    a = bootstrap_by_patient(*toy, n=50, seed=3)
    assert a == bootstrap_by_patient(*toy, n=50, seed=3)
    assert a != bootstrap_by_patient(*toy, n=50, seed=4)


def test_los_bloques_no_cambian_el_resultado(toy, monkeypatch):
    whole = metric_distributions(*toy, n=30)
    monkeypatch.setattr("neumonia.evaluation.intervals._BLOCK", 7)
    for name, values in metric_distributions(*toy, n=30).items():
        assert np.array_equal(values, whole[name], equal_nan=True)


def test_donde_falta_una_clase_no_hay_valor():
    labels, scores, patients = [0, 1, 1], [0.2, 0.6, 0.7], ["a", "b", "c"]
    drawn = metric_distributions(labels, scores, patients, n=400)
    for name in ("roc_auc", "average_precision"):
        # (2/3)^3 de las veces no sale "a" y (1/3)^3 solo sale "a".
        assert np.isnan(drawn[name]).mean() == pytest.approx(9 / 27, abs=0.08)
    assert np.nanmin(drawn["roc_auc"]) == 1.0
    assert not np.isnan(drawn["accuracy"]).any()


def test_con_mas_de_la_mitad_sin_definir_no_hay_intervalo():
    assert percentile_interval(np.array([0.5, np.nan, np.nan])) == (None, None)
    low, high = percentile_interval(np.array([0.0, 1.0, np.nan]))
    assert (low, high) == pytest.approx((0.025, 0.975))


def test_la_tabla_tiene_cada_metrica_con_su_intervalo(toy):
    frame = metrics_with_intervals(*toy, n=200, seed=2)
    measured = binary_metrics(*toy[:2])
    assert list(frame.index) == list(METRIC_NAMES)
    for name, row in frame.iterrows():
        assert row["value"] == pytest.approx(measured[name])
        assert row["low"] < row["value"] < row["high"]
    assert frame.loc["roc_auc", ["low", "high"]].tolist() == pytest.approx(
        bootstrap_by_patient(*toy, "roc_auc", n=200, seed=2)
    )
    assert frame.attrs["n_patients"] == len(set(toy[2]))
    assert frame.attrs["n_resamples"] == 200


def test_una_metrica_no_definida_queda_vacia_en_la_tabla():
    frame = metrics_with_intervals([0, 0, 0], [0.1, 0.6, 0.7], ["a", "b", "c"], n=50)
    assert frame.loc["sensitivity"].isna().all()
    assert frame.loc["specificity", "value"] == pytest.approx(1 / 3)


def test_cada_paciente_desconocido_cuenta_aparte():
    assert patient_codes(["", "a", "", "a"], 4).tolist() == [0, 1, 2, 1]


@pytest.mark.parametrize(
    ("patients", "message"),
    [
        (["a", "b"], "uno por radiografía"),
        (["a", None, "b"], "posición 1"),
        (["a", "a", "a"], "un solo paciente"),
    ],
)
def test_los_pacientes_mal_dados_se_rechazan(patients, message):
    with pytest.raises(DataError, match=message):
        bootstrap_by_patient([0, 1, 1], [0.1, 0.5, 0.9], patients)


def test_una_metrica_desconocida_o_cero_remuestreos_se_rechazan(toy):
    with pytest.raises(ConfigError, match="roc_auc"):
        bootstrap_by_patient(*toy, "auc")
    with pytest.raises(ConfigError, match="al menos 1"):
        bootstrap_by_patient(*toy, n=0)


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
    """Varianza: entre semillas, (k−1)/k · s²/k; de los pacientes, entera: son los mismos."""
    rng = np.random.default_rng(4)
    means = np.array([0.86, 0.90, 0.88, 0.93])
    shared = rng.normal(0, 0.03, 4000)
    between = means.var(ddof=1) * (3 / 4) / 4
    same = hierarchical_interval([m + shared for m in means], n=20_000)
    assert width(*same) == pytest.approx(np.sqrt(between + 0.03**2), rel=0.04)
    assert np.mean(same) == pytest.approx(means.mean(), abs=0.003)


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
    with pytest.raises(DataError, match=r"\[2, 3\]"):
        hierarchical_interval([[0.1, 0.2], [0.1, 0.2, 0.3]])
    with pytest.raises(ConfigError, match="al menos 1"):
        hierarchical_interval([[0.1, 0.2]], n=0)


def by_pairs(labels, scores):
    """Definición O(mn): la proporción de rivales que cada caso aventaja, sin rangos."""
    sick, healthy = scores[labels == 1], scores[labels == 0]
    wins = np.array([[(x > y) + 0.5 * (x == y) for y in healthy] for x in sick], dtype=float)
    return wins.mean(axis=1), wins.mean(axis=0)


@pytest.fixture
def graded(toy):
    labels, scores, _ = toy
    other = np.clip(scores + np.random.default_rng(8).normal(0, 0.25, scores.size), 0, 1).round(1)
    return labels, scores, other


def test_la_prueba_usa_la_covarianza_de_los_dos_modelos(graded):
    labels, a, b = graded
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


def test_los_logits_valen_igual_que_las_probabilidades(graded):
    labels, scores, other = graded
    assert delong_test(labels, 20 * scores - 7, other) == delong_test(labels, scores, other)


def test_dos_modelos_que_ordenan_igual_no_difieren(graded):
    labels, scores, _ = graded
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
        ([0, 0, 1, 1], [0.1, 0.2], "una por radiografía y"),
        ([0, 0, 1, 1], [0.1, np.nan, 0.2, 0.3], "finitas"),
        ([0, 0, 1, 1], ["a", "b", "c", "d"], "deben ser números"),
    ],
)
def test_delong_rechaza_los_datos_malos(labels, scores, message):
    with pytest.raises(DataError, match=message):
        delong_test(labels, np.arange(len(labels)), scores)


def test_la_media_lleva_el_intervalo_de_su_remuestreo():
    values, patients = np.arange(9) / 9, np.array([*"aabbbcd", "", ""], dtype=object)
    ends = percentile_interval(mean_distribution(values, patients, 300, 4))
    found = mean_interval(values, patients, 300, 4)
    assert found == pytest.approx((values.mean(), *ends)) and ends[0] < found[0] < ends[1]


def test_la_media_sin_radiografias_o_con_un_paciente_lo_dice_con_nan():
    assert np.isnan(mean_interval([], [])).all()
    for values, patients in (([0.2, 0.4], ["a", "a"]), ([0.3], [""])):
        value, low, high = mean_interval(values, patients, n=10)
        assert value == pytest.approx(0.3) and np.isnan([low, high]).all()
    assert not np.isnan(mean_interval([0.2, 0.4], ["", ""], n=10)).any()
    for patients in (["a"], ["a", None]):
        with pytest.raises(DataError, match="identificador"):
            mean_interval([0.2, 0.4], patients)
