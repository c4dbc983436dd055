"""Valores predictivos contra contar niños uno a uno."""

import numpy as np
import pytest

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation import (
    adjust_prevalence,
    binary_metrics,
    metric_distributions,
    predictive_table,
    predictive_values,
)


def test_bayes_contando_cien_mil_ninos():
    """5 % de prevalencia, 90 % de sensibilidad y 80 % de especificidad."""
    ppv, npv = predictive_values(0.9, 0.8, 0.05)
    assert ppv == pytest.approx(4500 / (4500 + 19000))
    assert npv == pytest.approx(76000 / (76000 + 500))
    assert type(ppv) is float


def test_a_la_prevalencia_de_los_datos_es_la_precision(toy):
    labels, scores, _ = toy
    measured = binary_metrics(labels, scores, 0.4)
    ppv, npv = predictive_values(measured["sensitivity"], measured["specificity"], labels.mean())
    assert ppv == pytest.approx(measured["precision"])
    assert npv == pytest.approx(measured["tn"] / (measured["tn"] + measured["fn"]))


def test_admite_arreglos_y_marca_lo_que_no_existe():
    ppv, npv = predictive_values(np.array([[1.0], [0.0]]), [1.0, 0.5], 0.5)
    assert ppv.shape == npv.shape == (2, 2)
    assert ppv[0].tolist() == pytest.approx([1, 2 / 3])
    assert np.isnan(predictive_values(0.0, 1.0, 0.3)[0])
    assert np.isnan(predictive_values(1.0, 0.0, 0.3)[1])


def test_la_tabla_cuenta_mil_ninos_y_lleva_sus_intervalos(toy):
    labels, scores, patients = toy
    frame = predictive_table(labels, scores, patients, 0.4, (0.01, 0.333, 0.73), n=300, seed=6)
    measured = binary_metrics(labels, scores, 0.4)
    drawn = metric_distributions(
        labels, scores, patients, ("sensitivity", "specificity"), 300, 6, 0.4
    )
    groups = ["sick_found", "sick_missed", "healthy_alarmed", "healthy_cleared"]
    assert frame[groups].sum(axis=1).tolist() == [1000] * 3
    assert (frame["sick_found"] + frame["sick_missed"]).tolist() == [10, 333, 730]
    for share, row in frame.iterrows():
        sens, spec = measured["sensitivity"], measured["specificity"]
        assert abs(row["sick_found"] - 1000 * share * sens) <= 1
        assert abs(row["healthy_alarmed"] - 1000 * (1 - share) * (1 - spec)) <= 1
        a, b = share * drawn["sensitivity"], (1 - share) * (1 - drawn["specificity"])
        ends = np.percentile(a / (a + b), [2.5, 97.5])
        assert row[["ppv_low", "ppv_high"]].tolist() == pytest.approx(ends)
        assert row["ppv_low"] < row["ppv"] < row["ppv_high"]
        assert row["npv_low"] < row["npv"] < row["npv_high"]
    assert frame.index.name == "prevalence"


def test_sin_ninguna_alarma_no_hay_valor_predictivo_positivo(toy):
    labels, scores, patients = toy
    frame = predictive_table(labels, 0.9 * scores, patients, 0.95, prevalences=[0.2], n=30)
    assert frame[["ppv", "ppv_low", "ppv_high"]].isna().all(axis=None)
    assert frame["sick_missed"].tolist() == [200]


def test_ajustar_la_prevalencia_es_el_teorema_de_bayes():
    """Dos normales: la probabilidad exacta con cada prevalencia se conoce."""
    x = np.linspace(-3, 4, 15)
    odds = np.exp(2 * x - 2)  # densidades N(2, 1) y N(0, 1)
    at = {share: odds * share / (odds * share + 1 - share) for share in (0.7, 0.1)}
    assert adjust_prevalence(at[0.7], 0.7, 0.1) == pytest.approx(at[0.1], rel=1e-12)
    assert adjust_prevalence([0.0, 1.0], 0.7, 0.1).tolist() == [0.0, 1.0]


def test_lo_que_sale_de_su_intervalo_se_rechaza(toy):
    for wrong in ((1.2, 0.5, 0.5), (0.5, -0.1, 0.5), (0.5, 0.5, 5)):
        with pytest.raises(ConfigError, match=r"0\.05, no 5"):
            predictive_values(*wrong)
    with pytest.raises(ConfigError, match="5 %"):
        predictive_table(*toy, threshold=0.5, prevalences=[5])
    with pytest.raises(ConfigError, match="al menos una"):
        predictive_table(*toy, threshold=0.5, prevalences=[])
    with pytest.raises(ConfigError, match="5 %"):
        adjust_prevalence([0.5], 0.7, 1.0)
    with pytest.raises(DataError, match="una sola clase"):
        predictive_table([1, 1], [0.2, 0.7], ["a", "b"], 0.5)
