"""Cómo acierta una red: curvas, matrices, histogramas de probabilidad y fiabilidad."""

from collections.abc import Mapping
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from neumonia.errors import DataError
from neumonia.evaluation.checks import check_labels, check_threshold
from neumonia.evaluation.metrics import binary_metrics, pr_points, roc_points
from neumonia.figures import palette
from neumonia.figures.base import (
    SMALL,
    WIDTH,
    count,
    grid_shape,
    illustrated,
    key_above,
    key_height,
    mark,
    need_models,
    new_figure,
    note_above,
    panel_grid,
)
from neumonia.text import integer

_BINS = 20
_COLUMNS = ("left", "right", "mean_probability", "observed", "n", "low", "high")
# Ancho del tramo en que cabe su número de radiografías.
_READABLE = 0.09


@illustrated
def roc_curves(
    labels: ArrayLike, probabilities: Mapping[str, ArrayLike], threshold: float = 0.5
) -> tuple[Figure, str]:
    """Curvas ROC, con la esquina superior izquierda ampliada al lado.

    Parameters
    ----------
    labels : (N,) 0 o 1
    probabilities : {nombre: (N,) en [0, 1]}
    threshold : float
        Se marca el punto de trabajo de cada modelo con este umbral.

    Raises
    ------
    DataError
        Si no hay modelos, hay una sola clase o los datos no son válidos.
    """
    need_models(probabilities)
    styles = palette.model_styles(list(probabilities))
    figure = new_figure(3.4)
    whole, corner = figure.subplots(1, 2, width_ratios=(1.0, 1.0))
    entries, facts, marks = [], [], []
    for name, scores in probabilities.items():
        points = roc_points(labels, scores)
        measured = binary_metrics(labels, scores, threshold)
        style = styles[name]
        false_rate = 1.0 - measured["specificity"]
        for axes in (whole, corner):
            axes.plot(points["false_positive_rate"], points["true_positive_rate"], **style.stroke())
        marks.append((false_rate, measured["sensitivity"], style))
        entries.append((f"{name} · AUC {measured['roc_auc']:.3f}", style))
        facts.append(
            f"{name}, AUC {measured['roc_auc']:.3f}; con umbral {threshold:g}, sensibilidad "
            f"{measured['sensitivity']:.3f} y especificidad {measured['specificity']:.3f}"
        )
    # El recuadro llega hasta el punto de trabajo más lejano, sin dejar de ser una ampliación.
    reach = min(0.5, max(0.2, *(1.15 * max(x, 1.0 - y) for x, y, _ in marks)))
    for axes, limit in ((whole, 1.0), (corner, reach)):
        for x, y, style in marks:
            if x <= limit and y >= 1.0 - limit:
                mark(axes, x, y, style)
    whole.plot([0, 1], [0, 1], color=palette.MUTED, linewidth=1, linestyle=":")
    whole.text(
        0.55,
        0.5,
        "azar",
        rotation=45,
        fontsize=SMALL,
        color=palette.MUTED,
        ha="center",
        va="center",
        rotation_mode="anchor",
    )
    whole.add_patch(
        Rectangle(
            (0, 1 - reach),
            reach,
            reach,
            fill=False,
            edgecolor=palette.MUTED,
            linewidth=0.9,
            zorder=1,
        )
    )
    _key_with_mark(figure, entries, threshold)
    whole.set_title("Curva completa")
    corner.set_title("El recuadro, ampliado")
    for axes, low, high in ((whole, 0.0, 1.0), (corner, 1.0 - reach, reach)):
        axes.set_xlim(0.0 if axes is corner else -0.01, high)
        axes.set_ylim(low, 1.0 if axes is corner else 1.01)
        axes.set_box_aspect(1)
        axes.set_xlabel("falsas alarmas (1 − especificidad)")
        axes.grid()
    whole.set_ylabel("sensibilidad")
    films = check_labels(labels)
    alt = (
        f"Curvas ROC sobre {integer((films == 0).sum())} NORMAL y {integer((films == 1).sum())} "
        f"PNEUMONIA, con la diagonal del azar. {'. '.join(facts)}."
    )
    return figure, alt


@illustrated
def pr_curves(
    labels: ArrayLike, probabilities: Mapping[str, ArrayLike], threshold: float = 0.5
) -> tuple[Figure, str]:
    """Curvas de precisión-exhaustividad, y la prevalencia como referencia; como ``roc_curves``."""
    need_models(probabilities)
    styles = palette.model_styles(list(probabilities))
    prevalence = float(check_labels(labels).mean())
    figure = new_figure(2.8)
    axes = figure.subplots()
    entries, facts, lowest = [], [], prevalence
    for name, scores in probabilities.items():
        points = pr_points(labels, scores)
        measured = binary_metrics(labels, scores, threshold)
        style = styles[name]
        axes.step(points["recall"], points["precision"], where="post", **style.stroke())
        lowest = min(lowest, float(points["precision"].min()))
        entries.append((f"{name} · precisión media {measured['average_precision']:.3f}", style))
        fact = f"{name}, precisión media {measured['average_precision']:.3f}"
        if measured["precision"] is not None:
            mark(axes, measured["sensitivity"], measured["precision"], style)
            fact += (
                f"; con umbral {threshold:g}, precisión {measured['precision']:.3f} y sensibilidad "
                f"{measured['sensitivity']:.3f}"
            )
        facts.append(fact)
    axes.axhline(prevalence, color=palette.MUTED, linewidth=1, linestyle=":")
    axes.annotate(
        f"azar: prevalencia {prevalence:.3f}",
        (0.0, prevalence),
        xytext=(4, 3),
        textcoords="offset points",
        fontsize=SMALL,
        color=palette.MUTED,
    )
    floor = max(0.0, lowest - 0.12 * (1.0 - lowest))
    axes.set_ylim(floor, 1.01)
    axes.set_xlim(-0.01, 1.01)
    axes.set_xlabel("exhaustividad (sensibilidad)")
    axes.set_ylabel("precisión")
    axes.grid()
    _key_with_mark(figure, entries, threshold)
    alt = (
        f"Curvas de precisión y exhaustividad; el azar daría la prevalencia, {prevalence:.3f}. "
        f"{'. '.join(facts)}."
    )
    return figure, alt


@illustrated
def probability_histograms(
    labels: ArrayLike, probabilities: Mapping[str, ArrayLike], threshold: float = 0.5
) -> tuple[Figure, str]:
    """Reparto de las probabilidades: PNEUMONIA hacia arriba y NORMAL hacia abajo."""
    need_models(probabilities)
    check_threshold(threshold)
    figure = new_figure(0.5 + 1.75 * len(probabilities))
    panels = figure.subplots(len(probabilities), 1, sharex=True, squeeze=False)[:, 0]
    facts = []
    for axes, (name, scores) in zip(panels, probabilities.items(), strict=True):
        measured = binary_metrics(labels, scores, threshold)
        _mirrored(axes, check_labels(labels), np.asarray(scores, dtype=np.float64), threshold)
        axes.set_title(name, fontweight="bold")
        facts.append(
            f"{name}: superan el umbral {_share(measured['tp'], measured['fn'])} de las PNEUMONIA "
            f"y {_share(measured['fp'], measured['tn'])} de las NORMAL"
        )
    note_above(panels[0], threshold, f"umbral {threshold:g}")
    panels[-1].set_xlabel("probabilidad de PNEUMONIA según la red")
    alt = (
        "Histogramas de la probabilidad, PNEUMONIA hacia arriba y NORMAL hacia abajo, con el "
        f"umbral {threshold:g}. {'. '.join(facts)}."
    )
    return figure, alt


def _mirrored(axes: Axes, truth: np.ndarray, scores: np.ndarray, threshold: float) -> None:
    edges = np.linspace(0.0, 1.0, _BINS + 1)
    highest = {0: 1.0, 1: 1.0}
    for label, style in palette.CLASSES.items():
        total = max(int((truth == label).sum()), 1)
        shares = 100 * np.histogram(scores[truth == label], edges)[0] / total
        highest[label] = max(highest[label], float(shares.max()))
        axes.bar(
            edges[:-1],
            shares if label else -shares,
            width=1 / _BINS,
            align="edge",
            facecolor="white" if style.hatch else style.color,
            edgecolor=style.color if style.hatch else "white",
            hatch=style.hatch,
            linewidth=0.8,
        )
        # Cada clase se amontona en su extremo: el rótulo va en el contrario, que está libre.
        axes.annotate(
            palette.CLASS_NAMES[label],
            (0.03 if label else 0.97, 0.93 if label else 0.07),
            xycoords="axes fraction",
            ha="left" if label else "right",
            va="top" if label else "bottom",
            color=style.color,
            fontweight="bold",
        )
    axes.axhline(0, color=palette.TEXT, linewidth=0.8)
    axes.axvline(threshold, color=palette.MUTED, linewidth=1, linestyle=":")
    axes.set_xlim(0, 1)
    # Una sola escala para las dos clases, y sitio para el rótulo de la más baja.
    room = 0.35 * max(highest.values())
    axes.set_ylim(-1.1 * max(highest[0], room), 1.1 * max(highest[1], room))
    axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):.0f}")
    axes.set_ylabel("% de su clase")
    axes.grid(axis="y")


def _share(over: int, under: int) -> str:
    total = over + under
    return f"el {100 * over / total:.1f} %" if total else "ninguna"


def _key_with_mark(figure: Figure, entries: list, threshold: float) -> None:
    """Pone los rótulos arriba y agranda la figura lo que ellos ocupan."""
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + key_height([text for text, _ in entries]))
    key_above(figure, entries, f"la marca es el punto de trabajo con umbral {threshold:g}")


@illustrated
def confusion_matrices(results: Mapping[str, Mapping[str, Any]]) -> tuple[Figure, str]:
    """Una matriz por modelo, con conteos y porcentaje de cada fila.

    ``results`` es {nombre: dict de ``binary_metrics``}.
    """
    need_models(results)
    for name, measured in results.items():
        if not {"tn", "fp", "fn", "tp"} <= set(measured):
            raise DataError(f"Los resultados de {name!r} no tienen tn, fp, fn y tp.")
    lines, columns = grid_shape(len(results), 2 if len(results) == 4 else 3)
    width = {1: 3.5, 2: 6.0}.get(columns, WIDTH)
    side = width / columns
    figure = new_figure(lines * (0.86 * side + 0.25), width)
    panels, _ = panel_grid(figure, len(results), columns)
    facts = []
    for position, (axes, (name, measured)) in enumerate(zip(panels, results.items(), strict=True)):
        counts = np.array([[measured["tn"], measured["fp"]], [measured["fn"], measured["tp"]]])
        _matrix(axes, counts, name, first=position % columns == 0)
        facts.append(
            f"{name}: de {integer(counts[0].sum())} NORMAL acierta {integer(counts[0, 0])} y de "
            f"{integer(counts[1].sum())} PNEUMONIA acierta {integer(counts[1, 1])}; "
            f"{count(counts[0, 1], 'falsa alarma', 'falsas alarmas')} y "
            f"{count(counts[1, 0], 'neumonía no vista', 'neumonías no vistas')}"
        )
    kind = "Matriz de confusión" if len(results) == 1 else "Matrices de confusión"
    return figure, f"{kind}. {'. '.join(facts)}."


def _matrix(axes: Axes, counts: np.ndarray, name: str, first: bool) -> None:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    colors = matplotlib.colormaps["Blues"]
    axes.imshow(shares, cmap=colors, vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        # Con luminancia 0.179 el blanco y el negro contrastan lo mismo, 4.58:1.
        ink = "white" if _luminance(colors(share)) < 0.179 else "black"
        centred = {"ha": "center", "va": "center", "color": ink}
        number = integer(counts[row, column])
        axes.text(column, row - 0.08, number, fontsize=13, fontweight="bold", **centred)
        axes.text(column, row + 0.22, f"{100 * share:.1f} %", fontsize=9, **centred)
    axes.set_title(name, fontweight="bold", loc="center")
    labels = [palette.CLASS_NAMES[0], palette.CLASS_NAMES[1]]
    axes.set_xticks([0, 1], labels, fontsize=SMALL)
    axes.set_yticks([0, 1], labels if first else ["", ""], fontsize=SMALL, rotation=90, va="center")
    axes.set_xlabel("la red dice")
    if first:
        axes.set_ylabel("la etiqueta dice (fila = 100 %)")
    axes.tick_params(length=0)
    axes.axhline(0.5, color="white", linewidth=2)
    axes.axvline(0.5, color="white", linewidth=2)
    for side in ("top", "right", "bottom", "left"):
        axes.spines[side].set_visible(True)


def _luminance(color: tuple[float, ...]) -> float:
    """Luminancia relativa (WCAG 2.2) de un color sRGB."""
    channels = np.array(color[:3])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ np.array([0.2126, 0.7152, 0.0722]))


@illustrated
def reliability_diagram(tables: Mapping[str, pd.DataFrame]) -> tuple[Figure, str]:
    """Diagramas de fiabilidad, uno por modelo, con las radiografías de cada tramo debajo.

    ``tables`` es {nombre: tabla de ``reliability_table``}.

    Fuente: Niculescu-Mizil y Caruana (2005), *Predicting good probabilities with supervised
    learning*.
    """
    need_models(tables)
    rows, columns = grid_shape(len(tables), 2)
    figure = new_figure(3.9 * rows, width=6.5 if columns == 2 else 3.8)
    panels = figure.subplots(2 * rows, columns, height_ratios=(2.8, 1.0) * rows, squeeze=False)
    styles = palette.model_styles(list(tables))
    facts = []
    for position, (name, table) in enumerate(tables.items()):
        missing = [column for column in _COLUMNS if column not in table]
        if missing or table.empty:
            lack = f"le falta {', '.join(missing)}" if missing else "no tiene filas"
            raise DataError(f"La tabla de {name!r} {lack}: hagámosla con reliability_table.")
        row, column = divmod(position, columns)
        curve, counts = panels[2 * row, column], panels[2 * row + 1, column]
        _reliability(curve, counts, table, styles[name])
        curve.set_title(name, fontweight="bold", color=styles[name].color)
        if column == 0:
            curve.set_ylabel("PNEUMONIA observadas")
            counts.set_ylabel("radiografías")
        facts.append(f"{name}: {_furthest(table)}")
    if len(tables) < rows * columns:
        panels[-2, -1].set_axis_off()
        panels[-1, -1].set_axis_off()
    alt = (
        "Diagramas de fiabilidad: proporción observada de PNEUMONIA frente a la probabilidad media "
        "de cada tramo, con la diagonal de la calibración perfecta y, debajo, cuántas radiografías "
        f"hay en cada tramo. {'. '.join(facts)}."
    )
    return figure, alt


def _reliability(curve: Axes, counts: Axes, table: pd.DataFrame, style: palette.Style) -> None:
    x, y = table["mean_probability"].to_numpy(), table["observed"].to_numpy()
    curve.plot([0, 1], [0, 1], color=palette.MUTED, linewidth=1, linestyle=":")
    curve.annotate(
        "perfecta",
        (0.60, 0.67),
        rotation=45,
        fontsize=SMALL,
        color=palette.MUTED,
        ha="center",
        va="center",
        rotation_mode="anchor",
        transform_rotates_text=True,
        zorder=1,
    )
    errors = np.clip([y - table["low"], table["high"] - y], 0.0, None)
    curve.errorbar(
        x, y, yerr=errors, fmt="none", ecolor=style.color, elinewidth=1.1, capsize=2.5, alpha=0.75
    )
    curve.plot(
        x,
        y,
        marker=style.marker,
        markersize=6,
        markeredgecolor="white",
        clip_on=False,
        zorder=5,
        **style.stroke(1.4),
    )
    curve.set_ylim(-0.02, 1.02)
    counts.bar(
        table["left"],
        table["n"],
        width=(table["right"] - table["left"]).clip(lower=0.01),
        align="edge",
        facecolor="white" if style.hatch else style.color,
        edgecolor=style.color,
        hatch=style.hatch,
        linewidth=0.8,
    )
    for _, bin_ in table.iterrows():
        if bin_["right"] - bin_["left"] >= _READABLE:
            counts.annotate(
                integer(bin_["n"]),
                ((bin_["left"] + bin_["right"]) / 2, bin_["n"]),
                xytext=(0, 1.5),
                textcoords="offset points",
                ha="center",
                fontsize=SMALL,
            )
    counts.set_ylim(0, 1.3 * table["n"].max())
    counts.set_xlabel("probabilidad según la red")
    counts.yaxis.set_major_formatter(lambda value, _: integer(value))
    counts.locator_params(axis="y", nbins=4, integer=True)
    for axes in (curve, counts):
        axes.set_xlim(-0.02, 1.02)
        axes.set_box_aspect(1.0 if axes is curve else 0.36)
        axes.grid(axis="both" if axes is curve else "y")


def _furthest(table: pd.DataFrame) -> str:
    """El tramo cuyo intervalo queda más lejos de la diagonal."""
    below = table["mean_probability"] - table["high"]
    above = table["low"] - table["mean_probability"]
    outside = int((np.maximum(below, above) > 0).sum())
    worst = table.iloc[int(np.argmax(np.maximum(below, above)))]
    text = (
        f"{count(len(table), 'tramo')} con {count(table['n'].sum(), 'radiografía')}; "
        f"el intervalo no toca la diagonal en {outside}"
    )
    if outside:
        text += (
            f"; el más alejado, con probabilidad media {worst['mean_probability']:.2f} y "
            f"{worst['observed']:.2f} observado"
        )
    return text
