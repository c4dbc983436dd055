"""Los números del estudio, contra scikit-learn y contra cuentas hechas a mano."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from neumonia.splits import by_file
from neumonia.study.results import _leaked, _plain, evaluate


@pytest.fixture
def predictions() -> pd.DataFrame:
    """Cien radiografías de cuarenta pacientes con probabilidades que aciertan a veces."""
    rng = np.random.default_rng(5)
    patient = rng.integers(40, size=100)
    label = (patient % 3 > 0).astype(int)
    return pd.DataFrame(
        {
            "patient": [f"p{number}" for number in patient],
            "label": label,
            "split": np.where(np.arange(100) < 30, "val", "test"),
            "p_cnn": np.clip(0.25 + 0.3 * label + rng.normal(0, 0.25, 100), 0, 1),
        }
    )


@pytest.mark.parametrize("part", ["val", "test"])
def test_las_metricas_son_las_de_scikit_learn(predictions, part):
    stated = evaluate(predictions, "cnn", seed=0)[part]
    rows = predictions[predictions["split"] == part]
    labels, scores = rows["label"], rows["p_cnn"]
    decided = (scores >= 0.5).astype(int)
    expected = {
        "n": len(rows),
        "accuracy": metrics.accuracy_score(labels, decided),
        "sensitivity": metrics.recall_score(labels, decided),
        "specificity": metrics.recall_score(labels, decided, pos_label=0),
        "precision": metrics.precision_score(labels, decided),
        "f1": metrics.f1_score(labels, decided),
        "roc_auc": metrics.roc_auc_score(labels, scores),
        "average_precision": metrics.average_precision_score(labels, scores),
        "tn": ((labels == 0) & (decided == 0)).sum(),
        "fp": ((labels == 0) & (decided == 1)).sum(),
        "fn": ((labels == 1) & (decided == 0)).sum(),
        "tp": ((labels == 1) & (decided == 1)).sum(),
        "threshold": 0.5,
    }
    assert stated == pytest.approx(expected, abs=1e-12)


def test_los_intervalos_son_de_la_prueba_y_contienen_su_valor(predictions):
    result = evaluate(predictions, "cnn", seed=0)
    assert "val_interval" not in result
    for name, (low, high) in result["test_interval"].items():
        assert 0 <= low < result["test"][name] < high <= 1, name
    assert result == evaluate(predictions, "cnn", seed=0)
    assert result["test_interval"] != evaluate(predictions, "cnn", seed=1)["test_interval"]


def test_remuestrear_pacientes_da_intervalos_mas_anchos_que_remuestrear_radiografias(predictions):
    def width(table: pd.DataFrame) -> float:
        low, high = evaluate(table, "cnn", seed=0)["test_interval"]["accuracy"]
        return high - low

    # Cada paciente repetido cinco veces: la información es la misma, y el intervalo también.
    repeated = pd.concat([predictions] * 5, ignore_index=True)
    alone = repeated.assign(patient="")
    assert width(repeated) == pytest.approx(width(predictions), abs=0.03)
    assert width(alone) < 0.7 * width(repeated)


def test_lo_que_no_esta_definido_es_nulo_y_se_puede_guardar(predictions):
    never = predictions.assign(p_cnn=0.1)
    result = evaluate(never, "cnn", seed=0)
    assert result["test"]["precision"] is None
    assert result["test_interval"]["precision"] == [None, None]
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_la_fuga_cuenta_radiografias_de_prueba_con_su_paciente_en_entrenamiento():
    manifest = pd.DataFrame(
        {
            "patient": ["a", "a", "a", "b", "b", "c", "d"],
            "sha256": [f"{i}" for i in range(7)],
        }
    )
    split = pd.Series(["train", "test", "test", "test", "val", "train", "test"], name="split")
    assert _leaked(manifest, split) == 2
    assert _leaked(manifest, split.replace("test", "val").where(split != "val", "test")) == 0


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, None), (np.nan, None), (np.float64(0.5), 0.5), (np.int64(3), 3), ("a", "a"), (2, 2)],
)
def test_los_valores_quedan_como_json_los_admite(value, expected):
    plain = _plain(value)
    assert plain == expected and type(plain) is type(expected)


class TestResumenDelEstudio:
    def test_las_cuentas_cuadran_con_el_manifiesto(self, trained):
        study, data = trained.study, trained.study.results["data"]
        assert data["films"] == 120 == sum(part["total"] for part in data["balance"].values())
        assert data["patients"] == study.dataset.manifest["patient"].nunique()
        for part, values in data["balance"].items():
            labels = study.labels[study.rows(part)]
            assert (values["normal"], values["pneumonia"]) == (
                int((labels == 0).sum()),
                int((labels == 1).sum()),
            )
        assert data["fingerprint"] == study.dataset.fingerprint
        assert 0 <= data["metadata_baseline_auc"] <= 1

    def test_por_paciente_no_hay_fuga_y_por_archivo_si(self, trained):
        assert trained.study.results["data"]["test_films_beside_training_patient"] == 0
        manifest = trained.study.dataset.manifest
        split = by_file(manifest, seed=0)
        beside = set(manifest.loc[split == "train", "patient"])
        expected = int(manifest.loc[split == "test", "patient"].isin(beside).sum())
        assert _leaked(manifest, split) == expected > 0

    def test_el_sesgo_y_las_perdidas_iniciales(self, trained):
        bias = trained.study.results["bias"]
        p = bias["n_pos"] / (bias["n_pos"] + bias["n_neg"])
        assert bias["n_pos"] + bias["n_neg"] == len(trained.study.rows("train"))
        assert bias["b0"] == pytest.approx(np.log(p / (1 - p)))
        assert bias["loss_at_b0"] == pytest.approx(-p * np.log(p) - (1 - p) * np.log(1 - p))
        assert bias["b0"] == trained.study.bias
        assert bias["loss_at_b0"] < bias["loss_at_zero"] == pytest.approx(np.log(2))

    def test_cada_modelo_dice_su_mejor_epoca_y_sus_parametros(self, trained):
        study = trained.study
        assert set(study.results["models"]) == {"cnn", "vgg16"}
        assert study.results["vgg16_missing"] is False
        for name, values in study.results["models"].items():
            history, model = study.history(name), study.model(name)
            best = history.sort_values("val_loss", kind="stable").iloc[0]
            assert values["best_epoch"] == best["epoch"]
            assert values["best_val_loss"] == best["val_loss"]
            assert values["epochs_run"] == len(history)
            assert values["parameters"] == model.count_params()
        head = study.results["models"]["vgg16"]["trainable_parameters"]
        assert head == (512 * 128 + 128) + (128 + 1)

    def test_los_resultados_se_pueden_guardar_como_json(self, trained):
        results = trained.study.results
        assert json.loads(json.dumps(results, allow_nan=False)) == results
        assert results["config"] == trained.study.config.identity()
