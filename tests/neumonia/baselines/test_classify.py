"""Las referencias: señales plantadas, azar, y lo que se sabe de las radiografías reales."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from neumonia.baselines import (
    BASELINES,
    baseline_features,
    evaluate_baselines,
    fit_baseline,
    fit_baselines,
    majority_baseline,
)
from neumonia.errors import ConfigError, DataError
from neumonia.evaluation import binary_metrics, threshold_balanced

N = 600


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    return (np.random.default_rng(0).random(N) < 0.7).astype(np.int8)


@pytest.fixture(scope="module")
def split() -> pd.Series:
    return pd.Series(
        np.random.default_rng(1).choice(["train", "val", "test"], N, p=[0.6, 0.2, 0.2])
    )


@pytest.fixture(scope="module")
def patients() -> np.ndarray:
    return np.array([f"p{k // 2}" if k % 5 else "" for k in range(N)], dtype=object)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_un_numero_aprende_su_direccion_y_ordena_igual(labels, split):
    number = np.random.default_rng(2).normal(-1.2 * labels, 1)
    fitted = fit_baseline(number[:, None], labels, split)
    test = (split == "test").to_numpy()
    assert roc_auc_score(labels[test], fitted.probability[test]) == roc_auc_score(
        labels[test], -number[test]
    )
    val = (split == "val").to_numpy()
    assert fitted.threshold == threshold_balanced(labels[val], fitted.probability[val])


def test_si_en_prueba_la_direccion_se_invierte_la_auc_baja_de_un_medio(labels, split):
    sign = np.where(split == "test", -1, 1)
    number = np.random.default_rng(3).normal(2.0 * sign * labels, 1)
    fitted = fit_baseline(number[:, None], labels, split)
    test = (split == "test").to_numpy()
    assert roc_auc_score(labels[test], fitted.probability[test]) < 0.2


def test_nada_de_val_ni_de_test_entra_en_el_ajuste(labels, split):
    rng = np.random.default_rng(4)
    values = rng.normal(labels[:, None], 1, (N, 3))
    first = fit_baseline(values, labels, split)
    train = (split == "train").to_numpy()
    other_labels = np.where(train, labels, 1 - labels).astype(np.int8)
    other_values = np.where(train[:, None], values, values * 7 + 3)
    second = fit_baseline(other_values, other_labels, split)
    assert np.array_equal(first.probability[train], second.probability[train])
    third = fit_baseline(values, np.where(split == "test", 1 - labels, labels), split)
    assert third.threshold == first.threshold


def test_la_mayoritaria_responde_siempre_lo_mismo(labels, split):
    fitted = majority_baseline(labels, split)
    test = (split == "test").to_numpy()
    found = binary_metrics(labels[test], fitted.probability[test], fitted.threshold)
    assert (found["roc_auc"], found["sensitivity"], found["specificity"]) == (0.5, 1, 0)
    rare = majority_baseline(1 - labels, split)
    found = binary_metrics(1 - labels[test], rare.probability[test], rare.threshold)
    assert (found["sensitivity"], found["specificity"]) == (0, 1)


def test_la_tabla_encuentra_el_atajo_plantado_y_solo_ese(labels, split, patients):
    rng = np.random.default_rng(5)
    images = rng.integers(60, 200, (N, 32, 32)).astype(np.uint8)
    images[labels == 1, 0, :] = 230
    table = evaluate_baselines(images, labels, split, patients, seed=0, n=200)
    assert list(table.index) == list(BASELINES)
    assert table.loc["majority", "roc_auc"] == 0.5
    assert table.loc["frame_1", "roc_auc"] == 1 and table.loc["frame", "roc_auc"] == 1
    assert table.loc["blockiness", "roc_auc"] < 0.8
    for metric in ("roc_auc", "sensitivity", "specificity", "accuracy"):
        inside = table[metric].between(table[f"{metric}_low"], table[f"{metric}_high"])
        assert inside.all()
    assert table["n_features"].tolist() == [0, 1, 1, 1, 1, 11, 4, 108, 384, 784]
    again = evaluate_baselines(images, labels, split, patients, seed=0, n=200)
    pd.testing.assert_frame_equal(table, again)


def test_el_centro_no_llega_al_marco_y_el_ruido_no_llega_a_nada(labels, split, patients):
    rng = np.random.default_rng(6)
    images = rng.integers(0, 256, (N, 56, 56)).astype(np.uint8)
    images[labels == 1, 20:36, 20:36] //= 2
    features = {k: v for k, v in baseline_features(images).items() if k in ("pixels", "frame_1")}
    table = evaluate_baselines(None, labels, split, patients, n=200, features=features)
    assert table.loc["pixels", "roc_auc"] > 0.95
    assert table.loc["frame_1", "roc_auc_low"] < 0.5 < table.loc["frame_1", "roc_auc_high"]


def test_las_caracteristicas_propias_llevan_su_clave_por_nombre(labels, split):
    found = fit_baselines(None, labels, split, features={"edad": labels[:, None] + 0.0})
    assert found["edad"].name == "edad" and set(found) == {"majority", "edad"}


def test_los_datos_impropios_se_rechazan(labels, split, patients):
    column = np.zeros((N, 1))
    with pytest.raises(ConfigError, match="Hacen falta las imágenes"):
        fit_baselines(None, labels, split)
    with pytest.raises(DataError, match="deben tener forma"):
        fit_baseline(column[:5], labels, split)
    with pytest.raises(DataError, match="deben tener forma"):
        fit_baseline(np.zeros((N, 0)), labels, split)
    with pytest.raises(DataError, match="finitos"):
        fit_baseline(column * np.nan, labels, split)
    with pytest.raises(DataError, match="600 etiquetas y la partición tiene 5"):
        fit_baseline(column, labels, split[:5])
    with pytest.raises(DataError, match="«val» no tiene"):
        fit_baseline(column, labels, split.replace("val", "train"))
    with pytest.raises(DataError, match="identificadores"):
        evaluate_baselines(None, labels, split, patients[:5], features={})
    with pytest.raises(DataError, match="0 \\(NORMAL\\) o 1"):
        majority_baseline(labels + 1, split)


def test_funciona_con_la_maqueta(split):
    from neumonia.datasets.phantoms import make_films

    films = make_films(150, size=128, seed=0, difficulty=0.5)
    truth = films.manifest["label"].to_numpy()
    unknown = np.full(150, "", dtype=object)
    table = evaluate_baselines(films.images, truth, split[:150], unknown, n=50)
    assert len(table) == len(BASELINES) and table["roc_auc"].notna().all()


@pytest.mark.real
def test_un_solo_numero_y_el_marco_separan_las_pneumoniamnist(shared):
    from neumonia.datasets.pneumoniamnist import open_pneumoniamnist
    from neumonia.splits import official

    data = open_pneumoniamnist(shared / "datos" / "pneumoniamnist_28.npz")
    frame = data.manifest
    features = baseline_features(data.load(size=28))
    chosen = {key: features[key] for key in ("mean", "frame_1", "pixels")}
    table = evaluate_baselines(
        None, frame["label"], official(frame, 0), frame["patient"], n=200, features=chosen
    )
    assert table.loc["pixels", "roc_auc"] > 0.9
    assert table.loc["frame_1", "roc_auc_low"] > 0.6
    assert table.loc["pixels", "roc_auc_low"] > table.loc["mean", "roc_auc_high"]
