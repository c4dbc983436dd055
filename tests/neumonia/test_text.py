"""Cómo se escriben los números en la prosa."""

import math

import numpy as np
import pandas as pd
import pytest

from neumonia.errors import DataError
from neumonia.text import integer, interval, number, one, percent, told

THIN = "\u202f"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (5856, "5856"),
        (9999.4, "9999"),
        (9999.6, f"10{THIN}000"),
        (10_000, f"10{THIN}000"),
        (14_714_688, f"14{THIN}714{THIN}688"),
        (-14_714, f"-14{THIN}714"),
        (-0.2, "0"),
    ],
)
def test_enteros_con_espacio_de_millares_desde_cinco_cifras(value, expected):
    assert integer(value) == expected


def test_una_celda_en_linea_muestra_el_espacio_fino_y_no_su_codigo():
    assert integer(14_714)._repr_markdown_() == f"14{THIN}714"
    assert percent(0.5)._repr_markdown_() == f"50.0{THIN}%"
    assert "\\u202f" in repr(str(integer(14_714))), "sin ello saldría el código"


@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [
        (0.9123, 3, "0.912"),
        (0.9127, 2, "0.91"),
        (1, 3, "1.000"),
        (-0.25, 1, "-0.2"),
        (-0.0001, 3, "0.000"),
        (None, 3, "—"),
        (math.nan, 3, "—"),
    ],
)
def test_decimales_con_punto_y_raya_si_no_estan_definidos(value, decimals, expected):
    assert number(value, decimals) == expected


@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [
        (0.934, 1, f"93.4{THIN}%"),
        (1, 0, f"100{THIN}%"),
        (-1e-9, 1, f"0.0{THIN}%"),
        (None, 1, "—"),
        (math.nan, 1, "—"),
    ],
)
def test_porcentajes(value, decimals, expected):
    assert percent(value, decimals) == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.9811, 0.9964, "0.981 a 0.996"), (None, 0.5, "—"), (0.5, None, "—")],
)
def test_intervalos(low, high, expected):
    assert interval(low, high) == expected


def test_un_intervalo_con_otros_decimales():
    assert interval(0.5, 0.75, decimals=1) == "0.5 a 0.8"


def test_un_valor_se_escribe_con_su_intervalo_y_sin_el_cuando_no_lo_hay():
    ends = {"low": 0.4, "high": 0.6}
    assert told({"value": 0.5, **ends}) == "0.500 (0.400 a 0.600)"
    assert told({"value": 0.5, "low": None, "high": None}) == "0.500"
    assert told({"value": 0.5, "low": np.nan, "high": 0.6}, decimals=1) == "0.5"
    row = {"difference": -0.2, "difference_low": -0.3, "difference_high": -0.1}
    assert told({**row, "value": 9, **ends}, "difference") == "-0.200 (-0.300 a -0.100)"
    assert told({"passed": 0.45, **ends}, "passed") == "0.450 (0.400 a 0.600)"


def test_se_busca_una_fila_y_solo_una():
    table = pd.DataFrame({"red": ["a", "a", "b"], "método": ["x", "y", "x"], "v": [1, 2, 3]})
    assert one(table, red="a", método="y")["v"] == 2
    for red, count in (("a", "hay 2"), ("c", "hay 0")):
        with pytest.raises(DataError, match=count):
            one(table, red=red)
