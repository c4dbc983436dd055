"""Un valor con su intervalo, dibujado como punto y raya."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from neumonia.figures import palette

Interval = Sequence[float | None]


def draw_interval(axes: Axes, row: float, found: Interval, style: palette.Style) -> None:
    """Dibuja ``(valor, bajo, alto)`` en la fila ``row``; sin intervalo, solo el punto."""
    value, low, high = found
    if low is not None and high is not None:
        axes.plot([low, high], [row, row], color=style.color, linewidth=1.6, zorder=2)
    axes.plot(value, row, style.marker, color=style.color, markersize=5.5, zorder=3)
