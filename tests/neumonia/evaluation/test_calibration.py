"""Calibración y temperatura, contra scikit-learn y redes simuladas."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.metrics import log_loss as sklearn_log_loss

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation import (
    apply_temperature,
    brier_score,
    calibration_summary,
    expected_calibration_error,
    fit_temperature,
    log_loss,
    probability_logits,
    reliability_table,
    wilson_interval,
)


@pytest.fixture
def smooth():
    rng = np.random.default_rng(6)
    scores = rng.beta(0.5, 0.5, 500)
    return (rng.random(500) < scores**1.5).astype(int), scores


@pytest.mark.parametrize("bins", [1, 4, 10])
def test_la_tabla_es_la_de_scikit_learn(smooth, bins):
    labels, scores = smooth
    observed, mean = calibration_curve(labels, scores, n_bins=bins)
    table = reliability_table(labels, scores, bins)
    assert table["observed"].tolist() == pytest.approx(observed.tolist())
    assert table["mean_probability"].tolist() == pytest.approx(mean.tolist())
    assert table["n"].sum() == 500
    assert (table["left"] <= table["mean_probability"]).all()
    assert (table["mean_probability"] <= table["right"]).all()


def test_los_tramos_cierran_por_la_derecha_y_los_vacios_no_salen():
    table = reliability_table([0, 1, 1, 0], [0.0, 0.5, 1.0, 0.75], bins=2)
    assert table["n"].tolist() == [2, 2]
    assert table["right"].tolist() == [0.5, 1.0]
    alone = reliability_table([0, 1], [0.95, 1.0], bins=10)
    assert len(alone) == 1
    assert alone["left"].tolist() == pytest.approx([0.9])


@pytest.mark.parametrize(("successes", "n"), [(0, 5), (3, 10), (50, 50), (389, 624)])
def test_wilson_es_el_de_scipy(successes, n):
    expected = binomtest(successes, n).proportion_ci(method="wilson")
    low, high = wilson_interval(successes / n, n)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_brier_y_entropia_son_las_de_scikit_learn(smooth):
    labels, scores = smooth
    assert brier_score(labels, scores) == pytest.approx(brier_score_loss(labels, scores))
    assert log_loss(labels, scores) == pytest.approx(sklearn_log_loss(labels, scores))
    sure = [0, 1, 1], [1.0, 0.0, 1.0]
    assert log_loss(*sure) == pytest.approx(sklearn_log_loss(*sure))


def test_el_ece_contado_a_mano():
    """Dos tramos: |0.5 − 0.2| con 2 radiografías y |1 − 0.7| con 2."""
    assert expected_calibration_error([0, 1, 1, 1], [0.1, 0.3, 0.6, 0.8], bins=2) == pytest.approx(
        0.3
    )
    labels, scores = [0, 1], [0.0, 1.0]
    assert expected_calibration_error(labels, scores) == 0.0


def test_el_ece_sale_de_la_tabla(smooth):
    table = reliability_table(*smooth, bins=15)
    gaps = (table["observed"] - table["mean_probability"]).abs() * table["n"]
    assert expected_calibration_error(*smooth) == pytest.approx(gaps.sum() / 500)


def test_el_resumen_es_el_del_bucle_por_pacientes(toy):
    labels, scores, patients = toy
    unique = list(dict.fromkeys(patients))
    films = [np.flatnonzero(patients == name) for name in unique]
    rng = np.random.default_rng(9)
    functions = {"brier": brier_score, "ece": expected_calibration_error, "log_loss": log_loss}
    values = {name: [] for name in functions}
    for row in rng.integers(len(unique), size=(100, len(unique))):
        chosen = np.concatenate([films[index] for index in row])
        for name, function in functions.items():
            values[name].append(function(labels[chosen], scores[chosen]))
    frame = calibration_summary(labels, scores, patients, n=100, seed=9)
    assert list(frame.index) == list(functions)
    for name, function in functions.items():
        expected = [function(labels, scores), *np.percentile(values[name], [2.5, 97.5])]
        assert frame.loc[name].tolist() == pytest.approx(expected, abs=1e-12)


def test_el_intervalo_del_ece_esta_sesgado_hacia_arriba():
    """Con una red bien calibrada, el ECE de los remuestreos es mayor que el medido."""
    rng = np.random.default_rng(12)
    scores = rng.random(400)
    labels = (rng.random(400) < scores).astype(int)
    frame = calibration_summary(labels, scores, [""] * 400, n=400)
    middle = frame[["low", "high"]].mean(axis=1)
    assert middle["ece"] > 1.15 * frame.loc["ece", "value"]
    assert middle["brier"] == pytest.approx(frame.loc["brier", "value"], rel=0.03)


def test_lo_que_no_vale_se_rechaza(smooth):
    for function in (reliability_table, expected_calibration_error):
        with pytest.raises(ConfigError, match="tramos"):
            function(*smooth, bins=0)
    with pytest.raises(DataError, match="entre 0 y 1"):
        brier_score([0, 1], [0.2, 1.7])
    with pytest.raises(ConfigError, match="al menos 1"):
        calibration_summary([0, 1], [0.2, 0.7], ["a", "b"], n=0)


def simulated(temperature, n=20_000, seed=0):
    """Logits ``temperature`` veces mayores que los de la probabilidad verdadera."""
    rng = np.random.default_rng(seed)
    true = rng.normal(0.5, 2.0, n)
    return (rng.random(n) < expit(true)).astype(int), temperature * true


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5, 1e4])
def test_recupera_la_temperatura_con_que_se_simulo(temperature):
    assert fit_temperature(*simulated(temperature)) == pytest.approx(temperature, rel=0.03)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_es_el_minimo_de_una_malla_fina(temperature):
    labels, logits = simulated(temperature, n=300, seed=4)
    found = fit_temperature(labels, logits)
    grid = found * np.linspace(0.5, 2, 3001)
    losses = [log_loss(labels, apply_temperature(logits, value)) for value in grid]
    assert grid[int(np.argmin(losses))] == pytest.approx(found, rel=1e-3)
    assert log_loss(labels, apply_temperature(logits, found)) <= min(losses) + 1e-12


def test_recalibra_otros_datos_sin_cambiar_el_orden():
    temperature = fit_temperature(*simulated(3.0, seed=1))
    labels, logits = simulated(3.0, seed=2)
    before, after = apply_temperature(logits, 1.0), apply_temperature(logits, temperature)
    assert expected_calibration_error(labels, after) < 0.2 * expected_calibration_error(
        labels, before
    )
    assert roc_auc_score(labels, after) == pytest.approx(roc_auc_score(labels, logits), abs=1e-12)
    assert np.array_equal(before >= 0.5, after >= 0.5)


def test_las_probabilidades_guardadas_vuelven_a_ser_logits():
    logits = np.array([-300.0, -40.0, -2.0, 0.0, 3.0, 30.0])
    assert probability_logits(expit(logits)) == pytest.approx(logits, rel=1e-3)
    ends = probability_logits([0.0, 1.0])
    assert ends == pytest.approx([-708.4, 36.7], abs=0.1)
    assert probability_logits([1.0])[0] >= probability_logits([np.nextafter(1, 0)])[0]


def test_sin_minimo_se_explica():
    with pytest.raises(DataError, match="acierta todas"):
        fit_temperature([0, 0, 1, 1], [-2, -1, 1, 0])
    with pytest.raises(DataError, match="azar"):
        fit_temperature([0, 0, 1, 1], [2, 1, -1, -3])
    with pytest.raises(DataError, match="una sola clase"):
        fit_temperature([1, 1], [0.3, -1])


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        ([1.0], "uno por radiografía"),
        ([1.0, np.inf, 2.0], "probability_logits"),
        (["a", "b", "c"], "números"),
    ],
)
def test_los_logits_malos_se_rechazan(logits, message):
    with pytest.raises(DataError, match=message):
        fit_temperature([0, 1, 1], logits)


def test_la_temperatura_es_positiva_y_finita():
    for wrong in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(ConfigError, match="mayor que 0"):
            apply_temperature([0.5], wrong)
    with pytest.raises(DataError, match="entre 0 y 1"):
        probability_logits([1.2])
