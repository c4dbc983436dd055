"""El contrato común: la tabla de películas y el objeto Dataset."""

import numpy as np
import pandas as pd
import pytest

from neumonia.datasets.base import COLUMNS, Dataset, ImportReport, Skipped, tidy_manifest
from neumonia.errors import ConfigError, DataError


def rows(**changes) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "image_id": ["b", "a", "c"],
            "label": [1, 0, 1],
            "patient": ["p1", "p2", "p1"],
            "subtype": ["virus", "normal", "virus"],
            "official_split": ["train", "test", "train"],
            "height": [10, 20, 30],
            "width": [11, 22, 33],
            "sha256": ["x", "y", "z"],
            "extra": [0, 0, 0],
        }
    )
    return frame.assign(**changes)


def small(**extra) -> Dataset:
    def loader(wanted, size, progress):
        return np.repeat(wanted.astype(np.uint8), size * size).reshape(-1, size, size)

    return Dataset("maqueta", tidy_manifest(rows()), loader, {"title": "Prueba"}, **extra)


def test_la_tabla_queda_ordenada_con_tipos_y_columnas_exactas():
    tidy = tidy_manifest(rows())
    assert list(tidy.columns) == list(COLUMNS)
    assert list(tidy["image_id"]) == ["a", "b", "c"]
    assert list(tidy.index) == [0, 1, 2]
    assert tidy["label"].dtype == np.int8
    assert tidy["height"].dtype == np.int64


def test_un_paciente_ausente_se_vuelve_texto_vacio():
    tidy = tidy_manifest(rows(patient=[None, np.nan, "p"]))
    assert list(tidy["patient"]) == ["", "", "p"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"label": [0, 1, 2]}, "label"),
        ({"label": [0, 1, "x"]}, "número entero"),
        ({"height": [1.5, 2, 3]}, "número entero"),
        ({"width": [0, 2, 3]}, "positivo"),
        ({"height": [-1, 2, 3]}, "positivo"),
        ({"official_split": ["train", "test", "prueba"]}, "train, val o test"),
        ({"image_id": ["a", "a", "b"]}, "sin repetir"),
        ({"image_id": ["", "a", "b"]}, "no vacío"),
    ],
)
def test_un_valor_impropio_se_nombra(changes, expected):
    with pytest.raises(DataError, match=expected):
        tidy_manifest(rows(**changes))


def test_una_columna_ausente_se_nombra():
    with pytest.raises(DataError, match="sha256"):
        tidy_manifest(rows().drop(columns="sha256"))


def test_cargar_respeta_el_orden_pedido():
    images = small().load(np.array([2, 0]), 8)
    assert images.shape == (2, 8, 8)
    assert [image[0, 0] for image in images] == [2, 0]


def test_cargar_todo_y_cargar_nada():
    dataset = small()
    assert dataset.load(size=8).shape == (3, 8, 8)
    assert dataset.load(np.array([], dtype=int), 8).shape == (0, 8, 8)
    assert len(dataset) == 3


@pytest.mark.parametrize("wanted", [np.array([3]), np.array([-1])])
def test_una_posicion_inexistente_se_rechaza(wanted):
    with pytest.raises(ConfigError, match="de 0 a 2"):
        small().load(wanted, 8)


@pytest.mark.parametrize("wanted", [np.array([0.5]), np.array([[0, 1]])])
def test_las_posiciones_son_enteros_en_una_dimension(wanted):
    with pytest.raises(ConfigError, match="una dimensión"):
        small().load(wanted, 8)


@pytest.mark.parametrize("size", [0, -5, 7, 5000])
def test_un_lado_fuera_de_rango_se_rechaza(size):
    with pytest.raises(ConfigError, match=str(size)):
        small().load(None, size)


def test_la_huella_cambia_con_cada_dato_que_importa_y_solo_con_esos():
    def huella(**changes):
        return Dataset("x", tidy_manifest(rows(**changes)), None, {}).fingerprint

    base = huella()
    assert huella() == base
    assert huella(height=[99, 20, 30]) == base
    assert huella(sha256=["x", "y", "w"]) != base
    assert huella(label=[0, 0, 1]) != base
    assert huella(image_id=["b", "a", "d"]) != base


def test_la_presentacion_dice_lo_que_hay():
    text = repr(small(skipped=(Skipped("f.jpeg", "vacío"),)))
    for piece in (
        "«maqueta»",
        "Prueba",
        "películas     : 3",
        "pacientes     : 2",
        "apartadas     : 1",
    ):
        assert piece in text
    assert "train         : 0 NORMAL, 2 PNEUMONIA" in text
    assert "alto de 10 a 30" in text


def test_la_presentacion_sin_pacientes_ni_filas():
    unknown = Dataset("x", tidy_manifest(rows(patient="", height=5)), None, {"licence": "CC"})
    assert "no constan" in repr(unknown)
    assert "alto 5," in repr(unknown)
    assert "licencia      : CC" in repr(unknown)
    empty = Dataset("x", tidy_manifest(rows().iloc[:0]), None, {})
    assert "alto —" in repr(empty)


def test_el_informe_de_importacion_se_lee_y_se_acorta():
    full = ImportReport(
        5856,
        tuple(Skipped(f"f{k}.jpeg", "vacío") for k in range(25)),
        repeated=3,
        ignored=4,
        unparsed=("raro.jpeg",),
        destination="datos",
    )
    text = str(full)
    for piece in ("5 856", "datos", "f0.jpeg: vacío", "… y 5 más", "raro.jpeg", ": 3", ": 4"):
        assert piece in text
    assert "f24.jpeg" not in text
    assert str(ImportReport(2)) == "Películas importadas: 2"
