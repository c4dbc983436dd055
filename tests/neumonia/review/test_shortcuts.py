"""Los atajos: el hospital se separa por su brillo en train, y la prueba rompe esa costumbre."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from neumonia.baselines import BASELINES, baseline_features, fit_baselines
from neumonia.files import write_json
from neumonia.models.vgg16 import compute_features
from neumonia.review import shortcuts
from neumonia.review.shortcuts import IMAGENET, RANDOM, SPLITS, _records, run_shortcuts


@pytest.fixture(scope="module")
def found(hospital, patched, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shortcuts, "SMALL", {"size": 32, "precision": "float32"})
        patch.setattr(shortcuts, "RANDOM_SEEDS", (0,))
        said = []
        results = run_shortcuts(hospital.base, hospital.open, said.append)
        assert f"{IMAGENET}: listo" in said and "adquisición" in said

        def refuse(*args, **options):
            raise AssertionError("no había que calcular nada")

        patch.setattr("neumonia.training.fit", refuse)
        patch.setattr("neumonia.models.vgg16.compute_features", refuse)
        folder = tmp_path_factory.mktemp("atajos")
        write_json(folder / "a", results)
        write_json(folder / "b", run_shortcuts(hospital.base, hospital.open))
        assert (folder / "a").read_bytes() == (folder / "b").read_bytes()
        return results


@pytest.mark.parametrize("split", SPLITS)
def test_cada_referencia_es_la_de_scikit_learn_en_su_particion(hospital, found, split):
    study = hospital.study(split=split)
    features = baseline_features(study.images)
    fitted = fit_baselines(None, study.labels, study.split, features=features)
    rows = study.rows("test")
    listed = {row["baseline"]: row for row in found["baselines"][split]}
    assert set(listed) == {"majority", *BASELINES}
    for key in BASELINES:
        auc = metrics.roc_auc_score(study.labels[rows], fitted[key].probability[rows])
        assert listed[key]["roc_auc"] == pytest.approx(auc, abs=1e-12)


def test_el_brillo_dice_la_clase_por_paciente_y_no_en_la_prueba_oficial(found):
    auc = {split: next(row["roc_auc"] for row in found["baselines"][split]
                       if row["baseline"] == "mean") for split in SPLITS}  # fmt: skip
    assert auc["paciente"] - auc["oficial"] > 0.1


def test_los_pesos_se_comparan_con_la_misma_cabeza(hospital, found, patched):
    for split in SPLITS:
        names = [row["baseline"] for row in found["weights"][split]]
        assert names == [IMAGENET, f"{RANDOM}, semilla 0"]
        assert {row["n_features"] for row in found["weights"][split]} == {6, 512}
    study = hospital.study(precision="float32")
    pooled = next(path for path in study.store.folder.glob("promedios-*/pooled.npy")
                  if np.load(path).shape[1] == 6)  # fmt: skip
    from neumonia.models import vgg16

    features = compute_features(vgg16.load_backbone(32, "pesos.h5"), study.images)
    assert np.load(pooled) == pytest.approx(features.mean(axis=(1, 2)), abs=1e-4)


def test_sin_pesos_solo_queda_la_vgg16_al_azar(hospital, monkeypatch):
    monkeypatch.setattr(shortcuts, "RANDOM_SEEDS", (0, 1))
    monkeypatch.setattr(shortcuts, "_pooled", lambda study, weights: np.zeros((3, 2)))
    study = hospital.study()
    monkeypatch.setitem(study.__dict__, "vgg16_missing", "no hay")
    assert list(shortcuts._pooled_features(study, lambda text: None)) == [
        f"{RANDOM}, semilla 0", f"{RANDOM}, semilla 1",
    ]  # fmt: skip


def test_las_tablas_pasan_a_json_sin_nan_ni_tipos_de_numpy(tmp_path):
    table = pd.DataFrame({"a": [1.5, np.nan], "n": np.array([1, 2], np.int64)})
    assert _records(table) == [{"a": 1.5, "n": 1}, {"a": None, "n": 2}]
    named = table.set_axis(pd.Index(["x", "y"], name="clave"))
    assert [row["clave"] for row in _records(named)] == ["x", "y"]
    write_json(tmp_path / "tabla.json", _records(named))


def test_la_deriva_y_el_dominio_llegan_por_clase(found):
    assert {row["class"] for row in found["domain"]} == {"ambas", "NORMAL", "PNEUMONIA"}
    assert len(found["drift"]) > 5
