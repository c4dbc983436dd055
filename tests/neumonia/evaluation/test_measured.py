"""Medir y mostrar en una llamada, y medias remuestreadas por paciente."""

import numpy as np
import pytest

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation import (
    bootstrap_by_patient,
    mean_distribution,
    measured_table,
    metric_distributions,
    metrics_with_intervals,
    percentile_interval,
)


@pytest.fixture
def sample() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1], 30)
    probabilities = np.clip(0.3 * labels + rng.uniform(0, 0.7, 60), 0, 1)
    return labels, probabilities, np.repeat(np.arange(30), 2).astype(str)


def test_cada_celda_lleva_su_valor_y_su_intervalo(sample):
    table = measured_table({"CNN": sample}, metrics=("roc_auc", "f1"))
    assert list(table.columns) == ["ROC-AUC", "F1"]
    row = metrics_with_intervals(*sample).loc["roc_auc"]
    assert table.loc["CNN", "ROC-AUC"] == (
        f"{row['value']:.3f} ({row['low']:.3f} a {row['high']:.3f})"
    )


def test_los_nombres_dobles_dan_un_indice_doble(sample):
    table = measured_table({("vivo", "CNN"): sample, ("vivo", "VGG16"): sample})
    assert table.index.nlevels == 2
    assert list(table.index) == [("vivo", "CNN"), ("vivo", "VGG16")]


def test_una_metrica_que_no_existe_se_dice(sample):
    with pytest.raises(ConfigError, match="belleza"):
        measured_table({"CNN": sample}, metrics=("belleza",))


def test_la_media_remuestreada_de_los_aciertos_es_la_exactitud_remuestreada(sample):
    labels, probabilities, patients = sample
    right = (probabilities >= 0.5) == labels
    expected = metric_distributions(*sample, ("accuracy",), n=300, seed=5)["accuracy"]
    np.testing.assert_allclose(mean_distribution(right, patients, 300, 5), expected)
    interval = percentile_interval(mean_distribution(right, patients, seed=5))
    assert interval == bootstrap_by_patient(*sample, "accuracy", seed=5)


@pytest.mark.parametrize("values", [[np.nan, 1.0], [[1.0], [2.0]]])
def test_un_valor_que_no_sirve_se_dice(values):
    with pytest.raises(DataError, match="números finitos"):
        mean_distribution(values, ["a", "b"])
