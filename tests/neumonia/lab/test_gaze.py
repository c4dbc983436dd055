"""Qué mira cada red: las cuentas, sobre estudios diminutos y casos que se resuelven a mano."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from neumonia.acquisition import acquisition_statistics
from neumonia.baselines.classify import fit_baseline
from neumonia.gradcam import grad_cam
from neumonia.heat import outside_shares
from neumonia.lab.gaze import COLUMNS, proportions, run_gaze
from neumonia.study import Config, Study

TINY = {"n_films": 120, "size": 32, "epochs_cnn": 2, "epochs_robust": 2, "batch_cnn": 16}


@pytest.fixture(scope="module")
def config():
    return Config.create("maqueta", split="oficial", **TINY)


@pytest.fixture(scope="module")
def table(config, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEUMONIA_CACHE", str(tmp_path_factory.mktemp("cache")))
        path = run_gaze(tmp_path_factory.mktemp("mirada"), config, config, seeds=(1,))
        yield (
            pd.read_csv(path, keep_default_na=False),
            Study(config.with_changes(seed=1), progress=False),
        )


def test_estan_las_cuatro_preguntas_y_sus_diferencias(table):
    rows, _ = table
    assert tuple(rows.columns) == COLUMNS
    assert set(rows["experiment"]) == {"calor", "maqueta", "costumbre", "regresion"}
    keys = ["experiment", "seed", "method", "label", "metric"]
    for _, group in rows.groupby(keys):
        values = group.set_index("network")["value"].astype(float)
        assert values["diferencia"] == pytest.approx(values["robusta"] - values["cnn"], abs=1e-5)
    assert (rows["low"].astype(float) <= rows["high"].astype(float)).all()


def test_el_calor_es_el_de_los_mapas(table):
    rows, study = table
    test = study.rows("test")
    maps = {
        name: grad_cam(study.model(name), np.asarray(study.images[test]), method="hires_cam")
        for name in ("cnn", "robusta")
    }
    shares = {name: outside_shares(heat)["outside"] for name, heat in maps.items()}
    both = shares["cnn"].notna() & shares["robusta"].notna() & (study.labels[test] == 1)
    found = rows[
        (rows["experiment"] == "calor")
        & (rows["method"] == "hires_cam")
        & (rows["label"] == "PNEUMONIA")
        & (rows["seed"] == 1)
    ].set_index("network")
    for name in maps:
        assert float(found.loc[name, "value"]) == pytest.approx(shares[name][both].mean(), abs=1e-4)
        assert int(found.loc[name, "n"]) == both.sum()


def test_la_costumbre_es_la_correlacion_de_spearman(table):
    rows, study = table
    statistics = acquisition_statistics(np.asarray(study.images)).to_numpy()
    habit = fit_baseline(statistics, study.labels, study.split).probability
    test = study.rows("test")
    found = rows[(rows["experiment"] == "costumbre") & (rows["seed"] == 1)]
    for label, name in enumerate(("NORMAL", "PNEUMONIA")):
        mine = test[study.labels[test] == label]
        for network in ("cnn", "robusta"):
            expected = spearmanr(habit[mine], study.logits(network)[mine]).statistic
            row = found[(found["label"] == name) & (found["network"] == network)]
            assert float(row["value"].item()) == pytest.approx(expected, abs=1e-4)


@pytest.mark.real
def test_los_originales_no_tienen_la_misma_proporcion(shared):
    rows = pd.DataFrame(proportions(shared / "datos" / "chest_xray_originales_muestra.zip"))
    middle = rows[rows["metric"] == "mediana"].set_index("label")["value"]
    # Las neumonías de Kermany son más apaisadas que las normales.
    assert middle["PNEUMONIA"] > middle["NORMAL"] + 0.2
    for _, group in rows.groupby("label"):
        assert group["value"].is_monotonic_increasing
