"""Un experimento: se calcula una vez, se publica con su firma, y se lee."""

from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from neumonia.cli import main
from neumonia.errors import ConfigError, DataError
from neumonia.files import write_text
from neumonia.lab import registry
from neumonia.lab.registry import EXPERIMENTS, experiments_for
from neumonia.study import Config
from neumonia.study.experiment import COLUMNS, Bench, Experiment, published_tables, run_experiment

SMALL = Config.create("maqueta", n_films=60, size=32)
pytestmark = pytest.mark.usefixtures("no_vgg16")


@pytest.fixture
def counted():
    """Un experimento de mentira que cuenta las veces que se calcula y deja una figura."""
    times = []

    def compute(bench):
        times.append(bench.open(seed=3).config.seed)
        write_text(bench.figures / "algo.png", "figura")
        rows = {"metric": ["a", "null"], "value": [0.123456789, np.nan], "seed": 3, "n": 4}
        return pd.DataFrame(rows | {"method": ["", "x"], "layer": ""})

    return Experiment("prueba", ("maqueta",), compute), times


def test_se_calcula_una_vez_y_se_publica_con_su_procedencia(tmp_path, counted):
    experiment, times = counted
    folder = tmp_path / "estudio" / "laboratorio" / "maqueta"
    run_experiment(experiment, Bench(SMALL), folder).unlink()
    assert run_experiment(experiment, Bench(SMALL), folder) == folder / "prueba.csv"
    assert times == [3] and (folder / "prueba.csv").is_file()
    found = published_tables("maqueta", tmp_path)
    signed = found.provenance["prueba"]
    assert signed["data"]["name"] == "maqueta" and "experimento-prueba" in signed["seconds"]
    assert found.figure("algo").read_text(encoding="utf-8") == "figura"
    assert not (folder / "producto.json").exists()
    other = Experiment("prueba", ("maqueta",), experiment.run, version=2)
    run_experiment(other, Bench(SMALL), folder)
    run_experiment(other, Bench(SMALL, seeds=(7,)), folder)
    assert len(times) == 3


def test_la_tabla_lleva_sus_columnas_y_lo_vacio_es_texto(tmp_path, counted):
    run_experiment(counted[0], Bench(SMALL), tmp_path / "estudio/laboratorio/maqueta")
    found = published_tables("maqueta", tmp_path)
    table = found.table("prueba")
    assert tuple(table.columns[: len(COLUMNS)]) == COLUMNS
    assert list(table["method"]) == ["", "x"] and list(table["layer"]) == ["", ""]
    assert list(table["network"]) == ["", ""] and set(table["experiment"]) == {"prueba"}
    assert list(table["metric"]) == ["a", "null"]
    assert table["value"][0] == 0.123457 and np.isnan(table["value"][1])
    assert table["low"].isna().all()


def test_lo_que_falta_dice_como_hacerlo(tmp_path):
    found = published_tables("kermany", tmp_path)
    assert not found.has("fuera") and found.provenance == {}
    with pytest.raises(DataError, match="neumonia laboratorio fuera --datos kermany"):
        found.table("fuera")
    with pytest.raises(DataError, match="peores"):
        found.figure("peores")
    found.folder.mkdir(parents=True)
    (found.folder / "fuera.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"fuera\.csv.*neumonia laboratorio fuera"):
        found.table("fuera")


def test_cada_dato_tiene_sus_experimentos():
    names = {one.name for one in EXPERIMENTS}
    assert len(names) == len(EXPERIMENTS)
    maqueta, kermany = ({one.name for one in experiments_for(d)} for d in ("maqueta", "kermany"))
    assert maqueta >= {"localizacion", "atajo"} and "fuera" not in maqueta
    assert "fuera" in kermany and not kermany & {"localizacion", "atajo"}
    for dataset, wrong in (("maqueta", ("fuera",)), ("kermany64", ())):
        with pytest.raises(ConfigError, match=dataset):
            experiments_for(dataset, wrong)


def test_cada_experimento_se_importa_al_usarlo(monkeypatch):
    monkeypatch.setattr("neumonia.lab.networks.open_exam", lambda bench: bench)
    for one in EXPERIMENTS:
        called = []
        modules = {"run": called.append, "measure": called.append}
        monkeypatch.setattr(
            registry, "import_module", lambda name, found=modules: SimpleNamespace(**found)
        )
        one.run("banco")
        assert called == ["banco"]
    for name in ("localisation", "fidelity", "sanity", "outside", "screening"):
        assert callable(import_module(f"neumonia.lab.{name}").measure)
    for name in ("stability", "planted", "gallery"):
        assert callable(import_module(f"neumonia.lab.{name}").run)


def test_la_orden_publica_lo_pedido_y_rechaza_antes_de_empezar(
    tmp_path, counted, capsys, monkeypatch
):
    experiment, times = counted
    monkeypatch.setattr(registry, "EXPERIMENTS", (experiment,))
    monkeypatch.setenv("NEUMONIA_AJUSTES", '{"n_films": 60, "size": 32}')
    out = tmp_path / "salida"
    assert main(["laboratorio", "prueba", "nada", "--salida", str(out)]) == 1
    assert "'nada'" in capsys.readouterr().err and not times
    assert main(["laboratorio", "--salida", str(out)]) == 0
    printed = capsys.readouterr()
    assert str(out / "prueba.csv") in printed.out and "«prueba»" in printed.err
