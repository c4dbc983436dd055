"""Figuras de calibración y decisión: lo dibujado es lo medido."""

import numpy as np
import pytest

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation import (
    TREAT_ALL,
    TREAT_NONE,
    binary_metrics,
    decision_curve,
    predictive_values,
    reliability_table,
    threshold_balanced,
    threshold_for_sensitivity,
)
from neumonia.figures import (
    decision_curves,
    predictive_values_curve,
    reliability_diagram,
    threshold_tradeoff,
)


@pytest.fixture
def curve(labels, models):
    patients = [f"p{i // 2}" for i in range(labels.size)]
    return decision_curve(labels, models, patients, np.arange(0.02, 0.96, 0.02), n=30)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_la_fiabilidad_dibuja_cada_tabla(labels, models, number, faults, texts):
    names = ["CNN", "VGG16", "VGG16 con temperatura"][:number]
    scores = dict(zip(names, [*models.values(), models["CNN"] ** 2], strict=False))
    tables = {name: reliability_table(labels, p) for name, p in scores.items()}
    drawn = reliability_diagram(tables)
    assert faults(drawn) == []
    shown = texts(drawn)
    panels = [axes for axes in drawn.figure.axes if axes.get_title(loc="left") in tables]
    assert [axes.get_title(loc="left") for axes in panels] == names
    for axes, table in zip(panels, tables.values(), strict=True):
        line = next(line for line in axes.lines if line.get_marker() not in ("None", "_"))
        assert line.get_xdata().tolist() == pytest.approx(table["mean_probability"].tolist())
        assert line.get_ydata().tolist() == pytest.approx(table["observed"].tolist())
    assert {str(n) for table in tables.values() for n in table["n"]} <= set(shown)
    assert f"{len(tables['CNN'])} tramos con 624 radiografías" in drawn.alt


def test_la_fiabilidad_dice_cual_es_el_peor_tramo():
    table = reliability_table(np.r_[np.zeros(90), np.ones(10)], np.full(100, 0.8))
    drawn = reliability_diagram({"CNN": table})
    assert "no toca la diagonal en 1; el más alejado, con probabilidad media 0.80" in drawn.alt
    assert "y 0.10 observado" in drawn.alt
    good = reliability_table(np.r_[np.zeros(20), np.ones(80)], np.full(100, 0.8))
    assert reliability_diagram({"CNN": good}).alt.endswith("no toca la diagonal en 0.")


def test_una_tabla_que_no_es_de_fiabilidad_se_rechaza(labels, models):
    table = reliability_table(labels, models["CNN"])
    with pytest.raises(DataError, match="al menos uno"):
        reliability_diagram({})
    with pytest.raises(DataError, match="'CNN' le falta low"):
        reliability_diagram({"CNN": table.drop(columns="low")})
    with pytest.raises(DataError, match="no tiene filas"):
        reliability_diagram({"CNN": table.iloc[:0]})


@pytest.mark.parametrize("name", ["CNN", "VGG16"])
def test_los_umbrales_elegidos_llevan_sus_valores(labels, models, name, faults, texts):
    scores = models[name]
    chosen = {
        "habitual": 0.5,
        "sensibilidad 95 %": threshold_for_sensitivity(labels, scores, 0.95),
        "Youden": threshold_balanced(labels, scores),
    }
    drawn = threshold_tradeoff(labels, scores, chosen)
    assert faults(drawn) == []
    axes = drawn.figure.axes[0]
    marks = [line.get_data() for line in axes.lines if line.get_marker() in ("^", "o")]
    expected = []
    for label, value in chosen.items():
        assert f"{label}\n{value:.3g}" in texts(drawn)
        measured = binary_metrics(labels, scores, value)
        expected += [(value, measured["sensitivity"]), (value, measured["specificity"])]
        assert (
            f"{label}, umbral {value:.3g}: sensibilidad {measured['sensitivity']:.3f}" in drawn.alt
        )
    assert np.allclose([(float(np.ravel(x)[0]), float(np.ravel(y)[0])) for x, y in marks], expected)


def test_las_curvas_pasan_por_lo_medido_en_cualquier_umbral(labels, models):
    scores = models["CNN"]
    axes = threshold_tradeoff(labels, scores, {"habitual": 0.5}).figure.axes[0]
    steps = [line for line in axes.lines if line.get_drawstyle() == "steps-pre"]
    for threshold in (0.03, 0.31, 0.5, 0.77, 0.94):
        measured = binary_metrics(labels, scores, threshold)
        for line, metric in zip(steps, ("sensitivity", "specificity"), strict=True):
            x, y = line.get_data()
            assert y[np.searchsorted(x, threshold)] == pytest.approx(measured[metric])


@pytest.mark.parametrize("chosen", [{"a": 0.0, "b": 1.0}, {"a": 1e-7, "b": 2e-7, "c": 0.9999999}])
def test_los_umbrales_extremos_siguen_dentro(labels, models, chosen, faults):
    drawn = threshold_tradeoff(labels, models["VGG16"], chosen)
    assert faults(drawn) == []


def test_umbrales_que_no_se_pueden_marcar(labels, models):
    with pytest.raises(DataError, match="al menos uno"):
        threshold_tradeoff(labels, models["CNN"], {})
    with pytest.raises(ConfigError, match="umbral"):
        threshold_tradeoff(labels, models["CNN"], {"alto": 1.5})
    with pytest.raises(DataError, match="una sola clase"):
        threshold_tradeoff([1, 1], [0.2, 0.7], {"habitual": 0.5})


def test_las_curvas_de_decision_dibujan_cada_estrategia(curve, faults, texts):
    drawn = decision_curves(curve)
    assert faults(drawn) == []
    assert {"CNN", "VGG16", TREAT_ALL, TREAT_NONE} <= set(texts(drawn))
    axes = drawn.figure.axes[0]
    lines = [line.get_ydata().tolist() for line in axes.lines]
    for name in ("CNN", "VGG16", TREAT_ALL, TREAT_NONE):
        assert curve.loc[curve["strategy"] == name, "net_benefit"].tolist() in lines
    assert len(axes.collections) == 2
    wide = curve.pivot_table(index="threshold", columns="strategy", values="net_benefit")
    better = (wide["CNN"] > wide[[TREAT_ALL, TREAT_NONE]].max(axis=1) + 1e-12).sum()
    assert (
        f"CNN supera a tratar a todos y a no tratar a nadie en {better} de {len(wide)}" in drawn.alt
    )


def test_una_red_sin_utilidad_lo_dice_en_el_texto(labels):
    scores = np.full(labels.size, 0.5)
    frame = decision_curve(labels, {"CNN": scores}, [""] * labels.size, [0.1, 0.3, 0.7], n=20)
    assert "CNN no supera en ningún umbral" in decision_curves(frame).alt


def test_una_tabla_que_no_es_de_decision_se_rechaza(curve):
    with pytest.raises(DataError, match="falta high"):
        decision_curves(curve.drop(columns="high"))
    with pytest.raises(DataError, match="no tratar a nadie"):
        decision_curves(curve[curve["strategy"] != TREAT_NONE])


def test_los_valores_predictivos_llevan_sus_prevalencias(faults, texts):
    models = {"CNN": (0.95, 0.6), "VGG16": (0.9, 0.85)}
    drawn = predictive_values_curve(models)
    assert faults(drawn) == []
    assert {"5 %", "20 %", "73 %", "CNN", "VGG16"} <= set(texts(drawn))
    for position, axes in enumerate(drawn.figure.axes):
        lines = [line for line in axes.lines if len(line.get_xdata()) == 300]
        for line, (sens, spec) in zip(lines, models.values(), strict=True):
            expected = predictive_values(sens, spec, line.get_xdata())[position]
            assert line.get_ydata().tolist() == pytest.approx(expected.tolist())
    ppv, npv = predictive_values(0.9, 0.85, 0.2)
    assert f"con prevalencia 20 %, {ppv:.3f} y {npv:.3f}" in drawn.alt


def test_las_prevalencias_marcadas_amplian_el_eje_o_faltan(faults):
    assert faults(predictive_values_curve({"CNN": (0.9, 0.8)}, marks=())) == []
    wide = predictive_values_curve({"CNN": (0.9, 0.8)}, marks=(0.95, 0.0002))
    assert wide.figure.axes[0].get_xlim() == pytest.approx((0.0002, 0.95))
    assert faults(wide) == []


def test_valores_predictivos_imposibles_se_rechazan():
    with pytest.raises(DataError, match="al menos uno"):
        predictive_values_curve({})
    with pytest.raises(ConfigError, match="prevalencia"):
        predictive_values_curve({"CNN": (0.9, 0.8)}, marks=(5,))
    with pytest.raises(ConfigError, match="sensibilidad"):
        predictive_values_curve({"CNN": (95, 0.8)})
