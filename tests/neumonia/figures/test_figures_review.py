"""Las figuras de la revisión dibujan lo que reciben y lo dicen en su texto alternativo."""

import json
from pathlib import Path

import numpy as np
import pytest

from neumonia.errors import DataError
from neumonia.figures import (
    protocol_means,
    published_comparison,
    robust_networks,
)
from neumonia.review.references import OFFICIAL

METRICS = ("specificity", "sensitivity", "accuracy", "roc_auc")
FOLDER = Path(__file__).resolve().parents[3] / "estudio" / "kermany" / "revision"


def protocols(values: dict[str, float]) -> dict:
    return {
        name: {
            "mean": {"roc_auc": [value, value - 0.02, value + 0.01]},
            "seeds": [{"roc_auc": value - 0.005}, {"roc_auc": value + 0.005}],
        }
        for name, value in values.items()
    }


def drawn_points(axes) -> list[tuple[float, float]]:
    """Los puntos sueltos: marcas de una sola posición."""
    found = []
    for line in axes.get_lines():
        x, y = line.get_data()
        if len(x) == 1 and line.get_marker() not in ("", "None"):
            found.append((round(float(x[0]), 6), float(y[0])))
    return found


def test_los_protocolos_se_dibujan_por_fila_con_cada_semilla():
    models = {"CNN": protocols({"archivo": 0.97, "oficial": 0.94})}
    illustration = protocol_means(models)
    axes = illustration.figure.axes[0]
    assert drawn_points(axes) == [(0.97, 0.0), (0.94, 1.0)]
    seeds = [line for line in axes.get_lines() if line.get_marker() == "|"]
    assert [list(np.round(line.get_xdata(), 3)) for line in seeds] == [
        [0.965, 0.975],
        [0.935, 0.945],
    ]
    assert "archivo, CNN: 0.970 (0.950 a 0.980)" in illustration.alt


def test_las_candidatas_van_en_el_orden_dado_y_la_elegida_en_negrita():
    exam = {"una": (0.8, 0.7, 0.9), "otra": (0.7, 0.6, 0.8)}
    test = {"una": (0.5, None, None), "otra": (0.6, 0.5, 0.7)}
    illustration = robust_networks({"examen": exam, "prueba": test}, "una")
    first, second = illustration.figure.axes
    assert drawn_points(first) == [(0.8, 0.0), (0.7, 1.0)]
    assert drawn_points(second) == [(0.5, 0.0), (0.6, 1.0)]
    labels = first.get_yticklabels()
    assert [label.get_text() for label in labels] == ["una", "otra"]
    assert [label.get_fontweight() for label in labels] == ["bold", "normal"]
    assert "prueba: la mayor es otra, 0.600 (0.500 a 0.700)" in illustration.alt


def test_la_comparacion_tiene_un_panel_por_metrica_y_deja_en_blanco_lo_no_publicado():
    ours = {"ours": {name: [0.9, 0.88, 0.92] for name in ("specificity", "roc_auc")}}
    illustration = published_comparison(ours, OFFICIAL, ("specificity", "roc_auc"))
    specificity, auc = illustration.figure.axes
    assert len(drawn_points(specificity)) == 1 + sum("specificity" in row for row in OFFICIAL)
    assert len(drawn_points(auc)) == 1 + len(OFFICIAL)
    assert "0.991" in illustration.alt


@pytest.mark.parametrize(
    "draw",
    [
        lambda: protocol_means({}),
        lambda: robust_networks({}, "una"),
        lambda: robust_networks({"examen": {"una": (0.5, 0.4, 0.6)}}, "otra"),
        lambda: protocol_means({"CNN": protocols({"archivo": 0.9})}, "belleza"),
        lambda: published_comparison({}, OFFICIAL),
        lambda: published_comparison({"ours": {"roc_auc": [0.9, 0.8, 1.0]}}, OFFICIAL),
    ],
)
def test_lo_que_falta_se_dice(draw):
    with pytest.raises(DataError, match=r"Necesitamos|elegido|necesitamos"):
        draw()


def published(name: str) -> dict:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "draw",
    [
        lambda: protocol_means(
            {name.upper(): found for name, found in published("protocolos")["models"].items()}
        ),
        lambda: robust_networks(
            {
                title: {f"CNN con un nombre largo, {row} px": (0.9, 0.8, 0.95) for row in range(15)}
                for title in ("peor caso en validación", "ROC-AUC en prueba", "exactitud en prueba")
            },
            "CNN con un nombre largo, 3 px",
        ),
        lambda: published_comparison(
            {"elegida": dict.fromkeys(METRICS, (0.9, 0.85, 0.95))}, OFFICIAL
        ),
    ],
    ids=["protocolos", "examen", "comparación"],
)
def test_con_lo_publicado_ningun_texto_se_corta_ni_se_encima(draw, faults):
    assert not faults(draw())
