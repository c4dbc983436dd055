"""PneumoniaMNIST a 28 píxeles: la búsqueda sin la prueba, las semillas y lo publicado."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from neumonia.datasets import open_dataset
from neumonia.errors import ConfigError, DataError
from neumonia.models.recipe28 import CHOSEN as CHOSEN_RECIPE
from neumonia.models.recipe28 import Recipe28
from neumonia.study import mnist, mnist_search, mnist_second, mnist_training
from neumonia.study.mnist import run_mnist
from neumonia.study.mnist_export import export_mnist
from neumonia.study.mnist_published import PUBLISHED, ROUNDS, compare
from neumonia.study.mnist_search import (
    Choice,
    choose,
    held_out_sets,
    run_search,
)
from neumonia.study.mnist_training import (
    Films,
    Trial,
    acquisition_features,
    acquisition_groups,
    balanced_rows,
    best_threshold,
    duplicate_groups,
    shifted_logits,
    strata_for,
    train_product,
)
from neumonia.study.store import Store

FOLDER = Path(__file__).resolve().parents[3] / "estudio" / "pneumoniamnist"
TINY = Trial("diminuta", Recipe28(width=2, blocks=1, geometry=0), epochs=1, batch_size=32)


def blobs(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Cuadrados claros en las de clase 1, sobre un fondo liso o rugoso según la máquina."""
    labels = (np.arange(n) % 2).astype(np.uint8)
    rough = rng.integers(0, 2, n)
    images = rng.normal(110, 4 + 40 * rough[:, None, None], (n, 28, 28))
    images[labels == 1, 10:18, 10:18] += 70
    return images.clip(0, 255).astype(np.uint8), labels[:, None]


@pytest.fixture(scope="module")
def npz(tmp_path_factory) -> Path:
    rng = np.random.default_rng(0)
    content = {}
    for part, n in (("train", 96), ("val", 40), ("test", 40)):
        content[f"{part}_images"], content[f"{part}_labels"] = blobs(n, rng)
    # Una copia cruza de train a val y otra se repite dentro de la prueba.
    content["val_images"][1] = content["train_images"][1]
    content["test_images"][3] = content["test_images"][5]
    path = tmp_path_factory.mktemp("mnist") / "pneumoniamnist.npz"
    np.savez(path, **content)
    return path


@pytest.fixture(scope="module")
def dataset(npz):
    return open_dataset("pneumoniamnist", root=npz)


@pytest.fixture(scope="module")
def films(dataset) -> Films:
    return Films(dataset)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    return Store(tmp_path_factory.mktemp("cache") / "productos")


@pytest.fixture(scope="module")
def run(dataset, store):
    return run_mnist(dataset, store, seeds=(0, 1), choice=Choice(TINY))


def test_otro_conjunto_se_rechaza():
    other = open_dataset("maqueta", n_films=60, size=32)
    with pytest.raises(DataError, match="maqueta"):
        Films(other)


def test_a_la_validacion_se_le_quitan_las_copias_de_train(films):
    assert len(films.rows("train")) == 96
    assert len(films.rows("val")) == 39
    assert len(films.rows("test")) == 40
    found = duplicate_groups(films.manifest)
    assert sorted(found["splits"]) == ["test", "train/val"]
    assert found["films"].tolist() == [2, 2]


def test_los_grupos_separan_las_maquinas_y_no_miran_la_prueba(films):
    groups = acquisition_groups(films, n_groups=2)
    assert (groups[films.split == "test"] == -1).all()
    seen = films.split != "test"
    rough = films.images[seen][:, :5].std(axis=(1, 2)) > 20
    agreement = (groups[seen] == rough).mean()
    assert max(agreement, 1 - agreement) > 0.95
    np.testing.assert_array_equal(groups, acquisition_groups(films, n_groups=2))


def test_la_nitidez_de_un_tablero_es_la_analitica():
    board = np.indices((28, 28)).sum(axis=0) % 2 * 100
    values = acquisition_features(board[None].astype(np.uint8))[0]
    # En un tablero cada vecino difiere en 100: |4·x - suma| = 400 en todas partes.
    assert values == pytest.approx([50, 50, 50, 50, np.log(401)])


def test_el_equilibrio_empareja_las_clases_en_cada_estrato():
    labels = np.repeat([0, 1, 0, 1], [20, 80, 60, 40])
    strata = np.repeat([0, 1], 100)
    rows = np.arange(200)
    chosen = balanced_rows(rows, labels, strata, seed=0)
    table = pd.crosstab(strata[chosen], labels[chosen])
    assert (table.to_numpy() == 50).all()
    assert np.bincount(chosen).max() == 3
    np.testing.assert_array_equal(chosen, balanced_rows(rows, labels, strata, seed=0))
    some = balanced_rows(rows[10:150], labels, strata, seed=0)
    assert some.min() >= 10 and some.max() < 150


def test_muy_pocas_radiografias_de_una_clase_no_se_copian_sin_fin():
    labels = np.array([0] * 2 + [1] * 98 + [1] * 10)
    strata = np.repeat([0, 1], [100, 10])
    chosen = balanced_rows(np.arange(110), labels, strata, seed=0)
    assert np.bincount(chosen)[:2].tolist() == [10, 10]
    # Donde solo hay una clase no se inventa la otra.
    assert (strata[chosen] == 1).sum() == 5


def test_los_estratos_de_cada_equilibrio(films):
    groups = acquisition_groups(films, n_groups=2)
    assert strata_for(films, groups, "ninguno") is None
    assert set(strata_for(films, groups, "clase")) == {0}
    assert strata_for(films, groups, "grupo") is groups
    tenths = strata_for(films, groups, "nitidez")
    counts = np.bincount(tenths[films.split == "train"], minlength=10)
    assert counts.min() >= 8 and counts.max() <= 11
    with pytest.raises(ConfigError, match="balance"):
        Trial("mala", Recipe28(), balance="otro")


def test_el_umbral_es_el_de_la_busqueda_exhaustiva():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 60)
    scores = rng.normal(labels, 1.0)
    cut = best_threshold(labels, scores)
    tried = [metrics.balanced_accuracy_score(labels, scores >= value) for value in scores]
    assert metrics.balanced_accuracy_score(labels, scores >= cut) == pytest.approx(max(tried))
    assert best_threshold([0, 1], np.array([0.0, 1.0])) == 0.5
    assert best_threshold([0, 1], np.array([0.3, 0.3])) == 0.3
    with pytest.raises(DataError, match="dos clases"):
        best_threshold([1, 1], scores[:2])


def test_las_traslaciones_mueven_un_pixel_y_repiten_el_borde(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "neumonia.training.predict_logits",
        lambda model, images, batch_size: seen.append(images) or images[:, 0, 0].astype(float),
    )
    image = np.arange(784).reshape(1, 28, 28) % 251
    assert shifted_logits(None, image).shape == (1, 5)
    np.testing.assert_array_equal(seen[0], image)
    # Subir una fila el recuadro baja la imagen: aparece repetida la primera fila.
    np.testing.assert_array_equal(seen[1][0, 1:], image[0, :-1])
    np.testing.assert_array_equal(seen[1][0, 0], image[0, 0])
    np.testing.assert_array_equal(seen[4][0, :, :-1], image[0, :, 1:])


def test_dos_corridas_son_identicas_y_la_segunda_sale_del_disco(run, dataset, store, tmp_path):
    again = run_mnist(dataset, Store(tmp_path / "productos"), (0, 1), Choice(TINY))
    assert json.dumps(again.results) == json.dumps(run.results)
    pd.testing.assert_frame_equal(again.predictions, run.predictions)
    stamps = {path: path.stat().st_mtime_ns for path in store.folder.rglob("*.json")}
    run_mnist(dataset, store, (0, 1), Choice(TINY))
    assert {path: path.stat().st_mtime_ns for path in store.folder.rglob("*.json")} == stamps
    assert not (run.predictions["p_0"] == run.predictions["p_1"]).all()


def test_la_prueba_no_influye_en_lo_que_se_entrena(npz, dataset, run, tmp_path):
    with np.load(npz) as stored:
        content = dict(stored)
    content["test_images"] = 255 - content["test_images"]
    np.savez(tmp_path / "otra.npz", **content)
    other = run_mnist(
        open_dataset("pneumoniamnist", root=tmp_path / "otra.npz"),
        Store(tmp_path / "productos"),
        (0,),
        Choice(TINY),
    )
    mine, theirs = run.results["seeds"][0], other.results["seeds"][0]
    assert mine["threshold"] == theirs["threshold"]
    assert mine["val"] == theirs["val"]
    assert mine["test"] != theirs["test"]


def test_lo_exportado_se_puede_recalcular(run, tmp_path):
    table = pd.DataFrame({"trial": ["diminuta"], "score": [0.5]})
    folder = export_mnist(run, tmp_path / "salida", trials=table)
    assert {path.name for path in folder.iterdir()} == {
        "results.json", "predictions.csv", "history.csv", "trials.csv", "provenance.json",
    }  # fmt: skip
    check_published(folder, n_seeds=2)
    origin = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    assert origin["data"]["fingerprint"] == run.dataset.fingerprint
    assert set(origin["seconds"]) == {"0", "1"}
    assert "seconds" not in (folder / "results.json").read_text(encoding="utf-8")
    export_mnist(run, tmp_path / "sin")
    assert not (tmp_path / "sin" / "trials.csv").exists()


def check_published(folder: Path, n_seeds: int) -> dict:
    """Recalcula con scikit-learn, desde el CSV, todo lo que dice ``results.json``."""
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    frame = pd.read_csv(folder / "predictions.csv", float_precision="round_trip")
    columns = [f"p_{seed}" for seed in range(n_seeds)]
    assert list(frame.columns) == ["image_id", "label", "split", *columns]
    test = frame[frame["split"] == "test"]
    measured = {"accuracy": [], "roc_auc": []}
    rows = [*results["seeds"], results["ensemble"]]
    scored = [*(test[column] for column in columns), test[columns].mean(axis=1)]
    for row, scores in zip(rows, scored, strict=True):
        decided = scores >= row["threshold"]
        expected = {
            "accuracy": metrics.accuracy_score(test["label"], decided),
            "sensitivity": metrics.recall_score(test["label"], decided),
            "specificity": metrics.recall_score(test["label"], decided, pos_label=0),
            "roc_auc": metrics.roc_auc_score(test["label"], scores),
        }
        for name, value in expected.items():
            assert row["test"][name] == pytest.approx(value, abs=1e-6)
            low, high = row["intervals"][name]
            assert low <= value <= high
        for name, values in measured.items():
            values.append(expected[name])
    for name, values in measured.items():
        summary = results["summary"]["test"][name]
        assert summary["mean"] == pytest.approx(np.mean(values[:-1]), abs=1e-6)
        assert summary["sd"] == pytest.approx(np.std(values[:-1], ddof=1), abs=1e-6)
    return results


def test_superar_una_fila_exige_las_dos_cifras():
    def summary(auc, accuracy):
        return {"roc_auc": {"mean": auc}, "accuracy": {"mean": accuracy}}

    assert [row["beaten"] for row in compare(summary(0.96, 0.88))] == [True] * 4 + [False]
    assert [row["beaten"] for row in compare(summary(0.96, 0.86))] == [True] * 3 + [False] * 2
    assert not any(row["beaten"] for row in compare(summary(0.93, 0.99)))
    last = compare(summary(0.96, 0.88))[-1]
    assert last["roc_auc_difference"] == pytest.approx(0.96 - 0.991)
    assert {row.source for row in PUBLISHED} == {"yang2023medmnist"}


def test_lo_que_no_esta_definido_en_una_semilla_no_tiene_media():
    defined = dict.fromkeys(mnist.METRIC_NAMES, 0.5)
    summary = mnist._summary([defined, {**defined, "precision": None}])
    assert summary["precision"] == {"mean": None, "sd": None, "min": None, "max": None}
    assert summary["sensitivity"] == {"mean": 0.5, "sd": 0.0, "min": 0.5, "max": 0.5}


def test_sin_semillas_o_repetidas_se_rechaza(dataset, store):
    for seeds in ((), (0, 0)):
        with pytest.raises(ConfigError, match="semilla"):
            run_mnist(dataset, store, seeds, Choice(TINY))


def test_una_sola_semilla_no_tiene_desviacion_y_se_avisa_al_terminar(dataset, store):
    said = []
    choice = Choice(TINY, shifts=False, rule="grupos", threshold=0.0)
    alone = run_mnist(dataset, store, (0,), choice, report=said.append)
    assert alone.results["summary"]["test"]["roc_auc"]["sd"] is None
    assert alone.results["seeds"][0]["threshold"] == 0.5
    assert len(said) == 1 and "Semilla 0" in said[0]
    with pytest.raises(ConfigError, match="regla"):
        Choice(TINY, rule="otra")


def test_la_busqueda_mide_cada_grupo_ausente_y_elige_por_el_criterio(films, store, monkeypatch):
    monkeypatch.setattr(mnist_search, "MIN_CLASS", 5)
    monkeypatch.setattr(
        mnist_search, "acquisition_groups", lambda films: acquisition_groups(films, n_groups=2)
    )
    wider = Trial("ancha", Recipe28(width=3, blocks=1, geometry=0), epochs=1, batch_size=32)
    said = []
    table = run_search(films, store, (TINY, wider), report=said.append)
    assert table["trial"].tolist() == ["diminuta", "diminuta", "ancha", "ancha"]
    assert table["shifts"].tolist() == [False, True, False, True]
    assert len(said) == 2
    for _, row in table.iterrows():
        for measure in ("auc", "balanced"):
            groups = (row[f"{measure}_0"] + row[f"{measure}_1"]) / 2
            assert row[measure] == pytest.approx((groups + row[f"{measure}_contra"]) / 2)
        assert row["score"] == pytest.approx((row["auc"] + row["balanced"]) / 2)
    picked = choose(table, (TINY, wider))
    best = table.sort_values("score", kind="stable").iloc[-1]
    assert picked.trial.name == best["trial"]
    with pytest.raises(ConfigError):
        choose(table.iloc[:0])


def test_lo_apartado_contradice_la_nitidez_y_nunca_es_de_la_prueba(films, monkeypatch):
    monkeypatch.setattr(mnist_search, "MIN_CLASS", 5)
    groups = acquisition_groups(films, n_groups=2)
    sets = held_out_sets(films, groups)
    assert set(sets) == {"0", "1", "contra"}
    for rows in sets.values():
        assert (films.split[rows] != "test").all()
    sharpness = acquisition_features(films.images)[:, -1]
    against, seen = sets["contra"], np.flatnonzero(groups >= 0)
    rest = np.setdiff1d(seen, against)
    inside = metrics.roc_auc_score(films.labels[against], sharpness[against])
    outside = metrics.roc_auc_score(films.labels[rest], sharpness[rest])
    assert inside > 0.95 > 0.5 > outside
    monkeypatch.setattr(mnist_search, "MIN_CLASS", 10_000)
    assert set(held_out_sets(films, groups)) == {"contra"}


def test_el_criterio_tambien_elige_la_regla_del_umbral():
    table = pd.DataFrame(
        {
            "trial": ["a", "b"],
            "shifts": [False, True],
            "balanced": [0.7, 0.9],
            "balanced_val": [0.9, 0.8],
            "score": [0.7, 0.9],
            "threshold": [0.0, 1.23456],
        }
    )
    trials = (Trial("a", Recipe28()), Trial("b", Recipe28()))
    assert choose(table, trials) == Choice(trials[1], True, "grupos", 1.2346)
    assert choose(table.iloc[:1], trials).rule == "validacion"


def test_la_receta_elegida_es_la_de_la_segunda_vuelta():
    assert mnist_second.CHOSEN.trial.recipe == CHOSEN_RECIPE
    for found in (mnist_search, mnist_second):
        assert found.CHOSEN.trial in found.TRIALS
        assert len({trial.name for trial in found.TRIALS}) == len(found.TRIALS)
        identities = {repr(trial.identity()) for trial in found.TRIALS}
        assert len(identities) == len(found.TRIALS)


def test_la_segunda_busqueda_entrena_con_todo_y_nunca_ve_la_prueba(films, store, monkeypatch):
    seen = []

    def spy(films, trial, store, seed, train, val, predict, **options):
        seen.append((train, val, predict))
        return train_product(films, trial, store, seed, train, val, predict, **options)

    monkeypatch.setattr(mnist_second, "train_product", spy)
    said = []
    other = Trial("ancha", Recipe28(width=3, blocks=1, geometry=0), "clase", 1, batch_size=32)
    table = mnist_second.run_second_search(films, store, (TINY, other), report=said.append)
    for train, val, predict in seen:
        assert np.array_equal(train, films.rows("train"))
        assert np.array_equal(val, films.rows("val")) and np.array_equal(predict, val)
    assert table["trial"].tolist() == ["diminuta", "ancha"] and len(said) == 2
    assert (table["low"] <= table["score"]).all() and (table["score"] <= table["high"]).all()
    assert (table["score"] >= table["score_at_zero"]).all(), "el corte es el mejor de todos"
    picked = mnist_second.choose(table, (TINY, other))
    best = table.loc[table["score"].idxmax()]
    assert picked.trial.name == best["trial"] and picked.rule == "imitadas"
    assert picked.threshold == pytest.approx(best["threshold"], abs=5e-5)
    assert not picked.shifts
    with pytest.raises(ConfigError):
        mnist_second.choose(table.iloc[:0])


def test_el_corte_de_la_segunda_es_el_mejor_en_lo_imitado_y_lo_peor_es_lo_peor():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 80)
    logits = {name: rng.normal(3 * labels, 1) for name in ("original", "a", "b")}
    logits["original"] = -logits["original"]
    found = mnist_second.judge(labels, logits)
    pooled, truth = np.concatenate([logits["a"], logits["b"]]), np.tile(labels, 2)
    grid = np.linspace(-4, 7, 1500)
    best = max(metrics.balanced_accuracy_score(truth, pooled >= cut) for cut in grid)
    assert found["score"] == pytest.approx(best, abs=1e-9)
    said = {name: logits[name] >= found["threshold"] for name in "ab"}
    assert found["worst_specificity"] == pytest.approx(
        min(metrics.recall_score(1 - labels, ~said[name]) for name in "ab")
    )
    assert found["worst_sensitivity"] == pytest.approx(
        min(metrics.recall_score(labels, said[name]) for name in "ab")
    )
    aucs = [metrics.roc_auc_score(labels, logits[name]) for name in "ab"]
    assert found["auc"] == pytest.approx(np.mean(aucs))


def test_con_la_regla_de_las_imitadas_el_umbral_es_fijo():
    fixed = Choice(TINY, False, "imitadas", 2.0)
    assert fixed.cut(np.array([0, 1]), np.array([0.1, 0.2])) == pytest.approx(1 / (1 + np.exp(-2)))
    assert Choice(TINY, False, "validacion", 2.0).cut(
        np.array([0, 1]), np.array([0.1, 0.2])
    ) == pytest.approx(0.15)


@pytest.mark.real
def test_las_copias_del_archivo_oficial_son_las_contadas(shared):
    path = shared / "datos" / "pneumoniamnist_28.npz"
    with np.load(path, allow_pickle=False) as stored:
        pixels = [
            (part, image.tobytes())
            for part in ("train", "val", "test")
            for image in stored[f"{part}_images"]
        ]
    places: dict[bytes, list[str]] = {}
    for part, image in pixels:
        places.setdefault(image, []).append(part)
    repeated = [found for found in places.values() if len(found) > 1]
    found = mnist.duplicates_summary(Films(open_dataset("pneumoniamnist", root=path)))
    assert found["groups"] == len(repeated) == 27
    assert found["crossing"] == sum(len(set(parts)) > 1 for parts in repeated) == 8
    assert found["films"] == sum(map(len, repeated))
    assert found["groups_by_splits"] == {"train": 16, "train/val": 8, "test": 3}


@pytest.mark.parametrize("number", ROUNDS)
def test_lo_publicado_sale_de_sus_predicciones_y_de_la_busqueda(number):
    search = {1: mnist_search, 2: mnist_second}[number]
    folder = FOLDER / ROUNDS[number]
    results = check_published(folder, n_seeds=5)
    assert results["choice"] == json.loads(json.dumps(search.CHOSEN.describe()))
    table = pd.read_csv(folder / "trials.csv")
    assert search.choose(table) == search.CHOSEN
    assert table["trial"].unique().tolist() == [trial.name for trial in search.TRIALS]
    assert results["films"] == {"train": 4708, "val": 524, "test": 624}
    assert results["comparison"] == compare(results["summary"]["test"])
    assert mnist_training.GROUPS == 4
