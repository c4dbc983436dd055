"""Figuras de la exploración y del plan: qué dicen y cómo quedan."""

import numpy as np
import pandas as pd
import pytest

from neumonia import exploration
from neumonia.errors import DataError
from neumonia.figures import (
    augmentation_examples,
    class_balance,
    example_films,
    intensity_histograms,
    mean_images,
    phantom_masks,
    strategy_diagram,
)

LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1])


@pytest.fixture
def manifest() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "subtype": ["normal"] * 4 + ["bacteria", "virus", "", "bronconeumonia"],
            "height": range(1000, 1008),
            "width": range(1200, 1208),
        }
    )


def test_balance_con_los_conteos_oficiales(faults, texts):
    frame = pd.DataFrame(
        {"normal": [1341, 8, 234], "pneumonia": [3875, 8, 390]}, index=["train", "val", "test"]
    )
    drawn = class_balance(frame)
    assert faults(drawn) == []
    for part in ("entrenamiento, 1341 NORMAL y 3875 PNEUMONIA (74.3 %)", "(62.5 %)", "(50.0 %)"):
        assert part in drawn.alt
    assert "1341 · 25.7 %" in texts(drawn)


def test_en_un_tramo_estrecho_el_numero_va_al_lado(faults, texts):
    frame = pd.DataFrame(
        {"normal": [4, 96, 15, 0], "pneumonia": [96, 4, 85, 0]}, index=["a", "b", "c", "vacía"]
    )
    drawn = class_balance(frame)
    assert faults(drawn) == []
    assert texts(drawn).count("4\n4.0 %") == 2
    assert "15\n15.0 %" in texts(drawn)
    assert "sin radiografías" in texts(drawn)
    assert "vacía, 0 NORMAL y 0 PNEUMONIA (0.0 %)" in drawn.alt


def test_balance_sin_columnas_se_rechaza():
    for frame in (pd.DataFrame(), pd.DataFrame({"normal": [1]})):
        with pytest.raises(DataError, match="pneumonia"):
            class_balance(frame)


def test_los_ejemplos_dicen_clase_subtipo_y_tamano(films, manifest, faults, texts):
    drawn = example_films(films, LABELS, [0, 1, 4, 5, 6], manifest)
    assert faults(drawn) == []
    assert texts(drawn) == [
        "NORMAL\n1200 × 1000 px",
        "NORMAL\n1201 × 1001 px",
        "PNEUMONIA · bacteria\n1204 × 1004 px",
        "PNEUMONIA · virus\n1205 × 1005 px",
        "PNEUMONIA\n1206 × 1006 px",
    ]
    assert drawn.alt.startswith("5 radiografías de tórax")
    assert "PNEUMONIA · virus, 1205 × 1005 px" in drawn.alt


def test_los_ejemplos_muestran_las_placas_pedidas(films, manifest):
    drawn = example_films(films, LABELS, [6, 2], manifest)
    shown = [np.asarray(axes.images[0].get_array()) for axes in drawn.figure.axes if axes.images]
    assert np.array_equal(shown, films[[6, 2]])


def test_un_subtipo_largo_pasa_a_otra_linea(films, manifest, faults, texts):
    drawn = example_films(films, LABELS, [7, 0], manifest)
    assert faults(drawn) == []
    assert texts(drawn)[0] == "PNEUMONIA\nbronconeumonia\n1207 × 1007 px"


@pytest.mark.parametrize("rows", [[], [8], [-1]])
def test_posiciones_fuera_del_conjunto_se_rechazan(films, manifest, rows):
    with pytest.raises(DataError, match="entre 0 y 7"):
        example_films(films, LABELS, rows, manifest)


def test_medias_dice_donde_difieren(faults):
    means = {0: np.full((30, 30), 100.0), 1: np.full((30, 30), 110.0)}
    means[1][25, 4] = 160.0
    drawn = mean_images(means)
    assert faults(drawn) == []
    assert "100.0 en NORMAL y 110.1 en PNEUMONIA" in drawn.alt
    assert "60.0 grises, está en la parte inferior, a la izquierda" in drawn.alt
    assert "más clara" in drawn.alt


@pytest.mark.parametrize(
    ("row", "column", "place"),
    [
        (2, 15, "la parte superior, en el centro"),
        (15, 27, "la altura media, a la derecha"),
        (28, 2, "la parte inferior, a la izquierda"),
    ],
)
def test_medias_nombra_el_lugar(row, column, place):
    means = {0: np.full((30, 30), 100.0), 1: np.full((30, 30), 100.0)}
    means[1][row, column] = 40.0
    alt = mean_images(means).alt
    assert place in alt
    assert "más oscura" in alt


def test_medias_con_desviacion_viene_directo_de_la_exploracion(films, faults):
    found = exploration.mean_images(films, LABELS)
    drawn = mean_images(*found)
    assert faults(drawn) == []
    assert f"en promedio {found.std[0].mean():.1f} en NORMAL" in drawn.alt
    assert len([axes for axes in drawn.figure.axes if axes.images]) == 6


def test_medias_incompletas_se_rechazan():
    with pytest.raises(DataError, match="dos clases"):
        mean_images({0: np.zeros((3, 3))})
    with pytest.raises(DataError, match="misma forma"):
        mean_images({0: np.zeros((3, 3)), 1: np.zeros((3, 4))})


def test_histogramas_de_la_exploracion(films, faults, texts):
    drawn = intensity_histograms(exploration.intensity_histogram(films, LABELS))
    assert faults(drawn) == []
    median = int(np.median(films[LABELS == 0]))
    assert f"NORMAL, {median}" in drawn.alt
    assert f"mediana {median}" in texts(drawn)
    assert not any("fuera de escala" in text for text in texts(drawn))


def test_el_negro_que_aplasta_el_histograma_se_corta_y_se_dice(films, faults, texts):
    framed = films.copy()
    framed[:, :10] = 0
    drawn = intensity_histograms(exploration.intensity_histogram(framed, LABELS))
    assert faults(drawn) == []
    share = 100 * (framed[LABELS == 0] == 0).mean()
    assert any(
        "fuera de escala" in text and f"NORMAL {share:.1f} %" in text for text in texts(drawn)
    )
    assert drawn.figure.axes[0].get_ylim()[1] < share


def test_histogramas_mal_formados_se_rechazan():
    good = (np.full(256, 1 / 256), np.linspace(0, 1, 256))
    with pytest.raises(DataError, match="dos clases"):
        intensity_histograms({0: good})
    with pytest.raises(DataError, match="256"):
        intensity_histograms({0: good, 1: (good[0][:10], good[1])})


def test_las_mascaras_cuentan_lo_plantado(films, faults, texts):
    masks = np.zeros(films.shape, bool)
    masks[0, 10:20, 10:20] = True
    masks[2, 5:15, 5:25] = True
    drawn = phantom_masks(films[:3], masks[:3])
    assert faults(drawn) == []
    assert texts(drawn) == ["opacidad: 6.2 %", "opacidad: 0.0 %", "opacidad: 12.5 %"]
    assert "en 2 hay una opacidad plantada" in drawn.alt
    lower = [axes for axes in drawn.figure.axes if axes.collections]
    assert len(lower) == 2


def test_una_sola_mascara_no_deforma_la_figura(films, faults):
    assert faults(phantom_masks(films[:1], np.ones((1, 40, 40), bool))) == []


def test_mascaras_de_otra_forma_se_rechazan(films):
    with pytest.raises(DataError, match="deben coincidir"):
        phantom_masks(films, np.zeros((8, 3, 3)))


def test_aumentos(films, faults, texts):
    versions = np.stack([films[:3]] * 2)
    drawn = augmentation_examples(films[:2], versions)
    assert faults(drawn) == []
    assert texts(drawn) == ["original", "versión 1", "versión 2", "versión 3"]
    assert "2 radiografías" in drawn.alt
    assert "3 versiones aumentadas" in drawn.alt
    for shape in ((2, 40, 40), (1, 3, 40, 40), (2, 0, 40, 40)):
        with pytest.raises(DataError, match=r"\(2, K, H, W\)"):
            augmentation_examples(films[:2], np.zeros(shape))


def test_el_plan_nombra_los_cinco_pasos_en_orden(faults, texts):
    drawn = strategy_diagram()
    assert faults(drawn) == []
    steps = ["radiografía", "conjunto", "red", "métrica", "mapa"]
    assert [text for text in texts(drawn) if text in steps] == steps
    positions = [drawn.alt.index(f"{step}") for step in steps]
    assert positions == sorted(positions)
