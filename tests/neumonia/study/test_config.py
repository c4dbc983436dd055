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
    ("changes", "message"),
    [
        ({"dataset": "tomografias"}, r"--datos no puede ser 'tomografias'.*kermany"),
        ({"split": "azar"}, r"--particion no puede ser 'azar'.*oficial"),
        ({"precision": "float16"}, r"precision no puede ser 'float16'.*mixed_bfloat16"),
        ({"seed": -1}, r"--semilla debe ser un entero de al menos 0; llegó -1"),
        ({"seed": True}, r"--semilla debe ser un entero.*True"),
        ({"seed": 1.5}, r"--semilla.*1\.5"),
        ({"seed": 2**32}, r"--semilla no puede pasar de 4294967295"),
        ({"size": 31}, r"size debe ser un entero de al menos 32"),
        ({"size": "128"}, r"size debe ser.*'128'"),
        ({"epochs_cnn": 0}, r"epochs_cnn debe ser un entero de al menos 1"),
        ({"epochs_head": 0}, "epochs_head"),
        ({"patience_cnn": 0}, "patience_cnn"),
        ({"patience_head": 2.0}, "patience_head"),
        ({"batch_cnn": 0}, "batch_cnn"),
        ({"n_films": 0}, "n_films"),
        ({"difficulty": 1.5}, r"difficulty debe ser un número de 0 a 1; llegó 1\.5"),
        ({"difficulty": float("nan")}, "difficulty"),
        ({"difficulty": True}, "difficulty"),
        ({"difficulty": "alta"}, "difficulty.*'alta'"),
        ({"root": 5}, "root debe ser una ruta"),
    ],
)
def test_un_valor_fuera_de_su_dominio_se_nombra(changes, message):
    with pytest.raises(ConfigError, match=message):
        Config(**changes)


def test_las_semillas_extremas_valen():
    assert (Config(seed=0).seed, Config(seed=2**32 - 1).seed) == (0, 2**32 - 1)


def test_una_opcion_que_no_existe_se_nombra_con_las_que_hay():
    with pytest.raises(ConfigError, match=r"opción epocas, lado\..*batch_cnn.*size"):
        Config.create(lado=3, epocas=5)
    with pytest.raises(ConfigError, match="opción epocas"):
        Config().with_changes(epocas=5)


def test_un_conjunto_que_no_existe_no_llega_a_sus_valores():
    with pytest.raises(ConfigError, match="--datos no puede ser 'x'"):
        Config.create("x")


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
        ("name", "value", "message"),
        [
            ("NEUMONIA_DATOS", "rayos", "--datos no puede ser 'rayos'"),
            ("NEUMONIA_SEMILLA", "tres", "NEUMONIA_SEMILLA debe ser un entero; llegó 'tres'"),
            ("NEUMONIA_SEMILLA", "-3", "--semilla"),
            ("NEUMONIA_AJUSTES", "{", "NEUMONIA_AJUSTES no es JSON válido"),
            ("NEUMONIA_AJUSTES", "[1]", "NEUMONIA_AJUSTES debe ser un objeto JSON"),
            ("NEUMONIA_AJUSTES", '{"epocas": 1}', "no tiene la opción epocas"),
            ("NEUMONIA_AJUSTES", '{"size": "grande"}', "size debe ser un entero"),
            ("NEUMONIA_AJUSTES", '{"dataset": 3}', "--datos no puede ser 3"),
        ],
    )
    def test_un_valor_impropio_se_explica(self, name, value, message):
        with pytest.raises(ConfigError, match=message):
            Config.from_environment({name: value})


def test_la_semilla_de_los_datos_solo_cuenta_si_se_da():
    assert "data_seed" not in Config().identity()
    assert Config(data_seed=3).identity()["data_seed"] == 3
    with pytest.raises(ConfigError, match="data_seed debe ser un entero de al menos 0"):
        Config(data_seed=-1)
