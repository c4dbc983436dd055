"""Las figuras de confianza hechas de mapas: cada mapa en su sitio y lo medido, escrito."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from neumonia.errors import DataError
from neumonia.figures import cascade_strip, method_maps, outcome_maps, shortcut_maps, worst_maps
from neumonia.figures.explanation import fine_overlay
from neumonia.figures.trust_panels import (
    close_gaps,
    fit_title,
    outline,
    panel_size,
    show_map,
    tight_figure,
)
from neumonia.trust import VARIANTS, marker_zone, thorax_region


@pytest.fixture
def heat() -> np.ndarray:
    """Doce mapas (12, 40, 40): campanas en lugares distintos, y el tercero nulo."""
    y, x = np.mgrid[:40, :40]
    rng = np.random.default_rng(6)
    maps = [np.exp(-((y - r) ** 2 + (x - c) ** 2) / 30.0) for r, c in rng.uniform(5, 35, (12, 2))]
    maps[2] = np.zeros((40, 40))
    return np.array(maps, dtype=np.float32)


@pytest.fixture
def dozen(films) -> np.ndarray:
    return np.concatenate([films, films[:4, ::-1]])


def pictures(drawn) -> list:
    """Los ejes con imagen, sin la escala del calor."""
    return [axes for axes in drawn.figure.axes if axes.images]


def shown(axes) -> np.ndarray:
    return np.asarray(axes.images[0].get_array())


def same(axes, film, heat) -> bool:
    return np.array_equal(shown(axes), fine_overlay(film, heat))


def outlined(axes) -> list[np.ndarray]:
    """Los vértices de las rayas discontinuas de unos ejes."""
    return [
        path.vertices
        for collection in axes.collections
        if collection.get_linestyle()[0][1] is not None
        for path in collection.get_paths()
    ]


def test_cada_metodo_pinta_su_mapa_y_dice_si_acierta(films, heat, faults, texts):
    mask = np.zeros((40, 40), bool)
    row, column = np.unravel_index(heat[0].argmax(), (40, 40))
    mask[row - 3 : row + 4, column - 3 : column + 4] = True
    maps = {"grad_cam": heat[0], "hires_cam": heat[1], "grad_cam++": heat[2], "otro": heat[3]}
    drawn = method_maps(films[0], maps, mask)
    assert faults(drawn) == []
    panels = pictures(drawn)
    assert np.array_equal(shown(panels[0]), films[0])
    for axes, found in zip(panels[1:], maps.values(), strict=True):
        assert same(axes, films[0], found)
        assert axes.get_xlim() == (-0.5, 39.5) and axes.get_ylim() == (39.5, -0.5)
        assert list(axes.images[0].get_extent()) == [-0.5, 39.5, 39.5, -0.5]
    assert all(outlined(axes) for axes in panels)
    assert texts(drawn).count("mapa nulo") == 1
    titles = [axes.get_title() for axes in panels]
    assert titles == ["la radiografía", "Grad-CAM", "HiResCAM", "Grad-CAM++", "otro"]
    share = 100 * heat[0][mask].sum() / heat[0].sum()
    assert f"ese máximo cae dentro de la opacidad, que recibe {share:.1f}" in drawn.alt
    assert drawn.alt.count("ese máximo cae fuera") == 2
    assert "Grad-CAM++: el mapa está vacío" in drawn.alt and "no señala nada" in drawn.alt


def test_sin_mascara_no_se_rodea_nada(films, heat, faults):
    drawn = method_maps(films[0], {"gradient": heat[0]}, columns=1)
    assert faults(drawn) == []
    assert all(not axes.collections for axes in pictures(drawn))
    assert "opacidad" not in drawn.alt
    assert len(drawn.figure.axes) == 3


def test_el_borde_pasa_entre_los_pixeles_de_dentro_y_los_de_fuera():
    region = np.zeros((30, 40), bool)
    region[10:20, 30:] = True
    figure = tight_figure(2, 3)
    axes = figure.subplots()
    axes.imshow(np.zeros((30, 40)))
    outline(axes, region)
    dashes = outlined(axes)
    assert len(dashes) == 1
    assert dashes[0].min(axis=0) == pytest.approx([29.5, 9.5])
    assert dashes[0].max(axis=0) == pytest.approx([39.5, 19.5])
    assert axes.get_xlim() == (-0.5, 39.5)


def test_cerrar_los_huecos_no_quita_nada_y_no_llega_lejos():
    rng = np.random.default_rng(0)
    mask = np.zeros((60, 60), bool)
    mask[:30, :30] = rng.random((30, 30)) < 0.8
    mask[50:, 50:] = True
    closed = close_gaps(mask)
    assert closed[mask].all()
    assert closed[2:28, 2:28].all()
    assert not closed[33:, :48].any() and not closed[:48, 33:].any()


def test_un_mapa_nulo_deja_la_radiografia_y_lo_dice(films):
    axes = tight_figure(2, 2).subplots()
    show_map(axes, films[0], np.zeros((40, 40)), "x")
    assert [text.get_text() for text in axes.texts] == ["mapa nulo"]
    show_map(axes := tight_figure(2, 2).subplots(), films[0], np.eye(40), "x")
    assert list(axes.texts) == []


def test_la_tira_sigue_los_pasos_y_mide_el_parecido(films, heat, faults):
    steps = [("intacta", heat[0]), ("logit", heat[1]), ("conv4", heat[2]), ("conv3", heat[3])]
    drawn = cascade_strip(films[1], steps, columns=3)
    assert faults(drawn) == []
    panels = pictures(drawn)
    assert [axes.get_title() for axes in panels[1:]] == [title for title, _ in steps]
    for axes, (_, found) in zip(panels[1:], steps, strict=True):
        assert same(axes, films[1], found)
    rho = spearmanr(heat[0].ravel(), heat[3].ravel()).statistic
    assert drawn.alt.endswith(f"correlación de rangos con el primero, {rho:.2f}.")
    assert drawn.alt.count("con el primero") == 3


@pytest.fixture
def outcomes() -> list[str]:
    return ["VP", "VP", "FP", "VP", "FN", "VN", "FN", "VP", "FN", "VN", "FP", "FP"]


@pytest.mark.parametrize(("n", "rows"), [(1, 4), (2, 8), (3, 11)])
def test_los_desenlaces_se_agrupan_con_su_probabilidad(
    n, rows, dozen, heat, outcomes, faults, texts
):
    networks = {"CNN": heat, "VGG16": heat[::-1]}
    chances = {"CNN": np.linspace(0, 0.99, 12), "VGG16": np.linspace(0.98, 0.1, 12)}
    drawn = outcome_maps(dozen, networks, outcomes, chances, n)
    assert faults(drawn) == []
    assert drawn.figure.get_size_inches()[1] < 9
    panels = pictures(drawn)
    assert len(panels) == 3 * rows
    chosen = [
        i
        for name in ("VP", "FP", "FN", "VN")
        for i in np.flatnonzero(np.array(outcomes) == name)[:n]
    ]
    for place, film in enumerate(chosen):
        first, *rest = panels[3 * place : 3 * place + 3]
        assert np.array_equal(shown(first), dozen[film])
        assert first.get_title() == outcomes[film]
        for axes, (name, maps) in zip(rest, networks.items(), strict=True):
            assert same(axes, dozen[film], maps[film])
            assert axes.get_title() == f"{name} {chances[name][film]:.2f}"
    assert {"verdaderos positivos", "falsos positivos", "falsos negativos"} <= set(texts(drawn))
    assert f"{rows} radiografías con el mapa de CNN y VGG16" in drawn.alt
    assert f"VP: CNN 0.00, {'' if heat[0].any() else 'x'}el máximo está" in drawn.alt


def test_un_desenlace_sin_radiografias_se_dice_y_los_paneles_crecen(dozen, heat, faults):
    drawn = outcome_maps(dozen[:3], {"CNN": heat[:3]}, ["FN"] * 3, {"CNN": [0.1] * 3}, 3)
    assert faults(drawn) == []
    assert "No hay verdaderos positivos, falsos positivos y verdaderos negativos." in drawn.alt
    whole = outcome_maps(dozen[:8], {"CNN": heat[:8]}, ["VP", "FP", "FN", "VN"] * 2,
                         {"CNN": [0.1] * 8})  # fmt: skip
    assert "No hay" not in whole.alt
    widths = [pictures(one)[0].get_window_extent().width for one in (drawn, whole)]
    assert widths[0] > 1.4 * widths[1]


def test_los_desenlaces_incompletos_se_rechazan(dozen, heat, outcomes):
    good = {"CNN": np.full(12, 0.5)}
    bad = [
        ({}, outcomes, good, 2, "al menos una red"),
        ({"CNN": heat}, outcomes, {}, 2, "una probabilidad"),
        ({"CNN": heat}, outcomes, {"CNN": [0.1]}, 2, "una probabilidad"),
        ({"CNN": heat[:2]}, outcomes, good, 2, "deben coincidir"),
        ({"CNN": heat}, outcomes[1:], good, 2, "su desenlace"),
        ({"CNN": heat}, ["TP"] * 12, good, 2, "su desenlace"),
        ({"CNN": heat}, outcomes, good, 4, "de 1 a 3"),
    ]
    for networks, names, chances, n, message in bad:
        with pytest.raises(DataError, match=message):
            outcome_maps(dozen, networks, names, chances, n)


@pytest.mark.parametrize("n", [1, 3, 8, 12])
def test_las_peores_llevan_el_trapecio_y_su_parte(n, dozen, heat, faults, texts):
    shares = np.linspace(0.9, 0.4, n)
    titles = [f"NORMAL {i}" for i in range(n)]
    drawn = worst_maps(dozen[:n], heat[:n], shares, titles, 0.291)
    assert faults(drawn) == []
    assert drawn.figure.get_size_inches()[1] < 9
    panels = pictures(drawn)
    edge = np.argwhere(thorax_region(40, 40))
    for place in range(n):
        film, overlaid = panels[2 * place : 2 * place + 2]
        assert np.array_equal(shown(film), dozen[place])
        assert film.get_title(loc="left") == titles[place]
        assert same(overlaid, dozen[place], heat[place])
        assert overlaid.get_title() == f"fuera {100 * shares[place]:.0f}\u202f%"
        for axes in (film, overlaid):
            top = min(vertices[:, 1].min() for vertices in outlined(axes))
            assert top == pytest.approx(edge[:, 0].min() - 0.5)
    assert "un mapa uniforme pondría fuera 29\u202f%" in texts(drawn)
    assert f"{titles[-1]}: {100 * shares[-1]:.1f}" in drawn.alt


def test_las_peores_sin_titulo_o_sin_parte_se_rechazan(dozen, heat):
    for shares, titles in (([0.1], ["a", "b"]), ([0.1, 0.2], ["a"])):
        with pytest.raises(DataError, match="2 títulos"):
            worst_maps(dozen[:2], heat[:2], shares, titles, 0.3)
    with pytest.raises(DataError, match="deben coincidir"):
        worst_maps(dozen[:2], heat[:3], [0.1] * 2, ["a"] * 2, 0.3)


@pytest.fixture
def marked(heat) -> tuple[np.ndarray, dict]:
    """La zona y los mapas de dos placas: todo en la marca, todo menos un píxel, nulos y fuera."""
    zone = marker_zone(40, 40)
    corner = zone[None].repeat(2, axis=0).astype(np.float32)
    corner[1, -1, 0] = 1
    maps = {
        "atajo": {"hires_cam": corner, "grad_cam": np.zeros_like(corner)},
        "recorte": {"hires_cam": heat[:2]},
    }
    return zone, maps


def test_el_atajo_se_ve_antes_y_despues_de_cada_arreglo(films, heat, marked, faults, texts):
    zone, maps = marked
    drawn = shortcut_maps(films[:2], maps, zone, {"atajo": "con atajo"})
    assert faults(drawn) == []
    panels = pictures(drawn)
    assert len(panels) == 8 and all(outlined(axes) for axes in panels)
    assert [np.array_equal(shown(axes), film) for axes, film in zip(panels, films, strict=False)][
        :2
    ] == [True, True]
    # Por cada placa, Grad-CAM y HiResCAM; en «recorte», solo HiResCAM.
    null, corner = maps["atajo"]["grad_cam"], maps["atajo"]["hires_cam"]
    order = [null[0], null[1], corner[0], corner[1], heat[0], heat[1]]
    for place, (axes, found) in enumerate(zip(panels[2:], order, strict=True)):
        assert same(axes, films[place % 2], found)
    columns = [round(axes.get_window_extent().x0) for axes in panels[2:]]
    assert columns[0] < columns[2] < columns[1] < columns[3]
    assert columns[4:] == columns[2:4]
    labels = texts(drawn)
    assert {"con la marca", "con atajo", "recorte"} <= set(labels)
    assert labels.count("mapa nulo") == 2
    pixels = int(zone.sum())
    titles = [axes.get_title() for axes in panels[4:6]]
    assert titles == [
        f"HiResCAM {share:.0f}\u202f%" for share in (100, 100 * pixels / (pixels + 1))
    ]
    assert "con atajo, Grad-CAM: mapa nulo y mapa nulo" in drawn.alt
    assert f"HiResCAM: 100.0\u202f% y {100 * pixels / (pixels + 1):.1f}\u202f%" in drawn.alt
    assert f"que ocupa {100 * zone.mean():.1f}" in drawn.alt


@pytest.mark.parametrize(("number", "methods"), [(1, 1), (1, 2), (3, 2), (2, 3)])
def test_el_atajo_con_todos_sus_arreglos_cabe_en_la_pagina(number, methods, films, heat, faults):
    names = ("grad_cam", "hires_cam", "grad_cam++")[:methods]
    maps = {variant.name: dict.fromkeys(names, heat[:number]) for variant in VARIANTS}
    drawn = shortcut_maps(films[:number], maps, marker_zone(40, 40))
    assert faults(drawn) == []
    assert drawn.figure.get_size_inches()[1] <= 8.9


def test_el_atajo_que_no_corresponde_se_rechaza(films, heat):
    zone = marker_zone(40, 40)
    for count, maps, region in (
        (7, {"atajo": {"grad_cam": heat[:7]}}, zone),
        (2, {}, zone),
        (2, {"atajo": {}}, zone),
        (2, {"atajo": {"grad_cam": heat[:2]}}, zone[1:]),
    ):
        with pytest.raises(DataError, match="de 1 a 6 columnas"):
            shortcut_maps(films[:count], maps, region)
    with pytest.raises(DataError, match="deben coincidir"):
        shortcut_maps(films[:2], {"atajo": {"grad_cam": heat[:3]}}, zone)


def test_un_rotulo_largo_se_parte_y_la_fila_crece(films, heat, faults):
    assert fit_title("CNN con promedio 0.93", 0.7) == "CNN con\npromedio\n0.93"
    assert fit_title("CNN 0.93", 0.7) == "CNN 0.93"
    short, long = (panel_size(0.7, 2, [title]) for title in ("CNN 0.93", "CNN con promedio 0.93"))
    assert short[0] == long[0] == 0.7
    assert long[1] > short[1] + 0.2
    assert panel_size(3.0, 10, ["x"])[1] * 10 < 8.9
    assert panel_size(3.0, 10, ["x"], note=1.0)[0] < panel_size(3.0, 10, ["x"])[0]
    names = ("CNN", "CNN con promedio", "VGG16")
    drawn = outcome_maps(
        films,
        dict.fromkeys(names, heat[:8]),
        ["VP", "FP", "FN", "VN"] * 2,
        dict.fromkeys(names, np.full(8, 0.97)),
    )
    assert faults(drawn) == []
    # Uno bajo otro quedarían diminutos: van de dos en dos.
    assert drawn.figure.get_size_inches()[0] > 6
    assert min(axes.get_window_extent().width for axes in pictures(drawn)) > 0.6 * 150


def test_los_mapas_de_otra_forma_se_rechazan(films, heat):
    with pytest.raises(DataError, match="al menos un mapa"):
        method_maps(films[0], {})
    with pytest.raises(DataError, match="una columna"):
        method_maps(films[0], {"grad_cam": heat[0]}, columns=0)
    with pytest.raises(DataError, match="deben coincidir"):
        method_maps(films[0], {"grad_cam": heat[0][1:]})
    with pytest.raises(DataError, match="La máscara mide"):
        method_maps(films[0], {"grad_cam": heat[0]}, np.ones((3, 3), bool))
