"""La temperatura, contra una malla fina, logits simulados y scikit-learn."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation import (
    apply_temperature,
    expected_calibration_error,
    fit_temperature,
    log_loss,
    probability_logits,
)


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
