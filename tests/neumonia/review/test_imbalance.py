"""El desbalance: pesos, muestreo y umbral, contra scikit-learn y contra la cuenta a mano."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from sklearn.utils.class_weight import compute_class_weight

from neumonia.files import write_json
from neumonia.review.imbalance import (
    METRICS,
    STRATEGIES,
    balanced_rows,
    class_weights,
    run_imbalance,
    trained_head,
)
from neumonia.training import sigmoid


@pytest.fixture(scope="module")
def found(hospital, patched):
    return run_imbalance(hospital.base, ("oficial",), (0, 1), hospital.open)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.74])
def test_los_pesos_son_los_balanced_de_scikit_learn(share):
    labels = (np.random.default_rng(0).random(400) < share).astype(np.int8)
    expected = compute_class_weight("balanced", classes=np.array([0, 1]), y=labels)
    assert class_weights(labels) == pytest.approx(dict(enumerate(expected)))
    total = {label: weight * (labels == label).sum() for label, weight in
             class_weights(labels).items()}  # fmt: skip
    assert total[0] == pytest.approx(total[1]) and sum(total.values()) == pytest.approx(400)


@pytest.mark.parametrize("m", [200, 201])
def test_el_muestreo_iguala_las_clases_sin_traer_filas_de_fuera(m):
    rng = np.random.default_rng(1)
    labels = (rng.random(500) < 0.8).astype(int)
    rows = rng.permutation(500)[:m]
    chosen = balanced_rows(rows, labels, seed=3)
    assert len(chosen) == m and set(chosen) <= set(rows) and chosen.dtype == np.int64
    assert (labels[chosen] == 0).sum() == m // 2
    times = pd.Series(chosen).value_counts()
    for label in (0, 1):
        mine = rows[labels[rows] == label]
        counts = times.reindex(mine, fill_value=0)
        assert counts.max() - counts.min() <= 1, "se reparten por igual"
    assert times.reindex(rows[labels[rows] == 0]).min() >= 1, "todas las normales se ven"
    assert np.array_equal(chosen, balanced_rows(rows, labels, seed=3))
    assert not np.array_equal(chosen, balanced_rows(rows, labels, seed=4))


def test_cada_estrategia_entrena_con_lo_suyo_y_el_umbral_reutiliza_la_del_sesgo(
    official, monkeypatch, tmp_path
):
    """Lo único que cambia son el sesgo, los pesos y las filas; ni el paso ni las épocas."""
    calls = []

    def spy(model, **options):
        calls.append({**options, "bias": float(model.get_layer("logit").get_weights()[1][0])})
        return pd.DataFrame({"val_loss": [1.0]})

    monkeypatch.setattr("neumonia.training.fit", spy)
    monkeypatch.setattr("neumonia.training.predict_logits", lambda model, x: np.zeros(len(x)))
    monkeypatch.setattr(official.store, "folder", tmp_path)
    keys = [trained_head(official, strategy).key for strategy in STRATEGIES.values()]
    assert len(calls) == 4 and keys[1] == keys[4] and len(set(keys)) == 4
    train, labels = official.rows("train"), official.labels
    plain, bias, weighted, sampled = calls
    assert [call["bias"] for call in calls] == pytest.approx([0, official.bias, 0, 0])
    positives = labels[train].mean()
    assert official.bias == pytest.approx(np.log(positives / (1 - positives))) != 0
    assert [call["class_weight"] is None for call in calls] == [True, True, False, True]
    expected = compute_class_weight("balanced", classes=np.array([0, 1]), y=labels[train])
    assert list(weighted["class_weight"].values()) == pytest.approx(expected)
    for call in (plain, bias, weighted):
        assert np.array_equal(call["train"][2], train)
    seen = sampled["train"][2]
    assert len(seen) == len(train) and set(seen) <= set(train)
    assert abs(labels[seen].mean() - 0.5) < 0.01 < abs(positives - 0.5)
    for call in calls:
        assert np.array_equal(call["val"][2], official.rows("val"))
        assert (call["epochs"], call["seed"]) == (1, 0)


def test_las_medidas_son_las_de_scikit_learn(hospital, patched, found):
    for key, strategy in STRATEGIES.items():
        each = []
        for seed, threshold in zip((0, 1), found["splits"]["oficial"][key]["thresholds"],
                                   strict=True):  # fmt: skip
            study = hospital.study(seed=seed)
            logits = np.load(trained_head(study, strategy).folder / "logits.npy")
            rows = study.rows("test")
            truth, scores = study.labels[rows], sigmoid(logits[rows])
            if strategy.threshold:
                val = study.rows("val")
                right = [_youden(study.labels[val], sigmoid(logits[val]), cut)
                         for cut in (threshold, *np.linspace(0, 1, 101))]  # fmt: skip
                assert right[0] == pytest.approx(max(right)), "el de Youden en validación"
            else:
                assert threshold == 0.5
            said = scores >= threshold
            each.append(
                {
                    "roc_auc": metrics.roc_auc_score(truth, scores),
                    "accuracy": metrics.accuracy_score(truth, said),
                    "sensitivity": metrics.recall_score(truth, said),
                    "specificity": metrics.recall_score(1 - truth, ~said),
                    "brier": metrics.brier_score_loss(truth, scores),
                }
            )
        got = found["splits"]["oficial"][key]
        for name in (*METRICS, "brier"):
            value, low, high = got[name]
            assert value == pytest.approx(np.mean([one[name] for one in each]), abs=1e-12)
            assert low <= value <= high
        assert got["epochs"] == [1, 1]


def _youden(truth: np.ndarray, scores: np.ndarray, cut: float) -> float:
    said = scores >= cut
    return metrics.recall_score(truth, said) + metrics.recall_score(1 - truth, ~said)


def test_repetir_no_entrena_y_da_los_mismos_bytes(
    hospital, found, no_training, tiny_vgg16, tmp_path
):
    said = []
    again = run_imbalance(hospital.base, ("oficial",), (0, 1), hospital.open, said.append)
    for name, value in (("a", found), ("b", again)):
        write_json(tmp_path / name, value)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert len(said) == len(STRATEGIES) and set(found["titles"]) == set(STRATEGIES)
