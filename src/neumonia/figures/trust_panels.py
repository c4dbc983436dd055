"""Las piezas de las figuras hechas de mapas: un mapa, el borde de una región y un rótulo."""

from collections.abc import Sequence
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import binary_closing, binary_fill_holes

from neumonia.errors import DataError
from neumonia.figures import palette
from neumonia.figures.base import SMALL, new_figure, show_film
from neumonia.figures.explanation import fine_overlay
from neumonia.figures.trust_common import PAGE

BAR = 0.62
"""Alto de la escala del calor."""
NOTE = 0.2
"""Alto de la línea de encima de todos los paneles."""
_TITLE = 0.2
_LINE = 0.14
# Ancho medio de una letra de 8 puntos, con margen.
_LETTER = 0.07
_GAP = 0.05
# Con menos ancho se cortaría el rótulo de la escala.
_NARROWEST = 2.6
_CYAN = "#7FD4FF"


def fit_title(title: str, width: float) -> str:
    """Parte el rótulo, entre palabras, en las líneas que caben en ``width`` pulgadas."""
    return fill(title, max(6, int(width / _LETTER)), break_long_words=False)


def panel_size(
    widest: float, lines: int, titles: Sequence[str], note: float = 0.0
) -> tuple[float, float]:
    """Lado de los paneles y alto de cada fila, en pulgadas, para que la figura quepa en la página.

    Parameters
    ----------
    widest : float
        El lado que permite el ancho.
    lines : int
        Filas de paneles.
    titles : los rótulos que llevan, que se parten si no caben
    note : float
        Alto de lo que vaya encima de todo.
    """
    for tall in (1, 2, 3):
        head = _TITLE + _LINE * (tall - 1)
        side = min(widest, (PAGE - BAR - note) / lines - head)
        if all(fit_title(title, side).count("\n") < tall for title in titles):
            break
    return side, side + head


def tight_figure(height: float, width: float) -> Figure:
    """Figura vacía con los paneles más juntos que en ``new_figure``."""
    figure = new_figure(height, max(width, _NARROWEST))
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.02, wspace=0.02, hspace=0.0)
    return figure


def show_plain(axes: Axes, film: np.ndarray, title: str = "", loc: str = "center") -> None:
    """La radiografía sola, suavizada como bajo los mapas."""
    show_film(axes, film)
    axes.images[-1].set_interpolation("bilinear")
    head(axes, title, loc)


def note_on_top(figure: Figure, text: str) -> None:
    """Una línea gris, o las que hagan falta, encima de todos los paneles."""
    text = fit_title(text, figure.get_size_inches()[0])
    figure.suptitle(text, fontsize=SMALL, color=palette.MUTED)


def head(axes: Axes, title: str, loc: str = "center") -> None:
    """Un rótulo pequeño y pegado a su panel."""
    axes.set_title(title, fontsize=SMALL, loc=loc, pad=3)


def show_map(axes: Axes, film: np.ndarray, heat: np.ndarray, title: str = "") -> None:
    """Pinta un mapa sobre su radiografía, en las coordenadas de sus píxeles; avisa si es nulo."""
    show_film(axes, fine_overlay(film, heat))
    head(axes, title)
    height, width = film.shape
    axes.images[-1].set_extent((-0.5, width - 0.5, height - 0.5, -0.5))
    if not np.any(heat):
        axes.text(
            0.5,
            0.08,
            "mapa nulo",
            transform=axes.transAxes,
            ha="center",
            va="bottom",
            fontsize=SMALL,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 2},
        )


def close_gaps(mask: np.ndarray) -> np.ndarray:
    """La máscara bool (H, W) sin huecos ni rendijas: el borde de muchos granos taparía el mapa.

    Une lo que dista menos de un 5 % del lado corto; no quita ningún píxel.
    """
    steps = max(1, round(_GAP * min(mask.shape) / 2))
    closed = binary_fill_holes(binary_closing(np.pad(mask, steps), iterations=steps))
    return closed[steps:-steps, steps:-steps]


def outline(axes: Axes, region: np.ndarray) -> None:
    """Rodea una región bool (H, W) con una raya discontinua clara sobre otra negra."""
    height, width = region.shape
    limits = axes.get_xlim(), axes.get_ylim()
    places = np.arange(-1, width + 1), np.arange(-1, height + 1)
    for color, line, stroke in (("black", "solid", 2.6), (_CYAN, "dashed", 1.4)):
        axes.contour(
            *places,
            np.pad(region.astype(float), 1),
            [0.5],
            colors=color,
            linewidths=stroke,
            linestyles=line,
        )
    axes.set_xlim(limits[0])
    axes.set_ylim(limits[1])


def check_maps(maps: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Devuelve los mapas; ``DataError`` si no tienen la forma de las radiografías."""
    array = np.asarray(maps)
    if array.shape != shape:
        raise DataError(
            f"Los mapas tienen forma {array.shape} y las radiografías {shape}: deben coincidir."
        )
    return array


def write_label(axes: Axes, text: str, rotation: float = 0) -> None:
    """Unos ejes que solo llevan un rótulo."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", rotation=rotation, fontsize=SMALL)
