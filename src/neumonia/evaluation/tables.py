"""Tablas para el libro: números con tres decimales y Markdown sin dependencias."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from numpy.typing import ArrayLike

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation.intervals import metrics_with_intervals
from neumonia.evaluation.metrics import METRIC_NAMES, binary_metrics

UNDEFINED = "—"


def format_number(value: Any, decimals: int = 3) -> str:
    """``0.912`` con punto decimal; una raya si el valor es None o NaN."""
    if value is None or pd.isna(value):
        return UNDEFINED
    return f"{value:.{decimals}f}"


def metrics_table(
    results: Mapping[str, Mapping[str, Any]],
    intervals: Mapping[str, pd.DataFrame] | None = None,
) -> pd.DataFrame:
    """Una fila por modelo y una columna por métrica, en español y listas para mostrar.

    Parameters
    ----------
    results : {nombre del modelo: dict de ``binary_metrics``}
    intervals : {nombre del modelo: DataFrame de ``metrics_with_intervals``}, opcional
        Si se da, cada celda agrega su intervalo: ``0.953 (0.931 a 0.972)``.

    Returns
    -------
    DataFrame
        Índice ``modelo``, o múltiple si los nombres son tuplas; celdas de texto, con una raya donde
        no hay valor.
    """
    if not results:
        raise DataError("No hay resultados que mostrar: midamos al menos un modelo.")
    rows = {}
    for model, measured in results.items():
        missing = [name for name in METRIC_NAMES if name not in measured]
        if missing:
            raise DataError(f"A los resultados de {model!r} les falta: {', '.join(missing)}.")
        cells = {name: format_number(measured[name]) for name in METRIC_NAMES}
        if intervals is not None:
            if model not in intervals:
                raise DataError(f"Faltan los intervalos de {model!r}.")
            cells = {name: _with_interval(cells[name], intervals[model], name) for name in cells}
        rows[model] = {METRIC_NAMES[name]: text for name, text in cells.items()}
    frame = pd.DataFrame(list(rows.values()), columns=list(METRIC_NAMES.values()))
    names = list(rows)
    if all(isinstance(name, tuple) for name in names):
        frame.index = pd.MultiIndex.from_tuples(names)
        return frame
    return frame.set_axis(names).rename_axis("modelo")


def measured_table(
    measured: Mapping[Any, tuple[ArrayLike, ArrayLike, ArrayLike]],
    metrics: Sequence[str] = tuple(METRIC_NAMES),
) -> pd.DataFrame:
    """Mide y muestra: como ``metrics_table``, cada métrica con su intervalo por paciente.

    Parameters
    ----------
    measured : {nombre: (labels, probabilities, patients)}
    metrics : nombres de ``METRIC_NAMES``
    """
    results, intervals = {}, {}
    for name, values in measured.items():
        results[name] = binary_metrics(*values[:2])
        intervals[name] = metrics_with_intervals(*values)
    unknown = sorted(set(metrics) - set(METRIC_NAMES))
    if unknown:
        raise ConfigError(f"No conocemos la métrica {', '.join(unknown)}: {list(METRIC_NAMES)}.")
    return metrics_table(results, intervals)[[METRIC_NAMES[name] for name in metrics]]


def to_markdown(frame: pd.DataFrame, index: bool = True, decimals: int = 3) -> str:
    """Tabla de barras de Markdown; los números van a la derecha y el texto a la izquierda.

    Parameters
    ----------
    frame : DataFrame
        Los float se escriben con ``decimals`` decimales; None y NaN, con una raya.
    index : bool
        Incluir el índice como primera columna, con su nombre por título.
    """
    if index:
        names = [str(name) if name is not None else "" for name in frame.index.names]
        frame = frame.reset_index(names=names if len(names) > 1 else names[0])
    columns = [
        [_cell(value, decimals) for value in frame.iloc[:, i]] for i in range(frame.shape[1])
    ]
    marks = ["--:" if cells and all(map(_looks_numeric, cells)) else ":--" for cells in columns]
    header = [_cell(name, decimals) for name in frame.columns]
    lines = [header, marks, *(list(row) for row in zip(*columns, strict=True))]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


@dataclass(frozen=True, eq=False)
class Table:
    """Una tabla que los cuadernos y el libro muestran como Markdown."""

    frame: pd.DataFrame
    index: bool = True
    decimals: int = 3

    def _repr_markdown_(self) -> str:
        return to_markdown(self.frame, self.index, self.decimals)

    def __repr__(self) -> str:
        return self._repr_markdown_()


def _with_interval(text: str, interval: pd.DataFrame, name: str) -> str:
    low, high = interval.loc[name, "low"], interval.loc[name, "high"]
    if pd.isna(low):
        return text
    return f"{text} ({format_number(low)} a {format_number(high)})"


def _cell(value: Any, decimals: int) -> str:
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return UNDEFINED
    if pd.api.types.is_float(value):
        return format_number(value, decimals)
    return str(value).replace("|", "\\|").replace("\n", " ")


def _looks_numeric(text: str) -> bool:
    return text == UNDEFINED or text[:1].isdigit() or (text[:1] == "-" and text[1:2].isdigit())
