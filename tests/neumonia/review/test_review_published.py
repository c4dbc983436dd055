"""Leer una revisión publicada: entera, a medias o ninguna."""

from pathlib import Path

import pytest

from neumonia.errors import DataError
from neumonia.files import read_json
from neumonia.review.published import PART_NAMES, published_review
from neumonia.review.runner import PARTS

ROOT = Path(__file__).resolve().parents[3]


def test_las_partes_son_las_que_la_revision_calcula_y_publica():
    review = published_review("kermany", ROOT)
    assert set(PART_NAMES) == set(PARTS)
    for name in PART_NAMES:
        assert review.part(name) == read_json(review.folder / f"{name}.json")


def test_lo_que_falta_dice_con_que_orden_se_hace_y_lo_mal_escrito_es_un_error(tmp_path):
    review = published_review("kermany", tmp_path)
    assert not any(review.has(name) for name in PART_NAMES) and review.provenance == {}
    with pytest.raises(DataError, match="neumonia revision atajos"):
        review.part("atajos")
    with pytest.raises(DataError, match="'atajo': atajos"):
        review.has("atajo")
