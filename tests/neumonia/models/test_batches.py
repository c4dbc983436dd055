"""Los lotes de inferencia."""

import numpy as np
import pytest

from neumonia.errors import ConfigError, DataError
from neumonia.models.batches import check_images, compile_call, iterate


def test_los_lotes_reconstruyen_las_filas_pedidas_en_orden():
    images = np.arange(7 * 4, dtype=np.uint8).reshape(7, 2, 2)
    rows = np.array([6, 0, 3])
    batches = list(iterate(images, 4, 2, rows))
    assert [len(batch) for batch in batches] == [2, 1]
    assert all(batch.dtype == np.float32 and batch.shape[1:] == (2, 2, 1) for batch in batches)
    assert np.array_equal(np.concatenate(batches)[..., 0], images[rows])
    assert np.array_equal(np.concatenate(list(iterate(images, 4, 3)))[..., 0], images)


def test_las_formas_validas_pasan_con_canal_o_sin_el():
    check_images(np.zeros((2, 5, 6)), (5, 6, 1))
    check_images(np.zeros((2, 5, 6, 1)), (5, 6, 1))
    check_images(np.zeros((2, 4, 4, 512)), (4, 4, 512))


@pytest.mark.parametrize("shape", [(2, 5, 7), (2, 4, 4), (2, 5, 6, 3)])
def test_la_forma_equivocada_se_dice_junto_a_la_esperada(shape):
    with pytest.raises(DataError, match=r"\(N, 5, 6, 1\) y recibió"):
        check_images(np.zeros(shape), (5, 6, 1))


def test_a_una_imagen_suelta_se_le_sugiere_el_eje_que_falta():
    with pytest.raises(DataError, match=r"imagen\[None\]"):
        check_images(np.zeros((5, 6)), (5, 6, 1))


def test_el_lote_vacio_se_rechaza():
    with pytest.raises(ConfigError, match="al menos 1"):
        next(iterate(np.zeros((1, 2, 2)), 4, 0))


def test_la_funcion_compilada_se_traza_una_sola_vez():
    traces = []

    def double(batch):
        traces.append(1)
        return batch * 2

    call = compile_call(double, (3,))
    for length in (4, 4, 1, 7):
        assert call(np.ones((length, 3), np.float32)).shape == (length, 3)
    assert len(traces) == 1
