"""Los tres protocolos: con predicciones conocidas y particiones de verdad."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn import metrics

from neumonia.evaluation import METRIC_NAMES
from neumonia.files import write_json
from neumonia.review.protocols import (
    CONTRASTS,
    PROTOCOLS,
    compare_shared,
    contrast,
    films_beside_training,
    measure,
    run_protocols,
    summarize_seeds,
    summarize_shared,
)
from neumonia.splits import patient_groups, shared_patients
from neumonia.study import Study
from neumonia.training import sigmoid

SEEDS = (0, 1)
STRENGTH = {"archivo": 12.0, "paciente": 4.0, "oficial": 0.0}


class Known(Study):
    """Un estudio cuyo modelo ya se conoce: señal más ruido, sin entrenar nada."""

    def logits(self, name: str) -> np.ndarray:
        rng = np.random.default_rng([self.config.seed, PROTOCOLS.index(self.config.split)])
        signal = STRENGTH[self.config.split] * (2 * self.labels - 1)
        return signal + rng.normal(0, 2, len(self.labels))


@pytest.fixture(scope="module")
def opened(hospital):
    return lambda config: Known(config, cache=hospital.cache, progress=False)


@pytest.fixture(scope="module")
def found(hospital, opened):
    return run_protocols({"cnn": hospital.base}, SEEDS, opened)


def expected(study: Study) -> dict[str, float]:
    rows = study.rows("test")
    truth, scores = study.labels[rows], 1 / (1 + np.exp(-study.logits("cnn")[rows]))
    said = scores >= 0.5
    return {
        "accuracy": metrics.accuracy_score(truth, said),
        "sensitivity": metrics.recall_score(truth, said),
        "specificity": metrics.recall_score(1 - truth, ~said),
        "precision": metrics.precision_score(truth, said),
        "f1": metrics.f1_score(truth, said),
        "roc_auc": metrics.roc_auc_score(truth, scores),
        "average_precision": metrics.average_precision_score(truth, scores),
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_las_medias_y_la_dispersion_son_las_de_scikit_learn(hospital, opened, found, protocol):
    each = [expected(opened(hospital.base.with_changes(split=protocol, seed=s))) for s in SEEDS]
    got = found["models"]["cnn"][protocol]
    assert [one["seed"] for one in got["seeds"]] == list(SEEDS)
    for name in METRIC_NAMES:
        values = [one[name] for one in each]
        assert [one[name] for one in got["seeds"]] == pytest.approx(values, abs=1e-12)
        value, low, high = got["mean"][name]
        assert value == pytest.approx(np.mean(values), abs=1e-12)
        assert low <= value <= high
        spread = got["spread"][name]
        assert spread["mean"] == value
        assert spread["std"] == pytest.approx(np.std(values, ddof=1), abs=1e-12)
        assert (spread["minimum"], spread["maximum"]) == (min(values), max(values))


def test_el_contraste_es_la_diferencia_de_las_medias(found):
    means = found["models"]["cnn"]
    for title, (first, second) in CONTRASTS.items():
        for name, (value, low, high) in found["contrasts"]["cnn"][title].items():
            difference = means[first]["mean"][name][0] - means[second]["mean"][name][0]
            assert value == pytest.approx(difference, abs=1e-12)
            assert low <= high
    # Con señal 4 y ruido 2 frente a ninguna señal, la diferencia se ve aunque haya pocas.
    assert found["contrasts"]["cnn"]["adquisicion"]["roc_auc"][1] > 0
    assert set(found["contrasts"]["cnn"]["fuga"]) == set(METRIC_NAMES)


def test_el_intervalo_del_contraste_suma_las_dos_varianzas():
    """Dos remuestreos normales con la misma semilla: la resta no se anula, se dispersa √2."""
    rng = np.random.default_rng(0)
    draws = [{name: rng.normal(0.8, 0.02, 2000) for name in METRIC_NAMES} for _ in range(3)]
    same = {"a": draws, "b": draws}
    means = {key: {"mean": {name: [0.8, 0, 0] for name in METRIC_NAMES}} for key in same}
    value, low, high = contrast(means, same, "a", "b")["roc_auc"]
    assert value == 0
    # hierarchical_interval promedia tres semillas sorteadas con el mismo remuestreo en cada una.
    assert low < -0.02 and high > 0.02
    assert high - low > 1.9 * 1.96 * 0.02


def test_lo_que_no_esta_definido_queda_vacio_y_no_rompe():
    """Un modelo que nunca dice PNEUMONIA no tiene precisión."""
    measured = [dict.fromkeys(METRIC_NAMES, 0.5) for _ in SEEDS]
    measured[1]["precision"] = None
    draws = [{name: np.full(50, 0.5) for name in METRIC_NAMES} for _ in SEEDS]
    summary = summarize_seeds(measured, draws)
    assert summary["mean"]["precision"] == [None] * 3 and summary["spread"]["precision"] is None
    assert summary["mean"]["roc_auc"] == [0.5] * 3
    both = {"a": summary, "b": summary}
    result = contrast(both, {"a": draws, "b": draws}, "a", "b")
    assert result["precision"] == [None] * 3 and result["f1"] == [0.0] * 3


@pytest.mark.parametrize("seed", SEEDS)
def test_la_fuga_es_la_de_la_particion(hospital, opened, found, seed):
    study = opened(hospital.base.with_changes(split="archivo", seed=seed))
    beside = films_beside_training(study)
    table = shared_patients(study.dataset.manifest, study.split)
    assert beside.sum() == table.loc["test", "films_shared"] > 0
    assert found["leak"][str(seed)] == pytest.approx(table.loc["test", "proportion"], abs=1e-15)
    groups = patient_groups(study.dataset.manifest)
    train = set(groups[study.rows("train")])
    assert beside.tolist() == [groups[row] in train for row in study.rows("test")]


@pytest.mark.parametrize("protocol", ["paciente", "oficial"])
def test_por_paciente_y_oficial_no_hay_fuga(hospital, opened, protocol):
    assert not films_beside_training(opened(hospital.base.with_changes(split=protocol))).any()


def test_dentro_de_la_misma_prueba_se_comparan_las_que_tienen_y_las_que_no(hospital, opened, found):
    for seed, got in zip(SEEDS, found["shared"]["cnn"]["seeds"], strict=True):
        study = opened(hospital.base.with_changes(split="archivo", seed=seed))
        beside, rows = films_beside_training(study), study.rows("test")
        truth, logits = study.labels[rows], study.logits("cnn")[rows]
        assert got["seed"] == seed and got["con"]["n"] + got["sin"]["n"] == len(rows)
        for title, mask in (("con", beside), ("sin", ~beside)):
            auc = metrics.roc_auc_score(truth[mask], logits[mask])
            assert got[title]["roc_auc"] == pytest.approx(auc, abs=1e-12)
            assert got[title]["accuracy"] == pytest.approx(
                np.mean((logits >= 0)[mask] == truth[mask])
            )


def test_si_todas_tienen_a_su_paciente_en_train_el_resto_queda_vacio(hospital, opened):
    study = opened(hospital.base.with_changes(split="archivo"))
    got, draws = compare_shared(study, "cnn", np.ones(len(study.rows("test")), bool))
    assert got["sin"] == {"n": 0, "roc_auc": None, "accuracy": None}
    assert got["con"]["n"] == len(study.rows("test"))
    assert draws["sin"] == {}
    empty = summarize_shared([(got, draws)])["mean"]
    assert empty["con"]["accuracy"] == empty["diferencia"]["roc_auc"] == [None, None, None]


def test_la_media_de_las_partes_lleva_intervalo_y_la_diferencia_es_la_resta(found):
    shared = found["shared"]["cnn"]
    for metric in ("roc_auc", "accuracy"):
        sides = {key: shared["mean"][key][metric] for key in ("con", "sin", "diferencia")}
        for side in ("con", "sin"):
            mean = np.mean([one[side][metric] for one in shared["seeds"]])
            assert sides[side][0] == pytest.approx(mean)
        assert sides["diferencia"][0] == pytest.approx(sides["con"][0] - sides["sin"][0])
        for value, low, high in sides.values():
            assert low <= value <= high


def test_el_intervalo_de_la_diferencia_suma_las_varianzas_de_las_dos_partes():
    rng = np.random.default_rng(0)
    apart = []
    for seed in SEEDS:
        found = {
            "seed": seed,
            **{s: {"n": 9, "roc_auc": 0.8, "accuracy": 0.7} for s in ("con", "sin")},
        }
        draw = rng.normal(0.8, 0.03, 2000)
        # Los dos lados con los mismos números: si se emparejaran, la resta sería cero siempre.
        draws = {side: {"roc_auc": draw, "accuracy": draw} for side in ("con", "sin")}
        apart.append((found, draws))
    value, low, high = summarize_shared(apart)["mean"]["diferencia"]["roc_auc"]
    assert value == 0.0
    side = summarize_shared(apart)["mean"]["con"]["roc_auc"]
    assert (high - low) / (side[2] - side[1]) == pytest.approx(np.sqrt(2), rel=0.1)


def test_la_diferencia_es_con_menos_sin_y_su_intervalo_cae_del_mismo_lado():
    level = {"con": 0.9, "sin": 0.6}
    rng = np.random.default_rng(0)
    found = {side: {"n": 9, "roc_auc": v, "accuracy": v} for side, v in level.items()}
    draws = {
        side: dict.fromkeys(("roc_auc", "accuracy"), rng.normal(v, 0.01, 2000))
        for side, v in level.items()
    }
    shared = summarize_shared([({"seed": 0, **found}, draws)])["mean"]["diferencia"]
    for value, low, high in shared.values():
        assert value == pytest.approx(0.3)
        assert 0.2 < low < value < high < 0.4


def test_la_prueba_oficial_usa_los_mismos_remuestreos_en_todas_las_semillas(hospital, opened):
    """Con las mismas predicciones, dos semillas dan la misma distribución solo en la oficial."""

    def drawn(split: str, seed: int) -> np.ndarray:
        study = opened(hospital.base.with_changes(split="oficial"))
        fake = SimpleNamespace(
            rows=study.rows, labels=study.labels, dataset=study.dataset, logits=study.logits,
            config=SimpleNamespace(split=split, seed=seed),
        )  # fmt: skip
        return measure(fake, "cnn")[1]["accuracy"]

    assert np.array_equal(drawn("oficial", 0), drawn("oficial", 1))
    assert not np.array_equal(drawn("archivo", 0), drawn("archivo", 1))
    assert sigmoid(0.0) == 0.5 and len(drawn("archivo", 0)) == 2000


def test_dos_corridas_dan_los_mismos_bytes_y_se_cuenta_cada_entrenamiento(
    hospital, opened, found, tmp_path
):
    said = []
    again = run_protocols({"cnn": hospital.base}, SEEDS, opened, said.append)
    for name, value in (("a", found), ("b", again)):
        write_json(tmp_path / name, value)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert len(said) == len(PROTOCOLS) * len(SEEDS) and said[0].startswith(
        "cnn · archivo · semilla 0"
    )
    assert again["configs"]["cnn"]["size"] == 32 and again["seeds"] == [0, 1]


def test_retomar_no_entrena_nada(hospital, patched, monkeypatch, tmp_path):
    """Con la cabeza de verdad: la segunda vez todo se encuentra hecho y da los mismos bytes."""
    write_json(tmp_path / "a", run_protocols({"vgg16": hospital.base}, (0,), hospital.open))

    def refuse(*args, **options):
        raise AssertionError("no había que entrenar nada")

    monkeypatch.setattr("neumonia.training.fit", refuse)
    write_json(tmp_path / "b", run_protocols({"vgg16": hospital.base}, (0,), hospital.open))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with pytest.raises(AssertionError, match="no había"):
        run_protocols({"vgg16": hospital.base}, (1,), hospital.open)
