"""Las figuras de confianza hechas de mapas: cada mapa en su sitio y lo medido, escrito."""

import numpy as np
import pytest

from neumonia.errors import DataError
from neumonia.figures import method_maps, outcome_maps, shortcut_maps, worst_maps
from neumonia.figures.explanation import fine_overlay
from neumonia.figures.maps import close_gaps
from neumonia.heat import thorax_region
from neumonia.lab.planted import VARIANTS, marker_zone


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


def test_sin_mascara_no_se_rodea_nada_y_muchos_pasos_caben(films, heat, faults):
    steps = {f"hasta vgg16/block5_conv{place}": heat[place] for place in range(11)}
    drawn = method_maps(films[0], steps)
    assert faults(drawn) == []
    panels = pictures(drawn)
    assert len(panels) == 12 and all(not axes.collections for axes in panels)
    for axes, found in zip(panels[1:], steps.values(), strict=True):
        assert same(axes, films[0], found)
    assert "opacidad" not in drawn.alt and "12 mapas" not in drawn.alt


def test_el_borde_pasa_entre_los_pixeles_de_dentro_y_los_de_fuera(films, heat):
    region = np.zeros((40, 40), bool)
    region[10:20, 30:] = True
    axes = pictures(method_maps(films[0], {"gradient": heat[0]}, region))[0]
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


OUTCOMES = ["VP", "VP", "FP", "FN", "VN", "FN", "VN", "FP"]


def test_los_desenlaces_se_agrupan_con_su_probabilidad(films, heat, faults, texts):
    chances = {"CNN": np.linspace(0, 0.99, 8), "VGG16": np.linspace(0.98, 0.1, 8)}
    maps = {"CNN": heat[:8], "VGG16": heat[7::-1]}
    networks = {name: (maps[name], chances[name]) for name in maps}
    drawn = outcome_maps(films, networks, OUTCOMES)
    assert faults(drawn) == []
    assert drawn.figure.get_size_inches()[1] < 9
    panels = pictures(drawn)
    order = [0, 1, 2, 7, 3, 5, 4, 6]
    assert len(panels) == 24
    for place, film in enumerate(order):
        first, *others = panels[3 * place : 3 * place + 3]
        assert np.array_equal(shown(first), films[film])
        assert first.get_title() == OUTCOMES[film]
        for axes, name in zip(others, networks, strict=True):
            assert same(axes, films[film], maps[name][film])
            assert axes.get_title() == f"{name} {chances[name][film]:.2f}"
    # El rótulo del margen, una vez por desenlace.
    assert texts(drawn).count("verdaderos\npositivos") == 1
    assert "8 radiografías con el mapa de CNN y VGG16" in drawn.alt
    for bad in (OUTCOMES[1:], ["TP"] * 8):
        with pytest.raises(DataError, match="desenlace"):
            outcome_maps(films, networks, bad)


@pytest.mark.parametrize("n", [1, 3, 6])
def test_las_peores_llevan_el_trapecio_y_su_parte(n, films, heat, faults, texts):
    shares = np.linspace(0.9, 0.4, n)
    titles = [f"PNEUMONIA · p = 0.{i}" for i in range(n)]
    region = thorax_region(40, 40)
    drawn = worst_maps(films[:n], heat[:n], shares, titles, region)
    assert faults(drawn) == []
    panels = pictures(drawn)
    edge = np.argwhere(region)
    for place in range(n):
        film, overlaid = panels[2 * place : 2 * place + 2]
        assert np.array_equal(shown(film), films[place])
        assert film.get_title().replace("\n", " ") == titles[place]
        assert same(overlaid, films[place], heat[place])
        assert overlaid.get_title() == f"fuera {100 * shares[place]:.0f}\u202f%"
        for axes in (film, overlaid):
            top = min(vertices[:, 1].min() for vertices in outlined(axes))
            assert top == pytest.approx(edge[:, 0].min() - 0.5)
    uniform = f"un mapa uniforme pondría fuera {100 * (1 - region.mean()):.0f}\u202f%"
    assert uniform in [text.replace("\n", " ") for text in texts(drawn)]
    assert f"{titles[-1]}: {100 * shares[-1]:.1f}" in drawn.alt


def test_el_atajo_se_ve_antes_y_despues_de_cada_arreglo(films, heat, faults, texts):
    zone = marker_zone(40, 40)
    corner = zone[None].repeat(3, axis=0).astype(np.float32)
    corner[1, -1, 0] = 1
    maps = {variant.name: {"hires_cam": heat[:3], "grad_cam": heat[3:6]} for variant in VARIANTS}
    maps["atajo"] = {"hires_cam": corner, "grad_cam": np.zeros_like(corner)}
    drawn = shortcut_maps(films[:3], maps, zone)
    assert faults(drawn) == []
    assert drawn.figure.get_size_inches()[1] <= 8.9
    panels = pictures(drawn)
    assert len(panels) == 3 + 6 * len(VARIANTS) and all(outlined(axes) for axes in panels)
    assert all(np.array_equal(shown(a), f) for a, f in zip(panels, films[:3], strict=False))
    # Por cada placa, Grad-CAM y HiResCAM.
    second = panels[3 + 6 : 3 + 12]
    null, found = maps["atajo"]["grad_cam"], maps["atajo"]["hires_cam"]
    order = [null[0], found[0], null[1], found[1], null[2], found[2]]
    for place, (axes, one) in enumerate(zip(second, order, strict=True)):
        assert same(axes, films[place // 2], one)
    labels = texts(drawn)
    assert {"con la marca", "atajo", "recorte"} <= set(labels)
    assert labels.count("mapa nulo") == 3 + len(VARIANTS) - 1
    pixels = int(zone.sum())
    assert f"atajo, HiResCAM: {100 * pixels / (pixels + 1):.1f}" in drawn.alt
    assert "atajo, Grad-CAM: —" in drawn.alt and f"ocupa {100 * zone.mean():.1f}" in drawn.alt


def test_lo_que_no_corresponde_se_rechaza(films, heat):
    zone = marker_zone(40, 40)
    for wrong in (
        lambda: method_maps(films[0], {}),
        lambda: method_maps(films[0], {"grad_cam": heat[0][1:]}),
        lambda: method_maps(films[0], {"grad_cam": heat[0]}, np.ones((3, 3), bool)),
        lambda: worst_maps(films[:2], heat[:2], [0.1], ["a", "b"], zone),
        lambda: worst_maps(films[:2], heat[:3], [0.1] * 2, ["a"] * 2, zone),
        lambda: outcome_maps(films[:1], {"CNN": (heat[:2], [0.1])}, ["VP"]),
        lambda: shortcut_maps(films[:2], {}, zone),
        lambda: shortcut_maps(films[:2], {"atajo": {"grad_cam": heat[:2]}}, zone[1:]),
        lambda: shortcut_maps(films[:2], {"atajo": {"grad_cam": heat[:3]}}, zone),
    ):
        with pytest.raises(DataError, match=r"[Nn]ecesitamos|forma"):
            wrong()
