"""La revisión publicada: scikit-learn obtiene sus números y la regla elige al elegido."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

FOLDER = Path(__file__).resolve().parent.parent / "estudio" / "kermany" / "revision"
PARTS = ("atajos", "protocolos", "desbalance", "ensayos", "elegido", "simulacro", "segunda")
OPENINGS = ("elegido", "segunda")


def part(name: str) -> dict:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module", params=OPENINGS)
def opening(request) -> tuple[dict, pd.DataFrame]:
    """Cada vez que se abrió la prueba oficial: lo publicado y sus predicciones."""
    name = request.param
    return part(name), pd.read_csv(FOLDER / f"{name}.csv", float_precision="round_trip")


def sklearn_metrics(labels: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    decided = scores >= 0.5
    return {
        "accuracy": metrics.accuracy_score(labels, decided),
        "sensitivity": metrics.recall_score(labels, decided),
        "specificity": metrics.recall_score(labels, decided, pos_label=0),
        "precision": metrics.precision_score(labels, decided),
        "f1": metrics.f1_score(labels, decided),
        "roc_auc": metrics.roc_auc_score(labels, scores),
        "average_precision": metrics.average_precision_score(labels, scores),
    }


def test_scikit_learn_obtiene_las_metricas_del_elegido(opening):
    published, table = opening
    expected = sklearn_metrics(table["label"].to_numpy(), table["p"].to_numpy())
    for name, value in expected.items():
        assert published["test"][name][0] == pytest.approx(value, abs=1e-6), name
    assert len(published["seeds"]) == 3
    for one in published["seeds"]:
        alone = sklearn_metrics(table["label"].to_numpy(), table[f"p_{one['seed']}"].to_numpy())
        for name in ("accuracy", "sensitivity", "specificity", "roc_auc"):
            assert one[name] == pytest.approx(alone[name], abs=1e-6)


def test_el_promedio_es_el_de_los_logits_de_cada_semilla(opening):
    published, table = opening
    columns = [f"p_{one['seed']}" for one in published["seeds"]]
    with np.errstate(divide="ignore"):
        logits = np.log(table[columns]) - np.log1p(-table[columns])
    finite = np.isfinite(logits).all(axis=1)
    mean = 1 / (1 + np.exp(-logits[finite].mean(axis=1)))
    np.testing.assert_allclose(table.loc[finite, "p"], mean, atol=1e-9)
    assert finite.mean() > 0.9


def test_la_prueba_es_la_oficial_y_entera(opening):
    _, table = opening
    assert table["image_id"].str.startswith("test/").all()
    assert table["label"].value_counts().to_dict() == {1: 390, 0: 234}


def test_gana_el_mejor_contra_el_atajo_entre_los_que_compiten_y_es_el_que_se_midio():
    trials = part("ensayos")
    scores = {
        key: one["contrary"]["roc_auc"][0]
        for key, one in trials["trials"].items()
        if not one["later"]
    }
    assert max(scores, key=scores.get) == trials["chosen"] == part("elegido")["key"]


def test_en_la_segunda_vuelta_gana_quien_mejor_decide_y_es_el_que_se_midio():
    second = part("simulacro")
    scores = {key: one["score"][0] for key, one in second["candidates"].items()}
    assert max(scores, key=scores.get) == second["chosen"] == part("segunda")["key"]
    for one in [*second["candidates"].values(), *second["combined"].values()]:
        balanced = [
            (found["sensitivity"][0] + found["specificity"][0]) / 2
            for name, found in one["changes"].items()
            if name != "original"
        ]
        assert one["score"][0] == pytest.approx(np.mean(balanced), abs=1e-9)


def test_las_medias_de_los_protocolos_son_las_de_sus_semillas():
    protocols = part("protocolos")
    assert len(protocols["seeds"]) >= 5
    for model in protocols["models"].values():
        for found in model.values():
            for name, (value, low, high) in found["mean"].items():
                alone = [one[name] for one in found["seeds"]]
                assert value == pytest.approx(np.mean(alone), abs=1e-9)
                assert low <= value <= high
    for name, model in protocols["models"].items():
        leak = protocols["contrasts"][name]["fuga"]["roc_auc"]
        expected = model["archivo"]["mean"]["roc_auc"][0] - model["paciente"]["mean"]["roc_auc"][0]
        assert leak[0] == pytest.approx(expected, abs=1e-9)
        assert leak[1] <= leak[0] <= leak[2]


@pytest.mark.parametrize("name", PARTS)
def test_cada_parte_tiene_su_procedencia_sin_rutas(name):
    assert part(name)
    stamp = json.loads((FOLDER / "provenance.json").read_text(encoding="utf-8"))[name]
    assert {"data", "code", "packages", "machine"} <= set(stamp)
    assert "/" not in stamp["data"]["fingerprint"]
