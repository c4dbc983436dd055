"""La configuración: qué valores admite y de dónde los toma."""

import json
from pathlib import Path

import pytest

from neumonia.errors import ConfigError
from neumonia.study import Config


def test_por_omision_son_las_radiografias_del_libro_por_paciente():
    config = Config.create()
    assert (config.dataset, config.split, config.seed, config.size) == (
        "kermany64", "paciente", 0, 64,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("dataset", "size", "split"),
    [
        ("kermany64", 64, "paciente"),
        ("maqueta", 128, "paciente"),
        ("kermany", 150, "paciente"),
        ("pneumoniamnist", 56, "oficial"),
    ],
)
def test_cada_conjunto_tiene_sus_valores_y_un_cambio_los_sustituye(dataset, size, split):
    config = Config.create(dataset)
    assert (config.size, config.split) == (size, split)
    assert Config.create(dataset, size=40, seed=None).size == 40
    assert Config.create(dataset, size=None).size == size


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("--datos", "tomografias"), ("--particion", "azar"), ("precision", "float16"),
        ("--semilla", -1), ("--semilla", True), ("--semilla", 1.5), ("--semilla", 2**32),
        ("data_seed", -1), ("size", 31), ("size", "128"), ("epochs_cnn", 0), ("epochs_head", 0),
        ("epochs_robust", -1), ("patience_cnn", 0), ("patience_head", 2.0), ("batch_cnn", 0),
        ("batch_head", 0), ("n_films", 0), ("difficulty", 1.5), ("difficulty", float("nan")),
        ("difficulty", True), ("difficulty", "alta"), ("root", 5),
    ],
)  # fmt: skip
def test_un_valor_fuera_de_su_dominio_se_nombra(name, value):
    field = {"--datos": "dataset", "--particion": "split", "--semilla": "seed"}.get(name, name)
    with pytest.raises(ConfigError, match=name) as caught:
        Config(**{field: value})
    assert repr(value) in str(caught.value) or value == 2**32


def test_las_semillas_extremas_valen():
    assert (Config(seed=0).seed, Config(seed=2**32 - 1).seed) == (0, 2**32 - 1)


def test_una_opcion_que_no_existe_se_nombra_con_las_que_hay():
    with pytest.raises(ConfigError, match=r"epocas, lado.*batch_cnn.*size"):
        Config.create(lado=3, epocas=5)
    with pytest.raises(ConfigError, match="epocas"):
        Config().with_changes(epocas=5)


def test_los_cambios_dejan_lo_demas_como_estaba():
    config = Config.create("kermany", seed=3).with_changes(split="archivo")
    assert (config.dataset, config.seed, config.size, config.split) == (
        "kermany", 3, 150, "archivo",
    )  # fmt: skip
    with pytest.raises(ConfigError, match="--particion"):
        config.with_changes(split="x")


def test_la_identidad_no_depende_de_donde_estan_los_datos_ni_de_como_se_escriben():
    here, there = Config(root=Path("a"), difficulty=1), Config(root="b", difficulty=1.0)
    assert here == there
    assert json.dumps(here.identity()) == json.dumps(there.identity())
    assert "root" not in here.identity()
    assert isinstance(there.root, Path)
    assert Config(seed=1).identity() != Config(seed=2).identity()


class TestEntorno:
    def test_vacio_da_los_valores_por_omision(self):
        assert Config.from_environment({}) == Config.create()
        names = ("DATOS", "RAIZ", "PARTICION", "SEMILLA", "AJUSTES")
        assert Config.from_environment({f"NEUMONIA_{n}": "" for n in names}) == Config.create()

    def test_cada_variable_llega_a_su_campo(self, tmp_path):
        config = Config.from_environment(
            {
                "NEUMONIA_DATOS": "kermany",
                "NEUMONIA_RAIZ": str(tmp_path),
                "NEUMONIA_PARTICION": "oficial",
                "NEUMONIA_SEMILLA": "7",
                "NEUMONIA_AJUSTES": '{"epochs_cnn": 2, "difficulty": 1, "seed": 99}',
            }
        )
        assert (config.dataset, config.root, config.split, config.seed) == (
            "kermany", tmp_path, "oficial", 7,
        )  # fmt: skip
        assert (config.epochs_cnn, config.difficulty, config.size) == (2, 1.0, 150)

    def test_se_lee_del_proceso_si_no_se_da_otro(self, monkeypatch):
        monkeypatch.setenv("NEUMONIA_SEMILLA", "11")
        assert Config.from_environment().seed == 11

    def test_los_ajustes_pueden_elegir_el_conjunto_pero_manda_su_variable(self):
        settings = {"NEUMONIA_AJUSTES": '{"dataset": "pneumoniamnist"}'}
        assert Config.from_environment(settings).size == 56
        chosen = Config.from_environment({**settings, "NEUMONIA_DATOS": "kermany"})
        assert chosen.dataset == "kermany"

    @pytest.mark.parametrize(
        ("name", "value", "named"),
        [
            ("DATOS", "rayos", "--datos.*'rayos'"),
            ("SEMILLA", "tres", "NEUMONIA_SEMILLA.*'tres'"),
            ("SEMILLA", "-3", "--semilla"),
            ("AJUSTES", "{", "NEUMONIA_AJUSTES"),
            ("AJUSTES", "[1]", "NEUMONIA_AJUSTES"),
            ("AJUSTES", '{"epocas": 1}', "epocas"),
            ("AJUSTES", '{"size": "grande"}', "size"),
            ("AJUSTES", '{"dataset": 3}', "--datos"),
        ],
    )
    def test_un_valor_impropio_se_explica(self, name, value, named):
        with pytest.raises(ConfigError, match=named):
            Config.from_environment({f"NEUMONIA_{name}": value})


def test_la_semilla_de_los_datos_solo_cuenta_si_se_da():
    assert "data_seed" not in Config().identity()
    assert Config(data_seed=3).identity()["data_seed"] == 3
