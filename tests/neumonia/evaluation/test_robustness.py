"""Decidir con la radiografía cambiada: scikit-learn obtiene lo mismo y el intervalo es honesto."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn import metrics

from neumonia.errors import DataError
from neumonia.evaluation import bootstrap_by_patient
from neumonia.evaluation.robustness import decisions_under_changes


def probabilities(logits: dict) -> dict:
    return {name: expit(values) for name, values in logits.items()}


def test_la_puntuacion_es_la_exactitud_balanceada_media_de_scikit_learn():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    groups = np.repeat(np.arange(100), 2).astype(str)
    logits = {name: rng.normal(labels - 0.5, 1) for name in ("original", "a", "b")}
    found = decisions_under_changes(labels, groups, probabilities(logits))
    value, low, high = found["score"]
    each = [metrics.balanced_accuracy_score(labels, logits[name] >= 0) for name in ("a", "b")]
    assert value == pytest.approx(np.mean(each), abs=1e-12), "la original no cuenta"
    assert low < value < high and 0.03 < high - low < 0.3
    for name, values in logits.items():
        said, got = values >= 0, found["changes"][name]
        expected = {
            "sensitivity": metrics.recall_score(labels, said),
            "specificity": metrics.recall_score(1 - labels, ~said),
            "roc_auc": metrics.roc_auc_score(labels, values),
        }
        for metric, value in expected.items():
            assert got[metric][0] == pytest.approx(value)
            low, high = bootstrap_by_patient(labels, expit(values), groups, metric)
            assert got[metric][1:] == pytest.approx([low, high])


def test_el_intervalo_remuestrea_pacientes_y_no_radiografias():
    rng = np.random.default_rng(1)
    labels = np.tile([0, 1], 30)
    logits = rng.normal(labels - 0.5, 1)
    alone = {"a": logits}
    copied = {"a": np.repeat(logits, 8)}
    groups = np.arange(60).astype(str)
    single = decisions_under_changes(labels, groups, probabilities(alone))["score"]
    repeated = decisions_under_changes(
        np.repeat(labels, 8), np.repeat(groups, 8), probabilities(copied)
    )["score"]
    assert repeated == pytest.approx(single), "copiar radiografías no estrecha nada"


def test_el_umbral_es_el_que_se_pide_y_empatar_es_decidir_que_si():
    labels, patients = np.array([0, 1]), np.array(["a", "b"])
    found = decisions_under_changes(labels, patients, {"b": np.array([0.2, 0.3])}, threshold=0.3)
    assert found["score"][0] == 1.0
    assert decisions_under_changes(labels, patients, {"b": np.array([0.2, 0.3])})["score"][0] == 0.5


def test_sin_ningun_cambio_no_hay_nada_que_puntuar():
    with pytest.raises(DataError, match="al menos un cambio"):
        decisions_under_changes([0, 1], ["a", "b"], {"original": np.array([0.1, 0.9])})
