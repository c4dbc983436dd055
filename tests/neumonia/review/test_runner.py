"""Las partes: qué pide cada una, qué escribe, de quién depende y qué se niega a hacer."""

import pytest

from neumonia.errors import ConfigError
from neumonia.files import read_json
from neumonia.review import runner
from neumonia.review.runner import CNN_CHANGES, SEEDS, Review
from neumonia.study import Config


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
            base = first["vgg16"] if isinstance(first, dict) else first
            seen["study"] = opened(base)
            return {"hecho": name}

        monkeypatch.setattr(runner, name, run)

    for name in ("run_protocols", "run_imbalance", "run_shortcuts"):
        replace(name)
    return seen


def test_cada_parte_pide_lo_suyo_y_publica_un_json(review, asked):
    for name, function in (
        ("protocolos", "run_protocols"), ("desbalance", "run_imbalance"),
        ("atajos", "run_shortcuts"),
    ):  # fmt: skip
        path = review.run(name)
        assert path == review.folder / f"{name}.json"
        assert read_json(path) == review.read(name) == {"hecho": function}
    configs, seeds = asked["run_protocols"][:2]
    assert configs["vgg16"] == review.base and seeds == (0, 1)
    changed = {key: getattr(configs["cnn"], key) for key in CNN_CHANGES}
    assert changed == CNN_CHANGES, "en Kermany la CNN va a menor tamaño"
    assert asked["run_imbalance"][1:3] == (("paciente", "oficial"), (0, 1))


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
