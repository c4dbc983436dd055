"""Figuras de los atajos: hasta dónde llegan las referencias simples y qué ve la del marco."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from neumonia.baselines.features import FRAME_WIDTH, SIDE, frame_mask, small_pixels
from neumonia.errors import DataError
from neumonia.evaluation.metrics import METRIC_NAMES
from neumonia.figures import palette
from neumonia.figures.base import SMALL, illustrated, listing, new_figure, show_film

_BASELINE = palette.Style("#5F5F5F", "-", "D", "")
_ROW = 0.27


@illustrated
def baseline_scores(
    table: pd.DataFrame,
    models: Mapping[str, Sequence[float]] | None = None,
    metric: str = "roc_auc",
) -> tuple[Figure, str]:
    """Puntos con intervalo: las referencias simples y, debajo de una raya, las redes.

    Parameters
    ----------
    table : DataFrame
        Lo que devuelve ``evaluate_baselines``.
    models : {nombre: (valor, bajo, alto)}, optional
    metric : {"roc_auc", "sensitivity", "specificity", "accuracy"}

    Raises
    ------
    DataError
        Si la tabla está vacía o le faltan columnas, o un modelo no trae sus tres números.
    """
    needed = {"name", metric, f"{metric}_low", f"{metric}_high"}
    if table.empty or not needed <= set(table.columns) or metric not in METRIC_NAMES:
        raise DataError(f"Necesitamos una tabla de referencias con {', '.join(sorted(needed))}.")
    models = dict(models or {})
    if any(np.shape(values) != (3,) for values in models.values()):
        raise DataError("De cada modelo necesitamos tres números: valor, bajo y alto.")
    styles = palette.model_styles(list(models))
    columns = table[["name", metric, f"{metric}_low", f"{metric}_high"]]
    points = [(name, found, _BASELINE) for name, *found in columns.itertuples(index=False)]
    points += [(name, list(models[name]), styles[name]) for name in models]

    figure = new_figure(0.75 + _ROW * len(points))
    axes = figure.subplots()
    for row, (_, found, style) in enumerate(points):
        _interval_dot(axes, row, found, style)
    if models:
        axes.axhline(len(table) - 0.5, color=palette.MUTED, linewidth=0.8)
    axes.set_yticks(range(len(points)), [name for name, _, _ in points])
    for tick, (_, _, style) in zip(axes.get_yticklabels(), points, strict=True):
        tick.set_color(palette.TEXT if style is _BASELINE else style.color)
        tick.set_fontweight("normal" if style is _BASELINE else "bold")
    axes.set_ylim(len(points) - 0.5, -0.5)
    lows = [value for _, found, _ in points for value in found if np.isfinite(value)]
    least = min([*lows, 0.5 if metric == "roc_auc" else 1.0])
    # A la derecha queda sitio para escribir cada valor.
    axes.set_xlim(least - 0.03 * (1 - least), 1 + 0.16 * (1 - least))
    axes.set_xticks([tick for tick in axes.get_xticks() if least - 1e-9 <= tick <= 1 + 1e-9])
    axes.set_xlabel(f"{METRIC_NAMES[metric]} en prueba (raya: intervalo del 95 % por paciente)")
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    if metric == "roc_auc":
        axes.axvline(0.5, color=palette.MUTED, linewidth=1, linestyle=":")

    facts = [
        f"{name} {_number(value)}" + (f" ({low:.3f} a {high:.3f})" if low < high else "")
        for name, (value, low, high), _ in points
    ]
    alt = (
        f"Puntos con intervalo del 95 % por paciente: {METRIC_NAMES[metric]} en prueba de "
        f"{len(table)} referencias simples"
    )
    alt += f" y, debajo, de {listing(list(models))}" if models else ""
    return figure, f"{alt}. {'; '.join(facts)}."


@illustrated
def frame_only(image: np.ndarray, side: int = SIDE, width: int = FRAME_WIDTH) -> tuple[Figure, str]:
    """Una radiografía, su versión reducida y lo único que ve la referencia del marco.

    Parameters
    ----------
    image : uint8 (H, W)
    side, width
        Como en ``frame_pixels``.

    Raises
    ------
    DataError
        Si la imagen no es uint8 de dos dimensiones.
    ConfigError
        Si el marco no deja centro.
    """
    image = np.asarray(image)
    if image.ndim != 2 or image.dtype != np.uint8 or image.size == 0:
        raise DataError(f"La radiografía debe ser uint8 (H, W); es {image.shape} {image.dtype}.")
    mask = frame_mask(side, width)
    small = 255 * small_pixels(image[None], side).reshape(side, side)
    figure = new_figure(2.3)
    panels = figure.subplots(1, 3)
    show_film(panels[0], image, "la radiografía")
    show_film(panels[1], small, f"reducida a {side} × {side}")
    show_film(panels[2], np.where(mask, small, 255.0), "lo que ve «marco sin el centro»")
    inner = side - 2 * width
    panels[2].add_patch(
        Rectangle(
            (width - 0.5, width - 0.5),
            inner,
            inner,
            facecolor="white",
            edgecolor=palette.MUTED,
            hatch="////",
            linewidth=1,
        )
    )
    panels[2].text(
        (side - 1) / 2,
        (side - 1) / 2,
        "quitado",
        ha="center",
        va="center",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 2},
        fontsize=SMALL,
    )
    share = 100 * mask.mean()
    return figure, (
        f"Tres paneles. Una radiografía; la misma reducida a {side} por {side} píxeles; y solo su "
        f"marco de {width} píxeles por lado, el {share:.0f} % de la imagen, con el centro, donde "
        "están los pulmones, quitado y rayado."
    )


def _interval_dot(axes: Axes, row: int, found: Sequence[float], style: palette.Style) -> None:
    value, low, high = found
    if low < high:
        axes.plot([low, high], [row, row], color=style.color, linewidth=1.8, solid_capstyle="butt")
    axes.plot(
        value,
        row,
        marker=style.marker,
        color=style.color,
        markersize=6.5,
        markeredgecolor="white",
        clip_on=False,
    )
    axes.annotate(
        _number(value),
        (1, row),
        xycoords=("axes fraction", "data"),
        xytext=(-2, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        fontsize=SMALL,
        color=palette.TEXT if style is _BASELINE else style.color,
    )


def _number(value: float) -> str:
    return "—" if np.isnan(value) else f"{value:.3f}"
