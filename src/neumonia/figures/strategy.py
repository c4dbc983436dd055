"""El plan del libro en un dibujo: radiografía, conjunto, red, métrica y mapa."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Ellipse, FancyArrowPatch, FancyBboxPatch, Rectangle

from neumonia.figures import palette
from neumonia.figures.base import SMALL, illustrated, new_figure

_BOX = 1.08
_GAP = 0.26
_HEIGHT = 1.86
_INK = "#2E3A42"


@illustrated
def strategy_diagram() -> tuple[Figure, str]:
    """Cinco cajas unidas por flechas, con un dibujo en cada una."""
    steps: tuple[tuple[str, str, Callable[[Axes, float, float], None]], ...] = (
        ("radiografía", "píxeles\nde 0 a 255", _film),
        ("conjunto", "separado\npor paciente", _dataset),
        ("red", "CNN propia\ny VGG16", _network),
        ("métrica", "con intervalo\nde confianza", _metric),
        ("mapa", "Grad-CAM:\n¿qué miró?", _map),
    )
    width = len(steps) * _BOX + (len(steps) - 1) * _GAP
    figure = new_figure(_HEIGHT + 0.12, width + 0.12, layout="none")
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_xlim(-0.06, width + 0.06)
    axes.set_ylim(-0.06, _HEIGHT + 0.06)
    axes.set_aspect("equal")
    for position, (name, detail, draw) in enumerate(steps):
        left = position * (_BOX + _GAP)
        axes.add_patch(
            FancyBboxPatch(
                (left + 0.05, 0.05),
                _BOX - 0.1,
                _HEIGHT - 0.1,
                boxstyle="round,pad=0.05,rounding_size=0.09",
                facecolor="#F4F6F7",
                edgecolor=_INK,
                linewidth=1.1,
            )
        )
        center = left + _BOX / 2
        axes.text(
            center, _HEIGHT - 0.17, name, ha="center", va="center", fontsize=10, fontweight="bold"
        )
        draw(axes, center, 1.06)
        axes.text(
            center,
            0.26,
            detail,
            ha="center",
            va="center",
            fontsize=SMALL,
            color=palette.TEXT,
            linespacing=1.15,
        )
        if position:
            axes.add_patch(
                FancyArrowPatch(
                    (left - _GAP + 0.02, 1.06),
                    (left - 0.02, 1.06),
                    arrowstyle="-|>",
                    mutation_scale=12,
                    linewidth=1.6,
                    color=_INK,
                    shrinkA=0,
                    shrinkB=0,
                )
            )
    alt = (
        "Diagrama de cinco cajas unidas por flechas, de izquierda a derecha: la radiografía, con "
        "píxeles de 0 a 255; el conjunto, separado por paciente; la red, una CNN propia y VGG16; "
        "la métrica, con su intervalo de confianza; y el mapa Grad-CAM, que muestra qué miró la "
        "red."
    )
    return figure, alt


def _film(axes: Axes, x: float, y: float) -> None:
    axes.add_patch(Rectangle((x - 0.36, y - 0.4), 0.72, 0.8, facecolor="#3A3A3A"))
    axes.add_patch(Ellipse((x, y - 0.02), 0.66, 0.78, facecolor="#8F8F8F"))
    for side in (-1, 1):
        axes.add_patch(
            Ellipse((x + 0.15 * side, y), 0.22, 0.56, angle=-7 * side, facecolor="#1E1E1E")
        )
        for height in (-0.14, 0.0, 0.14):
            arc = np.linspace(0.05, 0.26, 12)
            bend = y + height + 0.05 * np.sin((arc - 0.05) / 0.21 * np.pi)
            axes.plot(x + side * arc, bend, color="#B5B5B5", linewidth=1.0)
    axes.plot([x, x], [y - 0.36, y + 0.36], color="#D8D8D8", linewidth=3.2, solid_capstyle="butt")
    axes.add_patch(Ellipse((x + 0.06, y - 0.14), 0.22, 0.24, facecolor="#C4C4C4"))


def _dataset(axes: Axes, x: float, y: float) -> None:
    parts = ((8, palette.NORMAL.color), (2, palette.CNN.color), (2, palette.PNEUMONIA.color))
    top = y + 0.33
    for number, color in parts:
        lines = -(-number // 4)
        for place in range(number):
            row, column = divmod(place, 4)
            axes.add_patch(
                Rectangle(
                    (x - 0.34 + 0.175 * column, top - 0.15 * row - 0.11),
                    0.145,
                    0.12,
                    facecolor=color,
                    edgecolor="white",
                    linewidth=0.5,
                )
            )
        top -= 0.15 * lines + 0.08
        axes.plot(
            [x - 0.36, x + 0.36], [top + 0.05, top + 0.05], color=_INK, linewidth=0.7, linestyle=":"
        )


def _network(axes: Axes, x: float, y: float) -> None:
    layers = ((-0.32, 4), (-0.02, 3), (0.24, 2), (0.4, 1))
    places = [[(x + dx - 0.03, y + 0.2 * (i - (n - 1) / 2)) for i in range(n)] for dx, n in layers]
    for before, after in pairwise(places):
        for a in before:
            for b in after:
                axes.plot([a[0], b[0]], [a[1], b[1]], color="#9AA5AB", linewidth=0.6, zorder=1)
    for place in (p for layer in places for p in layer):
        axes.add_patch(
            Circle(place, 0.062, facecolor=palette.VGG16.color, edgecolor="white", zorder=2)
        )


def _metric(axes: Axes, x: float, y: float) -> None:
    left, bottom, side = x - 0.33, y - 0.34, 0.68
    axes.plot([left, left, left + side], [bottom + side, bottom, bottom], color=_INK, linewidth=1.0)
    t = np.linspace(0, 1, 60)
    axes.plot(left + side * t, bottom + side * t, color="#9AA5AB", linewidth=0.9, linestyle=":")
    axes.fill_between(
        left + side * t,
        bottom + side * t**0.34,
        bottom + side * t**0.13,
        color=palette.CNN.color,
        alpha=0.25,
        linewidth=0,
    )
    axes.plot(left + side * t, bottom + side * t**0.21, color=palette.CNN.color, linewidth=2.0)


def _map(axes: Axes, x: float, y: float) -> None:
    _film(axes, x, y)
    for size, color in ((0.34, "#781C6D"), (0.24, "#ED6925"), (0.13, "#FCFFA4")):
        axes.add_patch(
            Ellipse(
                (x + 0.16, y - 0.12),
                0.8 * size,
                size,
                facecolor=color,
                edgecolor="black",
                linewidth=0.5,
                zorder=4,
            )
        )
