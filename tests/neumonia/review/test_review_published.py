"""Leer una revisión publicada: entera, a medias o ninguna."""

import pandas as pd
import pytest

from neumonia.errors import DataError
from neumonia.files import read_json, write_text
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


def test_las_predicciones_que_faltan_tambien_se_dicen(project):
    for name in ("elegido", "segunda"):
        with pytest.raises(DataError, match=f"«{name}»"):
            published_review("kermany", project).predictions(name)


def test_una_parte_que_no_existe_es_un_error_y_no_una_ausencia(review_folder):
    with pytest.raises(DataError, match="'atajo': atajos"):
        PublishedReview(review_folder).has("atajo")


@pytest.mark.parametrize("name", PART_NAMES)
def test_cada_parte_se_lee_tal_como_se_escribio(second_folder, name):
    review = PublishedReview(second_folder)
    assert review.has(name)
    assert review.part(name) == read_json(second_folder / f"{name}.json")


def test_el_elegido_mas_reciente_es_el_de_la_segunda_vuelta_si_esta_entera(second_folder):
    assert PublishedReview(second_folder).latest_chosen == "segunda"
    (second_folder / "segunda.csv").unlink()
    assert PublishedReview(second_folder).latest_chosen == "elegido"


def test_la_procedencia_se_lee_por_parte(review_folder):
    assert "weights" in PublishedReview(review_folder).provenance["elegido"]


def test_el_elegido_sin_sus_predicciones_no_cuenta_como_publicado(review_folder):
    (review_folder / "elegido.csv").unlink()
    assert not PublishedReview(review_folder).has("elegido")


def test_un_paciente_llamado_na_es_un_paciente_y_la_probabilidad_no_se_redondea(review_folder):
    write_text(
        review_folder / "elegido.csv",
        "image_id,patient,subtype,label,split,p_0,p\n007,NA,,1,test,0.5,0.12345678901234568\n",
    )
    table = PublishedReview(review_folder).predictions("elegido")
    assert table.loc[0, ["image_id", "patient", "subtype"]].tolist() == ["007", "NA", ""]
    assert table.loc[0, "p"] == 0.12345678901234568
    assert pd.api.types.is_float_dtype(table["p"])


def test_unas_predicciones_ilegibles_se_explican(review_folder):
    (review_folder / "elegido.csv").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match=r"elegido\.csv"):
        PublishedReview(review_folder).predictions("elegido")


def test_los_ensayos_previos_se_leen_si_estan(tmp_path):
    folder = tmp_path / "estudio" / "kermany" / "revision"
    assert published_review("kermany", tmp_path).earlier_trials.empty
    folder.mkdir(parents=True)
    (folder / "ensayos-previos.csv").write_text(
        "examen,ensayo,auc_contra\n1,congelada,0.75\n2,entera,0.5\n", encoding="utf-8"
    )
    table = published_review("kermany", tmp_path).earlier_trials
    assert table["auc_contra"].tolist() == [0.75, 0.5] and table["examen"].nunique() == 2
