"""Figuras de los atajos y de la deriva: se lee todo y los números son los medidos."""

import numpy as np
import pandas as pd
import pytest

from neumonia.acquisition import STATISTICS
from neumonia.baselines import BASELINES
from neumonia.errors import ConfigError, DataError
from neumonia.figures import acquisition_drift, baseline_scores, frame_only


@pytest.fixture
def table() -> pd.DataFrame:
    values = np.linspace(0.4, 0.95, len(BASELINES))
    frame = pd.DataFrame({"name": list(BASELINES.values())}, index=list(BASELINES))
    for metric in ("roc_auc", "specificity"):
        frame[metric] = values
        frame[f"{metric}_low"], frame[f"{metric}_high"] = values - 0.03, values + 0.03
    frame.loc["majority", ["roc_auc", "roc_auc_low", "roc_auc_high"]] = 0.5
    return frame


@pytest.fixture
def drift() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = []
    for name in ("NORMAL", "PNEUMONIA"):
        for key in STATISTICS:
            auc = rng.uniform(0.3, 0.7)
            rows.append((name, key, auc, auc - 0.04, auc + 0.04))
    return pd.DataFrame(rows, columns=["class", "statistic", "auc", "low", "high"])


@pytest.mark.parametrize("metric", ["roc_auc", "specificity"])
def test_cada_referencia_y_cada_red_tienen_su_numero(table, metric, faults, texts):
    models = {"CNN": (0.951, 0.93, 0.97), "VGG16": (0.954, 0.93, 0.97)}
    drawn = baseline_scores(table, models, metric)
    assert faults(drawn) == []
    shown = texts(drawn)
    for name, value in zip(table["name"], table[metric], strict=True):
        assert name in shown and f"{value:.3f}" in shown
        assert f"{name} {value:.3f}" in drawn.alt
    assert {"CNN", "VGG16", "0.951", "0.954"} <= set(shown)
    assert "CNN 0.951 (0.930 a 0.970)" in drawn.alt


def test_los_intervalos_dibujados_son_los_dados_y_el_indefinido_no_se_inventa(table, texts):
    table.loc["mean", ["roc_auc", "roc_auc_low", "roc_auc_high"]] = np.nan
    drawn = baseline_scores(table)
    bars = [
        tuple(np.round(line.get_xdata(), 6))
        for line in drawn.figure.axes[0].lines
        if len(line.get_xdata()) == 2 and line.get_linestyle() == "-"
    ]
    expected = table.loc[table["roc_auc_low"] < table["roc_auc_high"]]
    assert bars == [
        tuple(np.round(pair, 6)) for pair in expected[["roc_auc_low", "roc_auc_high"]].to_numpy()
    ]
    assert "—" in texts(drawn) and "gris medio (un número) —;" in drawn.alt


def test_una_tabla_o_un_modelo_incompletos_se_rechazan(table):
    with pytest.raises(DataError, match="tabla de referencias"):
        baseline_scores(table[:0])
    with pytest.raises(DataError, match="tabla de referencias"):
        baseline_scores(table, metric="accuracy")
    with pytest.raises(DataError, match="tres números"):
        baseline_scores(table, {"CNN": (0.9, 0.8)})


@pytest.mark.parametrize(("side", "width"), [(28, 4), (28, 1)])
def test_del_marco_no_se_dibuja_el_centro(films, faults, side, width):
    drawn = frame_only(films[0], side, width)
    assert faults(drawn) == []
    shown = np.asarray(drawn.figure.axes[2].images[0].get_array())
    assert (shown[width:-width, width:-width] == 255).all()
    small = np.asarray(drawn.figure.axes[1].images[0].get_array())
    assert np.array_equal(shown[0], small[0]) and np.array_equal(shown[:, -1], small[:, -1])
    share = 100 * (1 - ((side - 2 * width) / side) ** 2)
    assert f"el {share:.0f} % de la imagen" in drawn.alt
    assert drawn.figure.axes[2].patches[0].get_width() == side - 2 * width


def test_el_marco_rechaza_lo_que_no_es_una_radiografia(films):
    with pytest.raises(DataError, match="uint8"):
        frame_only(films)
    with pytest.raises(ConfigError, match="marco"):
        frame_only(films[0], 28, 14)


@pytest.mark.parametrize("top", [1, 10, 99])
def test_la_deriva_elige_las_que_mas_se_mueven(drift, top, faults, texts):
    drawn = acquisition_drift(drift, top)
    assert faults(drawn) == []
    moved = (drift["auc"] - 0.5).abs().groupby(drift["statistic"]).max()
    chosen = moved.sort_values(ascending=False).index[:top]
    assert {STATISTICS[key] for key in chosen} <= set(texts(drawn))
    first = drift[(drift["class"] == "NORMAL") & (drift["statistic"] == chosen[0])]
    assert f"NORMAL: {STATISTICS[chosen[0]]} {first['auc'].item():.3f}" in drawn.alt
    assert len([name for name in STATISTICS.values() if name in texts(drawn)]) == min(
        top, len(STATISTICS)
    )


def test_la_deriva_sin_columnas_o_sin_filas_se_rechaza(drift):
    for bad, top in ((drift[:0], 5), (drift.drop(columns="auc"), 5), (drift, 0)):
        with pytest.raises(DataError, match="tabla de deriva"):
            acquisition_drift(bad, top)
