"""Números en prosa: cómo se escribe en el libro lo que el código calcula."""

import math

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
