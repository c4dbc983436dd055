"""Los puntos de las figuras de confianza: cada uno en su fila, con su intervalo y su nombre."""

import itertools

import numpy as np
import pandas as pd
import pytest

from neumonia.errors import DataError
from neumonia.figures import (
    likeness_dots,
    localisation_dots,
    outside_dots,
    shortcut_dots,
    stability_dots,
)
from neumonia.figures.forest import METHOD_STYLES, in_order, style_of, title_of
from neumonia.gradcam import METHODS
from neumonia.lab.planted import VARIANTS

NAMES = list(METHODS)
TITLES = {"cnn": "CNN", "vgg16": "VGG16"}
RNG = np.random.default_rng(4)


def row(value: float, width: float = 0.03, **keys) -> dict:
    """Una fila con su intervalo, asimétrico para que no se confundan sus extremos."""
    return {**keys, "value": value, "low": value - width, "high": value + width / 2}


def points(axes) -> list[tuple[float, float, str]]:
    """Los puntos sueltos: abscisa, ordenada y símbolo."""
    return [
        (float(line.get_xdata()[0]), float(line.get_ydata()[0]), line.get_marker())
        for line in axes.get_lines()
        if len(line.get_xdata()) == 1 and line.get_marker() not in ("", "None", "|")
    ]


def bars(axes) -> list[tuple[float, float, float]]:
    """Las rayas horizontales de los intervalos: extremos y fila."""
    found = []
    for line in axes.get_lines():
        x, y = line.get_data()
        if len(x) == 2 and y[0] == y[1] and x[0] != x[1] and line.get_linewidth() == 1.6:
            found.append((float(x[0]), float(x[1]), float(y[0])))
    return found


def ticks(axes) -> dict[int, str]:
    return {round(t.get_position()[1]): t.get_text() for t in axes.get_yticklabels()}


def vertical(axes) -> list[float]:
    return [
        round(float(x[0]), 6)
        for x, y in (line.get_data() for line in axes.get_lines())
        if len(x) == 2 and x[0] == x[1] and tuple(y) == (0, 1)
    ]


def test_cada_metodo_tiene_su_color_su_simbolo_y_su_trazo():
    for first, second in itertools.combinations([METHOD_STYLES[name] for name in METHODS], 2):
        assert first.color != second.color
        assert first.marker != second.marker and first.line != second.line
    markers = [style.marker for style in METHOD_STYLES.values()]
    assert len(markers) == len(set(markers)) and set(METHODS) < set(METHOD_STYLES)
    for name in METHODS:
        color = METHOD_STYLES[name].color
        channels = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(
            channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        assert 1.05 / (linear @ [0.2126, 0.7152, 0.0722] + 0.05) >= 4.5


def test_los_nombres_se_muestran_en_espanol_y_en_orden():
    assert title_of("grad_cam++") == "Grad-CAM++" and title_of("mean_mask") == "máscara media"
    assert title_of("conv4") == "conv4"
    found = in_order(["x", "uniform", "gradient", "grad_cam", "x"])
    assert found == ["grad_cam", "gradient", "uniform", "x"]
    with pytest.raises(DataError, match="'x'"):
        style_of("x")


@pytest.fixture
def located() -> pd.DataFrame:
    rows = []
    for name, method in METHODS.items():
        for layer in ["conv3", "vgg16/block5_conv3"] if method.weighs_channels else ["entrada"]:
            value = round(RNG.uniform(0.2, 0.9), 3)
            rows.append(row(value, metric="iou", n=40, layer=layer, method=name))
    return pd.DataFrame(rows)


@pytest.fixture
def blind() -> pd.DataFrame:
    values = {"uniform": 0.06, "centre": 0.11, "mean_mask": 0.25}
    return pd.DataFrame([row(v, 0.01, method=k, metric="iou") for k, v in values.items()])


def test_cada_capa_y_metodo_esta_en_su_fila_junto_a_los_ciegos(located, blind, faults, texts):
    drawn = localisation_dots(located, "iou", blind)
    assert faults(drawn) == []
    axes = drawn.figure.axes[0]
    where = ticks(axes)
    found = {where[round(y)]: (round(x, 6), marker) for x, y, marker in points(axes)}
    for one in located.itertuples():
        name = f"{one.layer.split('/')[-1]} · {METHODS[one.method].title}"
        assert found[name] == (one.value, METHOD_STYLES[one.method].marker)
        assert f"{name}: {one.value:.3f} ({one.low:.3f} a {one.high:.3f})" in drawn.alt
    assert len(points(axes)) == len(located)
    assert sorted((round(a, 6), round(b, 6)) for a, b, _ in bars(axes)) == sorted(
        (round(a, 6), round(b, 6)) for a, b in zip(located["low"], located["high"], strict=True)
    )
    assert "40 radiografías" in axes.get_xlabel()
    assert vertical(axes) == [0.06, 0.11, 0.25]
    assert {"uniforme", "centro", "máscara media"} <= set(texts(drawn))
    assert "uniforme 0.060" in drawn.alt


@pytest.fixture
def stable() -> pd.DataFrame:
    changes = ["ruido 2", "otra radiografía", "ruido 10", "1 píxel", "otra semilla"]
    return pd.DataFrame(
        row(round(RNG.uniform(0.3, 0.9), 3), change=change, method=name, metric="ssim")
        for change, name in itertools.product(changes, NAMES[:4])
    )


def test_la_estabilidad_acaba_en_otra_radiografia(stable, faults, texts):
    drawn = stability_dots(stable, "ssim")
    assert faults(drawn) == []
    axes = drawn.figure.axes[0]
    where = ticks(axes)
    order = ["ruido 2", "ruido 10", "1 píxel", "otra semilla", "otra radiografía"]
    assert list(where.values()) == order
    found = {(where[round(y)], m): round(x, 6) for x, y, m in points(axes)}
    assert found == {
        (one.change, METHOD_STYLES[one.method].marker): one.value for one in stable.itertuples()
    }
    # Dentro de una fila, los métodos no se enciman.
    assert min(np.diff(sorted(y for _, y, _ in points(axes)))) > 0.1
    assert {METHODS[name].title for name in NAMES[:4]} <= set(texts(drawn))


def test_un_metodo_que_falta_deja_su_renglon_libre_y_una_correlacion_negativa_cabe(stable):
    whole = stability_dots(stable, "ssim").figure.axes[0]
    gone = stable[~(stable["change"].eq("1 píxel") & stable["method"].eq("grad_cam++"))]
    missing = len(points(whole)) - len(points(stability_dots(gone, "ssim").figure.axes[0]))
    assert missing == 1
    axes = stability_dots(stable.assign(value=-0.4, low=-0.5, high=-0.3), "ssim").figure.axes[0]
    assert axes.get_xlim()[0] < -0.5


@pytest.fixture
def outer() -> pd.DataFrame:
    chances = {"frame": 0.36, "corners": 0.09, "outside": 0.29, "letters": 0.012}
    keys = itertools.product(("cnn", "vgg16"), NAMES[:2], ("NORMAL", "PNEUMONIA"), chances)
    return pd.DataFrame(
        row(
            round(chances[region] * RNG.uniform(0.5, 1.8), 5),
            chances[region] / 9,
            **dict(zip(("network", "method", "label", "metric"), key, strict=True)),
            chance=chances[region],
        )
        for key in keys
        for region in key[-1:]
    )


def test_el_calor_de_fuera_va_por_region_clase_y_azar(outer, faults, texts):
    drawn = outside_dots(outer, TITLES)
    assert faults(drawn) == []
    titles = {axes.get_title(loc="left"): axes for axes in drawn.figure.axes}
    names = ["en el marco", "en las esquinas", "fuera del tórax", "en las letras"]
    assert list(titles) == names
    where = ticks(titles["en el marco"])
    assert list(where.values()) == [
        f"{net} · {method}" for net in ("CNN", "VGG16") for method in ("Grad-CAM", "HiResCAM")
    ]
    for region, name in zip(("frame", "corners", "outside", "letters"), names, strict=True):
        axes, mine = titles[name], outer[outer["metric"] == region]
        found = {(where[round(y)], m): round(x, 4) for x, y, m in points(axes)}
        assert found == {
            (
                f"{TITLES[one.network]} · {METHODS[one.method].title}",
                "o" if one.label == "NORMAL" else "^",
            ): round(100 * one.value, 4)
            for one in mine.itertuples()
        }
        chance = {
            round(float(line.get_xdata()[0]), 4)
            for line in axes.get_lines()
            if line.get_marker() == "|"
        }
        assert chance == {round(100 * mine["chance"].iloc[0], 4)}
    assert {"NORMAL", "PNEUMONIA", "mapa uniforme"} <= set(texts(drawn))
    assert f"CNN · Grad-CAM: NORMAL {100 * outer.iloc[0]['value']:.1f}" in drawn.alt


def test_una_region_sin_letras_queda_en_blanco_y_las_ausentes_no_se_dibujan(outer, faults):
    lettered = outer["metric"] == "letters"
    outer.loc[lettered, ["value", "low", "high", "chance"]] = None
    drawn = outside_dots(outer, TITLES)
    assert faults(drawn) == [] and "NORMAL —" in drawn.alt
    three = outside_dots(outer[outer["metric"] != "frame"], TITLES)
    assert [axes.axison for axes in three.figure.axes] == [True, True, True, False]


@pytest.fixture
def planted() -> pd.DataFrame:
    rows = []
    for place, variant in enumerate(VARIANTS):
        for metric in ("auc_val", "auc_clean", "auc_swapped"):
            value = round(RNG.uniform(0.1, 0.9), 3)
            rows.append(row(value, variant=variant.name, metric=metric, method=""))
        for name in ("grad_cam", "hires_cam"):
            keys = {"variant": variant.name, "metric": "heat", "method": name}
            null = 3 if place == 1 and name == "grad_cam" else 0
            rows.append(row(round(0.1 + 0.15 * place, 3), n_null=null, **keys))
    return pd.DataFrame(rows)


def test_el_atajo_tiene_sus_auc_a_la_izquierda_y_su_calor_a_la_derecha(planted, faults, texts):
    drawn = shortcut_dots(planted, 0.025)
    assert faults(drawn) == []
    left, right = drawn.figure.axes
    where = ticks(left)
    assert list(where.values()) == [variant.name for variant in VARIANTS]
    bold = [t.get_text() for t in left.get_yticklabels() if t.get_fontweight() == "bold"]
    assert bold == ["atajo"]
    markers = {"auc_val": "o", "auc_clean": "s", "auc_swapped": "^"}
    found = {(where[round(y)], m): round(x, 6) for x, y, m in points(left)}
    aucs = planted[planted["metric"] != "heat"]
    assert found == {(one.variant, markers[one.metric]): one.value for one in aucs.itertuples()}
    heat = planted[planted["metric"] == "heat"]
    found = {(where[round(y)], m): round(x, 6) for x, y, m in points(right)}
    assert found == {
        (one.variant, METHOD_STYLES[one.method].marker): one.value for one in heat.itertuples()
    }
    assert vertical(left) == [0.5] and vertical(right) == [0.025]
    assert [text for text in texts(drawn) if "nulo" in text] == ["3 nulos"]
    assert drawn.alt.count("3 nulos") == 1


def test_lo_que_debia_aceptarse_va_arriba_y_lo_mas_colado_despues(faults, texts):
    rates = [("film", 0.02), ("noise", 1.0), ("phantom", 0.3), ("digit", 0.7)]
    table = pd.DataFrame(
        {"probe": probe, "title": f"clase {probe}", "flagged": rate, "n": 50}
        | {"low": max(0, rate - 0.02), "high": min(1, rate + 0.01)}
        for probe, rate in rates
    )
    drawn = likeness_dots(table)
    assert faults(drawn) == []
    axes = drawn.figure.axes[0]
    assert list(ticks(axes).values()) == [
        f"clase {name} (50)" for name in ("film", "phantom", "digit", "noise")
    ]
    assert [(round(x), m) for x, _, m in points(axes)] == [
        (2, "o"), (30, "^"), (70, "^"), (100, "^"),
    ]  # fmt: skip
    assert "30.0 (28.0 a 31.0)" in drawn.alt
    assert {"debían aceptarse", "debían rechazarse"} <= set(texts(drawn))


def test_sin_intervalo_se_dibuja_solo_el_punto(stable):
    stable[["low", "high"]] = np.nan
    drawn = stability_dots(stable, "ssim")
    assert len(points(drawn.figure.axes[0])) == len(stable) and " a 0." not in drawn.alt


@pytest.mark.parametrize(
    ("change", "metric", "message"),
    [
        (lambda t: t[:0], "ssim", "vacía"),
        (lambda t: t.drop(columns="low"), "ssim", "faltan: low"),
        (lambda t: pd.concat([t, t]), "ssim", "dos filas"),
        (lambda t: t.assign(method="lupa").drop_duplicates("change"), "ssim", "'lupa'"),
        (lambda t: t, "belleza", "'belleza'"),
        (lambda t: t, "spearman", "'spearman'"),
    ],
)
def test_una_tabla_que_no_sirve_se_rechaza(stable, change, metric, message):
    with pytest.raises(DataError, match=message):
        stability_dots(change(stable), metric)
