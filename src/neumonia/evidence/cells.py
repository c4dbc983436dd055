"""Un valor con su intervalo: buscarlo en una tabla publicada, escribirlo y compararlo con otro."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from neumonia.errors import DataError
from neumonia.text import interval, number


def told(row: Mapping[str, Any], value: str = "value", decimals: int = 3) -> str:
    """``0.912 (0.880 a 0.940)``, de una fila con ``value``, ``low`` y ``high``.

    Con ``value="difference"`` los extremos son ``difference_low`` y ``difference_high``, si están.
    Sin extremos, solo el valor.
    """
    own = f"{value}_low" in row
    ends = (f"{value}_low", f"{value}_high") if own else ("low", "high")
    text = number(row[value], decimals)
    if any(pd.isna(row[end]) for end in ends):
        return text
    return f"{text} ({interval(*(row[end] for end in ends), decimals)})"


def one(table: pd.DataFrame, **where: object) -> pd.Series:
    """La única fila de ``table`` con esos valores.

    Raises
    ------
    DataError
        Si no hay ninguna o hay más de una.
    """
    found = table
    for column, wanted in where.items():
        found = found[found[column] == wanted]
    if len(found) != 1:
        raise DataError(f"Buscábamos una fila con {where} y hay {len(found)}.")
    return found.iloc[0]


def versus(row: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """De qué lado queda un valor con su intervalo respecto de otro.

    «por encima de» o «por debajo de» solo si los dos intervalos no se tocan; si no, «sin separarse
    de».
    """
    if row["low"] > other["high"]:
        return "por encima de"
    return "por debajo de" if row["high"] < other["low"] else "sin separarse de"
