"""Qué radiografías entran en un examen y con qué métodos."""

from dataclasses import replace

import numpy as np
import pytest

from neumonia.errors import DataError
from neumonia.evidence.exam import methods_of
from neumonia.gradcam import METHODS


def test_solo_entran_las_positivas_de_prueba_que_la_red_acierta(exam, network, study):
    test = study.rows("test")
    positives = test[study.labels[test] == 1]
    assert exam.correct_positives(network).tolist() == positives[1:].tolist()
    val = study.rows("val")
    assert exam.correct_positives(network, "val").tolist() == val[study.labels[val] == 1].tolist()


def test_sin_ningun_acierto_se_dice_que_hacer(exam, network):
    blind = replace(network, logits=np.full_like(network.logits, -1.0))
    with pytest.raises(DataError, match=r"CNN no acierta.*más épocas"):
        exam.correct_positives(blind)


def test_el_sorteo_no_repite_ni_inventa_y_es_siempre_el_mismo(exam):
    rows = np.arange(100, 150)
    drawn = exam.sample(rows, few=False)
    assert len(drawn) == exam.budget.films == len(set(drawn))
    assert set(drawn) <= set(rows) and (np.diff(drawn) > 0).all()
    assert drawn.tolist() == exam.sample(rows, few=False).tolist()
    assert len(exam.sample(rows, few=True)) == exam.budget.few
    assert exam.sample(rows[:2], few=False).tolist() == [100, 101]


def test_pacientes_e_imagenes_son_los_de_esas_filas(exam, study):
    rows = np.array([3, 1])
    assert exam.patients(rows).tolist() == study.dataset.manifest["patient"].iloc[[3, 1]].tolist()
    assert (exam.images(rows) == np.stack([study.images[3], study.images[1]])).all()


def test_los_metodos_de_pixeles_van_solo_con_la_ultima_capa(network):
    assert methods_of(network, "conv2") == tuple(METHODS)
    assert methods_of(network, "conv1") == ("grad_cam", "hires_cam", "grad_cam++", "score_cam")
    slow = replace(network, slow=True)
    assert methods_of(slow, "conv1") == ("grad_cam", "hires_cam", "grad_cam++")
    assert methods_of(slow, "conv2") == tuple(METHODS)
