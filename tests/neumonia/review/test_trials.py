"""Los ensayos: nadie predice la prueba, se mide bien y gana el mayor contra el atajo."""

from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics

from neumonia.errors import ConfigError
from neumonia.files import read_json
from neumonia.models.backend import load_keras
from neumonia.models.vgg16 import compute_features
from neumonia.review import trials
from neumonia.review.catalogue import ENSEMBLES, KINDS, LATER, TRIALS, Trial
from neumonia.review.fitting import balanced_subset
from neumonia.review.holdout import acquisition_holdout
from neumonia.review.trials import HOLDOUT_SIZE, judge, run_trial, run_trials
from neumonia.review.views import averaged_logits
from neumonia.training import fit, predict_logits

ROOT = Path(__file__).resolve().parents[3]
SMALL = {"size": 32, "epochs": 1, "precision": "float32", "batch_size": 16}
TINY = {
    "cabeza": Trial("cabeza", "cabeza", learning_rate=1e-2, **SMALL),
    "ajuste": Trial("ajuste", trainable_from="block4", profile="adquisicion", **SMALL),
}


@pytest.fixture(scope="module")
def watched(hospital):
    """Los resultados y lo que se leyó por el camino: filas de cada paso y tamaños abiertos."""
    seen = {"train": [], "val": [], "predicted": [], "features": [], "sizes": []}

    def open_size(size):
        seen["sizes"].append(size)
        return hospital.study(size=size)

    def spy_fit(model, train, val, **options):
        seen["train"].append(train[2])
        seen["val"].append(val[2])
        return fit(model, train, val, **options)

    def spy_predict(model, images, batch_size=64, rows=None, **options):
        if images.shape[0] > 60:
            seen["predicted"].append(rows)
        return predict_logits(model, images, batch_size, rows, **options)

    def spy_features(backbone, images, batch_size=32, progress=False, rows=None):
        seen["features"].append(rows)
        return compute_features(backbone, images, batch_size, progress, rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("neumonia.training.fit", spy_fit)
        patch.setattr("neumonia.training.predict_logits", spy_predict)
        patch.setattr("neumonia.models.vgg16.compute_features", spy_features)
        ensemble = {"par": ("los dos", tuple(TINY)), "otro": ("falta uno", ("cabeza", "ausente"))}
        patch.setattr(trials, "ENSEMBLES", ensemble)
        return run_trials(open_size, TINY), seen


@pytest.fixture(scope="module")
def held(hospital):
    return acquisition_holdout(hospital.study(size=HOLDOUT_SIZE))


@pytest.fixture(scope="module")
def products(official, watched, held):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("neumonia.training.fit", None)
        return {key: run_trial(official, held, trial) for key, trial in TINY.items()}


def stored(product) -> np.ndarray:
    return np.load(product.folder / "logits.npy")


def test_ningun_ensayo_toca_una_radiografia_de_la_prueba(official, watched, held, products):
    _, seen = watched
    test = set(official.rows("test"))
    for name in ("train", "val", "predicted", "features"):
        assert seen[name], name
        for rows in seen[name]:
            assert rows is not None and not set(rows) & test, name
    judged = np.sort(np.concatenate([held.val, held.contrary]))
    for product in products.values():
        assert np.array_equal(np.flatnonzero(np.isfinite(stored(product))), judged)
        assert np.isnan(stored(product)[official.rows("test")]).all()


def test_se_entrena_equilibrado_y_sin_los_apartados(official, watched, held):
    _, seen = watched
    expected = balanced_subset(held.train, official.labels, 0)
    for rows in seen["train"]:
        assert np.array_equal(rows, expected)
        assert official.labels[rows].mean() == 0.5
    assert all(np.array_equal(rows, held.val) for rows in seen["val"])
    assert watched[1]["sizes"][0] == HOLDOUT_SIZE == 150


@pytest.mark.parametrize("key", TINY)
@pytest.mark.parametrize("part", ["val", "contrary"])
def test_las_medidas_son_las_de_scikit_learn(official, watched, held, products, key, part):
    rows = getattr(held, part)
    truth, logits = official.labels[rows], stored(products[key])[rows]
    got = watched[0]["trials"][key][part]
    value, low, high = got["roc_auc"]
    assert value == pytest.approx(metrics.roc_auc_score(truth, logits), abs=1e-12)
    assert low <= value <= high
    said = logits >= 0
    assert got["sensitivity"] == pytest.approx(metrics.recall_score(truth, said))
    assert got["specificity"] == pytest.approx(metrics.recall_score(1 - truth, ~said))
    assert got["n"] == len(rows)


def test_el_elegido_es_el_mayor_contra_el_atajo(watched):
    results, _ = watched
    scores = {key: row["contrary"]["roc_auc"][0] for key, row in results["trials"].items()}
    assert results["chosen"] == list(scores)[int(np.argmax(list(scores.values())))]


def test_lo_que_se_publica_de_cada_ensayo(official, watched, held):
    results, _ = watched
    assert list(results["trials"]) == list(TINY)
    head, tuned = results["trials"].values()
    assert head["trainable_parameters"] == 6 + 1
    # block4: 3x3x4x4 + 4; block5: 3x3x4x6 + 6.
    assert tuned["trainable_parameters"] == (144 + 4) + (216 + 6) + 7
    assert tuned["profile"] == "adquisicion" and tuned["title"] == "ajuste"
    assert {key: row["n"] for key, row in results["holdout"].items()} == {
        "train": len(held.train), "val": len(held.val), "contrary": len(held.contrary),
    }  # fmt: skip
    assert results["holdout"]["contrary"]["positives"] == official.labels[held.contrary].sum()


def test_un_conjunto_es_el_promedio_de_sus_logits_y_no_compite(official, watched, held, products):
    combined = watched[0]["combined"]
    assert "otro" not in combined, "le falta un miembro"
    mean = np.mean([stored(product) for product in products.values()], axis=0)
    assert combined["par"] == {"title": "los dos", **judge(official, held, mean)}
    assert watched[0]["chosen"] in TINY


def test_las_vistas_son_las_de_la_red_guardada(official, held, products):
    product = products["ajuste"]
    model = load_keras().saving.load_model(product.folder / "model.keras", safe_mode=True)
    found = trials.viewed_logits(official, held, TINY["ajuste"], product)
    judged = np.sort(np.concatenate([held.val, held.contrary]))
    assert found[judged] == pytest.approx(averaged_logits(model, official.images, judged), abs=1e-5)
    assert np.isnan(np.delete(found, judged)).all()
    plain = predict_logits(model, official.images, rows=judged)
    assert plain == pytest.approx(stored(product)[judged], abs=1e-5)
    assert not (products["cabeza"].folder / "model.keras").exists()


@pytest.mark.parametrize("better", TINY)
def test_las_vistas_se_miden_solo_si_el_elegido_ve_la_imagen(
    hospital, watched, held, products, better, monkeypatch, no_training, tiny_vgg16
):
    """Retomar no entrena; y al elegido se le inventa una predicción perfecta."""
    real = trials.judge

    def rigged(study, holdout, logits):
        perfect = np.array_equal(logits, stored(products[better]), equal_nan=True)
        return real(study, holdout, 20.0 * (2 * study.labels - 1) if perfect else -logits * 0)

    monkeypatch.setattr(trials, "judge", rigged)
    said = []
    results = run_trials(lambda size: hospital.study(size=size), TINY, said.append)
    assert results["chosen"] == better
    assert results["trials"][better]["contrary"]["roc_auc"][0] == 1.0
    assert ("vistas" in results["combined"]) == (better == "ajuste")
    assert len(said) == 2 and said[0].startswith("cabeza: ")


def test_lo_medido_despues_de_abrir_la_prueba_no_compite(
    hospital, watched, monkeypatch, no_training, tiny_vgg16
):
    best = watched[0]["chosen"]
    other = next(key for key in TINY if key != best)
    monkeypatch.setattr(trials, "LATER", (best,))
    results = run_trials(lambda size: hospital.study(size=size), TINY)
    assert results["chosen"] == other
    assert {key: row["later"] for key, row in results["trials"].items()} == {
        best: True,
        other: False,
    }


def test_otro_ensayo_u_otras_filas_son_otro_producto(official, held, products, monkeypatch):
    """El título no cuenta; las opciones, las filas y el aumento, sí."""
    from dataclasses import replace

    monkeypatch.setattr(official.store, "get", lambda kind, recipe, build: recipe)
    base = run_trial(official, held, TINY["ajuste"])
    assert run_trial(official, held, replace(TINY["ajuste"], title="otro")) == base
    assert run_trial(official, held, replace(TINY["ajuste"], epochs=2)) != base
    other = replace(held, contrary=held.contrary[:-1])
    assert run_trial(official, other, TINY["ajuste"]) != base
    assert run_trial(official, held, replace(TINY["ajuste"], kind="cnn"))["weights"] is None


class TestCatalogo:
    def test_cada_clave_es_un_ensayo_posible_y_distinto(self):
        assert {trial.kind for trial in TRIALS.values()} <= set(KINDS)
        assert len({trial.title for trial in TRIALS.values()}) == len(TRIALS)
        assert len({repr({**vars(trial), "title": ""}) for trial in TRIALS.values()}) == len(TRIALS)
        heads = [trial for trial in TRIALS.values() if trial.kind == "cabeza"]
        assert all(trial.profile == "ninguno" for trial in heads), "a una cabeza no le llega"

    def test_los_conjuntos_se_hacen_con_ensayos_del_catalogo(self):
        for _, members in ENSEMBLES.values():
            assert len(set(members)) >= 2 and set(members) <= set(TRIALS)

    def test_los_tardios_son_los_que_no_estaban_en_la_primera_apertura(self):
        published = ROOT / "estudio" / "kermany" / "revision"
        first = read_json(published / "elegido.json")["key"]
        assert first in TRIALS and first not in LATER
        competed = [key for key in TRIALS if key not in LATER]
        assert list(TRIALS) == [*competed, *LATER], "los tardíos van al final"

    @pytest.mark.parametrize("wrong", [{"kind": "bosque"}, {"profile": "lunar"}])
    def test_lo_que_no_existe_se_rechaza(self, wrong):
        with pytest.raises(ConfigError, match="'inventado' pide algo que no existe"):
            Trial("inventado", **wrong)
