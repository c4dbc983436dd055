"""Lo común a todas las figuras: tamaño, letra, rejilla y la pareja figura-texto alternativo."""

import base64
import functools
import io
import math
from collections.abc import Callable, Iterator, Sequence, Sized
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neumonia.errors import ConfigError, DataError
from neumonia.figures import palette
from neumonia.files import atomic_path
from neumonia.text import integer

P = ParamSpec("P")

WIDTH = 6.5
"""Ancho de las figuras en pulgadas: cabe en la caja de texto del PDF."""
DPI = 150
SMALL = 8.0
_CSS_DPI = 96
# Letras en negrita de 9 puntos que caben, con su trazo, en media figura.
_KEY_WIDTH = 30

_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "figure.titlesize": 10.0,
    "text.color": palette.TEXT,
    "axes.labelcolor": palette.TEXT,
    "xtick.color": palette.TEXT,
    "ytick.color": palette.TEXT,
    "axes.edgecolor": palette.MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "grid.color": palette.GRID,
    "grid.linewidth": 0.7,
    "hatch.linewidth": 0.6,
    "figure.facecolor": palette.BACKGROUND,
    "savefig.facecolor": palette.BACKGROUND,
    "svg.fonttype": "path",
    "svg.hashsalt": "neumonia",
}


@contextmanager
def book_style() -> Iterator[None]:
    """Estilo del libro, sea cual sea la configuración de Matplotlib de quien lo llama."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


@dataclass(frozen=True, eq=False)
class Illustration:
    """Una figura y lo que se ve en ella, dicho con palabras.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Sin estado global de pyplot.
    alt : str
        Texto alternativo en español, escrito a partir de los datos dibujados.
    """

    figure: Figure
    alt: str
    _cache: dict[str, bytes] = field(default_factory=dict, repr=False)

    def save(self, path: Path | str) -> Path:
        """Escribe la figura, entera o nada, y devuelve la ruta.

        La extensión elige el formato: ``.png`` (150 ppp) o ``.svg``. La misma figura produce los
        mismos bytes.

        Raises
        ------
        ConfigError
            Otra extensión.
        NeumoniaError
            Si no se puede escribir.
        """
        path = Path(path)
        kind = path.suffix.lower().lstrip(".")
        if kind not in ("png", "svg"):
            raise ConfigError(f"Las figuras se guardan como .png o .svg, y se pidió {path.name!r}.")
        data = self._render(kind)
        with atomic_path(path) as temporary:
            temporary.write_bytes(data)
        return path

    def _render(self, kind: str) -> bytes:
        if kind not in self._cache:
            # Sin fecha ni versión del programa, los bytes dependen solo del dibujo.
            metadata = (
                {"Software": None, "Description": self.alt}
                if kind == "png"
                else {"Date": None, "Creator": None, "Description": self.alt}
            )
            buffer = io.BytesIO()
            with book_style():
                self.figure.savefig(buffer, format=kind, dpi=DPI, metadata=metadata)
            self._cache[kind] = buffer.getvalue()
        return self._cache[kind]

    def _repr_png_(self) -> bytes:
        return self._render("png")

    def _repr_mimebundle_(
        self, include: Any = None, exclude: Any = None
    ) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
        width, height = self.figure.get_size_inches()
        data = {
            "image/png": base64.b64encode(self._render("png")).decode("ascii"),
            "text/plain": self.alt,
        }
        size = {"width": round(width * _CSS_DPI), "height": round(height * _CSS_DPI)}
        return data, {"image/png": {**size, "alt": self.alt}}

    def __repr__(self) -> str:
        return f"Illustration({self.alt!r})"


def illustrated(draw: Callable[P, tuple[Figure, str]]) -> Callable[P, Illustration]:
    """Convierte una función que devuelve ``(figura, alt)`` en una que dibuja con nuestro estilo."""

    @functools.wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Illustration:
        with book_style():
            figure, alt = draw(*args, **kwargs)
        return Illustration(figure, alt)

    wrapper.__annotations__ = {**draw.__annotations__, "return": Illustration}
    return wrapper


def new_figure(height: float, width: float = WIDTH, layout: str = "constrained") -> Figure:
    """Figura vacía de ``width`` x ``height`` pulgadas, con disposición que no corta nada."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout=layout)
    FigureCanvasAgg(figure)
    if layout == "constrained":
        figure.get_layout_engine().set(w_pad=0.06, h_pad=0.06, wspace=0.03, hspace=0.03)
    return figure


def key_columns(texts: Sequence[str]) -> int:
    """Columnas en que caben los rótulos de ``key_above``: dos si son breves."""
    return 2 if len(texts) > 1 and max(map(len, texts)) <= _KEY_WIDTH else 1


def key_height(texts: Sequence[str]) -> float:
    """Pulgadas que ocupan los rótulos de ``key_above``, con su nota."""
    return 0.3 + 0.2 * math.ceil(len(texts) / key_columns(texts))


def key_above(figure: Figure, entries: Sequence[tuple[str, palette.Style]], note: str = "") -> None:
    """Rótulos sobre los ejes, cada uno con su trazo y en su color, donde no tapan ninguna curva."""
    texts = [text for text, _ in entries]
    handles = [
        Line2D([], [], marker=style.marker, markersize=6, markeredgecolor="white", **style.stroke())
        for _, style in entries
    ]
    key = figure.legend(
        handles,
        texts,
        loc="outside upper left",
        fontsize=9,
        frameon=False,
        handlelength=2.8,
        ncols=key_columns(texts),
        title=note or None,
        title_fontsize=SMALL,
        alignment="left",
        borderpad=0.1,
    )
    key.get_title().set_color(palette.MUTED)
    for text, (_, style) in zip(key.get_texts(), entries, strict=True):
        text.set_color(style.color)
        text.set_fontweight("bold")


def note_above(axes: Axes, position: float, text: str) -> None:
    """Escribe ``text`` justo encima de los ejes, centrado en la abscisa ``position``."""
    axes.annotate(
        text,
        (position, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        fontsize=SMALL,
        color=palette.MUTED,
    )


def grid_shape(n: int, columns: int) -> tuple[int, int]:
    """Filas y columnas para ``n`` paneles, con ``columns`` como máximo por fila."""
    columns = max(1, min(n, columns))
    return math.ceil(n / columns), columns


def panel_grid(
    figure: Figure, n: int, columns: int, **options: Any
) -> tuple[np.ndarray, np.ndarray]:
    """``n`` ejes en una rejilla, y los que sobran, ya ocultos."""
    lines, across = grid_shape(n, columns)
    panels = figure.subplots(lines, across, squeeze=False, **options).ravel()
    for axes in panels[n:]:
        axes.set_axis_off()
    return panels[:n], panels[n:]


def mark(axes: Axes, x: float, y: float, style: palette.Style, size: float = 7.0) -> None:
    """Un punto de la serie, con borde blanco, entero aunque caiga en el límite de los ejes."""
    axes.plot(
        x,
        y,
        marker=style.marker,
        color=style.color,
        markersize=size,
        markeredgecolor="white",
        clip_on=False,
        zorder=5,
    )


def need_models(models: Sized) -> None:
    """``DataError`` si no hay ningún modelo que dibujar."""
    if not models:
        raise DataError("No hay modelos que dibujar: demos al menos uno.")


def show_film(axes: Axes, image: np.ndarray, title: str = "", color: str = palette.TEXT) -> None:
    """Muestra una radiografía (uint8 gris o RGB) sin ejes y con su escala completa de grises."""
    axes.imshow(image, cmap="gray", vmin=0, vmax=255)
    axes.set_axis_off()
    if title:
        axes.set_title(title, fontsize=SMALL, color=color, loc="center")


def check_films(images: np.ndarray, name: str = "images") -> np.ndarray:
    """Devuelve ``images`` como (N, H, W); ``DataError`` si no lo es o está vacío."""
    array = np.asarray(images)
    if array.ndim != 3 or array.shape[0] == 0:
        raise DataError(
            f"{name} debe tener forma (N, H, W), con una radiografía o más, y tiene {array.shape}."
        )
    return array


def spread(positions: Sequence[float], separation: float) -> list[float]:
    """Aparta posiciones para que disten ``separation`` o más, moviéndolas lo menos posible.

    Conserva el orden y el centro de cada grupo que hubo que apartar.
    """
    order = np.argsort(positions, kind="stable")
    groups: list[tuple[float, int]] = []
    for index in order:
        center, size = float(positions[index]), 1
        while groups and center - groups[-1][0] < separation * (size + groups[-1][1]) / 2:
            other, count = groups.pop()
            center = (center * size + other * count) / (size + count)
            size += count
        groups.append((center, size))
    placed = [c + separation * (i - (n - 1) / 2) for c, n in groups for i in range(n)]
    result = [0.0] * len(placed)
    for index, value in zip(order, placed, strict=True):
        result[index] = value
    return result


def signed(value: float, form: str = ".2f") -> str:
    """Número con su signo tipográfico: ``+1.06``, ``−1.06``, y ``0.00`` sin signo."""
    text = format(abs(value), form)
    if float(text) == 0:
        return text
    return ("+" if value > 0 else "−") + text


def count(value: float, singular: str, plural: str | None = None) -> str:
    """``1 radiografía``, ``12 radiografías``."""
    return f"{integer(value)} {singular if value == 1 else plural or singular + 's'}"


def listing(items: Sequence[str]) -> str:
    """``a, b y c``."""
    if len(items) < 2:
        return "".join(items)
    joint = "e" if items[-1][:1].lower() == "i" else "y"
    return f"{', '.join(items[:-1])} {joint} {items[-1]}"
