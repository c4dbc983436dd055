"""Lo que comparten las figuras de confianza: nombres, estilos y comprobaciones."""

from collections.abc import Iterable, Sequence

import pandas as pd

from neumonia.errors import DataError
from neumonia.figures import palette
from neumonia.gradcam import METHODS
from neumonia.text import UNKNOWN, integer, interval, number

METHOD_STYLES = {
    "grad_cam": palette.Style("#00355C", "-", "o", ""),
    "hires_cam": palette.Style("#C44E00", (0.0, (5.0, 1.8)), "^", ""),
    "grad_cam++": palette.Style("#00825F", (0.0, (1.2, 1.2)), "s", ""),
    "score_cam": palette.Style("#4B1D5E", (0.0, (6.0, 1.5, 1.2, 1.5)), "D", ""),
    "gradient": palette.Style("#8A5A00", (0.0, (9.0, 2.0)), "v", ""),
    "occlusion": palette.Style("#B0306A", (0.0, (3.0, 1.2, 1.2, 1.2, 1.2, 1.2)), "X", ""),
}
"""Un estilo por método, el mismo en todas las figuras."""

REFERENCES = {
    "uniform": "uniforme",
    "centre": "centro",
    "random": "azar",
    "mean_mask": "máscara media",
    "random_order": "orden al azar",
    "perfect": "perfecto",
}
"""Los mapas que no miran la radiografía y el techo, con su nombre para mostrar."""

REFERENCE_STYLES = {
    "uniform": palette.Style(palette.MUTED, (0.0, (1.2, 1.6)), "<", ""),
    "centre": palette.Style(palette.MUTED, (0.0, (6.0, 1.5, 1.2, 1.5)), "p", ""),
    "random": palette.Style(palette.MUTED, (0.0, (1.2, 4.0)), ">", ""),
    "mean_mask": palette.Style(palette.TEXT, (0.0, (9.0, 2.0)), "d", ""),
    "random_order": palette.Style(palette.MUTED, (0.0, (4.0, 2.0)), "", ""),
    "perfect": palette.Style(palette.TEXT, "-", "*", ""),
}

METRIC_TITLES = {
    "pointing_game": "aciertos del punto más caliente",
    "energy_inside": "parte del calor dentro de la opacidad",
    "iou": "IoU de lo más caliente con la opacidad",
    "ssim": "SSIM",
    "spearman": "correlación de rangos",
    "spearman_abs": "correlación de rangos, sin signo",
    "overlap": "coincidencia de lo más caliente",
}

PAGE = 8.9
"""Alto, en pulgadas, que cabe con su pie en una página A4."""


def title_of(name: str) -> str:
    """El nombre para mostrar de un método o de una referencia; otro nombre queda como está."""
    return METHODS[name].title if name in METHODS else REFERENCES.get(name, name)


def style_of(name: str) -> palette.Style:
    """El estilo de un método o de una referencia.

    Raises
    ------
    DataError
        Si el nombre no es ni lo uno ni lo otro.
    """
    styles = {**REFERENCE_STYLES, **METHOD_STYLES}
    if name not in styles:
        raise DataError(f"No conocemos el método {name!r}; los hay: {', '.join(styles)}.")
    return styles[name]


def in_order(names: Iterable[str]) -> list[str]:
    """Los nombres sin repetir: primero los métodos, en su orden, y después los demás."""
    found = list(dict.fromkeys(names))
    known = [name for name in (*METHODS, *REFERENCES) if name in found]
    return [*known, *(name for name in found if name not in known)]


def check_rows(rows: pd.DataFrame, columns: Sequence[str], keys: Sequence[str]) -> pd.DataFrame:
    """Devuelve las columnas pedidas, con los números en float y los textos sin nulos.

    Parameters
    ----------
    rows : DataFrame
    columns : las que deben estar
    keys : las que juntas no se repiten; son textos, y uno ausente se vuelve ``""``

    Raises
    ------
    DataError
        Sin filas, sin alguna columna, o con dos filas para lo mismo.
    """
    missing = [name for name in columns if name not in rows.columns]
    if missing or rows.empty:
        raise DataError(
            f"Necesitamos una tabla con filas y las columnas {', '.join(columns)}"
            + (f"; faltan: {', '.join(missing)}." if missing else "; está vacía.")
        )
    table = rows[list(columns)].reset_index(drop=True)
    for name in columns:
        if name in keys:
            table[name] = table[name].astype(object).where(table[name].notna(), "")
        elif name in ("value", "low", "high", "chance", "rate", "fraction", "mean"):
            table[name] = table[name].astype(float)
    if table.duplicated(list(keys)).any():
        raise DataError(
            f"Hay dos filas con lo mismo en {', '.join(keys)}: filtremos antes una sola parte, un "
            "solo grupo o una sola red."
        )
    return table


def one_metric(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Las filas de ``metric``; ``DataError`` si es desconocida o no está en la tabla."""
    if metric not in METRIC_TITLES:
        raise DataError(f"No conocemos la medida {metric!r}; las hay: {', '.join(METRIC_TITLES)}.")
    found = rows[rows["metric"] == metric] if "metric" in rows.columns else rows[:0]
    if found.empty:
        raise DataError(f"La tabla no tiene ninguna fila de la medida {metric!r}.")
    return found


def spell(value: float, low: float, high: float, decimals: int = 3) -> str:
    """``0.912 (0.880 a 0.940)``; sin intervalo, solo el valor."""
    text = number(value, decimals)
    return text if low != low or text == UNKNOWN else f"{text} ({interval(low, high, decimals)})"


def span(counts: Iterable[int]) -> str:
    """``120``, o ``12 a 120`` si no son iguales."""
    numbers = [int(value) for value in counts]
    least, most = min(numbers), max(numbers)
    return integer(least) if least == most else f"{integer(least)} a {integer(most)}"
