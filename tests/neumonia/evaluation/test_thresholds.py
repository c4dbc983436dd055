"""Umbrales contra probarlos todos; promesas y costos contra contar caso por caso."""

import numpy as np
import pandas as pd
import pytest

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation import (
    binary_metrics,
    bootstrap_by_patient,
    cost_optimism,
    cost_table,
    mean_interval,
    promise_table,
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


@pytest.mark.parametrize("wanted", [0.05, 0.8, 0.95, 1.0])
def test_la_sensibilidad_pedida_con_el_umbral_mas_alto(case, wanted):
    labels, scores = case
    best = [row for row in everything(labels, scores) if row[1] >= wanted][-1]
    threshold = threshold_for_sensitivity(labels, scores, wanted)
    assert reached(labels, scores, threshold) == pytest.approx(best[1:])
    assert 0 <= threshold <= best[0]
    assert type(threshold) is float


@pytest.mark.parametrize("costs", [(1, 1), (10, 1), (1, 10), (1, 0), (0, 1), (3e9, 1e9)])
def test_el_menor_coste_y_si_empatan_el_mas_bajo(case, costs):
    labels, scores = case
    share = labels.mean()
    rows = everything(labels, scores)
    if scores.max() == 1:
        rows = rows[:-1]
    expected = [
        costs[0] * share * (1 - sens) + costs[1] * (1 - share) * (1 - spec)
        for _, sens, spec in rows
    ]
    first = next(i for i, value in enumerate(expected) if value <= min(expected) * (1 + 1e-9))
    threshold = threshold_for_cost(labels, scores, *costs)
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
    with pytest.raises(DataError, match="una sola clase"):
        threshold_balanced([1, 1], scores)


def test_si_empatan_gana_el_umbral_que_no_deja_neumonias_sin_ver():
    labels, scores = [0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4]
    # Desde 0.2: sensibilidad 1 y especificidad 0.5. Desde 0.4, al revés.
    assert threshold_balanced(labels, scores) == pytest.approx(0.15)


def frame(labels, scores, patients, prefix=""):
    names = [f"{prefix}{name}" for name in patients]
    return pd.DataFrame({"label": labels, "p_cnn": scores, "patient": names})


@pytest.fixture
def parts(toy):
    labels, scores, patients = toy
    # La prueba es otra tanda: las mismas probabilidades, corridas hacia arriba.
    return frame(labels, scores, patients), frame(
        labels, np.clip(scores + 0.2, 0, 1), patients, "t"
    )


def test_lo_prometido_y_lo_cumplido_son_las_metricas_de_cada_parte(parts):
    validation, test = parts
    chosen = threshold_for_sensitivity(validation["label"], validation["p_cnn"], 0.8)
    table = promise_table(validation, test, "p_cnn", {"0.8": chosen, "fijo": 0.45}, n=300, seed=4)
    assert table.index.names == ["rule", "metric"] and len(table) == 4
    for (rule, metric), row in table.iterrows():
        limit = chosen if rule == "0.8" else 0.45
        assert row["threshold"] == limit
        for name, part in (("promised", validation), ("delivered", test)):
            data = (part["label"], part["p_cnn"])
            assert row[name] == binary_metrics(*data, limit)[metric]
            expected = bootstrap_by_patient(*data, part["patient"], metric, 300, 4, limit)
            assert (row[f"{name}_low"], row[f"{name}_high"]) == pytest.approx(expected)
        assert row["change"] == pytest.approx(row["delivered"] - row["promised"])
        assert row["change_low"] < row["change"] < row["change_high"]
    assert table.loc[("0.8", "sensitivity"), "promised"] >= 0.8
    # Con todo corrido hacia arriba hay más alarmas: la especificidad cae más allá del azar.
    assert table.loc[("0.8", "specificity"), "change_high"] < 0


def test_el_cambio_no_empareja_los_remuestreos(parts):
    """Con la misma parte dos veces, emparejar daría cero; son niños distintos y no es cero."""
    validation, _ = parts
    again = validation.assign(patient="otro-" + validation["patient"])
    row = promise_table(validation, again, "p_cnn", {"medio": 0.5}, n=300).iloc[0]
    assert row["change"] == 0 and row["change_low"] < -0.05 and row["change_high"] > 0.05


def test_una_parte_incompleta_o_con_pacientes_repetidos_se_rechaza(parts):
    validation, test = parts
    with pytest.raises(DataError, match="de prueba les falta: p_cnn"):
        promise_table(validation, test.drop(columns="p_cnn"), "p_cnn", {"a": 0.5})
    with pytest.raises(DataError, match="en validación y en prueba"):
        promise_table(validation, validation, "p_cnn", {"a": 0.5})
    with pytest.raises(DataError, match="al menos uno"):
        promise_table(validation, test, "p_cnn", {})
    with pytest.raises(ConfigError, match="umbral"):
        promise_table(validation, test, "p_cnn", {"a": 1.5}, n=5)
    unknown = (part.assign(patient="") for part in parts)
    assert len(promise_table(*unknown, "p_cnn", {"a": 0.5}, n=20)) == 2


def test_el_costo_es_contar_errores_por_su_precio(toy):
    labels, scores, patients = toy
    limits = {"mejor": threshold_for_cost(labels, scores, 10, 1), "medio": 0.5}
    table = cost_table(labels, scores, patients, limits, 10, 1, n=400, seed=3)
    for rule, limit in limits.items():
        measured = binary_metrics(labels, scores, limit)
        by_hand = (10 * measured["fn"] + measured["fp"]) / measured["n"]
        assert table.loc[rule, "cost"] == pytest.approx(by_hand)
        films = 10 * ((labels == 1) & (scores < limit)) + ((labels == 0) & (scores >= limit))
        _, low, high = mean_interval(films, patients, 400, 3)
        assert tuple(table.loc[rule, ["cost_low", "cost_high"]]) == pytest.approx((low, high))
    assert table.loc["mejor", ["extra", "extra_low", "extra_high"]].tolist() == [0, 0, 0]
    extra = table.loc["medio"]
    assert extra["extra"] == pytest.approx(extra["cost"] - table.loc["mejor", "cost"])
    assert extra["extra"] > 0 and extra["extra_low"] < extra["extra"] < extra["extra_high"]


def test_elegir_y_medir_con_los_mismos_ninos_es_optimista(toy):
    """Con puntuaciones sin relación con la etiqueta, toda ventaja de lo elegido es engaño."""
    _, _, patients = toy
    rng = np.random.default_rng(5)
    labels, scores = rng.integers(0, 2, 150), rng.random(150)
    halves = cost_optimism(labels, scores, patients, 1, 1, n=100, seed=2)
    assert len(halves) == 100
    # Al azar y con costos iguales se paga 0.5; lo elegido promete menos y no lo cumple.
    assert halves["promised"].mean() < 0.45 < 0.48 < halves["delivered"].mean()
    assert halves.equals(cost_optimism(labels, scores, patients, 1, 1, n=100, seed=2))


def test_las_mitades_no_comparten_pacientes():
    """Cada paciente repite su radiografía: si se partieran, lo cumplido igualaría lo prometido."""
    labels, scores = np.tile([0, 1], 20), np.tile(np.linspace(0.1, 0.9, 40), 1)
    doubled = cost_optimism(
        np.repeat(labels, 3),
        np.repeat(scores, 3),
        np.repeat(np.arange(40), 3).astype(str),
        2,
        1,
        50,
    )
    once = cost_optimism(labels, scores, np.arange(40).astype(str), 2, 1, 50)
    pd.testing.assert_frame_equal(doubled, once)


def test_sin_pacientes_de_una_clase_para_las_dos_mitades_lo_dice(toy):
    labels = np.zeros(20)
    labels[0] = 1
    with pytest.raises(DataError, match="casi todas las mitades"):
        cost_optimism(labels, np.linspace(0, 1, 20), [""] * 20, 10, 1, n=10)
    with pytest.raises(DataError, match="una sola clase"):
        cost_optimism(np.zeros(20), np.linspace(0, 1, 20), [""] * 20, 10, 1)


def test_costos_y_repeticiones_imposibles_se_rechazan(toy):
    labels, scores, patients = toy
    with pytest.raises(DataError, match="al menos uno"):
        cost_table(labels, scores, patients, {}, 1, 1)
    for wrong in ((-1, 1), (1, np.inf)):
        with pytest.raises(ConfigError, match="costos"):
            cost_table(labels, scores, patients, {"a": 0.5}, *wrong)
    with pytest.raises(ConfigError, match="particiones"):
        cost_optimism(labels, scores, patients, 1, 1, n=0)
