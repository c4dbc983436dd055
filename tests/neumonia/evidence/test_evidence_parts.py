"""Cada parte publica lo que miden las funciones de ``trust``, sin elegir con la prueba."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from neumonia.datasets.phantoms import phantom_masks
from neumonia.evaluation import binary_metrics
from neumonia.evidence import localisation, outside, sanity, shortcut
from neumonia.evidence.fidelity import predictor, run_fidelity
from neumonia.evidence.localisation import run_localisation
from neumonia.evidence.outside import run_outside
from neumonia.evidence.permuted import Permuted
from neumonia.evidence.sanity import run_sanity
from neumonia.evidence.shortcut import run_shortcut
from neumonia.evidence.stability import run_stability
from neumonia.gradcam import METHODS, grad_cam
from neumonia.training import predict_logits, sigmoid
from neumonia.trust import (
    energy_inside,
    find_letters,
    iou_at_area,
    opacity_groups,
    outside_shares,
    pointing_game,
    shortcut_films,
)
from neumonia.trust.shortcut_repair import VARIANTS
from tests.neumonia.evidence.conftest import TINY, tiny_model


def only(table: pd.DataFrame, **values) -> pd.DataFrame:
    for column, value in values.items():
        table = table[table[column] == value]
    return table


@pytest.fixture(scope="module")
def located(exam):
    return run_localisation(exam)


def test_cada_celda_de_la_localizacion_es_la_media_de_su_medida(located, exam, network, study):
    rows = pd.DataFrame(located["rows"])
    test = exam.correct_positives(network)
    masks = phantom_masks(study.dataset, test, 32)
    measures = {"pointing_game": pointing_game, "energy_inside": energy_inside, "iou": iou_at_area}
    for layer, method in (("conv1", "hires_cam"), ("conv2", "grad_cam"), ("entrada", "occlusion")):
        where = layer if layer != "entrada" else None
        maps = grad_cam(network.model, exam.images(test), layer=where, method=method)
        for metric, measure in measures.items():
            cell = only(rows, part="test", layer=layer, method=method, metric=metric)
            whole = only(cell, group="todas")
            assert len(whole) == 1
            assert whole["value"].item() == pytest.approx(measure(maps, masks).mean(), abs=1e-6)
            assert whole["n_films"].item() == len(test)
            sizes = opacity_groups(masks)["size"].to_numpy()
            for group in set(sizes):
                got = only(cell, grouping="size", group=group)["value"].item()
                assert got == pytest.approx(measure(maps, masks)[sizes == group].mean(), abs=1e-6)


def test_la_localizacion_cuenta_su_red_y_sus_referencias(located, exam, network, study):
    described = located["networks"]["cnn"]
    test = study.rows("test")
    truth, scores = study.labels[test], sigmoid(network.logits[test])
    assert described["auc"][0] == pytest.approx(binary_metrics(truth, scores)["roc_auc"])
    assert described["n_positives"] == truth.sum() == described["n_correct"] + 1
    assert described["grid"] == {"conv1": [30, 30], "conv2": [13, 13]}
    references = only(pd.DataFrame(located["references"]), group="todas", metric="energy_inside")
    assert set(references["method"]) == {"uniform", "centre", "random", "mean_mask", "perfect"}
    masks = phantom_masks(study.dataset, exam.correct_positives(network), 32)
    uniform = only(references, method="uniform")["value"].item()
    assert uniform == pytest.approx(masks.mean(axis=(1, 2)).mean(), abs=1e-6)


def test_los_grupos_solo_se_miden_en_la_prueba(located):
    rows = pd.DataFrame(located["rows"])
    assert set(only(rows, part="val")["group"]) == {"todas"}
    assert set(only(rows, part="test")["grouping"]) == {"size", "third"}


def test_se_elige_en_la_validacion_y_la_prueba_solo_lo_mide():
    cells = [
        # En la prueba gana conv1, pero en la validación ganó conv2; la oclusión vio menos.
        ("val", "conv1", "grad_cam", 0.5, 40),
        ("val", "conv2", "grad_cam", 0.6, 40),
        ("val", "entrada", "occlusion", 0.9, 8),
        ("test", "conv1", "grad_cam", 0.8, 40),
        ("test", "conv2", "grad_cam", 0.3, 40),
    ]
    table = pd.DataFrame(cells, columns=["part", "layer", "method", "value", "n_films"]).assign(
        metric="pointing_game", group="todas", low=0.1, high=0.9
    )
    best = localisation._best(table)
    assert (best["layer"], best["method"]) == ("conv2", "grad_cam")
    assert best["val"] == [0.6, 0.1, 0.9] and best["test"] == [0.3, 0.1, 0.9]


def test_una_red_lenta_prueba_lo_caro_en_pocas_radiografias(exam, network):
    slow = replace(exam, networks=(replace(network, slow=True, layers=("conv2",)),))
    rows = pd.DataFrame(run_localisation(slow)["rows"])
    rows = only(rows, group="todas", metric="iou")
    assert set(only(rows, part="val")["method"]) == set(METHODS) - {"score_cam", "occlusion"}
    test = only(rows, part="test").set_index("method")["n_films"]
    assert test["score_cam"] == test["occlusion"] == TINY.few
    assert test["grad_cam"] == len(exam.correct_positives(network)) > TINY.few


def test_las_curvas_y_las_areas_de_fidelidad_son_las_mismas(exam, network):
    found = run_fidelity(exam)
    rows, curves = pd.DataFrame(found["rows"]), pd.DataFrame(found["curves"])
    assert set(rows["method"]) == {*METHODS, "centre", "random_order"}
    assert set(rows["n_films"]) == {TINY.films}
    for row in rows.itertuples():
        line = only(curves, method=row.method, kind=row.metric, replacement=row.replacement)
        assert len(line) == TINY.steps + 1
        assert row.value == pytest.approx(np.trapezoid(line["mean"], line["fraction"]), abs=1e-5)
    chance = only(rows, method="random_order")
    assert (chance["difference"] == 0).all()
    # Los dos sustitutos no borran lo mismo: con toda la radiografía borrada la red ve otra cosa.
    ends = only(curves, kind="deletion", method="random_order", fraction=1.0)
    assert set(ends["replacement"]) == {"blur", "mean"} and ends["mean"].nunique() == 2


def test_la_red_compilada_da_los_logits_de_siempre(network, study):
    films = np.asarray(study.images[:5])
    assert predictor(network)(films) == pytest.approx(
        predict_logits(network.model, films), abs=1e-4
    )


@pytest.fixture(scope="module")
def sane(exam, network):
    """Gemelas de mentira: la de referencia es la propia red, y la permutada, otra."""
    twins = Permuted(network.model, tiny_model(7), n_train=9, train_accuracy=0.95)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sanity, "open_permuted", lambda study, key: twins)
        return run_sanity(exam)


def test_la_cordura_recorre_todas_las_capas_con_todos_los_metodos(sane, network):
    cascade = pd.DataFrame(sane["cascade"])
    assert set(cascade["method"]) == set(METHODS)
    mine = only(cascade, method="grad_cam", metric="ssim").sort_values("step")
    assert mine["layer"].tolist() == ["logit", "conv2", "conv1"]
    assert set(mine["draws"]) == {TINY.draws} and set(mine["n_films"]) <= {TINY.films}
    costly = only(cascade, method="occlusion")
    assert set(costly["draws"]) == {TINY.few_draws} and costly["n_films"].max() <= TINY.few


def test_el_veredicto_es_el_de_su_tabla(sane):
    last = pd.DataFrame(sane["cascade"])
    last = last[last["step"] == last.groupby("method")["step"].transform("max")]
    for found in sane["verdicts"]:
        table = last if found["test"] == "pesos" else pd.DataFrame(sane["labels"])
        low = only(table, method=found["method"]).set_index("metric")["low"]
        assert found["kept"] == [metric for metric in low.index if low[metric] > 0.5]
        assert found["changes"] == (not found["kept"])
    assert len(sane["verdicts"]) == 2 * len(METHODS)
    assert sane["permuted"] == {"cnn": {"n_train": 9, "train_accuracy": 0.95}}


def test_a_una_red_lenta_no_se_le_piden_los_metodos_caros(exam, network, monkeypatch):
    slow = replace(network, key="cnn_promedio", slow=True)
    found = run_sanity(replace(exam, networks=(slow,)))
    assert {row["method"] for row in found["verdicts"]} == set(METHODS) - {"score_cam", "occlusion"}
    # Esta red no tiene gemelas.
    assert found["permuted"] == {} and found["labels"] == []


def test_la_estabilidad_mide_ruido_desplazamiento_y_semillas(exam, study):
    def open_seed(key, seed):
        model = tiny_model(seed)
        return SimpleNamespace(
            models=("cnn",),
            rows=study.rows,
            dataset=study.dataset,
            images=study.images,
            labels=study.labels,
            config=study.config,
            model=lambda name: model,
            logits=lambda name: predict_logits(model, study.images),
        )

    with_vgg16 = SimpleNamespace(**{"models": ("cnn",), "rows": study.rows})
    found = run_stability(
        replace(exam, study=_with(study, with_vgg16)), open_seed=open_seed, seeds=(3, 4)
    )
    rows = pd.DataFrame(found["rows"])
    changes = ["ruido 2", "ruido 5", "ruido 10", "1 píxel", "otra semilla"]
    assert set(rows["change"]) == set(changes)
    assert set(rows["metric"]) == {"ssim", "spearman", "overlap"}
    # Una fila por cambio, medida y método: la del desplazamiento es la peor de las dos.
    assert not rows.duplicated(["network", "method", "change", "metric"]).any()
    assert rows.notna().all(axis=None)
    seeds = found["seeds"]["cnn"]
    assert seeds["size"] == 32 and len(seeds["auc"]) == 2
    model = tiny_model(4)
    test = study.rows("test")
    scores = sigmoid(predict_logits(model, study.images)[test])
    expected = binary_metrics(study.labels[test], scores)["roc_auc"]
    assert seeds["auc"][1][0] == pytest.approx(expected, abs=1e-5)


def _with(study, changes):
    """El estudio con otras redes disponibles: aquí, sin VGG16."""
    view = SimpleNamespace(**vars(changes))
    for name in ("config", "labels", "dataset", "images"):
        setattr(view, name, getattr(study, name))
    return view


def test_sin_semillas_no_se_comparan_redes(exam):
    assert run_stability(replace(exam, networks=()))["seeds"] == {}


def test_el_calor_de_fuera_es_el_de_toda_la_prueba_y_los_peores_van_primero(
    exam, network, study, monkeypatch
):
    monkeypatch.setattr(outside, "_TOGETHER", 5)
    monkeypatch.setattr(outside, "N_WORST", 2)
    found = run_outside(exam)
    rows = pd.DataFrame(found["rows"])
    test = study.rows("test")
    films = exam.images(test)
    shares = outside_shares(grad_cam(network.model, films), films)
    for label, name in enumerate(("NORMAL", "PNEUMONIA")):
        mine = study.labels[test] == label
        got = only(rows, method="grad_cam", label=name, region="outside")["value"].item()
        assert got == pytest.approx(np.nanmean(shares["outside"][mine]), abs=1e-6)
        worst = [row for row in found["worst"] if row["label"] == label]
        ranked = np.sort(shares["outside"][mine].dropna())[::-1][: len(worst)]
        assert [row["outside"] for row in worst] == pytest.approx(ranked, abs=1e-6)
        for row in worst:
            assert study.dataset.manifest["image_id"].iloc[row["row"]] == row["image_id"]
            assert row["probability"] == pytest.approx(
                float(sigmoid(network.logits[row["row"]])), abs=1e-6
            )
    assert set(rows["method"]) == {"grad_cam", "hires_cam", "grad_cam++", "gradient"}


def test_una_red_lenta_se_mira_fuera_con_dos_metodos(exam, network):
    slow = replace(exam, networks=(replace(network, slow=True),))
    rows = run_outside(slow)["rows"]
    assert {row["method"] for row in rows} == {"grad_cam", "hires_cam"}


def test_el_atajo_se_planta_con_las_dos_cabezas(exam, monkeypatch):
    films = shortcut_films(120, 36, 0, 0.2)
    monkeypatch.setattr(shortcut, "shortcut_films", lambda seed: films)
    trained = []

    def trainer(name):
        def train(train, val, seed):
            trained.append(name)
            return tiny_model(size=train[0].shape[1])

        return train

    monkeypatch.setattr(shortcut, "TRAINERS", {name: trainer(name) for name in shortcut.LAYERS})
    monkeypatch.setattr(shortcut, "LAYERS", dict.fromkeys(shortcut.LAYERS, "conv2"))
    monkeypatch.setattr(shortcut, "METHODS", ("grad_cam", "gradient"))
    found, results = run_shortcut(exam)
    rows = pd.DataFrame(found["rows"])
    assert set(rows["network"]) == set(results) == {"cnn", "cnn_promedio"}
    assert set(only(rows, metric="heat")["method"]) == {"grad_cam", "gradient"}
    assert found["n_films"] == 120 and 0 < found["chance"] < 0.1
    assert trained == ["cnn"] * len(VARIANTS) + ["cnn_promedio"] * len(VARIANTS)


def test_la_cabeza_que_promedia_se_entrena_de_verdad():
    films, manifest, split = shortcut_films(120, 32, 0, 0.2)
    labels = manifest["label"].to_numpy()
    rows = np.flatnonzero(split == "train")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shortcut, "EPOCHS", 1)
        model = shortcut.train_pooled((films, labels, rows), (films, labels, rows), 0)
    assert model.name == "cnn_pooled" and "rotation" not in [layer.name for layer in model.layers]


def test_las_letras_se_buscan_en_la_radiografia_y_no_en_el_mapa(exam, study):
    # Guarda de la prueba anterior: la maqueta pequeña no tiene letras, y sus filas van vacías.
    films = exam.images(study.rows("test"))
    letters = [row for row in run_outside(exam)["rows"] if row["region"] == "letters"]
    expected = sum(bool(find_letters(film).any()) for film in films)
    assert sum(row["n_films"] for row in letters if row["method"] == "grad_cam") == expected
