"""Los puntos de las figuras de confianza: cada uno en su fila, con su intervalo y su nombre."""

import itertools

import numpy as np
import pandas as pd
import pytest

from neumonia.errors import DataError
from neumonia.figures import (
    likeness_bars,
    localisation_dots,
    localisation_groups,
    outside_dots,
    shortcut_dots,
    stability_dots,
)
from neumonia.figures.trust_common import (
    METHOD_STYLES,
    REFERENCE_STYLES,
    REFERENCES,
    in_order,
    style_of,
    title_of,
)
from neumonia.gradcam import METHODS
from neumonia.trust import VARIANTS

NAMES = list(METHODS)
TITLES = {"cnn": "CNN", "vgg16": "VGG16"}


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


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(4)


@pytest.fixture
def located(rng) -> pd.DataFrame:
    rows = []
    for network, layers in {"cnn": ["conv3", "conv4"], "vgg16": ["vgg16/block5_conv3"]}.items():
        for name, method in METHODS.items():
            for layer in layers if method.weighs_channels else [None]:
                keys = {"network": network, "layer": layer, "method": name}
                value = round(rng.uniform(0.2, 0.9), 3)
                rows.append(row(value, metric="iou", n_films=40, **keys))
    return pd.DataFrame(rows)


@pytest.fixture
def references() -> pd.DataFrame:
    values = {"uniform": 0.06, "centre": 0.11, "mean_mask": 0.25}
    return pd.DataFrame([row(v, 0.01, method=k, metric="iou") for k, v in values.items()])


def test_cada_metodo_tiene_su_color_su_simbolo_y_su_trazo():
    assert set(METHOD_STYLES) == set(METHODS)
    assert set(REFERENCE_STYLES) == set(REFERENCES)
    for first, second in itertools.combinations(METHOD_STYLES.values(), 2):
        assert first.color != second.color
        assert first.marker != second.marker and first.line != second.line
    markers = [s.marker for s in (*METHOD_STYLES.values(), *REFERENCE_STYLES.values())]
    assert len(markers) == len(set(markers))
    for style in METHOD_STYLES.values():
        channels = np.array([int(style.color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(
            channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        assert 1.05 / (linear @ [0.2126, 0.7152, 0.0722] + 0.05) >= 4.5


def test_los_nombres_se_muestran_en_espanol_y_en_orden():
    assert title_of("grad_cam++") == "Grad-CAM++" and title_of("mean_mask") == "máscara media"
    assert title_of("conv4") == "conv4"
    assert in_order(["x", "uniform", "gradient", "grad_cam", "x"]) == [
        "grad_cam", "gradient", "uniform", "x",
    ]  # fmt: skip
    with pytest.raises(DataError, match="No conocemos el método 'x'"):
        style_of("x")


def test_cada_red_capa_y_metodo_esta_en_su_fila(located, references, faults, texts):
    drawn = localisation_dots(located, "iou", references, TITLES)
    assert faults(drawn) == []
    axes = drawn.figure.axes[0]
    where = ticks(axes)
    found = {where[round(y)]: [] for _, y, _ in points(axes)}
    for x, y, marker in points(axes):
        found[where[round(y)]].append((round(x, 6), marker))
    for one in located.itertuples():
        layer = one.layer.split("/")[-1] + " · " if pd.notna(one.layer) else ""
        name = layer + METHODS[one.method].title
        assert (one.value, METHOD_STYLES[one.method].marker) in found[name]
    assert len(points(axes)) == len(located)
    assert sorted((round(a, 6), round(b, 6)) for a, b, _ in bars(axes)) == sorted(
        (round(a, 6), round(b, 6)) for a, b in zip(located["low"], located["high"], strict=True)
    )
    heads = [t.get_text() for t in axes.get_yticklabels() if t.get_fontweight() == "bold"]
    assert heads == ["CNN", "VGG16"]
    assert "40 radiografías" in axes.get_xlabel()
    best = located.loc[located[located["network"] == "cnn"]["value"].idxmax()]
    named = f"{best['layer']} · " if pd.notna(best["layer"]) else ""
    assert f"CNN, el más alto {named}{METHODS[best['method']].title}: " in drawn.alt
    assert f"{METHODS[best['method']].title} {best['value']:.3f} ({best['low']:.3f} a" in drawn.alt
    assert "block5_conv3 · HiResCAM" in drawn.alt and "uniforme 0.060" in drawn.alt


def vertical(axes) -> list[tuple[float, float, float]]:
    return [
        (float(x[0]), float(y[0]), float(y[1]))
        for x, y in (line.get_data() for line in axes.get_lines())
        if len(x) == 2 and x[0] == x[1]
    ]


def test_las_referencias_recorren_las_filas_de_su_red(located, references, texts):
    mine = pd.concat(
        [references.assign(network="cnn"), references.assign(network="vgg16", value=0.4)]
    )
    axes = localisation_dots(located, "iou", mine, TITLES).figure.axes[0]
    n = (located["network"] == "cnn").sum()
    assert vertical(axes)[:3] == [(v, 0.5, n + 0.5) for v in references["value"]]
    assert vertical(axes)[3:] == [(0.4, n + 1.5, len(located) + 1.5)] * 3
    both = localisation_dots(located, "iou", references, TITLES)
    assert [x for x, _, _ in vertical(both.figure.axes[0])] == [*references["value"]] * 2
    assert texts(both).count("máscara media") == 1
    bare = localisation_dots(located, "iou")
    assert vertical(bare.figure.axes[0]) == []
    assert "referencias" not in bare.alt and "cnn, el más alto" in bare.alt


def test_muchas_filas_caben_en_una_pagina(located, references, faults):
    many = pd.concat([located.assign(network=f"red {i}") for i in range(3)])
    many = many.drop_duplicates(["network", "layer", "method"])
    drawn = localisation_dots(many, "iou", references)
    assert faults(drawn) == []
    assert drawn.figure.get_size_inches()[1] < 9


@pytest.fixture
def grouped(rng) -> pd.DataFrame:
    rows = []
    for place, group in enumerate(["grande", "mediana", "pequeña", "inferior", "media", "otro"]):
        for name in [*NAMES, "uniform"]:
            keys = {"group": group, "method": name, "metric": "energy_inside"}
            films = 12 if name == "score_cam" and place == 0 else 30 + place
            rows.append(row(round(rng.uniform(0.1, 0.6), 3), n_films=films, **keys))
    return pd.DataFrame(rows)


def test_los_grupos_van_de_menor_a_mayor_y_de_arriba_abajo(grouped, faults, texts):
    drawn = localisation_groups(grouped, "energy_inside")
    assert faults(drawn) == []
    axes = drawn.figure.axes[0]
    where = [t.get_text() for t in axes.get_yticklabels()]
    assert where == [
        "pequeña (32)", "mediana (31)", "grande (12 a 30)", "media (34)", "inferior (33)",
        "otro (35)",
    ]  # fmt: skip
    titles = {s.marker: m for m, s in (METHOD_STYLES | REFERENCE_STYLES).items()}
    found = {(where[round(y)].split(" (")[0], titles[m]): round(x, 6) for x, y, m in points(axes)}
    wanted = grouped.set_index(["group", "method"])["value"].to_dict()
    assert found == wanted
    assert {"Grad-CAM++", "oclusión", "uniforme"} <= set(texts(drawn))
    one = grouped[(grouped["group"] == "media") & (grouped["method"] == "gradient")].iloc[0]
    assert f"gradiente {one['value']:.3f} ({one['low']:.3f} a {one['high']:.3f})" in drawn.alt


def test_un_metodo_que_falta_en_un_grupo_deja_su_renglon_libre(grouped):
    whole = localisation_groups(grouped, "energy_inside")
    gone = grouped[~(grouped["group"].eq("media") & grouped["method"].eq("gradient"))]
    drawn = localisation_groups(gone, "energy_inside")
    missing = {*points(whole.figure.axes[0])} - {*points(drawn.figure.axes[0])}
    assert [marker for _, _, marker in missing] == [METHOD_STYLES["gradient"].marker]
    assert drawn.alt.count("gradiente") == whole.alt.count("gradiente") - 1


def test_dentro_de_un_grupo_los_metodos_no_se_enciman(grouped):
    axes = localisation_groups(grouped, "energy_inside").figure.axes[0]
    rows = sorted(y for _, y, _ in points(axes))
    assert min(np.diff(rows)) > 0.1


@pytest.fixture
def stable(rng) -> tuple[pd.DataFrame, pd.DataFrame]:
    changes = ["ruido 2", "ruido 10", "1 píxel", "otra semilla"]
    pairs = itertools.product(changes, NAMES[:4])
    rows = [
        row(round(rng.uniform(0.5, 0.9), 3), change=c, method=m, metric="ssim") for c, m in pairs
    ]
    other = [
        row(round(rng.uniform(0.1, 0.4), 3), method=m, metric="ssim", layer="(otra placa)")
        for m in NAMES[:4]
    ]
    return pd.DataFrame(rows), pd.DataFrame(other)


def test_la_estabilidad_acaba_en_otra_radiografia(stable, faults):
    rows, between = stable
    drawn = stability_dots(rows, between, "ssim")
    assert faults(drawn) == []
    axes = drawn.figure.axes[0]
    where = [t.get_text() for t in axes.get_yticklabels()]
    assert where == ["ruido 2", "ruido 10", "1 píxel", "otra semilla", "otra radiografía"]
    found = {(where[round(y)], m): round(x, 6) for x, y, m in points(axes)}
    every = pd.concat([rows, between.assign(change="otra radiografía")])
    assert found == {
        (one.change, METHOD_STYLES[one.method].marker): one.value for one in every.itertuples()
    }
    one = between.iloc[0]
    assert f"otra radiografía: Grad-CAM {one['value']:.3f} ({one['low']:.3f} a" in drawn.alt
    plain = stability_dots(rows, None, "ssim")
    assert len(plain.figure.axes[0].get_yticklabels()) == 4
    assert "otra radiografía" not in plain.alt


def test_una_correlacion_negativa_cabe(stable):
    rows, _ = stable
    rows = rows.assign(value=-0.4, low=-0.5, high=-0.3)
    axes = stability_dots(rows, None, "ssim").figure.axes[0]
    assert axes.get_xlim()[0] < -0.5


@pytest.fixture
def outer(rng) -> pd.DataFrame:
    chances = {"frame": 0.36, "corners": 0.09, "outside": 0.29, "letters": 0.012}
    keys = itertools.product(("cnn", "vgg16"), NAMES[:2], ("NORMAL", "PNEUMONIA"), chances)
    return pd.DataFrame(
        [
            row(
                round(chances[r] * rng.uniform(0.5, 1.8), 5),
                chances[r] / 9,
                network=n,
                method=m,
                label=c,
                region=r,
                chance=chances[r] * (1.1 if c == "NORMAL" else 1.0),
            )
            for n, m, c, r in keys
        ]
    )


def test_el_calor_de_fuera_va_por_region_clase_y_azar(outer, faults, texts):
    drawn = outside_dots(outer, TITLES)
    assert faults(drawn) == []
    panels = drawn.figure.axes
    titles = {axes.get_title(loc="left"): axes for axes in panels}
    names = {
        "frame": "en el marco", "corners": "en las esquinas", "outside": "fuera del tórax",
        "letters": "en las letras",
    }  # fmt: skip
    assert list(titles) == list(names.values())
    order = [(n, m) for n in ("cnn", "vgg16") for m in NAMES[:2]]
    places = dict(zip(order, (1, 2, 4, 5), strict=True))
    for region, name in names.items():
        axes, mine = titles[name], outer[outer["region"] == region]
        found = {(round(y), m): round(x, 4) for x, y, m in points(axes)}
        assert found == {
            (places[one.network, one.method], "o" if one.label == "NORMAL" else "^"): round(
                100 * one.value, 4
            )
            for one in mine.itertuples()
        }
        heights = {m: [y - round(y) for _, y, marker in points(axes) if marker == m] for m in "o^"}
        assert max(heights["o"]) < -0.1 and min(heights["^"]) > 0.1
        chance = sorted(
            (round(float(line.get_ydata()[0])), round(float(line.get_xdata()[0]), 4))
            for line in axes.get_lines()
            if line.get_marker() == "|"
        )
        assert chance == sorted(
            (places[one.network, one.method], round(100 * one.chance, 4))
            for one in mine.itertuples()
        )
    assert [t.get_text() for t in panels[0].get_yticklabels()] == [
        "CNN", "Grad-CAM", "HiResCAM", "VGG16", "Grad-CAM", "HiResCAM",
    ]  # fmt: skip
    assert {"NORMAL", "PNEUMONIA", "mapa uniforme"} <= set(texts(drawn))
    one = outer.iloc[0]
    assert f"en el marco, CNN, Grad-CAM, NORMAL: {100 * one['value']:.1f}" in drawn.alt


def test_una_region_sin_letras_queda_en_blanco_y_las_ausentes_no_se_dibujan(outer, faults):
    lettered = outer["region"] == "letters"
    outer.loc[lettered, ["value", "low", "high", "chance"]] = None
    drawn = outside_dots(outer)
    assert faults(drawn) == []
    assert "en las letras, cnn, Grad-CAM, NORMAL: —" in drawn.alt
    three = outside_dots(outer[outer["region"] != "frame"])
    assert faults(three) == []
    assert [axes.axison for axes in three.figure.axes] == [True, True, True, False]
    for name, bad in (("region", "techo"), ("label", "COVID")):
        with pytest.raises(DataError, match=bad):
            outside_dots(outer[:1].assign(**{name: bad}))


@pytest.fixture
def planted(rng) -> pd.DataFrame:
    rows = []
    for place, variant in enumerate(VARIANTS):
        for metric in ("auc_val", "auc_clean", "auc_swapped"):
            value = round(rng.uniform(0.1, 0.9), 3)
            rows.append(row(value, variant=variant.name, metric=metric, method="", n_null=0))
        for name in ("grad_cam", "hires_cam"):
            keys = {"variant": variant.name, "metric": "heat", "method": name}
            null = 3 if place == 1 and name == "grad_cam" else 0
            rows.append(row(round(0.1 + 0.15 * place, 3), n_null=null, **keys))
    return pd.DataFrame(rows)


def test_el_atajo_tiene_sus_auc_a_la_izquierda_y_su_calor_a_la_derecha(planted, faults, texts):
    drawn = shortcut_dots(planted, 0.025)
    assert faults(drawn) == []
    left, right = drawn.figure.axes
    names = [t.get_text() for t in left.get_yticklabels()]
    assert names == [variant.name for variant in VARIANTS]
    assert [t.get_text() for t in left.get_yticklabels() if t.get_fontweight() == "bold"] == [
        "atajo"
    ]
    markers = {"auc_val": "o", "auc_clean": "s", "auc_swapped": "^"}
    found = {(names[round(y)], m): round(x, 6) for x, y, m in points(left)}
    aucs = planted[planted["metric"] != "heat"]
    assert found == {(one.variant, markers[one.metric]): one.value for one in aucs.itertuples()}
    heat = planted[planted["metric"] == "heat"]
    found = {(names[round(y)], m): round(x, 6) for x, y, m in points(right)}
    assert found == {
        (one.variant, METHOD_STYLES[one.method].marker): one.value for one in heat.itertuples()
    }
    assert [x for x, _, _ in vertical(left)] == [0.5]
    assert [x for x, _, _ in vertical(right)] == [0.025]
    assert [text for text in texts(drawn) if "nulo" in text] == ["3 nulos"]
    assert "uniforme haría 2.5" in drawn.alt
    assert drawn.alt.count("3 mapas nulos") == 1 and "sin marca: validación" in drawn.alt
    plain = shortcut_dots(planted.drop(columns="n_null"), 0.025)
    assert "nulos" not in plain.alt


def test_al_atajo_no_le_puede_faltar_un_panel(planted):
    for bad in (planted[planted["metric"] == "heat"], planted[planted["metric"] != "heat"]):
        with pytest.raises(DataError, match="alguna AUC y el calor"):
            shortcut_dots(bad, 0.1)
    with pytest.raises(DataError, match="dos filas con lo mismo"):
        shortcut_dots(pd.concat([planted, planted]), 0.1)


@pytest.fixture
def accepted() -> pd.DataFrame:
    found = [("ruido", 0.0, False), ("prueba", 0.96, True), ("mano", 0.3, False), ("b", 0.99, True)]
    return pd.DataFrame(
        [
            {"kind": k, "rate": r, "low": max(0, r - 0.02), "high": min(1, r + 0.01), "n": 50,
             "expected": e}
            for k, r, e in found
        ]
    )  # fmt: skip


def test_las_barras_separan_lo_que_debia_aceptarse(accepted, faults, texts):
    drawn = likeness_bars(accepted)
    assert faults(drawn) == []
    axes = drawn.figure.axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == [
        "b (50)", "prueba (50)", "mano (50)", "ruido (50)",
    ]  # fmt: skip
    assert [round(bar.get_width(), 6) for bar in axes.patches] == [99.0, 96.0, 30.0, 0.0]
    assert [bool(bar.get_hatch()) for bar in axes.patches] == [False, False, True, True]
    ends = [tuple(line.get_xdata()) for line in axes.get_lines() if line.get_linewidth() == 1.4]
    assert ends[2] == pytest.approx((28, 31))
    assert "mano (debe rechazarse): 30.0" in drawn.alt and "28.0 a 31.0 %" in drawn.alt
    assert "prueba (debe aceptarse): 96.0" in drawn.alt
    assert {"debían aceptarse", "debían rechazarse"} <= set(texts(drawn))


def test_sin_intervalo_se_dibuja_solo_el_punto(located):
    located[["low", "high"]] = None
    drawn = localisation_dots(located, "iou")
    assert all(np.isnan(ends[:2]).all() for ends in bars(drawn.figure.axes[0]))
    assert len(points(drawn.figure.axes[0])) == len(located)
    assert "(" not in drawn.alt.split("cnn, el más alto", 1)[1].replace("(95 %)", "")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t[:0], "ninguna fila de la medida 'iou'"),
        (lambda t: t.drop(columns="metric"), "ninguna fila"),
        (lambda t: t.drop(columns=["low", "layer"]), "faltan: layer, low"),
        (lambda t: pd.concat([t, t]), "dos filas con lo mismo en network, layer, method"),
        (lambda t: t.assign(method="lupa").drop_duplicates(["network", "layer"]), "'lupa'"),
    ],
)
def test_una_tabla_que_no_sirve_se_rechaza(located, change, message):
    with pytest.raises(DataError, match=message):
        localisation_dots(change(located), "iou")


def test_lo_vacio_y_lo_desconocido_se_dice(located, stable, outer):
    with pytest.raises(DataError, match="No conocemos la medida 'belleza'"):
        localisation_dots(located, "belleza")
    with pytest.raises(DataError, match="ninguna fila de la medida 'spearman'"):
        stability_dots(*stable, "spearman")
    with pytest.raises(DataError, match="está vacía"):
        outside_dots(outer[:0])
