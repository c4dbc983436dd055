"""Las tablas del examen de los mapas, con filas escritas a mano."""

import numpy as np
import pandas as pd
import pytest

from neumonia.evaluation import Table
from neumonia.lab import tables


def found(value: float, half: float = 0.1) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half}


def test_cada_celda_es_la_fila_que_cumple_las_condiciones():
    rows = [
        {"method": "centre", "metric": "iou", "network": "cnn", **found(0.2)},
        {"method": "grad_cam", "metric": "iou", "network": "cnn", **found(0.5), "n_null": 1},
        {"method": "grad_cam", "metric": "iou", "network": "vgg16", **found(0.7), "n_null": 145},
        {"method": "moved", "metric": "iou", "network": "cnn", **found(np.nan)},
    ]
    both = tables.together({"a": pd.DataFrame(rows), "b": pd.DataFrame(rows[:1])})
    columns = {"CNN": {"network": "cnn", "data": "a"}, "VGG16": {"network": "vgg16"}}
    table = tables.cross(both, columns, "mapa", {"moved": "al azar"})
    assert table.index.name == "mapa" and list(table.index) == ["Grad-CAM", "centro", "al azar"]
    assert table.loc["Grad-CAM"].tolist() == ["0.500 (0.400 a 0.600)", "0.700 (0.600 a 0.800)"]
    assert table.loc["centro", "VGG16"] == "no se midió" and table.loc["al azar", "CNN"] == "—"
    nulls = tables.cross(pd.DataFrame(rows[1:3]), {"x": {"network": "cnn"}}, cell=tables.with_nulls)
    assert nulls.loc["Grad-CAM", "x"] == "0.500 (0.400 a 0.600); 1 mapa nulo"
    assert tables.with_nulls(rows[2]).endswith("; 145 mapas nulos")


def test_las_redes_dicen_su_cabeza_su_rejilla_y_sus_aciertos():
    rows = [
        {"metric": "roc_auc", **found(0.9, 0.05)},
        {"metric": "correct", "value": 8, "n": 12345},
        {"metric": "side", "value": 30, "layer": "conv1"},
        {"metric": "side", "value": 15, "layer": "conv2"},
    ]
    table = pd.DataFrame(rows)
    both = pd.concat([table.assign(network=name) for name in ("cnn", "vgg16")])
    shown = tables.networks_table(both)
    assert list(shown.index) == ["CNN", "VGG16"]
    assert shown.loc["CNN"].tolist() == [
        "aplana y capa densa",
        "15 × 15",
        "0.900 (0.850 a 0.950)",
        "8 de 12\u202f345",
    ]


def test_gana_al_azar_quien_baja_al_borrar_y_sube_al_insertar_por_lo_que_se_imprime():
    rows = pd.DataFrame(
        {"method": method, "metric": f"{metric}_difference", "low": low, "high": high}
        for method, metric, low, high in (
            ("gradient", "deletion", -0.3, -0.1),
            ("centre", "deletion", -0.3, -4e-4),
            ("occlusion", "deletion", 0.1, 0.2),
            ("gradient", "insertion", 4e-4, 0.1),
            ("centre", "insertion", 6e-4, 0.1),
        )
    )
    assert tables.beats_chance(rows, "deletion") == ["gradiente"]
    assert tables.beats_chance(rows, "insertion") == ["centro"]


@pytest.fixture
def sane() -> pd.DataFrame:
    """«gradient» conserva el mapa con todo borrado; «occlusion» no, y con etiquetas no se midió."""
    rows = [
        ("gradient", "pesos", 1, "ssim", 0.2),
        ("gradient", "pesos", 2, "ssim", 0.9),
        ("gradient", "pesos", 2, "spearman_abs", 0.8),
        ("occlusion", "pesos", 1, "ssim", 0.9),
        ("occlusion", "pesos", 2, "ssim", 0.55),
        ("gradient", "etiquetas", 1, "ssim", 0.3),
        ("gradient", "otra radiografía", np.nan, "ssim", 0.95),
        ("", "etiquetas", np.nan, "train_accuracy", 0.95),
    ]
    return pd.DataFrame(
        {"network": "cnn", "method": m, "test": t, "step": s, "metric": n, **found(v)}
        for m, t, s, n, v in rows
    )


def test_quien_no_cambia_suspende_con_su_medida_y_se_juzga_el_ultimo_paso(sane):
    table = tables.sanity_table({"maqueta": sane})
    assert table.index.tolist() == [("CNN", "gradiente"), ("CNN", "oclusión")]
    assert table.loc[("CNN", "gradiente"), "pesos, maqueta"] == (
        "**no pasa**: SSIM 0.900 (0.800 a 1.000); correlación de rangos 0.800 (0.700 a 0.900)"
    )
    assert list(table["etiquetas, maqueta"]) == ["pasa", "no se midió"]
    assert table.loc[("CNN", "oclusión"), "pesos, maqueta"] == "pasa"
    assert "| CNN | gradiente |" in Table(table)._repr_markdown_()
    parts = {"maqueta": sane, "reales": sane[sane["method"] != "gradient"]}
    assert tables.failures(parts, "pesos") == ["gradiente de CNN (maqueta)"]
    assert tables.failures(parts, "etiquetas") == []


def test_los_pares_dicen_si_corren_cuanto_se_parecen_y_cuanto_tardan():
    blank = dict.fromkeys(
        ("correlation", "correlation_low", "ratio_to_ours", "ratio_low", "ratio_high")
    )
    who = {"network": "vgg16_anidada", "method": "grad_cam", "reused": False, "runs": True}
    measured = {"correlation": 0.99, "correlation_low": 0.9}
    ratio = {"ratio_to_ours": 3.04, "ratio_low": 2.0, "ratio_high": 4.0}
    rows = [
        {**who, **blank, "peer": "keras.io", "reused": True, "runs": False},
        {**who, **blank, "peer": "neumonia"},
        {**who, **measured, **ratio, "peer": "xplique"},
        {**who, **blank, "peer": "otra"},
        {**who, **blank, "peer": "otra", "method": "gradient"},
    ]
    table = tables.peers_table(rows, "grad_cam")
    assert list(table.index) == ["keras.io, reutilizada", "xplique", "otra"]
    assert list(table["correlación"]) == ["no corre", "0.990 (desde 0.900)", "—"]
    assert list(table["tiempo"]) == ["—", "3.0 (2.0 a 4.0)", "—"]
    assert set(table["red"]) == {"VGG16 anidada"}
