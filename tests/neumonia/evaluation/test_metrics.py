"""Métricas y curvas contra cuentas hechas a mano y contra scikit-learn."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as oracle

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation import METRIC_NAMES, binary_metrics, pr_points, roc_points


def test_un_caso_contado_a_mano():
    """3 NORMAL y 3 PNEUMONIA: una falsa alarma y una neumonía perdida."""
    found = binary_metrics([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.9, 0.3, 0.8, 0.95])
    assert (found["tn"], found["fp"], found["fn"], found["tp"]) == (2, 1, 1, 2)
    assert found["accuracy"] == pytest.approx(4 / 6)
    assert found["sensitivity"] == pytest.approx(2 / 3)
    assert found["specificity"] == pytest.approx(2 / 3)
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["f1"] == pytest.approx(2 / 3)
    # 9 pares (PNEUMONIA, NORMAL): 0.3 gana a dos; 0.8 a dos; 0.95 a los tres.
    assert found["roc_auc"] == pytest.approx(7 / 9)
    assert found["n"] == 6


def test_coincide_con_scikit_learn(toy):
    labels, scores, _ = toy
    for threshold in (0.0, 0.3, 0.5, 1.0):
        found = binary_metrics(labels, scores, threshold)
        decided = scores >= threshold
        assert found["accuracy"] == pytest.approx(oracle.accuracy_score(labels, decided))
        assert found["sensitivity"] == pytest.approx(oracle.recall_score(labels, decided))
        assert found["specificity"] == pytest.approx(
            oracle.recall_score(labels, decided, pos_label=0)
        )
        assert found["f1"] == pytest.approx(oracle.f1_score(labels, decided))
        if decided.any():
            assert found["precision"] == pytest.approx(oracle.precision_score(labels, decided))
        assert found["roc_auc"] == pytest.approx(oracle.roc_auc_score(labels, scores))
        assert found["average_precision"] == pytest.approx(
            oracle.average_precision_score(labels, scores)
        )


def test_la_probabilidad_igual_al_umbral_es_pneumonia():
    assert binary_metrics([0, 1], [0.5, 0.5])["tp"] == 1
    assert binary_metrics([0, 1], [0.5, 0.5])["fp"] == 1


def test_el_resultado_se_escribe_como_json(toy):
    labels, scores, _ = toy
    found = binary_metrics(pd.Series(labels), pd.Series(scores), np.float32(0.5))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert set(METRIC_NAMES) < set(found)


@pytest.mark.parametrize(
    ("labels", "scores", "undefined"),
    [
        ([0, 0], [0.2, 0.9], {"sensitivity", "roc_auc", "average_precision"}),
        ([1, 1], [0.2, 0.9], {"specificity", "roc_auc", "average_precision"}),
        ([0, 1], [0.1, 0.2], {"precision"}),
        ([0, 0], [0.1, 0.2], {"sensitivity", "precision", "f1", "roc_auc", "average_precision"}),
    ],
    ids=["sin PNEUMONIA", "sin NORMAL", "nada positivo", "ni verdad ni predicción positivas"],
)
def test_lo_no_definido_vale_none(labels, scores, undefined):
    found = binary_metrics(labels, scores)
    assert {name for name in METRIC_NAMES if found[name] is None} == undefined


def test_sin_aciertos_f1_es_cero_y_no_none():
    assert binary_metrics([0, 1], [0.9, 0.1])["f1"] == 0.0


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([], [], "cero radiografías"),
        ([0, 1], [0.1], "una probabilidad por radiografía"),
        ([0, 1], [0.1, np.nan], "posición 1 es nan"),
        ([0, 1], [1.2, 0.1], "sigmoide"),
        ([0, 1], [-0.1, 0.1], "entre 0 y 1"),
        ([0, 2], [0.1, 0.2], "posición 1"),
        ([[0, 1]], [[0.1, 0.2]], "vector"),
        (["NORMAL", "PNEUMONIA"], [0.1, 0.2], "deben ser números"),
        ([0, 1], ["a", "b"], "entre 0 y 1"),
        ([0, np.nan], [0.1, 0.2], "posición 1"),
    ],
)
def test_los_datos_malos_se_rechazan_diciendo_que_pasa(labels, scores, message):
    with pytest.raises(DataError, match=message):
        binary_metrics(labels, scores)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_un_umbral_imposible_se_rechaza(threshold):
    with pytest.raises(ConfigError, match="umbral"):
        binary_metrics([0, 1], [0.1, 0.9], threshold)


def test_el_area_bajo_los_puntos_roc_es_el_auc(toy):
    labels, scores, _ = toy
    points = roc_points(labels, scores)
    area = np.trapezoid(points["true_positive_rate"], points["false_positive_rate"])
    assert area == pytest.approx(oracle.roc_auc_score(labels, scores))
    assert points.iloc[0].tolist() == [np.inf, 0.0, 0.0]
    assert points.iloc[-1, 1:].tolist() == [1.0, 1.0]
    assert points["threshold"].is_monotonic_decreasing
    assert len(points) == 1 + len(np.unique(scores))


def test_cada_punto_roc_es_el_de_su_umbral(toy):
    labels, scores, _ = toy
    for _, row in roc_points(labels, scores).iloc[1:].iterrows():
        found = binary_metrics(labels, scores, row["threshold"])
        assert row["true_positive_rate"] == pytest.approx(found["sensitivity"])
        assert row["false_positive_rate"] == pytest.approx(1 - found["specificity"])


def test_la_suma_escalonada_de_los_puntos_pr_es_la_precision_media(toy):
    labels, scores, _ = toy
    points = pr_points(labels, scores)
    area = -np.sum(np.diff(points["recall"]) * points["precision"].to_numpy()[:-1])
    assert area == pytest.approx(oracle.average_precision_score(labels, scores))
    assert points.iloc[-1].tolist() == [np.inf, 0.0, 1.0]


@pytest.mark.parametrize("curve", [roc_points, pr_points])
@pytest.mark.parametrize(("label", "name"), [(0, "NORMAL"), (1, "PNEUMONIA")])
def test_una_curva_con_una_sola_clase_no_existe(curve, label, name):
    with pytest.raises(DataError, match=f"son {name}"):
        curve([label, label], [0.2, 0.8])
