"""Lo publicado en estudio/confianza: completo, coherente consigo mismo y con su procedencia."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from neumonia.evidence.published import published_evidence
from neumonia.evidence.runner import PARTS
from neumonia.trust.sanity import CUT

ROOT = Path(__file__).resolve().parents[1]
DATASETS = ("maqueta", "kermany")
PUBLISHED = [(data, name) for name, part in PARTS.items() for data in part.datasets]


@pytest.fixture(scope="module", params=DATASETS)
def evidence(request):
    return published_evidence(request.param, ROOT)


@pytest.mark.parametrize(("data", "name"), PUBLISHED)
def test_cada_parte_esta_publicada_y_firmada(data, name):
    found = published_evidence(data, ROOT)
    assert found.has(name)
    signed = found.provenance[name]
    assert signed["data"]["name"] == data
    assert set(signed["packages"]) >= {"keras", "tensorflow", "numpy"}
    assert signed["code"]["commit"] and signed["machine"]["cores"] >= 1
    text = json.dumps(signed) + (found.folder / f"{name}.json").read_text(encoding="utf-8")
    assert "/tmp" not in text and "/root" not in text and "://" not in text.replace("https://", "")


def test_todo_valor_esta_dentro_de_su_intervalo(evidence):
    measured = 0
    for path in sorted(evidence.folder.glob("*.json")):
        for key, rows in json.loads(path.read_text(encoding="utf-8")).items():
            if not (isinstance(rows, list) and rows and isinstance(rows[0], dict)):
                continue
            table = pd.DataFrame(rows)
            if {"value", "low", "high"} <= set(table):
                table = table.dropna(subset=["low", "high"])
                # Una media puede salir del intervalo por la última cifra que se guarda.
                inside = (table["low"] - 2e-6 <= table["value"]) & (
                    table["value"] <= table["high"] + 2e-6
                )
                assert inside.all(), (path.name, key, table[~inside].head())
                measured += len(table)
    assert measured > 100


def test_la_capa_y_el_metodo_se_eligieron_en_la_validacion():
    part = published_evidence("maqueta", ROOT).part("localizacion")
    rows = pd.DataFrame(part["rows"])
    pointing = rows[(rows["metric"] == "pointing_game") & (rows["group"] == "todas")]
    for network, best in part["best"].items():
        mine = pointing[pointing["network"] == network]
        val = mine[mine["part"] == "val"]
        assert best["val"][0] == pytest.approx(val["value"].max(), abs=1e-6)
        test = mine[
            (mine["part"] == "test")
            & (mine["layer"] == best["layer"])
            & (mine["method"] == best["method"])
        ]
        assert best["test"] == pytest.approx(test[["value", "low", "high"]].to_numpy()[0], abs=1e-6)


def test_el_mejor_mapa_de_la_cnn_apunta_y_su_grad_cam_no():
    """El hallazgo que cuenta el capítulo; si cambiara, el capítulo también debería."""
    part = published_evidence("maqueta", ROOT).part("localizacion")
    rows, blind = pd.DataFrame(part["rows"]), pd.DataFrame(part["references"])

    def pointing(table, method, network):
        mine = table[
            (table["metric"] == "pointing_game")
            & (table["group"] == "todas")
            & (table["part"] == "test")
            & (table["method"] == method)
            & (table["network"] == network)
        ]
        return mine.iloc[-1] if "layer" not in mine else mine[mine["layer"] == "conv4"].iloc[0]

    flat, pooled = (pointing(rows, "grad_cam", name) for name in ("cnn", "cnn_promedio"))
    assert flat["high"] < 0.05 < pooled["low"]
    assert part["best"]["cnn"]["test"][0] >= 0.9
    assert part["best"]["cnn"]["test"][0] > pointing(blind, "mean_mask", "cnn")["value"]


def test_los_veredictos_de_cordura_salen_de_sus_tablas(evidence):
    part = evidence.part("cordura")
    tables = {"pesos": pd.DataFrame(part["cascade"]), "etiquetas": pd.DataFrame(part["labels"])}
    for found in part["verdicts"]:
        table = tables[found["test"]]
        mine = table[(table["network"] == found["network"]) & (table["method"] == found["method"])]
        last = mine[mine["step"] == mine["step"].max()].set_index("metric")["low"]
        assert found["kept"] == [name for name in last.index if last[name] > CUT]
        assert found["changes"] is (not found["kept"])
    for learned in part["permuted"].values():
        # Con menos que adivinar la clase más frecuente no habría aprendido nada de nada.
        assert learned["n_train"] >= 100 and 0.5 < learned["train_accuracy"] <= 1.0
    if "vgg16" in part["permuted"]:
        assert part["permuted"]["vgg16"]["train_accuracy"] > 0.9


def test_las_curvas_y_las_areas_de_fidelidad_coinciden(evidence):
    rows, curves = evidence.table("fidelidad"), evidence.table("fidelidad", "curves")
    keys = ["network", "replacement", "method"]
    lines = dict(list(curves.groupby([*keys, "kind"])))
    for row in rows.itertuples():
        line = lines[row.network, row.replacement, row.method, row.metric]
        area = np.trapezoid(line["mean"], line["fraction"])
        assert row.value == pytest.approx(area, abs=1e-4)


def test_cada_figura_tiene_su_texto_alternativo_y_se_lee(evidence):
    folder = evidence.folder / "figures"
    alts = {}
    for path in folder.glob("*.json"):
        alts |= json.loads(path.read_text(encoding="utf-8"))
    images = {path.stem for path in folder.glob("*.png")}
    assert images and images == set(alts)
    for name in images:
        assert len(alts[name]) > 40
        with Image.open(folder / f"{name}.png") as image:
            image.load()
            assert min(image.size) > 300
