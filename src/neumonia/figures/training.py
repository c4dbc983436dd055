"""Figuras del entrenamiento: curvas de aprendizaje y sesgo inicial."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from neumonia.errors import DataError
from neumonia.evaluation.checks import check_both_classes, check_labels
from neumonia.figures import palette
from neumonia.figures.base import (
    SMALL,
    count,
    illustrated,
    listing,
    new_figure,
    note_above,
    signed,
    spread,
)
from neumonia.text import integer

_PANELS = {"loss": "pérdida", "accuracy": "exactitud", "auc": "ROC-AUC"}
_PANEL_HEIGHT = 1.45


@illustrated
def training_curves(history: pd.DataFrame, title: str = "") -> tuple[Figure, str]:
    """Curvas de entrenamiento y validación, con la época elegida marcada en todas.

    Parameters
    ----------
    history : DataFrame
        Columnas ``epoch``, ``loss``, ``val_loss`` y, si están, ``accuracy``, ``val_accuracy``,
        ``auc``, ``val_auc``. Una fila por época.
    title : str
        Por ejemplo, el nombre del modelo.

    Raises
    ------
    DataError
        Si no hay épocas o faltan las columnas de pérdida.
    """
    if history.empty or not {"epoch", "loss", "val_loss"} <= set(history.columns):
        raise DataError("El historial necesita al menos una época y epoch, loss y val_loss.")
    shown = [name for name in _PANELS if {name, f"val_{name}"} <= set(history.columns)]
    epochs = history["epoch"].to_numpy()
    best = int(np.nanargmin(history["val_loss"].to_numpy(dtype=np.float64)))

    figure = new_figure(_PANEL_HEIGHT * len(shown) + 0.6)
    panels = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    for axes, name in zip(panels, shown, strict=True):
        _learning_panel(axes, history, name, best)
    note_above(panels[0], epochs[best], f"mejor época: {integer(epochs[best])}")
    panels[-1].set_xlabel("época")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if len(epochs) == 1:
        panels[-1].set_xlim(epochs[0] - 1, epochs[0] + 1)
    else:
        panels[-1].set_xlim(epochs[0] - 0.02 * np.ptp(epochs), epochs[-1])
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold")

    facts = []
    for name in shown:
        first, last = history[f"val_{name}"].iloc[[0, -1]]
        chosen = history[f"val_{name}"].iloc[best]
        facts.append(
            f"{_PANELS[name]} de validación, {first:.3f} al comenzar, {chosen:.3f} en la mejor "
            f"época y {last:.3f} al final"
        )
    text = "; ".join(facts)
    subject = f" de {title}" if title else ""
    alt = (
        f"Curvas de aprendizaje{subject} en {count(len(epochs), 'época')}; la menor pérdida de "
        f"validación está en la época {integer(epochs[best])}. {text[0].upper()}{text[1:]}. "
        f"La pérdida de entrenamiento termina en {history['loss'].iloc[-1]:.3f}."
    )
    return figure, alt


def _learning_panel(axes: Axes, history: pd.DataFrame, name: str, best: int) -> None:
    epochs = history["epoch"].to_numpy()
    lines = (
        (name, "entrenamiento", palette.TRAINING),
        (f"val_{name}", "validación", palette.VALIDATION),
    )
    axes.axvline(epochs[best], color=palette.MUTED, linewidth=0.9, linestyle=":")
    for column, _, style in lines:
        marker = style.marker if len(epochs) == 1 else None
        axes.plot(epochs, history[column], marker=marker, **style.stroke())
    axes.plot(
        epochs[best],
        history[f"val_{name}"].iloc[best],
        marker="s",
        color=palette.VALIDATION.color,
        markersize=5,
    )
    axes.set_ylabel(_PANELS[name])
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.grid(axis="y")
    axes.margins(y=0.15 if len(epochs) == 1 else 0.05)
    low, high = axes.get_ylim()
    separation = (high - low) * 12 / (72 * (_PANEL_HEIGHT - 0.3))
    ends = [float(history[column].iloc[-1]) for column, _, _ in lines]
    for (_, label, style), end, height in zip(lines, ends, spread(ends, separation), strict=True):
        axes.annotate(
            f"{label} {end:.3f}",
            (epochs[-1], height),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
            color=style.color,
            annotation_clip=False,
        )


@illustrated
def initial_bias_curve(labels: ArrayLike) -> tuple[Figure, str]:
    """La pérdida de una red que aún no mira la imagen, según el sesgo de su salida.

    Con salida constante ``b`` la entropía cruzada es ``-(q log s(b) + (1-q) log(1-s(b)))``, con
    ``q`` la fracción de PNEUMONIA y ``s`` la sigmoide. El mínimo está en ``log(pos/neg)``; con el
    signo invertido el arranque es peor que con cero.

    Parameters
    ----------
    labels : (N,) 0 o 1, las de entrenamiento

    Raises
    ------
    DataError
        Si hay una sola clase o las etiquetas no son válidas.

    Fuente: Lin et al. (2017), *Focal Loss*, sección 4.1 (iniciar la salida con la prevalencia).
    """
    truth = check_labels(labels)
    check_both_classes(truth, "el sesgo inicial")
    positive = int(truth.sum())
    negative = truth.size - positive
    share = positive / truth.size
    best = float(np.log(positive / negative))

    def loss(bias: np.ndarray | float) -> np.ndarray | float:
        return share * np.logaddexp(0.0, -bias) + (1 - share) * np.logaddexp(0.0, bias)

    reach = max(2.5, 1.9 * abs(best))
    biases = np.linspace(-reach, reach, 401)
    figure = new_figure(3.0)
    axes = figure.subplots()
    axes.plot(biases, loss(biases), color=palette.TEXT, linewidth=1.8)
    top = float(loss(-reach if best >= 0 else reach))
    points = [(best, f"log(pos/neg) = {signed(best)}", palette.CNN.color, "o", "el mínimo")]
    # Cerca del equilibrio los tres puntos coinciden y no hay nada que comparar.
    if abs(best) > 0.7:
        points.append((0.0, "b = 0", palette.MUTED, "s", "sin información"))
    if abs(best) > 0.01:
        name = f"log(neg/pos) = {signed(-best)}"
        points.append((-best, name, palette.PNEUMONIA.color, "X", "signo invertido"))
    for bias, name, color, marker, meaning in points:
        value = float(loss(bias))
        axes.plot(bias, value, marker=marker, markersize=8, color=color)
        axes.annotate(
            f"{name}\n{meaning}: {value:.3f}",
            (bias, value),
            xytext=_bias_label_offset(bias, best),
            textcoords="offset points",
            ha="center",
            va="top" if bias == best else "bottom",
            fontsize=8.5,
            color=color,
        )
    axes.set_xlim(-reach, reach)
    axes.set_yticks([tick for tick in axes.get_yticks() if tick >= 0])
    axes.set_ylim(float(loss(best)) - 0.28 * (top - float(loss(best))), top)
    axes.set_xlabel("sesgo b de la salida (logit)")
    axes.set_ylabel("entropía cruzada inicial")
    axes.grid(axis="y")
    facts = [f"{float(loss(bias)):.3f} en b = {signed(bias)}" for bias, *_ in points]
    alt = (
        f"Curva en forma de valle: la pérdida inicial según el sesgo de salida, con "
        f"{integer(positive)} PNEUMONIA y {integer(negative)} NORMAL. El mínimo está en "
        f"log(pos/neg) = {signed(best)}. Puntos marcados: {listing(facts)}"
    )
    if abs(best) > 0.01:
        alt += "; el último es el signo invertido, peor que no poner sesgo"
    return figure, alt + "."


def _bias_label_offset(bias: float, best: float) -> tuple[float, float]:
    """Bajo la curva el mínimo; sobre ella los demás, hacia el lado del valle."""
    if bias == best:
        return 0.0, -9.0
    return (np.sign(best) * 34.0 if abs(best) > 0.7 else 0.0), 9.0
