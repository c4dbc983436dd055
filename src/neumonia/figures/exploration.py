"""Mirar antes de entrenar: el balance, la radiografía media y los grises de cada clase."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike

from neumonia.errors import DataError
from neumonia.figures import palette
from neumonia.figures.base import SMALL, illustrated, key_above, listing, new_figure
from neumonia.text import integer

_SPLITS = {"train": "entrenamiento", "val": "validación", "test": "prueba"}
# Ancho de la barra de grises respecto del de una imagen.
_BAR = 0.05


@illustrated
def class_balance(frame: pd.DataFrame) -> tuple[Figure, str]:
    """Barras apiladas con las radiografías NORMAL y PNEUMONIA de cada parte.

    ``frame`` tiene una fila por parte (índice train, val, test u otro nombre) y los conteos
    ``normal`` y ``pneumonia``.
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


@illustrated
def mean_images(
    means: Mapping[int, np.ndarray], deviations: Mapping[int, np.ndarray] | None = None
) -> tuple[Figure, str]:
    """La placa media de cada clase, su diferencia y, si se da, la desviación estándar.

    Parameters
    ----------
    means : {0: float (H, W), 1: float (H, W)} en 0..255
    deviations : igual que ``means``, opcional
    """
    maps = [means, *([deviations] if deviations is not None else [])]
    if any(set(each) != {0, 1} for each in maps):
        raise DataError("Necesitamos la imagen media de las dos clases, 0 y 1.")
    if len({np.shape(each[label]) for each in maps for label in (0, 1)}) != 1:
        raise DataError("Las imágenes medias deben tener todas la misma forma (H, W).")
    difference = np.asarray(means[1], dtype=np.float64) - np.asarray(means[0], dtype=np.float64)

    figure = new_figure(2.1 * len(maps) + 0.1)
    grid = figure.subplots(len(maps), 5, squeeze=False, width_ratios=[1, 1, _BAR, 1, _BAR])
    brightest = max(float(np.max(means[label])) for label in (0, 1))
    _statistic_row(figure, grid[0], means, "media", "gray", brightest)
    if deviations is not None:
        widest = max(float(np.max(deviations[label])) for label in (0, 1))
        _statistic_row(figure, grid[1], deviations, "desviación", "cividis", widest)

    row, column = np.unravel_index(int(np.abs(difference).argmax()), difference.shape)
    place = _place(row / difference.shape[0], column / difference.shape[1])
    sign = "más clara" if difference[row, column] > 0 else "más oscura"
    alt = (
        f"Radiografía media de cada clase y su diferencia. El gris medio es "
        f"{np.mean(means[0]):.1f} en NORMAL y {np.mean(means[1]):.1f} en PNEUMONIA; la mayor "
        f"diferencia, {abs(difference[row, column]):.1f} grises, está en {place}, donde PNEUMONIA "
        f"es {sign}."
    )
    if deviations is not None:
        alt += (
            f" Debajo, la desviación estándar, en promedio {np.mean(deviations[0]):.1f} en NORMAL "
            f"y {np.mean(deviations[1]):.1f} en PNEUMONIA."
        )
    return figure, alt


@illustrated
def intensity_histograms(
    histograms: Mapping[int, tuple[ArrayLike, ArrayLike]],
) -> tuple[Figure, str]:
    """Histograma de grises de cada clase y su distribución acumulada.

    Parameters
    ----------
    histograms : {0: (densidad (256,), acumulada (256,)), 1: ...}
        La densidad suma 1; la acumulada va de 0 a 1.
    """
    if set(histograms) != {0, 1}:
        raise DataError("Necesitamos el histograma de las dos clases, 0 y 1.")
    values = {k: [np.asarray(v, dtype=np.float64) for v in pair] for k, pair in histograms.items()}
    if any(vector.shape != (256,) for pair in values.values() for vector in pair):
        raise DataError("Cada histograma y cada acumulada deben tener 256 valores, uno por gris.")
    figure = new_figure(2.7)
    left, right = figure.subplots(1, 2)
    grays = np.arange(256)
    for label, style in palette.CLASSES.items():
        density, cumulative = values[label]
        left.plot(grays, 100 * density, **style.stroke())
        right.plot(grays, 100 * cumulative, **style.stroke())
    left.set_title("Histograma")
    left.set_ylabel("% de los píxeles")
    right.set_title("Distribución acumulada")
    right.set_ylabel("% de píxeles hasta ese gris")
    right.set_ylim(0, 102)
    _limit_density(left, {k: pair[0] for k, pair in values.items()})
    key_above(figure, [(palette.CLASS_NAMES[k], style) for k, style in palette.CLASSES.items()])
    for axes in (left, right):
        axes.set_xlim(0, 255)
        axes.set_xticks([0, 64, 128, 192, 255])
        axes.set_xlabel("gris (0 negro, 255 blanco)")
        axes.grid(axis="y")
    medians = {k: int(np.searchsorted(pair[1], 0.5)) for k, pair in values.items()}
    _label_medians(right, medians)
    summary = [f"{palette.CLASS_NAMES[k]}, {medians[k]}" for k in (0, 1)]
    apart = np.abs(values[0][1] - values[1][1])
    alt = (
        f"Histogramas de grises y sus acumuladas. Gris mediano: {listing(summary)}. Las acumuladas "
        f"se separan como máximo {100 * apart.max():.1f} puntos, en el gris {int(apart.argmax())}."
    )
    return figure, alt


def _statistic_row(
    figure: Figure,
    panels: np.ndarray,
    values: Mapping[int, np.ndarray],
    name: str,
    scale: str,
    top: float,
) -> None:
    """Las dos clases en una escala común y, aparte, su diferencia con signo."""
    for label in (0, 1):
        drawn = panels[label].imshow(values[label], cmap=scale, vmin=0, vmax=max(top, 1e-6))
        panels[label].set_title(
            f"{name} {palette.CLASS_NAMES[label]}",
            fontsize=SMALL,
            loc="center",
            color=palette.CLASSES[label].color,
        )
    _gray_bar(figure, panels[2], drawn)
    difference = np.asarray(values[1], dtype=np.float64) - np.asarray(values[0], dtype=np.float64)
    limit = max(float(np.abs(difference).max()), 1e-6)
    drawn = panels[3].imshow(difference, cmap="cividis", vmin=-limit, vmax=limit)
    if difference.min() < 0 < difference.max():
        panels[3].contour(difference, [0.0], colors="white", linewidths=0.6)
    panels[3].set_title("PNEUMONIA − NORMAL", fontsize=SMALL, loc="center")
    _gray_bar(figure, panels[4], drawn)
    for axes in panels[[0, 1, 3]]:
        axes.set_axis_off()


def _gray_bar(figure: Figure, axes: Axes, drawn: AxesImage) -> None:
    bar = figure.colorbar(drawn, cax=axes)
    axes.set_box_aspect(1 / _BAR)
    axes.tick_params(labelsize=SMALL)
    axes.locator_params(nbins=6)
    bar.outline.set_visible(False)


def _limit_density(axes: Axes, densities: Mapping[int, np.ndarray]) -> None:
    """El negro puro del marco aplasta el resto: si sobresale, se corta y se dice cuánto vale."""
    inner = max(float(density[2:254].max()) for density in densities.values())
    outer = max(float(density[0]) for density in densities.values())
    cut = outer > 1.1 * inner
    axes.set_ylim(0, 100 * (1.45 if cut else 1.1) * max(inner, 1e-6))
    if cut:
        texts = [f"{palette.CLASS_NAMES[k]} {100 * d[0]:.1f} %" for k, d in densities.items()]
        axes.annotate(
            "\n".join(["negro puro, fuera de escala:", *texts]),
            (0.05, 0.97),
            xycoords="axes fraction",
            va="top",
            fontsize=SMALL,
            color=palette.MUTED,
        )


def _label_medians(axes: Axes, medians: dict[int, int]) -> None:
    """Escribe cada mediana junto a su acumulada, por el lado que queda libre."""
    first = min(medians, key=lambda label: medians[label])
    for label, gray in medians.items():
        toward_left = label == first
        style = palette.CLASSES[label]
        axes.plot(gray, 50, marker=style.marker, color=style.color)
        axes.annotate(
            f"mediana {gray}",
            (gray, 50),
            xytext=(-9 if toward_left else 9, 5 if toward_left else -5),
            textcoords="offset points",
            ha="right" if toward_left else "left",
            va="bottom" if toward_left else "top",
            fontsize=SMALL,
            color=style.color,
        )


def _place(vertical: float, horizontal: float) -> str:
    """Dónde está un punto de la imagen, con palabras."""
    height = "la parte superior" if vertical < 1 / 3 else "la parte inferior"
    if 1 / 3 <= vertical <= 2 / 3:
        height = "la altura media"
    side = "izquierda" if horizontal < 1 / 3 else "derecha"
    if 1 / 3 <= horizontal <= 2 / 3:
        return f"{height}, en el centro"
    return f"{height}, a la {side} de la imagen"
