"""Keras se carga solo cuando hace falta, y con el motor del libro."""

import logging
import os
import subprocess
import sys
from itertools import islice

import pytest

from neumonia.errors import ConfigError
from neumonia.models.backend import _quiet_start, check_precision, layer_seeds, load_keras

MODULES = (
    "neumonia.models, neumonia.models.batches, neumonia.training, neumonia.gradcam, "
    "neumonia.models.weights"
)


def test_importar_el_paquete_no_carga_keras_ni_pyplot():
    program = (
        f"import sys, {MODULES}\n"
        "print([n for n in ('keras', 'tensorflow', 'onnx', 'h5py', 'matplotlib.pyplot')"
        " if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_cargar_y_usar_keras_no_escribe_avisos_pero_los_errores_siguen_llegando():
    program = (
        "import sys\n"
        "from neumonia.models.cnn import augment\n"
        "import numpy\n"
        "augment(numpy.zeros((1, 8, 8)), seed=0)\n"
        "print('error nuestro', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "error nuestro\n")


def test_el_descriptor_de_errores_vuelve_a_su_sitio_aunque_la_carga_falle(monkeypatch, capfd):
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    with pytest.raises(ImportError), _quiet_start(True):
        os.write(2, b"aviso\n")
        raise ImportError
    os.write(2, b"despues\n")
    assert capfd.readouterr().err == "despues\n"


def test_quien_pide_otro_nivel_recibe_los_avisos(monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    logger = logging.getLogger("tensorflow")
    monkeypatch.setattr(logger, "level", logging.INFO)
    load_keras()
    assert logger.level == logging.INFO
    program = "from neumonia.models.backend import load_keras; load_keras()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr


def test_otro_motor_se_rechaza(monkeypatch):
    keras = load_keras()
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(ConfigError, match=r"'torch'.*KERAS_BACKEND=tensorflow"):
        load_keras()


def test_sin_tensorflow_el_error_dice_que_instalar(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(ConfigError, match="dependencias"):
        load_keras()


def test_las_semillas_dependen_solo_de_la_primera_y_no_se_repiten():
    first = list(islice(layer_seeds(7), 50))
    assert first == list(islice(layer_seeds(7), 50))
    assert len(set(first)) == 50
    assert first != list(islice(layer_seeds(8), 50))


@pytest.mark.parametrize("seed", [-1, 1.5, "3", True])
def test_una_semilla_imposible_se_rechaza(seed):
    with pytest.raises(ConfigError, match="semilla"):
        next(layer_seeds(seed))


def test_la_precision_desconocida_lista_las_que_hay():
    assert check_precision("mixed_bfloat16") == "mixed_bfloat16"
    with pytest.raises(ConfigError, match="float32, mixed_bfloat16"):
        check_precision("float16")
