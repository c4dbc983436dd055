"""El sesgo inicial frente a su definición y a la pérdida que calcula Keras."""

import math

import numpy as np
import pytest

from neumonia.errors import DataError
from neumonia.models.backend import load_keras
from neumonia.models.bias import initial_bias, initial_loss


def test_la_sigmoide_del_sesgo_es_la_proporcion_de_positivos():
    labels = np.array([1] * 73 + [0] * 27, dtype=np.int8)
    bias = initial_bias(labels)
    assert 1 / (1 + math.exp(-bias)) == pytest.approx(0.73)


def test_la_perdida_inicial_es_la_que_da_keras_con_ese_sesgo():
    keras = load_keras()
    labels = np.array([1] * 73 + [0] * 27, dtype=np.float32)[:, None]
    logits = np.full_like(labels, initial_bias(labels))
    loss = keras.losses.BinaryCrossentropy(from_logits=True)(labels, logits)
    assert initial_loss(labels) == pytest.approx(float(loss), abs=1e-6)


def test_con_clases_iguales_el_sesgo_es_cero_y_la_perdida_el_logaritmo_de_dos():
    assert initial_bias([0, 1]) == 0.0
    assert initial_loss([0, 1]) == pytest.approx(math.log(2))


@pytest.mark.parametrize("labels", [[1, 1], [0, 0], []])
def test_sin_las_dos_clases_no_hay_sesgo(labels):
    with pytest.raises(DataError, match="dos clases"):
        initial_bias(labels)


def test_una_etiqueta_desconocida_se_nombra():
    with pytest.raises(DataError, match="hay un valor 2"):
        initial_loss([0, 1, 2])
