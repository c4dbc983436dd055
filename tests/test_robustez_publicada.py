"""El examen de robustez publicado: scikit-learn obtiene sus números y gana la que debe."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn import metrics

from neumonia.files import read_json
from neumonia.lab.exam import published_exam
from neumonia.lab.robustness import ACQUISITIONS, candidate, films_of, outcomes

ROOT = Path(__file__).resolve().parent.parent
COUNTS = {"kermany": {1: 390, 0: 234}, "pneumoniamnist": {1: 390, 0: 234}}


@pytest.fixture(scope="module", params=list(COUNTS))
def exam(request):
    found = published_exam(request.param, ROOT)
    assert found is not None
    return found


def sklearn_metrics(labels, scores):
    decided = scores >= 0.5
    return {
        "roc_auc": metrics.roc_auc_score(labels, scores),
        "accuracy": metrics.accuracy_score(labels, decided),
        "sensitivity": metrics.recall_score(labels, decided),
        "specificity": metrics.recall_score(labels, decided, pos_label=0),
        "brier": metrics.brier_score_loss(labels, scores),
    }


def test_la_prueba_es_la_oficial_y_entera(exam):
    test = films_of(exam.folder)["test"]
    assert test["image_id"].str.startswith("test").all()
    assert test["label"].value_counts().to_dict() == COUNTS[exam.folder.parent.name]


def test_scikit_learn_obtiene_las_medidas_de_cada_red(exam):
    checked = 0
    for split in set(exam.networks["split"]):
        parts = films_of(exam.folder, split)
        for key, networks in outcomes(exam.folder, split).items():
            for part, films in parts.items():
                alone = []
                for one in networks:
                    p = expit(getattr(one, f"{part}_views")[:, 0].astype(float))
                    expected = sklearn_metrics(films["label"], p)
                    alone.append(expected)
                    for metric, value in expected.items():
                        where = {"seed": str(one.seed), "part": part, "split": split}
                        assert exam.value(key, metric, **where)[0] == pytest.approx(value, abs=1e-5)
                        checked += 1
                for metric in ("roc_auc", "accuracy"):
                    mean = np.mean([row[metric] for row in alone])
                    value, low, high = exam.value(key, metric, part=part, split=split)
                    assert value == pytest.approx(mean, abs=1e-5)
                    assert low <= value <= high
    assert checked >= 10 * len(exam.networks)


def test_la_elegida_es_la_del_peor_caso_mayor(exam):
    films = films_of(exam.folder)["val"]
    scores = {}
    for key, networks in outcomes(exam.folder).items():
        each = []
        for one in networks:
            # Con una red fina de cortes, que no puede superar al máximo exacto.
            cuts = np.quantile(one.val, np.linspace(0, 1, 400))
            above = one.val[None] >= cuts[:, None, None]
            sick = films["label"].to_numpy() == 1
            balanced = (above[:, sick].mean(axis=1) + 1 - above[:, ~sick].mean(axis=1)) / 2
            best = balanced.min(axis=1).argmax()
            each.append(balanced[best].min())
            by_sklearn = [
                metrics.balanced_accuracy_score(films["label"], column >= cuts[best])
                for column in one.val.T
            ]
            assert min(by_sklearn) == pytest.approx(each[-1])
        scores[key] = np.mean(each)
        assert scores[key] <= exam.rule.loc[key, "score"] + 1e-6
        assert scores[key] == pytest.approx(exam.rule.loc[key, "score"], abs=0.01)
    assert exam.rule["score"].is_monotonic_decreasing
    assert scores[exam.chosen] >= max(scores.values()) - 0.01
    assert set(exam.rule["change"]) <= set(ACQUISITIONS)


def test_cada_red_es_la_de_la_lista_y_dice_de_donde_salio_sin_rutas(exam):
    for split in set(exam.networks["split"]):
        for key, networks in outcomes(exam.folder, split).items():
            for one in networks:
                stamp = one.stamp
                recipe = stamp["inputs"]["recipe"]
                assert recipe["size"] == candidate(key).recipe.size
                assert tuple(recipe["changes"]) == candidate(key).recipe.changes
                assert stamp["inputs"]["seed"] == one.seed and stamp["seconds"] > 0
                assert {"packages", "machine", "code", "data"} <= set(stamp)
                # Ningún texto es una ruta absoluta, de la máquina que sea.
                assert '"/' not in json.dumps(stamp)
    table = exam.networks
    assert table["data"].nunique() == 1 and table["commit"].str.len().eq(40).all()


def test_las_diferencias_son_pareadas(exam):
    test = films_of(exam.folder)["test"]
    found = outcomes(exam.folder)
    for row in exam.pairs.query("split == 'oficial' and metric == 'roc_auc'").itertuples():
        areas = [
            {
                one.seed: metrics.roc_auc_score(test["label"], one.test_views[:, 0])
                for one in found[key]
            }
            for key in (row.network, row.other)
        ]
        shared = set(areas[0]) & set(areas[1])
        expected = np.mean([areas[0][seed] - areas[1][seed] for seed in shared])
        assert row.value == pytest.approx(expected, abs=1e-5)


def test_las_aperturas_se_cuentan():
    openings = published_exam("kermany", ROOT).openings
    assert openings["orden"].tolist() == list(range(1, len(openings) + 1))
    assert openings.notna().all(axis=None) and openings.ne("").all(axis=None)
    before = json.loads((ROOT / "estudio/kermany/oficial/results.json").read_text("utf-8"))
    first = openings.iloc[0]
    for metric in ("roc_auc", "accuracy", "sensitivity", "specificity"):
        published = before["models"]["vgg16"]["test"][metric]
        assert first[metric] == pytest.approx(published, abs=5e-4)


def test_lo_que_mira_compara_las_dos_redes_en_las_mismas_radiografias():
    gaze = published_exam("kermany", ROOT).gaze
    assert isinstance(gaze, pd.DataFrame)
    paired = gaze[gaze["experiment"] != "proporcion"]
    for _, group in paired.groupby(["experiment", "seed", "method", "label"]):
        rows = group.set_index("network")
        assert set(rows.index) == {"cnn", "robusta", "diferencia"} and rows["n"].nunique() == 1
        change = rows.loc["robusta", "value"] - rows.loc["cnn", "value"]
        assert rows.loc["diferencia", "value"] == pytest.approx(change, abs=2e-5)
    signed = read_json(ROOT / "estudio" / "kermany" / "robustez" / "provenance.json")["mirada"]
    assert {"data", "code", "packages", "machine", "seconds"} <= set(signed)
    assert sorted(paired["seed"].unique()) == [0, 1, 2]
