"""El examen de los mapas: cada tabla es la media de su medida, y nada se elige con la prueba."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from neumonia import training
from neumonia.datasets.phantoms import phantom_masks
from neumonia.errors import ConfigError, DataError
from neumonia.evaluation import binary_metrics, mean_interval
from neumonia.gradcam import METHODS, grad_cam
from neumonia.heat import find_letters, outside_shares
from neumonia.lab import (
    fidelity,
    gallery,
    localisation,
    networks,
    outside,
    sanity,
    screening,
    stability,
)
from neumonia.lab.networks import FAST, open_exam, open_network
from neumonia.models.cnn import build_cnn
from neumonia.text import one
from neumonia.training import predict_logits, sigmoid
from tests.neumonia.lab.conftest import TINY, exam_of, tiny_model


def only(table: pd.DataFrame, **values) -> pd.DataFrame:
    for column, value in values.items():
        table = table[table[column] == value]
    return table


@pytest.fixture
def slow(exam, network):
    """El mismo examen con una red a la que se mira poco."""
    return exam_of(exam.study, replace(network, slow=True, layers=("conv2",)))


@pytest.fixture
def refuse(monkeypatch):
    """Después de llamarlo, entrenar es un error."""

    def fail(*args, **kwargs):
        raise AssertionError("se entrenó otra vez")

    return lambda: monkeypatch.setattr(training, "fit", fail)


# --- Qué se mira ----------------------------------------------------------------------------------
def test_solo_entran_las_positivas_que_la_red_acierta(exam, network, study):
    test, val = study.rows("test"), study.rows("val")
    positives = test[study.labels[test] == 1]
    assert exam.correct_positives(network).tolist() == positives[1:].tolist()
    assert exam.correct_positives(network, "val").tolist() == val[study.labels[val] == 1].tolist()
    blind = replace(network, logits=np.full_like(network.logits, -1.0))
    with pytest.raises(DataError, match="CNN"):
        exam.correct_positives(blind)


def test_el_sorteo_no_repite_ni_inventa_y_es_siempre_el_mismo(exam):
    rows = np.arange(100, 150)
    drawn = exam.sample(rows, few=False)
    assert len(drawn) == TINY.films == len(set(drawn))
    assert set(drawn) <= set(rows) and (np.diff(drawn) > 0).all()
    assert drawn.tolist() == exam.sample(rows, few=False).tolist()
    assert len(exam.sample(rows, few=True)) == TINY.few


def test_con_radiografias_reales_la_particion_es_la_oficial():
    opened = []
    for dataset in ("kermany", "maqueta"):
        base = SimpleNamespace(dataset=dataset)
        open_exam(SimpleNamespace(base=base, open=lambda **c: opened.append(c), report=print))
    assert opened == [{"split": "oficial"}, {}]


# --- Las redes ------------------------------------------------------------------------------------
def test_una_red_que_no_existe_se_rechaza(study):
    with pytest.raises(ConfigError, match="'resnet'"):
        open_network(study, "resnet")


def test_la_cnn_es_la_del_estudio(study, monkeypatch):
    model, logits = build_cnn(32, 0), np.zeros(120)
    monkeypatch.setattr(study, "model", lambda name: model, raising=False)
    monkeypatch.setattr(study, "logits", lambda name: logits, raising=False)
    network = open_network(study, "cnn")
    assert network.layers == ("conv1", "conv2", "conv3", "conv4")
    assert network.title == "CNN" and not network.slow
    assert network.model is model and network.logits is logits
    films = np.asarray(study.images[:3])
    maps = network.explain("hires_cam")(model, films)
    assert (maps == grad_cam(model, films, method="hires_cam")).all()


def test_la_que_promedia_se_entrena_una_vez_y_va_donde_hay_mascaras(study, monkeypatch, refuse):
    monkeypatch.setattr(networks, "POOLED_EPOCHS", 1)
    first = open_network(study, "cnn_promedio")
    assert first.logits == pytest.approx(predict_logits(first.model, study.images), abs=1e-4)
    refuse()
    assert open_network(study, "cnn_promedio").layers == ("conv1", "conv2", "conv3", "conv4")
    monkeypatch.setattr(networks, "open_network", lambda study, key: key)
    monkeypatch.setattr("neumonia.study.Study.models", property(lambda self: ("cnn", "vgg16")))
    assert networks.Exam(study).networks == ("cnn", "cnn_promedio", "vgg16")


def test_las_gemelas_aprenden_las_mismas_radiografias_con_otras_etiquetas(
    study, monkeypatch, refuse
):
    monkeypatch.setattr(sanity, "N_MEMORISED", 40)
    seen = []

    def record(model, train, val, *options):
        seen.append(train)
        assert all((one == other).all() for one, other in zip(train, val, strict=True))

    monkeypatch.setattr(training, "fit", record)
    twins, learned = sanity.open_twins(study, "cnn")
    (_, truth, rows), (_, drawn, rows_again) = seen
    assert rows.tolist() == rows_again.tolist() and len(rows) == learned["n"] == 40
    assert set(rows) <= set(study.rows("train"))
    others = np.setdiff1d(np.arange(len(truth)), rows)
    assert (truth == study.labels).all() and (drawn[others] == truth[others]).all()
    assert (drawn[rows] != truth[rows]).any()
    # Sin entrenar, las dos son la misma red: salieron de la misma semilla.
    weights = [model.get_weights() for model in twins]
    assert all((one == other).all() for one, other in zip(*weights, strict=True))
    logits = predict_logits(twins[1], study.images, rows=rows)
    assert learned["value"] == ((logits > 0) == (drawn[rows] == 1)).mean()
    refuse()
    assert sanity.open_twins(study, "cnn")[1] == learned


def test_la_gemela_de_vgg16_es_una_red_completa(study, monkeypatch, tmp_path):
    from neumonia.models.backend import load_keras

    keras = load_keras()
    base = keras.Sequential(
        [keras.Input((32, 32, 3)), keras.layers.Conv2D(512, 3), keras.layers.MaxPooling2D(30)],
        name="vgg16",
    )
    fake = SimpleNamespace(
        config=study.config,
        bias=0.0,
        images=None,
        features=np.random.default_rng(0).random((len(study.images), 1, 1, 512), np.float32),
        vgg16_weights=SimpleNamespace(path=None),
    )
    monkeypatch.setattr(training, "fit", lambda *options: None)
    monkeypatch.setattr("neumonia.models.vgg16.load_backbone", lambda size, path: base)
    sanity._memorise(fake, "vgg16", np.arange(9), study.labels, tmp_path)
    model = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert model.input_shape[1:] == (32, 32, 1)


# --- Localización ---------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def located(exam) -> pd.DataFrame:
    return localisation.measure(exam)


@pytest.mark.parametrize(
    ("layer", "method"),
    [("conv1", "hires_cam"), ("conv2", "grad_cam"), ("entrada", "occlusion")],
)
def test_cada_celda_de_la_localizacion_es_la_media_de_su_medida(
    located, exam, network, study, layer, method
):
    test = exam.correct_positives(network)
    masks = phantom_masks(study.dataset, test, 32)
    where = None if layer == "entrada" else layer
    maps = grad_cam(network.model, exam.images(test), layer=where, method=method)
    for metric, score in localisation.MEASURES.items():
        row = one(located, split="test", layer=layer, method=method, metric=metric)
        expected = mean_interval(score(maps, masks), exam.patients(test), *exam.draw)
        assert tuple(row[["value", "low", "high"]]) == pytest.approx(expected)
        assert row["n"] == len(test) and row["n_null"] == (~maps.any(axis=(1, 2))).sum()


def test_la_localizacion_cuenta_su_red_y_los_mapas_ciegos(located, exam, network, study):
    test = study.rows("test")
    truth, scores = study.labels[test], sigmoid(network.logits[test])
    auc = binary_metrics(truth, scores)["roc_auc"]
    assert one(located, metric="roc_auc")["value"] == pytest.approx(auc)
    correct = one(located, metric="correct")
    assert correct["n"] == truth.sum() == correct["value"] + 1
    side = only(located, metric="side").set_index("layer")["value"]
    assert side.to_dict() == {"conv1": 30, "conv2": 13}
    blind = only(located, layer="", split="test", metric="energy_inside")
    assert set(blind["method"]) == {"uniform", "centre", "random", "mean_mask", "perfect"}
    masks = phantom_masks(study.dataset, exam.correct_positives(network), 32)
    uniform = one(blind, method="uniform")["value"]
    assert uniform == pytest.approx(masks.mean(axis=(1, 2)).mean())
    assert set(only(located, split="val")["method"]) == set(METHODS)


def test_los_metodos_de_pixeles_van_solo_con_la_ultima_capa_y_lo_caro_ve_poco(located, slow):
    measured = only(located, split="test", metric="iou")
    measured = measured[measured["layer"] != ""]
    assert set(only(measured, layer="entrada")["method"]) == {"gradient", "occlusion"}
    cams = {"grad_cam", "hires_cam", "grad_cam++", "score_cam"}
    for layer in ("conv1", "conv2"):
        assert set(only(measured, layer=layer)["method"]) == cams
    table = only(localisation.measure(slow), metric="iou")
    assert set(only(table, split="val")["method"]) == set(METHODS) - {"score_cam", "occlusion"}
    counts = only(table, split="test").set_index("method")["n"]
    assert counts["score_cam"] == counts["occlusion"] == TINY.few < counts["grad_cam"]


def test_se_elige_en_la_validacion_y_la_prueba_solo_lo_mide():
    cells = [
        # En la prueba gana conv1, pero en la validación ganó conv2; la oclusión vio menos.
        ("val", "conv1", "grad_cam", 0.5, 40),
        ("val", "conv2", "grad_cam", 0.6, 40),
        ("val", "entrada", "occlusion", 0.9, 8),
        ("test", "conv1", "grad_cam", 0.8, 40),
        ("test", "conv2", "grad_cam", 0.3, 40),
    ]
    table = pd.DataFrame(cells, columns=["split", "layer", "method", "value", "n"])
    best = localisation.best_pair(table.assign(metric="pointing_game", network="cnn"), "cnn")
    assert (best["split"], best["layer"], best["value"]) == ("test", "conv2", 0.3)


# --- Fidelidad ------------------------------------------------------------------------------------
def test_las_curvas_y_las_areas_de_fidelidad_son_las_mismas(exam, network, study):
    table = fidelity.measure(exam)
    assert set(table["method"]) == {*METHODS, "centre", "random_order"}
    assert set(table["n"]) == {TINY.films}
    areas = table[table["metric"].isin(["deletion", "insertion"])]
    for row in areas.itertuples():
        line = only(table, method=row.method, replacement=row.replacement)
        line = only(line, metric=f"{row.metric}_curve")
        assert len(line) == TINY.steps + 1
        assert row.value == pytest.approx(np.trapezoid(line["value"], line["fraction"]))
    # Los dos sustitutos no borran lo mismo: con todo borrado la red ve otra cosa.
    ends = only(table, metric="deletion_curve", method="random_order", fraction=1.0)
    assert set(ends["replacement"]) == {"blur", "mean"} and ends["value"].nunique() == 2
    films = np.asarray(study.images[:5])
    logits = fidelity.predictor(network)(films)
    assert logits == pytest.approx(predict_logits(network.model, films), abs=1e-4)


# --- Cordura --------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def sane(exam, network) -> pd.DataFrame:
    """Gemelas de mentira: la de referencia es la propia red, y la permutada, otra."""
    learned = {"metric": "train_accuracy", "value": 0.95, "n": 9}
    with pytest.MonkeyPatch.context() as patch:
        twins = (network.model, tiny_model(7))
        patch.setattr(sanity, "open_twins", lambda study, key: (twins, learned))
        return sanity.measure(exam)


def test_la_cordura_recorre_todas_las_capas_con_todos_los_metodos(sane):
    cascade = only(sane, test="pesos")
    assert set(cascade["method"]) == set(METHODS)
    mine = only(cascade, method="grad_cam", metric="ssim").sort_values("step")
    assert mine["layer"].tolist() == ["logit", "conv2", "conv1"]
    assert set(mine["draws"]) == {TINY.draws} and mine["n"].max() <= TINY.films
    costly = only(cascade, method="occlusion")
    assert set(costly["draws"]) == {TINY.few_draws} and costly["n"].max() <= TINY.few
    judged = sanity.verdicts(sane)
    assert len(judged) == 2 * len(METHODS)
    assert one(sane, metric="train_accuracy")[["value", "n"]].tolist() == [0.95, 9]
    assert set(only(sane, test="otra radiografía")["method"]) == set(METHODS)


def test_a_una_red_lenta_no_se_le_piden_los_metodos_caros(exam, network):
    # Esta red no tiene gemelas.
    table = sanity.measure(exam_of(exam.study, replace(network, key="cnn_promedio", slow=True)))
    assert set(table["method"]) == set(METHODS) - {"score_cam", "occlusion"}
    assert set(table["test"]) == {"pesos", "otra radiografía"}


# --- Estabilidad ----------------------------------------------------------------------------------
def seeded(study, seed):
    model = tiny_model(seed)
    return SimpleNamespace(
        **{
            name: getattr(study, name) for name in ("rows", "dataset", "images", "labels", "config")
        },
        models=("cnn",),
        model=lambda name: model,
        logits=lambda name: predict_logits(model, study.images),
    )


def test_la_estabilidad_mide_ruido_desplazamiento_y_el_nivel_del_azar(exam, network):
    table = stability.measure(exam)
    changes = ["ruido 2", "ruido 5", "ruido 10", "1 píxel", "otra radiografía"]
    assert list(table["change"].unique()) == changes and set(table["method"]) == set(FAST)
    # Una fila por cambio, medida y método: la del desplazamiento es la peor de las dos.
    assert not table.duplicated(["method", "change", "metric"]).any()
    chosen = exam.sample(exam.study.rows("test"), few=False)
    films, explain = exam.images(chosen), network.explain("hires_cam")
    pairs = stability.shifted_pairs(network.model, explain, films)
    worst = min(float(sanity.spearman(*pair).mean()) for pair in pairs)
    got = one(table, method="hires_cam", change="1 píxel", metric="spearman")["value"]
    assert got == pytest.approx(worst)


def test_el_acuerdo_promedia_los_pares_de_semillas_de_cada_radiografia(exam, study):
    studies = {seed: seeded(study, seed) for seed in (3, 4, 5)}
    rows = pd.DataFrame(stability.agreement(exam, "cnn", studies))
    assert set(only(rows, metric="size")["value"]) == {32}
    test = study.rows("test")
    scores = sigmoid(studies[4].logits("cnn")[test])
    auc = binary_metrics(study.labels[test], scores)["roc_auc"]
    assert one(rows, metric="roc_auc", seed=4)["value"] == pytest.approx(auc)
    films = exam.images(exam.sample(test, few=False))
    maps = [grad_cam(found.model("cnn"), films) for found in studies.values()]
    pairs = [sanity.ssim(maps[i], maps[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    got = one(rows, method="grad_cam", metric="ssim", change="otra semilla")
    assert got["value"] == pytest.approx(np.mean(pairs)) and got["n"] == TINY.films


def test_las_semillas_se_abren_con_la_misma_prueba(exam, study, monkeypatch):
    opened = []

    def open_study(**changes):
        opened.append(changes)
        return seeded(study, changes.get("seed", 3))

    base = SimpleNamespace(dataset="kermany", seed=5)
    bench = SimpleNamespace(base=base, seeds=(1, 2), open=open_study, report=print)
    view = exam_of(seeded(study, 3))
    monkeypatch.setattr(stability, "open_exam", lambda bench: view)
    table = stability.run(bench)
    assert set(table["change"].dropna()) == {"otra semilla"}
    assert [(c["seed"], c["data_seed"], c["split"], c["size"]) for c in opened] == [
        (1, 5, "oficial", 64),
        (2, 5, "oficial", 64),
    ]
    base.dataset = "maqueta"
    assert stability.run(bench).empty and len(opened) == 2


# --- Fuera del tórax ------------------------------------------------------------------------------
def test_el_calor_de_fuera_es_el_de_toda_la_prueba_por_clase(exam, network, study, monkeypatch):
    monkeypatch.setattr(outside, "_TOGETHER", 5)
    table = outside.measure(exam)
    test = study.rows("test")
    films = exam.images(test)
    shares = outside_shares(grad_cam(network.model, films), films)
    for label, name in enumerate(outside.CLASSES):
        mine = study.labels[test] == label
        row = one(table, method="grad_cam", label=name, metric="outside")
        assert row["value"] == pytest.approx(np.nanmean(shares["outside"][mine]))
        assert row["chance"] == pytest.approx(shares["outside_area"].iloc[0])
    assert set(table["method"]) == set(FAST)
    # Las letras se buscan en la radiografía y no en el mapa.
    letters = only(table, metric="letters", method="grad_cam")
    assert letters["n"].sum() == sum(bool(find_letters(film).any()) for film in films)


def test_una_red_lenta_se_mira_fuera_con_dos_metodos(slow):
    assert set(outside.measure(slow)["method"]) == {"grad_cam", "hires_cam"}


def test_sin_calor_o_sin_letras_la_radiografia_no_cuenta():
    maps = np.ones((4, 40, 40))
    maps[3] = 0
    rows = outside.class_rows(outside_shares(maps), np.array([0, 1, 1, 1]), list("abcd"), (20, 0))
    frame = {row["label"]: row for row in rows if row["metric"] == "frame"}
    assert frame["PNEUMONIA"]["n"] == 2 and frame["PNEUMONIA"]["n_null"] == 1
    assert frame["PNEUMONIA"]["value"] == pytest.approx(frame["PNEUMONIA"]["chance"])
    letters = [row for row in rows if row["metric"] == "letters"]
    assert all(row["n"] == 0 and np.isnan(row["value"]) for row in letters)


# --- Los avisos y las figuras ---------------------------------------------------------------------
def test_los_avisos_llevan_sus_errores_con_intervalo(exam, monkeypatch):
    rates = pd.DataFrame(
        {"probe": ["film"], "title": ["x"], "n": [9], "novelty": 0.1, "orientation": 0.2}
        | {"flagged": 0.3, "low": 0.2, "high": 0.4}
    )
    checks = pd.DataFrame(
        {"map": ["moved"], "films": ["all"], "n": [6], "null": 0.0, "passed": 0.1}
        | {"low": 0.0, "high": 0.2}
    )
    monkeypatch.setattr(screening, "likeness_of", lambda study: SimpleNamespace(rates=rates))
    monkeypatch.setattr(screening, "place_rates", lambda *options: checks)
    monkeypatch.setattr("neumonia.study.Study.models", property(lambda self: ("cnn",)))
    table = screening.measure(exam)
    assert table["metric"].tolist() == ["flagged", "novelty", "orientation", "passed", "null"]
    assert one(table, metric="flagged")[["method", "value", "low"]].tolist() == ["film", 0.3, 0.2]
    passed = one(table, metric="passed")
    assert passed[["network", "method", "films", "high"]].tolist() == ["cnn", "moved", "all", 0.2]


def test_se_dibuja_lo_que_hay_para_cada_conjunto(exam, study, network, monkeypatch, tmp_path):
    bench = SimpleNamespace(figures=tmp_path, report=print)
    monkeypatch.setattr(gallery, "open_exam", lambda bench: exam)
    assert gallery.run(bench)["figure"].tolist() == ["metodos-cnn"]
    dataset = SimpleNamespace(name="kermany", manifest=study.dataset.manifest)
    names = ("rows", "images", "labels", "config")
    real = SimpleNamespace(dataset=dataset, **{name: getattr(study, name) for name in names})
    view = exam_of(real, network)
    monkeypatch.setattr(gallery, "open_exam", lambda bench: view)
    table = gallery.run(bench).set_index("figure")["value"]
    assert table.to_dict().items() >= {"metodos-cnn": 1, "cascada-cnn": 1, "peores-cnn": 6}.items()
    assert {path.stem for path in tmp_path.glob("*.png")} == set(table.index)
