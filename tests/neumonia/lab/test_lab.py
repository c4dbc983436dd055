"""El laboratorio con redes diminutas sobre la maqueta: retomar, la regla y sus tablas."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.metrics import balanced_accuracy_score, brier_score_loss, roc_auc_score

from neumonia.cli import main
from neumonia.datasets.phantoms import open_phantoms
from neumonia.errors import ConfigError, DataError
from neumonia.lab import exam, robustness
from neumonia.lab.exam import measures, rule_table
from neumonia.lab.robustness import (
    ACQUISITIONS,
    CANDIDATES,
    ELSEWHERE,
    MINIATURES,
    Candidate,
    Laboratory,
    films_of,
    outcomes,
    plan,
)
from neumonia.robust import Recipe

QUICK = {"size": 32, "epochs": 1, "batch_size": 16}
TINY = {
    "cnn64-nada": Candidate("sin aumento", Recipe(**QUICK, changes=()), (0, 1)),
    "cnn64-todo": Candidate("todo", Recipe(**QUICK), (0, 1)),
}


@pytest.fixture(scope="module")
def tiny():
    """La maqueta más pequeña y dos candidatas de una época, en lugar de las del libro."""
    phantoms = open_phantoms(n_films=100, size=32, seed=0, difficulty=0.2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(robustness, "CANDIDATES", TINY)
        patch.setattr(robustness, "ELSEWHERE", ("cnn64-todo",))
        patch.setattr(exam, "RESAMPLES", 100)
        patch.setattr(robustness, "open_dataset", lambda *args, **options: phantoms)
        yield patch


@pytest.fixture(scope="module")
def published(tiny, tmp_path_factory):
    """La carpeta que deja la orden, con todo entrenado."""
    folder = tmp_path_factory.mktemp("robustez")
    tiny.setenv("NEUMONIA_CACHE", str(tmp_path_factory.mktemp("cache")))
    assert main(["robustez", "--salida", str(folder)]) == 0
    return folder


def test_la_lista_es_coherente():
    assert set(ELSEWHERE) <= set(CANDIDATES)
    titles = [(one.title, one.recipe.size) for one in CANDIDATES.values()]
    assert len(set(titles)) == len(titles)
    for name in ("kermany", "pneumoniamnist"):
        assert len(set(plan(name))) == len(plan(name))
    assert {key for key, _, _ in plan("kermany")} == set(CANDIDATES)
    assert {key for key, _, _ in plan("pneumoniamnist")} == set(MINIATURES)
    # Un archivo por red: el nombre no puede confundir la semilla con la candidata.
    assert all(not key.rsplit("-", 1)[-1].isdigit() for key in CANDIDATES | MINIATURES)


def test_deja_un_archivo_por_red_y_tres_tablas(published):
    names = {path.relative_to(published).as_posix() for path in published.rglob("*.*")}
    official = {f"oficial/{key}-{seed}.npz" for key in TINY for seed in (0, 1)}
    elsewhere = {
        f"{split}/cnn64-todo-{seed}.npz" for split in ("paciente", "archivo") for seed in (0, 1)
    }
    films = {f"{split}/radiografias.csv" for split in ("oficial", "paciente", "archivo")}
    tables = {f"{name}.csv" for name in ("examen", "medidas", "parejas", "redes")}
    assert names == official | elsewhere | films | tables
    for split in ("oficial", "paciente", "archivo"):
        parts = films_of(published, split)
        for networks in outcomes(published, split).values():
            for one in networks:
                assert one.val.shape == (len(parts["val"]), len(ACQUISITIONS))
                assert one.test_views.shape == (len(parts["test"]), 5)
                assert np.array_equal(one.val[:, 0], one.val_views[:, 0])


def test_lo_que_esta_no_se_repite_y_lo_danado_si(published, tiny, capsys):
    folder = published / "oficial"
    before = {path: path.read_bytes() for path in folder.glob("*.npz")}
    damaged = folder / "cnn64-todo-1.npz"
    damaged.write_bytes(before[damaged][:200])
    lines = []
    Laboratory("maqueta", published, report=lines.append).run(("cnn64-todo",))
    assert [line for line in lines if "ya estaba" not in line] == [
        line for line in lines if line.startswith("cnn64-todo, oficial, semilla 1")
    ]
    with np.load(damaged) as again:
        assert np.isfinite(again["val"]).all()
    for path in set(before) - {damaged}:
        assert path.read_bytes() == before[path]


def test_una_receta_distinta_se_entrena_de_nuevo(published, tiny, tmp_path, monkeypatch):
    path = tmp_path / "oficial" / "cnn64-nada-0.npz"
    path.parent.mkdir()
    path.write_bytes((published / "oficial" / path.name).read_bytes())
    only = {"cnn64-nada": Candidate("otra", Recipe(**QUICK | {"epochs": 2}, changes=()), (0,))}
    monkeypatch.setattr(robustness, "CANDIDATES", only)
    monkeypatch.setattr(robustness, "ELSEWHERE", ())
    lines = []
    Laboratory("maqueta", tmp_path, report=lines.append).run()
    assert len(lines) == 1 and "ya estaba" not in lines[0]


def test_un_metodo_distinto_se_entrena_de_nuevo(published, tiny, monkeypatch):
    before = outcomes(published)["cnn64-nada"][0].stamp["inputs"]
    laboratory = Laboratory("maqueta", published)
    recipe = TINY["cnn64-nada"].recipe
    assert laboratory._inputs(recipe, "oficial", 0) == before
    monkeypatch.setattr(robustness, "METHOD", robustness.METHOD + 1)
    assert laboratory._inputs(recipe, "oficial", 0) != before


def test_la_regla_es_el_peor_caso_y_la_primera_gana(published):
    table = rule_table(published)
    films = films_of(published)["val"]
    for key, networks in outcomes(published).items():
        scores = []
        for one in networks:
            cuts = np.quantile(one.val, np.linspace(0, 1, 40))
            scores.append(
                max(
                    min(balanced_accuracy_score(films["label"], c >= cut) for c in one.val.T)
                    for cut in cuts
                )
            )
        assert table.loc[key, "score"] >= np.mean(scores) - 1e-6
        assert table.loc[key, "low"] <= table.loc[key, "score"] <= table.loc[key, "high"] + 0.05
    assert table["score"].is_monotonic_decreasing
    first = table.iloc[0]
    assert first["difference"] == first["difference_low"] == first["difference_high"] == 0


def test_las_medidas_son_las_de_scikit_learn(published):
    table = measures(published)
    test = films_of(published)["test"]
    networks = outcomes(published)["cnn64-todo"]
    logits = {str(one.seed): one.test_views.astype(float) for one in networks}
    logits["conjunto"] = np.mean(list(logits.values()), axis=0)
    mine = table[(table["network"] == "cnn64-todo") & (table["part"] == "test")]
    for name, views in logits.items():
        for count in (1, 5):
            p = expit(views[:, :count].mean(axis=1))
            rows = mine[(mine["seed"] == name) & (mine["views"] == count)]
            for _, group in rows.groupby("threshold"):
                found = group.set_index("metric")["value"]
                assert found["roc_auc"] == pytest.approx(roc_auc_score(test["label"], p))
                assert found["brier"] == pytest.approx(brier_score_loss(test["label"], p))
            half = rows[rows["threshold"] == "0.5"].set_index("metric")["value"]
            assert half["accuracy"] == pytest.approx(((p >= 0.5) == test["label"]).mean())
    single = mine[(mine["views"] == 1) & (mine["threshold"] == "0.5")]
    area = single[single["metric"] == "roc_auc"].set_index("seed")["value"]
    assert area["media"] == pytest.approx((area["0"] + area["1"]) / 2)


def test_la_diferencia_es_pareada_y_media_de_las_semillas(published):
    test = films_of(published)["test"]
    table = pd.read_csv(published / "parejas.csv").query("split == 'oficial'").set_index("metric")
    assert set(table["network"] + " " + table["other"]) == {"cnn64-todo cnn64-nada"}
    areas = {
        key: [roc_auc_score(test["label"], one.test_views[:, 0]) for one in networks]
        for key, networks in outcomes(published).items()
    }
    expected = np.mean(np.subtract(areas["cnn64-todo"], areas["cnn64-nada"]))
    assert table.loc["roc_auc", "value"] == pytest.approx(expected, abs=1e-5)
    assert (table["low"] <= table["value"]).all() and (table["value"] <= table["high"]).all()


def test_cada_red_dice_de_donde_salio(published):
    table = pd.read_csv(published / "redes.csv")
    assert len(table) == 8 and table.notna().all(axis=None)
    assert (table["seconds"] > 0).all() and table["data"].nunique() == 1


def test_sin_nada_entrenado_dice_la_orden(tmp_path):
    with pytest.raises(DataError, match="neumonia robustez"):
        outcomes(tmp_path)
    with pytest.raises(DataError, match="radiografias"):
        films_of(tmp_path)


def test_una_candidata_que_no_existe_se_dice_antes_de_empezar(tiny, tmp_path, capsys):
    assert main(["robustez", "cnn64-tdo", "--salida", str(tmp_path)]) == 1
    assert "cnn64-nada" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="cnn64-tdo"):
        Laboratory("maqueta", tmp_path).run(("cnn64-tdo",))
    assert not list(tmp_path.iterdir())
