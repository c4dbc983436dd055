"""Números en prosa: cómo se escribe en el libro lo que el código calcula."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from neumonia.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN = "—"
_THIN_SPACE = "\u202f"


class Inline(str):
    """Texto que una celda en línea imprime tal cual: ``repr`` escaparía el espacio fino."""

    def _repr_markdown_(self) -> str:
        return str(self)


def integer(value: float) -> str:
    """Entero con espacio fino de millares desde cinco cifras: ``5856``, ``14 714 688``."""
    whole = round(value)
    text = f"{whole:,}" if abs(whole) >= 10_000 else str(whole)
    return Inline(text.replace(",", _THIN_SPACE))


def number(value: float | None, decimals: int = 3) -> str:
    """Decimal con punto: ``0.912``; una raya si no está definido."""
    if value is None or math.isnan(value):
        return UNKNOWN
    return f"{value:z.{decimals}f}"


def percent(value: float | None, decimals: int = 1) -> str:
    """Proporción de 0 a 1 como porcentaje: ``93.4 %``."""
    if value is None or math.isnan(value):
        return UNKNOWN
    return Inline(f"{100 * value:z.{decimals}f}{_THIN_SPACE}%")


def interval(low: float | None, high: float | None, decimals: int = 3) -> str:
    """Intervalo como ``0.981 a 0.996``; una raya si no está definido."""
    if low is None or high is None:
        return UNKNOWN
    return f"{number(low, decimals)} a {number(high, decimals)}"


def told(row: Mapping[str, Any], value: str = "value", decimals: int = 3) -> str:
    """``0.912 (0.880 a 0.940)``, de una fila con ``value``, ``low`` y ``high``.

    Con ``value="difference"`` los extremos son ``difference_low`` y ``difference_high``, si están.
    Sin extremos, solo el valor.
    """
    prefix = f"{value}_" if f"{value}_low" in row else ""
    text = number(row[value], decimals)
    ends = interval(row[f"{prefix}low"], row[f"{prefix}high"], decimals)
    return text if UNKNOWN in ends else f"{text} ({ends})"


def one(table: "pd.DataFrame", **where: object) -> "pd.Series":
    """La única fila de ``table`` con esos valores; ``DataError`` si no hay ninguna o hay varias."""
    found = table
    for column, wanted in where.items():
        found = found[found[column] == wanted]
    if len(found) != 1:
        raise DataError(f"Buscábamos una fila con {where} y hay {len(found)}.")
    return found.iloc[0]


def shortened(error: BaseException, limit: int = 160) -> str:
    """El texto de un error ajeno, en un renglón y no más largo que ``limit``."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"
