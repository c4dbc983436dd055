"""Figuras de la deriva: qué cambia entre las radiografías de entrenamiento y las de prueba."""

from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from neumonia.acquisition.statistics import STATISTICS
from neumonia.datasets.base import CLASSES
from neumonia.errors import DataError
from neumonia.figures import palette
from neumonia.figures.base import illustrated, key_above, listing, new_figure

_COLUMNS = {"class", "statistic", "auc", "low", "high"}
_OFFSET = 0.17
_ROW = 0.36
# Un intervalo a trazos parece más corto de lo que es: aquí distinguen la marca y el lugar.
_STYLES = {label: replace(style, line="-") for label, style in palette.CLASSES.items()}
_BINS = 24


@illustrated
def acquisition_drift(table: pd.DataFrame, top: int = 10) -> tuple[Figure, str]:
    """Cuánto se mueve cada estadística entre las dos partes, por clase.

    Parameters
    ----------
    table : DataFrame
        Lo que devuelve ``drift_table``.
    top : int
        Cuántas estadísticas dibujar: las que más se mueven en alguna clase.

    Raises
    ------
    DataError
        Si la tabla está vacía, le faltan columnas, o ``top`` es menor que 1.
    """
    if table.empty or not set(table.columns) >= _COLUMNS or top < 1:
        raise DataError(f"Necesitamos una tabla de deriva con {', '.join(sorted(_COLUMNS))}.")
    moved = (table["auc"] - 0.5).abs().groupby(table["statistic"]).max()
    chosen = list(moved.sort_values(ascending=False, kind="stable").index[:top])
    figure = new_figure(1.25 + _ROW * len(chosen))
    axes = figure.subplots()
    parts: dict[str, list[str]] = {name: [] for name in CLASSES}
    for label, name in enumerate(CLASSES):
        style = _STYLES[label]
        mine = table[table["class"] == name].set_index("statistic")
        for row, key in enumerate(chosen):
            found = mine.loc[key]
            place = row + (_OFFSET if label else -_OFFSET)
            axes.plot([found["low"], found["high"]], [place, place], **style.stroke(1.6))
            axes.plot(
                found["auc"],
                place,
                marker=style.marker,
                color=style.color,
                markersize=6,
                markeredgecolor="white",
            )
            parts[name].append(f"{STATISTICS.get(key, key)} {found['auc']:.3f}")
    axes.axvline(0.5, color=palette.MUTED, linewidth=1, linestyle=":")
    axes.set_yticks(range(len(chosen)), [STATISTICS.get(key, key) for key in chosen])
    axes.set_ylim(len(chosen) - 0.5, -0.5)
    reach = max(0.1, float(np.nanmax(np.abs(table[["low", "high"]].to_numpy(float) - 0.5))) + 0.02)
    axes.set_xlim(max(0, 0.5 - reach), min(1, 0.5 + reach))
    axes.set_xlabel("ROC-AUC entre partes: menos de 0.5, la prueba tiene valores más bajos")
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    key_above(figure, [(name, _STYLES[label]) for label, name in enumerate(CLASSES)])
    facts = [f"{name}: {listing(found[:4])}" for name, found in parts.items()]
    return figure, (
        f"Puntos con intervalo del 95 % por paciente para {len(chosen)} estadísticas: la "
        "probabilidad de que una radiografía de prueba tenga un valor mayor que una de "
        f"entrenamiento de su misma clase; 0.5 es que nada cambió. {'. '.join(facts)}."
    )
