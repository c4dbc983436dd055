"""Lo publicado en estudio/laboratorio: completo, coherente consigo mismo y con su procedencia."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neumonia.lab.localisation import best_pair
from neumonia.lab.registry import EXPERIMENTS
from neumonia.lab.sanity import CUT, verdicts
from neumonia.study.experiment import COLUMNS, published_tables
from neumonia.text import one

ROOT = Path(__file__).resolve().parents[1]
DATASETS = ("maqueta", "kermany")
PUBLISHED = [(data, one.name) for one in EXPERIMENTS for data in one.datasets]


@pytest.fixture(scope="module", params=DATASETS)
def published(request):
    return published_tables(request.param, ROOT)


@pytest.mark.parametrize(("data", "name"), PUBLISHED)
def test_cada_experimento_esta_publicado_y_firmado(data, name):
    found = published_tables(data, ROOT)
    table = found.table(name)
    assert tuple(table.columns[: len(COLUMNS)]) == COLUMNS and set(table["experiment"]) == {name}
    assert len(table) and not table.duplicated().any() and (table["metric"] != "").all()
    signed = found.provenance[name]
    assert signed["data"]["name"] == data
    assert set(signed["packages"]) >= {"keras", "tensorflow", "numpy"}
    assert signed["code"]["commit"] and signed["machine"]["cores"] >= 1
    text = json.dumps(signed) + (found.folder / f"{name}.csv").read_text(encoding="utf-8")
    assert "/tmp" not in text and "/root" not in text and "://" not in text.replace("https://", "")


@pytest.mark.parametrize(("data", "name"), [item for item in PUBLISHED if item[1] != "figuras"])
def test_todo_valor_esta_dentro_de_su_intervalo(data, name):
    table = published_tables(data, ROOT).table(name).dropna(subset=["low", "high"])
    # Una media puede salir del intervalo por la última cifra que se guarda.
    low, high = table["low"] - 5e-6, table["high"] + 5e-6
    inside = (low <= table["value"]) & (table["value"] <= high)
    assert inside.all(), table[~inside].head()
    assert len(table) > 15


def test_la_capa_y_el_metodo_se_eligieron_en_la_validacion():
    table = published_tables("maqueta", ROOT).table("localizacion")
    pointing = table[table["metric"] == "pointing_game"]
    for network in ("cnn", "cnn_promedio", "vgg16"):
        best = best_pair(table, network)
        val = pointing[(pointing["network"] == network) & (pointing["split"] == "val")]
        same = one(val, layer=best["layer"], method=best["method"])
        assert best["split"] == "test" and same["value"] == val["value"].max()


def test_el_mejor_mapa_de_la_cnn_apunta_y_su_grad_cam_no():
    """El hallazgo que cuenta el capítulo; si cambiara, el capítulo también debería."""
    table = published_tables("maqueta", ROOT).table("localizacion")
    test = table[(table["split"] == "test") & (table["metric"] == "pointing_game")]
    flat, pooled = (
        one(test, network=name, method="grad_cam", layer="conv4")
        for name in ("cnn", "cnn_promedio")
    )
    assert flat["high"] < 0.05 < pooled["low"]
    best = best_pair(table, "cnn")["value"]
    assert best >= 0.9
    assert best > one(test, network="cnn", method="mean_mask")["value"]


def test_los_veredictos_de_cordura_salen_de_sus_tablas(published):
    table = published.table("cordura")
    for found in verdicts(table).itertuples():
        mine = table[(table["network"] == found.network) & (table["method"] == found.method)]
        mine = mine[(mine["test"] == found.test) & mine["step"].notna()]
        last = mine[mine["step"] == mine["step"].max()]
        kept = [row.metric for row in last.itertuples() if row.low > CUT]
        assert list(found.kept["metric"]) == kept
    learned = table[table["metric"] == "train_accuracy"].set_index("network")
    # Con menos que adivinar la clase más frecuente no habría aprendido nada de nada.
    assert (learned["n"] >= 100).all() and learned["value"].between(0.5, 1.0).all()
    if "vgg16" in learned.index:
        assert learned["value"]["vgg16"] > 0.9


def test_las_curvas_y_las_areas_de_fidelidad_coinciden(published):
    table = published.table("fidelidad")
    lines = dict(list(table.groupby(["network", "replacement", "method", "metric"])))
    areas = table[table["metric"].isin(["deletion", "insertion"])]
    assert len(areas) >= 30
    for row in areas.itertuples():
        line = lines[row.network, row.replacement, row.method, f"{row.metric}_curve"]
        area = np.trapezoid(line["value"], line["fraction"])
        assert row.value == pytest.approx(area, abs=1e-4)
        chance = lines[row.network, row.replacement, "random_order", row.metric]["value"].item()
        gap = lines[row.network, row.replacement, row.method, f"{row.metric}_difference"]
        assert gap["value"].item() == pytest.approx(row.value - chance, abs=1e-5)


def test_cada_figura_se_lee_y_lleva_su_texto(published):
    images = sorted((published.folder / "figures").glob("*.png"))
    drawn = set(published.table("figuras")["figure"]) | {"atajo-cnn"}
    assert images and {path.stem for path in images} <= drawn
    for path in images:
        with Image.open(published.figure(path.stem)) as image:
            image.load()
            assert min(image.size) > 300 and len(image.text["Description"]) > 40
