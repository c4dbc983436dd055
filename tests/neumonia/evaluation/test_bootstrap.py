"""El remuestreo por paciente, contra un bucle sencillo con scikit-learn."""

import time

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, recall_score, roc_auc_score

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation import (
    METRIC_NAMES,
    binary_metrics,
    bootstrap_by_patient,
    mean_distribution,
    mean_interval,
    metric_distributions,
    metrics_with_intervals,
)
from neumonia.evaluation.bootstrap import percentile_interval
from neumonia.evaluation.patients import patient_codes


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


def test_una_funcion_propia_da_lo_mismo_que_el_nombre(toy):
    labels, scores, patients = toy
    by_name = bootstrap_by_patient(labels, scores, patients, "roc_auc", n=60, seed=1)
    by_function = bootstrap_by_patient(labels, scores, patients, roc_auc_score, n=60, seed=1)
    assert by_function == pytest.approx(by_name, abs=1e-12)


def test_una_funcion_que_devuelve_none_se_descarta(toy):
    labels, scores, patients = toy
    assert bootstrap_by_patient(labels, scores, patients, lambda y, p: None, n=20) == (None, None)


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
    monkeypatch.setattr("neumonia.evaluation.bootstrap._BLOCK", 7)
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


def test_dos_mil_remuestreos_de_la_prueba_oficial_tardan_poco():
    rng = np.random.default_rng(0)
    labels = np.r_[np.zeros(234, int), np.ones(390, int)]
    scores = rng.random(624)
    start = time.perf_counter()
    metrics_with_intervals(labels, scores, [f"p{i // 2}" for i in range(624)])
    assert time.perf_counter() - start < 5


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
    with pytest.raises(ConfigError, match="al menos 1"):
        bootstrap_by_patient(*toy, roc_auc_score, n=0)


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
