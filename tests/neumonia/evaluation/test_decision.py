"""Curvas de decisión y valores predictivos, contados a mano y por remuestreo."""

import numpy as np
import pytest

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation import (
    TREAT_ALL,
    TREAT_NONE,
    adjust_prevalence,
    binary_metrics,
    decision_curve,
    metric_distributions,
    net_benefit,
    predictive_table,
    predictive_values,
)

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
