"""Las curvas de las figuras de confianza: lo dibujado es lo dado y el texto dice las áreas."""

import numpy as np
import pandas as pd
import pytest

from neumonia.errors import DataError
from neumonia.figures import cascade_lines, faithfulness_lines
from neumonia.figures.forest import METHOD_STYLES, title_of

METHODS = ["grad_cam", "hires_cam", "gradient"]
LAYERS = ["logit", "dense", "vgg16/block5_conv3", "vgg16/block5_conv2"]


@pytest.fixture
def curves() -> pd.DataFrame:
    x = np.linspace(0, 1, 11)
    rows = []
    for power, method in enumerate([*METHODS, "centre", "random_order"], 1):
        for kind, y in (("deletion_curve", (1 - x) ** (6 - power)), ("insertion_curve", x**power)):
            rows += [("cnn", method, kind, a, b) for a, b in zip(x, y, strict=True)]
    table = pd.DataFrame(rows, columns=["network", "method", "metric", "fraction", "value"])
    return table.sample(frac=1, random_state=0)


def test_cada_metodo_traza_su_curva_en_los_dos_paneles(curves, faults, texts):
    drawn = faithfulness_lines(curves, "la CNN")
    assert faults(drawn) == []
    for axes, kind in zip(drawn.figure.axes, ("deletion_curve", "insertion_curve"), strict=True):
        lines = {line.get_color() + str(line.get_marker()): line for line in axes.get_lines()}
        assert len(lines) == 5
        for method in curves["method"].unique():
            mine = curves[(curves["method"] == method) & (curves["metric"] == kind)]
            mine = mine.sort_values("fraction")
            line = lines[METHOD_STYLES[method].color + METHOD_STYLES[method].marker]
            assert np.allclose(line.get_xdata(), 100 * mine["fraction"])
            assert np.allclose(line.get_ydata(), mine["value"])
    assert {"Grad-CAM", "orden al azar", "centro", "la CNN"} <= set(texts(drawn))
    dashed = [line for line in drawn.figure.axes[0].get_lines() if line.get_marker() == ""]
    assert len(dashed) == 1 and dashed[0].get_linestyle() == "--"


def test_el_texto_ordena_las_areas_de_mejor_a_peor(curves):
    alt = faithfulness_lines(curves, "cnn").alt
    erased, inserted = alt.split("Área bajo la curva de inserción")
    areas = {}
    for method in curves["method"].unique():
        for kind in ("deletion_curve", "insertion_curve"):
            mine = curves[(curves["method"] == method) & (curves["metric"] == kind)]
            mine = mine.sort_values("fraction")
            areas[method, kind] = np.trapezoid(mine["value"], mine["fraction"])
            assert f"{title_of(method)} {areas[method, kind]:.3f}" in alt
    assert erased.index("Grad-CAM 0.") < erased.index("orden al azar 0.")
    assert inserted.index("Grad-CAM 0.") < inserted.index("orden al azar 0.")
    assert areas["grad_cam", "deletion_curve"] < areas["random_order", "deletion_curve"]
    assert areas["grad_cam", "insertion_curve"] > areas["random_order", "insertion_curve"]
    assert "que da cnn mientras" in alt


def test_las_curvas_son_de_una_red_y_de_los_dos_tipos(curves):
    with pytest.raises(DataError, match="una sola red"):
        faithfulness_lines(pd.concat([curves, curves.assign(network="vgg16")]), "x")
    with pytest.raises(DataError, match="inserción"):
        faithfulness_lines(curves[curves["metric"] == "deletion_curve"], "x")


def cascade_of(methods: list[str], layers: list[str] = LAYERS) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(3)
    rows, between = [], []
    for place, method in enumerate(methods):
        for step, layer in enumerate(layers, 1):
            value = round(0.9 - 0.02 * step - 0.15 * place + rng.normal(0, 0.01), 4)
            rows.append((method, step, layer, "ssim", value, value - 0.05, value + 0.03))
        level = 0.2 + 0.05 * place
        between.append((method, 0, "(otra placa)", "ssim", level, level - 0.02, level + 0.01))
    columns = ["method", "step", "layer", "metric", "value", "low", "high"]
    table = pd.DataFrame(rows, columns=columns).sample(frac=1, random_state=1)
    return table, pd.DataFrame(between, columns=columns)


def test_cada_metodo_tiene_su_panel_su_corte_y_su_nivel(faults, texts):
    cascade, between = cascade_of(METHODS)
    drawn = cascade_lines(cascade, between, "ssim", 0.5)
    assert faults(drawn) == []
    panels = drawn.figure.axes
    assert [axes.axison for axes in panels] == [True, True, True, False]
    for axes, method in zip(panels, METHODS, strict=False):
        mine = cascade[cascade["method"] == method].sort_values("step")
        level = between[between["method"] == method].iloc[0]
        assert axes.get_title(loc="left") == title_of(method)
        lines = {line.get_marker(): line for line in axes.get_lines()}
        curve = lines[METHOD_STYLES[method].marker]
        assert np.allclose(curve.get_ydata(), [1, *mine["value"]])
        ends = np.array(axes.collections[0].get_segments())[:, :, 1]
        assert np.allclose(ends, mine[["low", "high"]])
        rules = [line.get_ydata() for line in axes.get_lines() if len(line.get_xdata()) == 2]
        flat = [float(y[0]) for y in rules if y[0] == y[1]]
        assert flat == [level["value"], 0.5]
        band = axes.patches[0].get_extents().transformed(axes.transData.inverted())
        assert (band.y0, band.y1) == pytest.approx((level["low"], level["high"]))
    shown = texts(drawn)
    # La fila de abajo y la que no tiene otra debajo: dos veces cada capa.
    assert shown.count("block5_conv3") == shown.count("intacta") == 2
    assert "corte, 0.5" in shown


def test_el_texto_dice_lo_que_queda_con_todo_borrado():
    cascade, between = cascade_of(METHODS)
    alt = cascade_lines(cascade, between, "ssim", 0.5).alt
    for method in METHODS:
        last = cascade[(cascade["method"] == method) & (cascade["step"] == len(LAYERS))].iloc[0]
        ends = f"({last['low']:.3f} a {last['high']:.3f})"
        assert f"{title_of(method)}: {last['value']:.3f} {ends} con todo borrado" in alt
    assert "de logit a block5_conv2" in alt


@pytest.mark.parametrize("number", [1, 2, 4, 6])
def test_una_vgg16_entera_cabe_en_la_pagina(number, faults):
    layers = ["logit", "dense", *(f"vgg16/block{b}_conv{c}" for b in "54321" for c in "321")]
    methods = list(METHOD_STYLES)[:number]
    drawn = cascade_lines(*cascade_of(methods, layers), "ssim", 0.5)
    assert faults(drawn) == []
    assert drawn.figure.get_size_inches()[1] < 9
    assert all(axes.axison for axes in drawn.figure.axes[:number])


def test_una_cascada_que_no_corresponde_se_rechaza():
    cascade, between = cascade_of(METHODS)
    with pytest.raises(DataError, match="Falta el parecido entre radiografías distintas de grad"):
        cascade_lines(cascade, between[2:], "ssim", 0.5)
    odd = cascade.copy()
    odd.loc[odd["method"].eq("gradient") & odd["step"].eq(2), "layer"] = "otra"
    with pytest.raises(DataError, match="las mismas capas"):
        cascade_lines(odd, between, "ssim", 0.5)
    with pytest.raises(DataError, match="vacía"):
        cascade_lines(cascade, between, "spearman_abs", 0.5)
    with pytest.raises(DataError, match="una sola red"):
        cascade_lines(pd.concat([cascade, cascade]), between, "ssim", 0.5)
