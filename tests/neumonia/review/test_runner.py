"""Las partes: qué pide cada una, qué escribe, de quién depende y qué se niega a hacer."""

from dataclasses import asdict

import pandas as pd
import pytest

from neumonia.errors import ConfigError, DataError
from neumonia.files import read_json, write_json
from neumonia.review import runner
from neumonia.review.catalogue import CANDIDATES, TRIALS, Trial
from neumonia.review.chosen import train_final
from neumonia.review.runner import CNN_CHANGES, FINAL_SEEDS, PARTS, SEEDS, Review
from neumonia.review.second import open_candidate
from neumonia.study import Config, Study

SMALL = {"size": 32, "epochs": 1, "precision": "float32", "batch_size": 16}


@pytest.fixture
def review(hospital, tmp_path, monkeypatch, tiny_vgg16) -> Review:
    monkeypatch.setenv("NEUMONIA_CACHE", str(hospital.cache))
    return Review(hospital.base, tmp_path / "salida", report=lambda text: None, seeds=(0, 1))


@pytest.fixture
def asked(monkeypatch) -> dict:
    """Sustituye cada cálculo por uno que abre un estudio y anota con qué se le llamó."""
    seen: dict = {}

    def replace(name: str) -> None:
        def run(first, *rest):
            seen[name] = (first, *rest)
            opened = next(item for item in (first, *rest) if callable(item))
            if name in ("run_trials", "run_second"):
                seen["study"] = opened(32)
            else:
                base = first["vgg16"] if isinstance(first, dict) else first
                seen["study"] = opened(base)
            return {"hecho": name}

        monkeypatch.setattr(runner, name, run)

    for name in (
        "run_protocols",
        "run_imbalance",
        "run_shortcuts",
        "run_trials",
        "run_second",
    ):
        replace(name)
    return seen


def test_cada_parte_pide_lo_suyo_y_publica_un_json(review, asked):
    for name, function in (
        ("protocolos", "run_protocols"), ("desbalance", "run_imbalance"),
        ("atajos", "run_shortcuts"), ("ensayos", "run_trials"), ("simulacro", "run_second"),
    ):  # fmt: skip
        path = review.run(name)
        assert path == review.folder / f"{name}.json"
        assert read_json(path) == review.read(name) == {"hecho": function}
    configs, seeds = asked["run_protocols"][:2]
    assert configs["vgg16"] == review.base and seeds == (0, 1)
    changed = {key: getattr(configs["cnn"], key) for key in CNN_CHANGES}
    assert changed == CNN_CHANGES, "en Kermany la CNN va a menor tamaño"
    assert asked["run_imbalance"][1:3] == (("paciente", "oficial"), (0, 1))
    assert asked["run_trials"][1] is TRIALS
    config = asked["study"].config
    assert (config.split, config.seed, config.size) == ("oficial", 0, 32)


def test_en_la_maqueta_la_cnn_no_cambia(tmp_path, asked, tiny_vgg16):
    base = Config.create("maqueta", n_films=60, size=32)
    Review(base, tmp_path, report=print).run("protocolos")
    configs, seeds = asked["run_protocols"][:2]
    assert configs["cnn"] == configs["vgg16"] == base
    assert seeds == SEEDS and len(set(SEEDS)) == 5


def test_la_procedencia_se_va_juntando_sin_borrar_la_anterior(review, asked):
    review.run("protocolos")
    first = read_json(review.folder / "provenance.json")
    review.run("atajos")
    both = read_json(review.folder / "provenance.json")
    assert list(first) == ["protocolos"] and list(both) == ["protocolos", "atajos"]
    assert both["protocolos"] == first["protocolos"]
    stamp = both["atajos"]
    assert stamp["weights"]["sha256"] == "0" * 64 and stamp["data"]["films"] == 147
    assert not {"split", "config"} & set(stamp), "cambian de un estudio a otro"
    assert stamp["seconds"] == {}, "nada se entrenó"
    assert str(review.base.root) not in str(both)


def test_con_los_originales_los_atajos_miden_tambien_los_archivos(review, asked, monkeypatch):
    from dataclasses import replace

    assert "files" not in read_json(review.run("atajos"))
    monkeypatch.setattr(runner, "measure_originals", lambda source: {"origen": source.name})
    path = replace(review, originals=review.base.root / "originales").run("atajos")
    assert read_json(path)["files"] == {"origen": "originales"}


@pytest.mark.parametrize("method", ["run", "check"])
def test_una_parte_que_no_existe_se_rechaza(review, method):
    with pytest.raises(ConfigError, match=r"no tiene la parte 'todo': atajos, protocolos"):
        getattr(review, method)("todo")
    assert not review.folder.exists()


def test_sin_ensayos_no_hay_elegido(review):
    with pytest.raises(DataError, match=r"Falta ensayos\.json.*neumonia revision ensayos"):
        review.run("elegido")
    with pytest.raises(DataError, match=r"Falta simulacro\.json.*neumonia revision simulacro"):
        review.run("segunda")
    needed = ["ensayos", "elegido", "simulacro", "segunda"]
    assert list(PARTS)[-4:] == needed, "en el orden en que se necesitan"


def test_un_elegido_que_ya_no_esta_en_el_catalogo_se_explica(review):
    write_json(review.folder / "ensayos.json", {"chosen": "perdido"})
    with pytest.raises(DataError, match=r"«perdido».*repitamos esa parte"):
        review.run("elegido")


@pytest.mark.parametrize(
    ("exam", "part", "options"),
    [("ensayos", "elegido", TRIALS), ("simulacro", "segunda", CANDIDATES)],
)
def test_no_se_mide_otro_elegido_en_la_prueba_oficial(review, monkeypatch, exam, part, options):
    def refuse(*args):
        raise AssertionError("ni siquiera se empieza")

    monkeypatch.setattr(runner, "run_chosen", refuse)
    first, second = list(options)[:2]
    write_json(review.folder / f"{exam}.json", {"chosen": second})
    write_json(review.folder / f"{part}.json", {"key": first})
    with pytest.raises(ConfigError, match=rf"«{first}».*«{second}».*elegir con la prueba"):
        review.run(part)
    assert read_json(review.folder / f"{part}.json") == {"key": first}


@pytest.mark.parametrize("changed", ["key", "trial"])
def test_basta_con_que_cambie_el_nombre_o_la_configuracion_para_no_abrir_la_prueba(
    review, monkeypatch, changed
):
    monkeypatch.setattr(runner, "run_chosen", lambda *args: ({}, pd.DataFrame()))
    key, other = list(TRIALS)[:2]
    same = {"key": key, "trial": asdict(TRIALS[key])}
    write_json(review.folder / "ensayos.json", {"chosen": key})
    changes = {"key": other, "trial": {**same["trial"], "size": 1}}
    write_json(review.folder / "elegido.json", {**same, changed: changes[changed]})
    with pytest.raises(ConfigError, match="elegir con la prueba"):
        review.run("elegido")


def test_cada_apertura_entrena_y_predice_a_su_manera(review, monkeypatch):
    asked = {}

    def note(open_seed, key, trial, seeds, report, train):
        asked[key] = (open_seed(1).config, trial, seeds, train)
        return {"key": key}, pd.DataFrame({"image_id": ["a"], "p": [0.5]})

    monkeypatch.setattr(runner, "run_chosen", note)
    first, second = "block3-ninguno", "ajuste-encuadre"
    write_json(review.folder / "ensayos.json", {"chosen": first})
    write_json(review.folder / "simulacro.json", {"chosen": second})
    review.run("elegido")
    review.run("segunda")
    assert asked[first][1:] == (TRIALS[first], FINAL_SEEDS, train_final)
    assert asked[second][1:] == (CANDIDATES[second], FINAL_SEEDS, open_candidate)
    assert (asked[second][0].size, asked[second][0].seed) == (96, 1)
    assert (review.folder / "segunda.csv").exists() and (review.folder / "elegido.csv").exists()


def test_el_elegido_de_principio_a_fin_y_otra_vez_sin_entrenar(review, monkeypatch):
    trial = Trial("ajuste", trainable_from="block5", profile="encuadre", **SMALL)
    monkeypatch.setattr(runner, "TRIALS", {"mejor": trial})
    monkeypatch.setattr(runner, "FINAL_SEEDS", (0, 1))
    write_json(review.folder / "ensayos.json", {"chosen": "mejor"})
    path = review.run("elegido")
    before = {file.name: file.read_bytes() for file in review.folder.iterdir()}
    assert set(before) == {"ensayos.json", "elegido.json", "elegido.csv", "provenance.json"}
    stamp = read_json(review.folder / "provenance.json")["elegido"]
    assert set(stamp["seconds"]) == {"elegido"} and stamp["seconds"]["elegido"] > 0
    assert read_json(path)["key"] == "mejor" and len(before["elegido.csv"].splitlines()) == 34

    def refuse(*args, **options):
        raise AssertionError("no había que entrenar nada")

    monkeypatch.setattr("neumonia.training.fit", refuse)
    review.run("elegido")
    assert {file.name: file.read_bytes() for file in review.folder.iterdir()} == before
    assert FINAL_SEEDS == (0, 1, 2)


def test_en_la_maqueta_las_semillas_comparten_radiografias(tmp_path, monkeypatch, tiny_vgg16):
    """La maqueta nace de una semilla: si cambiara con el entrenamiento, también la prueba."""
    monkeypatch.setenv("NEUMONIA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        runner, "TRIALS", {"mejor": Trial("ajuste", trainable_from="block5", **SMALL)}
    )
    monkeypatch.setattr(runner, "FINAL_SEEDS", (0, 1))
    base = Config.create("maqueta", n_films=120, size=32, seed=4)
    review = Review(base, tmp_path / "salida", report=lambda text: None)
    write_json(review.folder / "ensayos.json", {"chosen": "mejor"})
    review.run("elegido")
    table = pd.read_csv(review.folder / "elegido.csv")
    study = Study(base.with_changes(split="oficial"), progress=False)
    assert (
        table["image_id"].tolist()
        == study.dataset.manifest["image_id"][study.rows("test")].tolist()
    )
    assert table[["p_0", "p_1", "p"]].notna().all(axis=None)
    assert (table["p_0"] != table["p_1"]).any(), "y cada semilla entrena otra red"
