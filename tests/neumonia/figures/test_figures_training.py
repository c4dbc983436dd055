"""Figuras del entrenamiento y de la red."""

import numpy as np
import pandas as pd
import pytest

from neumonia.errors import DataError
from neumonia.figures import initial_bias_curve, layers_diagram, training_curves
from neumonia.models.bias import initial_bias, initial_loss


@pytest.fixture
def history() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "epoch": [1, 2, 3, 4],
            "loss": [0.6, 0.4, 0.3, 0.2],
            "val_loss": [0.5, 0.3, 0.35, 0.4],
            "accuracy": [0.7, 0.8, 0.85, 0.9],
            "val_accuracy": [0.75, 0.82, 0.81, 0.8],
            "auc": [0.8, 0.9, 0.95, 0.96],
            "val_auc": [0.85, 0.91, 0.93, 0.92],
        }
    )


def test_las_curvas_marcan_la_mejor_epoca_y_rotulan_las_lineas(history, faults, texts):
    drawn = training_curves(history, "CNN")
    assert faults(drawn) == []
    shown = texts(drawn)
    assert "mejor época: 2" in shown
    # Los rótulos quedan fuera de los ejes: deben dibujarse igual, en los tres paneles.
    for name in ("loss", "accuracy", "auc"):
        assert f"entrenamiento {history[name].iloc[-1]:.3f}" in shown
        assert f"validación {history[f'val_{name}'].iloc[-1]:.3f}" in shown
    assert "CNN" in shown
    assert "4 épocas" in drawn.alt and "época 2" in drawn.alt
    assert "0.500 al comenzar, 0.300 en la mejor época y 0.400 al final" in drawn.alt
    assert "ROC-AUC de validación, 0.850" in drawn.alt


def test_solo_se_dibujan_las_metricas_que_hay(history, faults):
    drawn = training_curves(history.drop(columns=["accuracy", "auc", "val_auc"]))
    assert faults(drawn) == []
    assert len(drawn.figure.axes) == 1
    assert "exactitud" not in drawn.alt


def test_una_sola_epoca_tambien_se_ve(history, faults):
    drawn = training_curves(history.iloc[:1])
    assert faults(drawn) == []
    assert "1 época;" in drawn.alt


def test_lineas_que_terminan_juntas_no_enciman_sus_rotulos(history, faults):
    history["val_loss"] = [0.6, 0.4, 0.3, 0.2]
    history["val_auc"] = history["auc"]
    assert faults(training_curves(history)) == []


def test_un_historial_vacio_se_rechaza(history):
    with pytest.raises(DataError, match="al menos una época"):
        training_curves(history.iloc[:0])
    with pytest.raises(DataError, match="val_loss"):
        training_curves(history[["epoch", "loss"]])


@pytest.mark.parametrize(
    ("negative", "positive"), [(1341, 3875), (3000, 300), (50, 53), (100, 200), (10, 2000)]
)
def test_el_minimo_de_la_curva_es_el_sesgo_inicial(negative, positive, faults):
    labels = np.r_[np.zeros(negative), np.ones(positive)]
    drawn = initial_bias_curve(labels)
    assert faults(drawn) == []
    x, y = drawn.figure.axes[0].lines[0].get_data()
    step = x[1] - x[0]
    assert x[np.argmin(y)] == pytest.approx(initial_bias(labels), abs=step)
    assert y.min() == pytest.approx(initial_loss(labels), abs=1e-3)
    assert f"{initial_loss(labels):.3f}" in drawn.alt
    assert "signo invertido, peor que no poner sesgo" in drawn.alt


def test_los_puntos_marcados_estan_sobre_la_curva():
    labels = np.r_[np.zeros(1341), np.ones(3875)]
    axes = initial_bias_curve(labels).figure.axes[0]
    share = labels.mean()
    marked = [line.get_data() for line in axes.lines[1:]]
    assert [float(x[0]) for x, _ in marked] == pytest.approx([1.0611, 0.0, -1.0611], abs=1e-4)
    for x, y in marked:
        p = 1 / (1 + np.exp(-x[0]))
        assert y[0] == pytest.approx(-share * np.log(p) - (1 - share) * np.log(1 - p))


def test_con_clases_iguales_hay_un_solo_punto(faults):
    drawn = initial_bias_curve([0, 1, 0, 1])
    assert faults(drawn) == []
    assert "log(pos/neg) = 0.00" in drawn.alt
    assert "invertido" not in drawn.alt
    assert len(drawn.figure.axes[0].lines) == 2


def test_con_una_clase_no_hay_sesgo_inicial():
    with pytest.raises(DataError, match="sesgo inicial"):
        initial_bias_curve([1, 1])


@pytest.fixture
def layers() -> pd.DataFrame:
    rows = [
        ("escala", "Rescaling", "(150, 150, 1)", 0),
        ("conv_1", "Conv2D", "(148, 148, 32)", 320),
        ("reduce_1", "MaxPooling2D", "(74, 74, 32)", 0),
        ("apaga", "Dropout", "(74, 74, 32)", 0),
        ("vgg16/conv_2", "Conv2D", (None, 74, 74, 64), 18496),
        ("aplana", "Flatten", "(350464,)", 0),
        ("densa", "Dense", "(64,)", 22_429_760),
        ("logit", "Dense", "(1,)", 65),
    ]
    return pd.DataFrame(rows, columns=["layer", "type", "output_shape", "parameters"])


def test_el_diagrama_tiene_un_bloque_por_capa_que_transforma(layers, faults, texts):
    drawn = layers_diagram(layers)
    assert faults(drawn) == []
    shown = texts(drawn)
    assert "148 × 148 × 32  conv_1" in shown
    assert "74 × 74 × 64  conv_2" in shown
    assert {"convolución", "reducción", "aplanado", "densa"} <= set(shown)
    assert not any("Dropout" in text or "apaga" in text for text in shown)
    assert len(drawn.figure.axes[0].patches) == 6
    assert "6 bloques" in drawn.alt
    assert "22\u202f448\u202f641 parámetros" in drawn.alt
    assert "la capa con más es densa" in drawn.alt


def test_el_alto_de_los_bloques_sigue_al_tamano_de_la_imagen(layers):
    patches = layers_diagram(layers).figure.axes[0].patches
    heights = [patch.get_height() for patch in patches[:3]]
    assert heights[0] > heights[1] == heights[2]
    widths = [patch.get_width() for patch in patches[:3]]
    assert widths[0] == widths[1] < widths[2]


def test_la_tabla_del_modelo_verdadero_cabe(faults):
    """VGG16 tiene 13 convoluciones: es la tabla más larga del libro."""
    rows = []
    for block, (n, channels) in enumerate([(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)], 1):
        side = 224 >> (block - 1)
        for i in range(n):
            name = f"vgg16/block{block}_conv{i + 1}"
            rows.append((name, "Conv2D", (side, side, channels), 1))
        shape = (side // 2, side // 2, channels)
        rows.append((f"vgg16/block{block}_pool", "MaxPooling2D", shape, 0))
    rows += [("flatten", "Flatten", (25088,), 0), ("logit", "Dense", (1,), 25089)]
    drawn = layers_diagram(
        pd.DataFrame(rows, columns=["name", "type", "output_shape", "parameters"])
    )
    assert faults(drawn) == []


def test_solo_capas_densas_o_aplanado_tambien_se_dibujan(layers, faults):
    assert faults(layers_diagram(layers.iloc[6:])) == []
    assert faults(layers_diagram(layers.iloc[5:6])) == []


def test_una_tabla_sin_capas_se_rechaza(layers):
    with pytest.raises(DataError, match="output_shape"):
        layers_diagram(layers.drop(columns="output_shape"))
    with pytest.raises(DataError, match="que dibujar"):
        layers_diagram(layers.iloc[:1])
