"""Las figuras de la revisión dibujan lo que reciben y lo dicen en su texto alternativo."""

import json
from pathlib import Path

import numpy as np
import pytest

from neumonia.errors import DataError
from neumonia.figures import (
    protocol_means,
    published_comparison,
    simulated_decisions,
    trial_scores,
)
from neumonia.review.references import OFFICIAL

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


def test_los_ensayos_van_ordenados_y_el_elegido_en_negrita():
    trials = {
        key: {
            "title": title,
            "val": {"roc_auc": [0.99, 0.98, 1.0]},
            "contrary": {"roc_auc": [value, value - 0.05, value + 0.05]},
        }
        for key, title, value in (("a", "uno", 0.8), ("b", "dos", 0.7), ("c", "tres", 0.9))
    }
    illustration = trial_scores(trials, "c")
    labels = illustration.figure.axes[0].get_yticklabels()
    assert [label.get_text() for label in labels] == ["dos", "uno", "tres"]
    assert [label.get_fontweight() for label in labels] == ["normal", "normal", "bold"]
    assert illustration.alt.index("tres: 0.990") < illustration.alt.index("dos: 0.990")


def test_la_comparacion_tiene_un_panel_por_metrica_y_deja_en_blanco_lo_no_publicado():
    ours = {"ours": {name: [0.9, 0.88, 0.92] for name in ("specificity", "roc_auc")}}
    illustration = published_comparison(ours, OFFICIAL, ("specificity", "roc_auc"))
    specificity, auc = illustration.figure.axes
    assert len(drawn_points(specificity)) == 1 + sum("specificity" in row for row in OFFICIAL)
    assert len(drawn_points(auc)) == 1 + len(OFFICIAL)
    assert "0.991" in illustration.alt


def test_las_adquisiciones_imitadas_van_en_su_fila_y_el_texto_dice_la_peor():
    values = {"original": (0.9, 0.8), "borrosa": (0.2, 0.95), "clara": (0.6, 0.7)}
    found = {
        name: {"specificity": [one, one - 0.1, one + 0.05], "sensitivity": [other, None, None]}
        for name, (one, other) in values.items()
    }
    illustration = simulated_decisions({"una": found})
    specificity, sensitivity = illustration.figure.axes
    assert drawn_points(specificity) == [(0.9, 0.0), (0.2, 1.0), (0.6, 2.0)]
    assert drawn_points(sensitivity) == [(0.8, 0.0), (0.95, 1.0), (0.7, 2.0)]
    ends = [
        list(line.get_xdata()) for line in specificity.get_lines() if line.get_linewidth() == 1.6
    ]
    assert ends == [pytest.approx([one - 0.1, one + 0.05]) for one, _ in values.values()]
    assert [label.get_text() for label in specificity.get_yticklabels()] == list(found)
    assert "especificidad: 0.900 en la original y 0.200 en la peor, borrosa" in illustration.alt
    assert "0.700 en la peor, clara" in illustration.alt
    with pytest.raises(DataError, match="mismos cambios"):
        simulated_decisions({"una": found, "otra": {"original": found["original"]}})


@pytest.mark.parametrize(
    "draw",
    [
        lambda: protocol_means({}),
        lambda: simulated_decisions({}),
        lambda: protocol_means({"CNN": protocols({"archivo": 0.9})}, "belleza"),
        lambda: trial_scores({}, "c"),
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
        lambda: trial_scores(published("ensayos")["trials"], published("ensayos")["chosen"]),
        lambda: published_comparison({"elegido": published("elegido")["test"]}, OFFICIAL),
    ],
    ids=["protocolos", "ensayos", "comparación"],
)
def test_con_lo_publicado_ningun_texto_se_corta_ni_se_encima(draw, faults):
    assert not faults(draw())
