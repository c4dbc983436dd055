"""Cuántas radiografías hay de cada clase en cada parte."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neumonia.errors import DataError
from neumonia.figures import palette
from neumonia.figures.base import illustrated, integer, new_figure

_SPLITS = {"train": "entrenamiento", "val": "validación", "test": "prueba"}


@illustrated
def class_balance(frame: pd.DataFrame) -> tuple[Figure, str]:
    """Barras apiladas con las placas NORMAL y PNEUMONIA de cada parte.

    Parameters
    ----------
    frame : DataFrame
        Índice ``split`` (train, val, test u otro nombre); columnas ``normal`` y ``pneumonia``
        con los conteos.

    Raises
    ------
    DataError
        Si está vacío o le faltan columnas.
    """
    if frame.empty or not {"normal", "pneumonia"} <= set(frame.columns):
        raise DataError("Necesitamos una fila por parte con las columnas normal y pneumonia.")
    names = [_SPLITS.get(str(split), str(split)) for split in frame.index]
    counts = frame[["normal", "pneumonia"]].to_numpy(dtype=np.int64)
    totals = counts.sum(axis=1)
    shares = 100 * counts / np.maximum(totals, 1)[:, None]

    figure = new_figure(0.95 + 0.5 * len(names))
    axes = figure.subplots()
    for row in range(len(names)):
        _stacked_bar(axes, row, counts[row], shares[row])
    for label, anchor in ((0, "left"), (1, "right")):
        axes.annotate(
            palette.CLASS_NAMES[label],
            (float(label), 1.0),
            xycoords="axes fraction",
            xytext=(0, 4),
            textcoords="offset points",
            ha=anchor,
            color=palette.CLASSES[label].color,
            fontweight="bold",
        )
    labels = [f"{name}\n({integer(total)})" for name, total in zip(names, totals, strict=True)]
    axes.set_yticks(range(len(names)), labels)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    axes.set_xlabel("porcentaje de las radiografías de cada parte")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)

    parts = [
        f"{name}, {integer(normal)} NORMAL y {integer(sick)} PNEUMONIA ({share:.1f} %)"
        for name, (normal, sick), share in zip(names, counts, shares[:, 1], strict=True)
    ]
    return figure, f"Barras apiladas con la proporción de cada clase: {'; '.join(parts)}."


def _stacked_bar(axes: Axes, row: int, counts: np.ndarray, shares: np.ndarray) -> None:
    if not counts.any():
        axes.text(50, row, "sin radiografías", ha="center", va="center", color=palette.MUTED)
        return
    left = 0.0
    inks = {0: "white", 1: palette.PNEUMONIA.color}
    for label, style in palette.CLASSES.items():
        axes.barh(
            row,
            shares[label],
            left=left,
            height=0.7,
            facecolor="white" if style.hatch else style.color,
            edgecolor=style.color,
            hatch=style.hatch,
            linewidth=1.2,
        )
        gap = " · " if shares[label] >= 22 else "\n"
        position, anchor, ground = left + shares[label] / 2, "center", label
        ink = inks[label]
        if shares[label] < 11:
            # No cabe en su tramo: se escribe en el vecino, junto a la frontera.
            position = left + shares[label] + 0.8 if label == 0 else left - 0.8
            anchor, ground = ("left", 1) if label == 0 else ("right", 0)
            ink = palette.NORMAL.color if label == 0 else "white"
        text = axes.text(
            position,
            row,
            f"{integer(counts[label])}{gap}{shares[label]:.1f} %",
            ha=anchor,
            va="center",
            fontsize=8.5,
            linespacing=0.95,
            color=ink,
        )
        if ground == 1:
            text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1.5})
        left += shares[label]
