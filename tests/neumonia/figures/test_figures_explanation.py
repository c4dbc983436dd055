"""Figuras de Grad-CAM."""

import numpy as np
import pytest

from neumonia.errors import DataError
from neumonia.figures import gradcam_grid, gradcam_steps
from neumonia.figures.explanation import describe_map, fine_overlay
from neumonia.gradcam.overlay import overlay


@pytest.fixture
def heat() -> np.ndarray:
    """Ocho mapas (8, 40, 40): campanas en lugares distintos, y el último vacío."""
    y, x = np.mgrid[:40, :40]
    centers = [(8, 8), (8, 20), (8, 32), (20, 8), (20, 20), (32, 32), (32, 8)]
    maps = [np.exp(-((y - r) ** 2 + (x - c) ** 2) / 50.0) for r, c in centers]
    return np.array([*maps, np.zeros((40, 40))])


def test_la_rejilla_pone_cada_placa_junto_a_su_mapa(films, heat, faults, texts):
    titles = [f"VP · p = 0.9{i}" for i in range(8)]
    drawn = gradcam_grid(films, heat, titles)
    assert faults(drawn) == []
    assert set(titles) <= set(texts(drawn))
    panels = [axes for axes in drawn.figure.axes if axes.images]
    for i in range(8):
        assert np.array_equal(panels[2 * i].images[0].get_array(), films[i])
        assert np.array_equal(
            panels[2 * i + 1].images[0].get_array(), fine_overlay(films[i], heat[i])
        )
    assert "(mapa vacío)" in texts(drawn)
    assert "VP · p = 0.97: el mapa está vacío" in drawn.alt
    assert "VP · p = 0.90: el máximo está arriba a la izquierda" in drawn.alt


@pytest.mark.parametrize("number", [1, 2, 3, 9, 16])
def test_la_rejilla_cabe_en_una_pagina(number, films, heat, faults):
    index = np.arange(number) % 8
    drawn = gradcam_grid(films[index], heat[index], [f"VP · p = 0.{i:02d}" for i in range(number)])
    assert faults(drawn) == []
    assert drawn.figure.get_size_inches()[1] < 9


def test_con_dos_modelos_hay_una_columna_por_modelo(films, heat, faults, texts):
    drawn = gradcam_grid(films[:3], {"CNN": heat[:3], "VGG16": heat[5:]}, ["uno", "dos", "tres"])
    assert faults(drawn) == []
    assert texts(drawn).count("CNN") == 1
    assert "tres (VGG16): el mapa está vacío" in drawn.alt
    assert "uno (CNN): el máximo está arriba a la izquierda" in drawn.alt


def test_una_rejilla_que_no_corresponde_se_rechaza(films, heat):
    with pytest.raises(DataError, match="títulos"):
        gradcam_grid(films, heat, ["uno"])
    with pytest.raises(DataError, match="VGG16"):
        gradcam_grid(films, {"VGG16": heat[:2]}, ["x"] * 8)
    with pytest.raises(DataError, match="deben coincidir"):
        gradcam_grid(films, heat[:2], ["x"] * 8)
    with pytest.raises(DataError, match="al menos un modelo"):
        gradcam_grid(films, {}, ["x"] * 8)


@pytest.mark.parametrize(
    ("index", "place"),
    [
        (0, "arriba a la izquierda"),
        (1, "arriba al centro"),
        (3, "a media altura a la izquierda"),
        (5, "abajo a la derecha"),
    ],
)
def test_describir_dice_donde_esta_el_maximo(heat, index, place):
    assert place in describe_map(heat[index])


def test_describir_mide_el_area_sobre_la_mitad():
    mask = np.zeros((10, 10))
    mask[:5, :4] = 0.8
    mask[9, 9] = 0.3
    assert "el 20 % de ella" in describe_map(mask)


def test_la_ampliacion_conserva_la_forma_y_no_toca_lo_grande(films, heat):
    assert fine_overlay(films[0], heat[0]).shape == (300, 300, 3)
    assert fine_overlay(films[0][:20], heat[0][:20]).shape == (300, 600, 3)
    big = np.zeros((320, 310), np.uint8)
    assert np.array_equal(fine_overlay(big, big / 255), overlay(big, big / 255))
    with pytest.raises(DataError, match="deben coincidir"):
        fine_overlay(films[0], heat[0][:5])


@pytest.fixture
def steps(films, heat) -> dict:
    rng = np.random.default_rng(8)
    weights = rng.normal(size=12) * 1e-3
    return {
        "image": films[0].astype(np.float32),
        "features": np.abs(rng.normal(size=(6, 5, 12))).astype(np.float32),
        "weights": weights,
        "normalised": heat[4],
    }


def test_los_pasos_van_numerados_y_calculan_la_suma(steps, faults, texts):
    drawn = gradcam_steps(steps)
    assert faults(drawn) == []
    shown = " ".join(texts(drawn))
    for step in (
        "1. la placa",
        "2. canal",
        "3. los pesos",
        "4. suma ponderada",
        "5. solo lo positivo",
        "6. el mapa",
    ):
        assert step in shown
    panels = [axes.images[0].get_array() for axes in drawn.figure.axes if axes.images]
    weighted = np.tensordot(steps["features"], steps["weights"], axes=(2, 0))
    assert np.allclose(panels[4], weighted)
    assert np.allclose(panels[5], np.where(weighted > 0, weighted, 0))
    positive = int((steps["weights"] > 0).sum())
    assert f"{positive} positivos y {12 - positive} negativos" in drawn.alt
    assert "3 canales de los 12, de 6 × 5" in drawn.alt


def test_se_muestran_los_que_mas_suman_y_el_que_mas_resta(steps, texts):
    steps["features"] = np.ones((6, 5, 12))
    ranked = np.argsort(-steps["weights"])
    shown = [text.split("\n")[0] for text in texts(gradcam_steps(steps)) if "canal " in text]
    assert shown == [f"2. canal {c}" for c in (ranked[0], ranked[1], ranked[-1])]


@pytest.mark.parametrize("scale", [0.0, 1e-9, 1.0, 1e5])
def test_los_pesos_se_leen_en_cualquier_escala(steps, scale, faults, texts):
    steps["weights"] = np.sign(steps["weights"]) * scale
    drawn = gradcam_steps(steps)
    assert faults(drawn) == []
    title = next(text for text in texts(drawn) if text.startswith("3. los pesos"))
    assert ("times" in title) == (scale in (1e-9, 1e5))


@pytest.mark.parametrize(("channels", "kept"), [(1, 1), (2, 2), (9, 3)])
def test_se_puede_pedir_menos_canales(steps, channels, kept, texts, faults):
    drawn = gradcam_steps(steps, channels)
    assert faults(drawn) == []
    assert sum("canal " in text for text in texts(drawn)) == kept


def test_los_pasos_incompletos_se_rechazan(steps):
    with pytest.raises(DataError, match="normalised"):
        gradcam_steps({k: v for k, v in steps.items() if k != "normalised"})
    with pytest.raises(DataError, match="HiResCAM"):
        gradcam_steps({**steps, "weights": steps["features"]})
