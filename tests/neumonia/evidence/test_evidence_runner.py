"""Las partes: cuáles hay, que se guardan, que no se repiten y que llevan su procedencia."""

from dataclasses import replace

import pandas as pd
import pytest

from neumonia.cli import main
from neumonia.errors import ConfigError, DataError
from neumonia.evidence import runner
from neumonia.evidence.exam import Budget
from neumonia.evidence.networks import Network
from neumonia.evidence.published import PublishedEvidence, published_evidence
from neumonia.evidence.runner import PARTS, Evidence, Part
from neumonia.files import read_json, write_json, write_text
from neumonia.review.runner import CNN_CHANGES
from neumonia.study import Config

SMALL = Config.create("maqueta", n_films=120, size=32)


@pytest.fixture
def opened(monkeypatch):
    """Qué redes se abrieron; ninguna se entrena."""
    asked = []

    def open_network(study, key):
        asked.append(key)
        return Network(key, f"{key}-0", None, None, ("conv1",), slow=False)

    monkeypatch.setattr(runner, "open_network", open_network)
    monkeypatch.setattr("neumonia.study.Study.models", property(lambda self: ("cnn", "vgg16")))
    return asked


@pytest.fixture
def counted(monkeypatch):
    """Una parte de mentira que cuenta las veces que se calcula y deja una figura."""
    times = []

    def compute(evidence, open_seed, folder):
        times.append(evidence.budget)
        (folder / "figures").mkdir()
        write_text(folder / "figures" / "algo.txt", "figura")
        return {"rows": [{"value": 0.25}]}

    part = Part(("maqueta",), compute, ("exam",))
    monkeypatch.setattr(runner, "PARTS", {"prueba": part})
    return times


def test_cada_dato_tiene_sus_partes(tmp_path):
    maqueta = Evidence(SMALL, tmp_path)
    kermany = Evidence(Config.create("kermany"), tmp_path)
    assert set(maqueta.available()) == set(PARTS) - {"fuera"}
    assert set(kermany.available()) == set(PARTS) - {"localizacion", "atajo"}
    with pytest.raises(ConfigError, match=r"'fuera' para maqueta.*localizacion"):
        maqueta.run("fuera")


def test_con_radiografias_reales_la_particion_es_la_oficial(tmp_path):
    assert Evidence(Config.create("kermany"), tmp_path).config.split == "oficial"
    assert Evidence(SMALL, tmp_path).config == SMALL


def test_la_que_promedia_solo_se_abre_donde_hay_mascaras(tmp_path, opened):
    assert len(Evidence(SMALL, tmp_path).exam.networks) == 3
    assert opened == ["cnn", "cnn_promedio", "vgg16"]


def test_se_pueden_elegir_las_redes(tmp_path, opened, counted, monkeypatch):
    monkeypatch.setenv("NEUMONIA_AJUSTES", '{"n_films": 120, "size": 32}')
    out = str(tmp_path / "salida")
    assert main(["confianza", "prueba", "--redes", "vgg16", "cnn", "--salida", out]) == 0
    assert opened == ["vgg16", "cnn"]
    # Con otras redes es otra medida, no la guardada.
    assert main(["confianza", "prueba", "--salida", out]) == 0
    assert len(counted) == 2


def test_una_parte_se_calcula_una_vez_y_se_publica_con_su_procedencia(tmp_path, opened, counted):
    folder = tmp_path / "salida"
    for _ in range(2):
        path = Evidence(SMALL, folder, report=lambda text: None).run("prueba")
        assert path == folder / "prueba.json" and read_json(path) == {"rows": [{"value": 0.25}]}
        assert (folder / "figures" / "algo.txt").read_text(encoding="utf-8") == "figura"
        assert not (folder / "producto.json").exists()
        path.unlink()
    assert len(counted) == 1
    signed = read_json(folder / "provenance.json")["prueba"]
    assert signed["data"]["name"] == "maqueta" and "confianza-prueba" in signed["seconds"]
    other = Evidence(SMALL, folder, report=lambda text: None, budget=Budget(films=7))
    other.run("prueba")
    assert [budget.films for budget in counted] == [Budget().films, 7]


def test_si_cambia_una_red_se_calcula_otra_vez(tmp_path, opened, counted, monkeypatch):
    Evidence(SMALL, tmp_path).run("prueba")
    monkeypatch.setattr(
        runner,
        "open_network",
        lambda study, key: Network(key, f"{key}-1", None, None, ("conv1",), slow=False),
    )
    Evidence(SMALL, tmp_path).run("prueba")
    assert len(counted) == 2


def test_otra_semilla_solo_cambia_el_entrenamiento(tmp_path, opened, monkeypatch):
    seen = []

    def compute(evidence, open_seed, folder):
        seen.extend(open_seed(key, 3).config for key in ("cnn", "vgg16"))
        return {}

    monkeypatch.setattr(
        runner, "PARTS", {"prueba": Part(("maqueta", "kermany"), compute, ("exam",))}
    )
    Evidence(replace(SMALL, seed=5), tmp_path).run("prueba")
    assert [(c.seed, c.data_seed, c.split, c.size) for c in seen] == [(3, 5, "oficial", 32)] * 2
    seen.clear()
    base = Config.create("kermany")
    evidence = Evidence(base, tmp_path)
    # Sin las radiografías reales a mano, el examen es el de la maqueta; la configuración, no.
    object.__setattr__(evidence, "exam", Evidence(SMALL, tmp_path).exam)
    evidence.run("prueba")
    assert [c.size for c in seen] == [CNN_CHANGES["size"], base.size]


def test_la_huella_de_una_parte_es_la_de_su_codigo():
    codes = {name: part.code() for name, part in PARTS.items()}
    assert len(set(codes.values())) == len(codes)
    assert codes["fuera"] == PARTS["fuera"].code()


def test_lo_publicado_se_lee_y_lo_que_falta_dice_como_hacerlo(tmp_path):
    found = published_evidence("kermany", tmp_path)
    assert found == PublishedEvidence(tmp_path / "estudio" / "confianza" / "kermany")
    assert not found.has("fuera") and found.provenance == {}
    with pytest.raises(DataError, match=r"neumonia confianza --datos kermany fuera --salida"):
        found.part("fuera")
    write_json(found.folder / "fuera.json", {"rows": [{"value": None}, {"value": 0.5}]})
    write_json(found.folder / "provenance.json", {"fuera": {}})
    assert found.has("fuera") and found.provenance == {"fuera": {}}
    assert found.table("fuera")["value"].tolist() == pytest.approx([float("nan"), 0.5], nan_ok=True)
    with pytest.raises(DataError, match=r"'peores'.*Tiene: rows"):
        found.table("fuera", "peores")


def test_la_orden_publica_lo_pedido_y_rechaza_antes_de_empezar(
    tmp_path, opened, counted, capsys, monkeypatch
):
    monkeypatch.setenv("NEUMONIA_AJUSTES", '{"n_films": 120, "size": 32}')
    out = tmp_path / "salida"
    assert main(["confianza", "prueba", "nada", "--salida", str(out)]) == 1
    assert "'nada'" in capsys.readouterr().err and not counted
    assert main(["confianza", "--salida", str(out)]) == 0
    printed = capsys.readouterr()
    assert str(out / "prueba.json") in printed.out and "«prueba»" in printed.err
    assert pd.DataFrame(read_json(out / "prueba.json")["rows"])["value"].item() == 0.25
