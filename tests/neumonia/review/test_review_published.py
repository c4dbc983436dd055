"""Leer una revisión publicada: entera, a medias o ninguna."""

import pytest

from neumonia.errors import DataError
from neumonia.files import read_json
from neumonia.review.published import PART_NAMES, PublishedReview, published_review
from neumonia.review.runner import PARTS


def test_las_partes_son_las_que_la_revision_calcula():
    assert set(PART_NAMES) == set(PARTS)


def test_sin_carpeta_no_hay_ninguna_parte_y_nada_se_rompe(project):
    review = published_review("kermany", project)
    assert not any(review.has(name) for name in PART_NAMES)
    assert review.provenance == {}


@pytest.mark.parametrize("name", PART_NAMES)
def test_pedir_una_parte_que_falta_dice_con_que_orden_se_hace(project, name):
    review = published_review("kermany", project)
    with pytest.raises(DataError, match=f"aún no está publicada.*neumonia revision {name}"):
        review.part(name)


def test_una_parte_que_no_existe_es_un_error_y_no_una_ausencia(review_folder):
    with pytest.raises(DataError, match="'atajo': atajos"):
        PublishedReview(review_folder).has("atajo")


@pytest.mark.parametrize("name", PART_NAMES)
def test_cada_parte_se_lee_tal_como_se_escribio(review_folder, name):
    review = PublishedReview(review_folder)
    assert review.has(name)
    assert review.part(name) == read_json(review_folder / f"{name}.json")
