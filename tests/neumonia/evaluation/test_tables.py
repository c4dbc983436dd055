"""Las tablas del libro: tres decimales, español y Markdown que pandoc entiende."""

import json

import numpy as np
import pandas as pd
import pypandoc
import pytest

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation import (
    Table,
    binary_metrics,
    bootstrap_by_patient,
    mean_distribution,
    measured_table,
    metric_distributions,
    metrics_table,
    metrics_with_intervals,
    percentile_interval,
    to_markdown,
)


def rendered(markdown: str) -> list[list[str]]:
    """Las filas de la tabla tal como las lee pandoc."""
    tree = json.loads(pypandoc.convert_text(markdown, "json", format="markdown"))
    assert [block["t"] for block in tree["blocks"]] == ["Table"]
    _, _, _, head, bodies, _ = tree["blocks"][0]["c"]
    rows = head[1] + [row for body in bodies for row in body[3]]

    def plain(cell: list) -> str:
        inlines = [inline for block in cell[4] for inline in block["c"]]
        return "".join(inline.get("c", " ") for inline in inlines)

    return [[plain(cell) for cell in row[1]] for row in rows]


def test_la_tabla_de_metricas_en_espanol():
    measured = binary_metrics([0, 0, 1, 1], [0.1, 0.6, 0.7, 0.9])
    table = metrics_table({"CNN": measured})
    assert list(table.columns) == [
        "exactitud",
        "sensibilidad",
        "especificidad",
        "precisión",
        "F1",
        "ROC-AUC",
        "precisión media",
    ]
    assert table.loc["CNN"].tolist() == [
        "0.750",
        "1.000",
        "0.500",
        "0.667",
        "0.800",
        "1.000",
        "1.000",
    ]
    assert table.index.name == "modelo"


def test_lo_no_definido_se_muestra_como_raya():
    table = metrics_table({"CNN": binary_metrics([0, 0], [0.1, 0.2])})
    assert table.loc["CNN", ["exactitud", "sensibilidad"]].tolist() == ["1.000", "—"]


def test_con_intervalos_cada_celda_los_lleva(toy):
    intervals = metrics_with_intervals(*toy, n=100)
    measured = binary_metrics(*toy[:2])
    cell = metrics_table({"CNN": measured}, {"CNN": intervals}).loc["CNN", "ROC-AUC"]
    low, high = intervals.loc["roc_auc", ["low", "high"]]
    assert cell == f"{measured['roc_auc']:.3f} ({low:.3f} a {high:.3f})"


def test_sin_intervalo_queda_solo_el_valor(toy):
    intervals = metrics_with_intervals(*toy, n=20)
    intervals.loc["f1", ["low", "high"]] = float("nan")
    measured = binary_metrics(*toy[:2])
    table = metrics_table({"CNN": measured}, {"CNN": intervals})
    assert table.loc["CNN", "F1"] == f"{measured['f1']:.3f}"


def test_pandoc_lee_la_misma_tabla():
    frame = pd.DataFrame(
        {"n": [12, 345], "valor": [0.12345, None], "nota": ["a|b", "dos\nlíneas"]},
        index=pd.Index(["uno", "dos"], name="fila"),
    )
    assert rendered(to_markdown(frame)) == [
        ["fila", "n", "valor", "nota"],
        ["uno", "12", "0.123", "a|b"],
        ["dos", "345", "—", "dos líneas"],
    ]


def test_los_numeros_van_a_la_derecha_y_el_texto_a_la_izquierda():
    frame = pd.DataFrame({"n": [-1, 2], "texto": ["x", "3y"], "vacío": ["—", "-0.5"]})
    assert to_markdown(frame, index=False).splitlines()[1] == "| --: | :-- | --: |"


def test_el_indice_sin_nombre_o_multiple_tambien_sale():
    plain = pd.DataFrame({"a": [1]}, index=["x"])
    assert to_markdown(plain).splitlines()[0] == "|  | a |"
    index = pd.MultiIndex.from_tuples([("CNN", "val")], names=["modelo", "parte"])
    assert to_markdown(pd.DataFrame({"n": [3]}, index=index)).splitlines() == [
        "| modelo | parte | n |",
        "| :-- | :-- | --: |",
        "| CNN | val | 3 |",
    ]


def test_la_tabla_se_muestra_como_markdown_en_un_cuaderno():
    from IPython.core.formatters import DisplayFormatter

    table = Table(pd.DataFrame({"n": [0.5]}), index=False, decimals=1)
    data, _ = DisplayFormatter().format(table)
    assert data["text/markdown"] == "| n |\n| --: |\n| 0.5 |"
    assert repr(table) == data["text/markdown"]


def test_no_se_inventan_resultados_que_faltan(toy):
    measured = binary_metrics(*toy[:2])
    with pytest.raises(DataError, match="al menos un modelo"):
        metrics_table({})
    with pytest.raises(DataError, match="f1"):
        metrics_table({"CNN": {k: v for k, v in measured.items() if k != "f1"}})
    with pytest.raises(DataError, match="VGG16"):
        metrics_table({"VGG16": measured}, {"CNN": metrics_with_intervals(*toy, n=5)})


@pytest.fixture
def sample() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1], 30)
    probabilities = np.clip(0.3 * labels + rng.uniform(0, 0.7, 60), 0, 1)
    return labels, probabilities, np.repeat(np.arange(30), 2).astype(str)


def test_cada_celda_lleva_su_valor_y_su_intervalo(sample):
    table = measured_table({"CNN": sample}, metrics=("roc_auc", "f1"))
    assert list(table.columns) == ["ROC-AUC", "F1"]
    row = metrics_with_intervals(*sample).loc["roc_auc"]
    assert table.loc["CNN", "ROC-AUC"] == (
        f"{row['value']:.3f} ({row['low']:.3f} a {row['high']:.3f})"
    )


def test_los_nombres_dobles_dan_un_indice_doble(sample):
    table = measured_table({("vivo", "CNN"): sample, ("vivo", "VGG16"): sample})
    assert table.index.nlevels == 2
    assert list(table.index) == [("vivo", "CNN"), ("vivo", "VGG16")]


def test_una_metrica_que_no_existe_se_dice(sample):
    with pytest.raises(ConfigError, match="belleza"):
        measured_table({"CNN": sample}, metrics=("belleza",))


def test_la_media_remuestreada_de_los_aciertos_es_la_exactitud_remuestreada(sample):
    labels, probabilities, patients = sample
    right = (probabilities >= 0.5) == labels
    expected = metric_distributions(*sample, ("accuracy",), n=300, seed=5)["accuracy"]
    np.testing.assert_allclose(mean_distribution(right, patients, 300, 5), expected)
    interval = percentile_interval(mean_distribution(right, patients, seed=5))
    assert interval == bootstrap_by_patient(*sample, "accuracy", seed=5)


@pytest.mark.parametrize("values", [[np.nan, 1.0], [[1.0], [2.0]]])
def test_un_valor_que_no_sirve_se_dice(values):
    with pytest.raises(DataError, match="números finitos"):
        mean_distribution(values, ["a", "b"])
