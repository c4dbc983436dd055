"""Figuras de Grad-CAM: los mapas sobre las placas y el cálculo paso a paso."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from PIL import Image

from neumonia.errors import DataError
from neumonia.figures import palette
from neumonia.figures.base import (
    SMALL,
    WIDTH,
    check_films,
    count,
    grid_shape,
    illustrated,
    integer,
    new_figure,
    show_film,
    signed,
)
from neumonia.gradcam.overlay import COLORMAP, LEVELS, overlay

# Con este lado el trazo de los contornos se ve continuo a 150 ppp.
_FINE = 300


@illustrated
def gradcam_grid(
    images: np.ndarray,
    heatmaps: np.ndarray | Mapping[str, np.ndarray],
    titles: Sequence[str],
) -> tuple[Figure, str]:
    """Cada radiografía junto a su mapa superpuesto.

    Con un solo arreglo de mapas se ponen dos parejas por fila (tres si pasan de ocho); con un
    diccionario, una fila por radiografía y una columna por modelo.

    Parameters
    ----------
    images : uint8 (N, H, W)
    heatmaps : float (N, H, W) en [0, 1], o {nombre del modelo: float (N, H, W)}
    titles : N textos breves, uno por radiografía

    Raises
    ------
    DataError
        Si las formas o los largos no corresponden.
    """
    films = check_films(images)
    models = dict(heatmaps) if isinstance(heatmaps, Mapping) else {"": heatmaps}
    for name, maps in models.items():
        if np.shape(maps) != films.shape:
            of_model = f" de {name}" if name else ""
            raise DataError(
                f"Los mapas{of_model} tienen forma {np.shape(maps)} y las radiografías "
                f"{films.shape}: deben coincidir."
            )
    if len(titles) != len(films) or not models:
        raise DataError(f"Necesitamos {len(films)} títulos y al menos un modelo.")
    pairs = 1
    if list(models) == [""] and len(films) > 1:
        pairs = 2 if len(films) <= 8 else 3
    per_film = 1 + len(models)
    columns = pairs * per_film
    side = min(WIDTH / columns, 2.1)
    lines, _ = grid_shape(len(films), pairs)
    header = 0.0 if list(models) == [""] else 0.2
    figure = new_figure(lines * (side + 0.22) + header + 0.62, side * columns)
    grid = figure.subplots(lines, columns, squeeze=False)
    facts = []
    for position, film in enumerate(films):
        row, start = divmod(position, pairs)
        panels = grid[row, start * per_film : (start + 1) * per_film]
        show_film(panels[0], film)
        panels[0].set_title(titles[position], fontsize=SMALL, loc="left")
        for axes, (name, maps) in zip(panels[1:], models.items(), strict=True):
            title = name if row == 0 else ""
            if not np.any(maps[position]):
                title = f"{title} (mapa vacío)".lstrip()
            show_film(axes, fine_overlay(film, maps[position]), title)
            subject = f"{titles[position]} ({name})" if name else titles[position]
            facts.append(f"{subject}: {describe_map(maps[position])}")
    for axes in grid.ravel()[len(films) * per_film :]:
        axes.set_axis_off()
    heat_bar(figure, grid)
    kind = count(len(films), "radiografía")
    return figure, f"{kind} con su mapa Grad-CAM superpuesto. {'. '.join(facts)}."


@illustrated
def gradcam_steps(steps: Mapping[str, Any], channels: int = 3) -> tuple[Figure, str]:
    """El cálculo de Grad-CAM en seis pasos, de la placa al mapa.

    Parameters
    ----------
    steps : dict de ``gradcam.cam_steps``
        Usa ``image`` (H, W) en 0..255; ``features`` (h, w, C), la salida de la capa explicada;
        ``weights`` (C,), el gradiente medio del logit en cada canal; y ``normalised`` (H, W) en
        [0, 1], el mapa final.
    channels : int de 1 a 3
        Canales que se muestran: los que más aportan a favor y, en último lugar, el que más resta.

    Raises
    ------
    DataError
        Si falta un paso o las formas no corresponden (HiResCAM no tiene un peso por canal).
    """
    missing = [key for key in ("image", "features", "weights", "normalised") if key not in steps]
    if missing:
        raise DataError(f"A los pasos de Grad-CAM les falta: {', '.join(missing)}.")
    maps = np.asarray(steps["features"], dtype=np.float64)
    alphas = np.asarray(steps["weights"], dtype=np.float64)
    if maps.ndim != 3 or alphas.shape != maps.shape[2:]:
        raise DataError(
            f"Las características deben ser (h, w, C) y los pesos (C,); tienen forma {maps.shape} "
            f"y {alphas.shape}. HiResCAM no tiene un peso por canal: usemos Grad-CAM."
        )
    image = np.clip(np.rint(steps["image"]), 0, 255).astype(np.uint8)
    heatmap = np.asarray(steps["normalised"])
    painted = fine_overlay(image, heatmap)
    weighted = maps @ alphas
    ranked = np.argsort(-alphas * np.abs(maps).mean(axis=(0, 1)), kind="stable")
    shown = max(1, min(channels, 3, alphas.size))
    chosen = ranked[:1] if shown == 1 else [*ranked[: shown - 1], ranked[-1]]

    figure = new_figure(3.9)
    grid = figure.subplots(2, 4)
    show_film(grid[0, 0], image, "1. la placa")
    for axes, channel in zip(grid[0, 1:], chosen, strict=False):
        axes.imshow(maps[..., channel], cmap="cividis")
        axes.set_axis_off()
        axes.set_title(
            f"2. canal {channel}\npeso {signed(alphas[channel], '.2g')}",
            fontsize=SMALL,
            loc="center",
        )
    for axes in grid[0, 1 + len(chosen) :]:
        axes.set_axis_off()
    _weight_bars(grid[1, 0], alphas)
    limit = max(float(np.abs(weighted).max()), 1e-12)
    grid[1, 1].imshow(weighted, cmap="cividis", vmin=-limit, vmax=limit)
    grid[1, 1].set_title("4. suma ponderada", fontsize=SMALL, loc="center")
    grid[1, 2].imshow(np.maximum(weighted, 0.0), cmap=COLORMAP, vmin=0, vmax=limit)
    grid[1, 2].set_title("5. solo lo positivo", fontsize=SMALL, loc="center")
    for axes in grid[1, 1:3]:
        axes.set_axis_off()
    show_film(grid[1, 3], painted, "6. el mapa")
    height, width, total = maps.shape
    negative = 100 * float((weighted < 0).mean())
    alt = (
        f"Grad-CAM paso a paso: la placa; {count(len(chosen), 'canal', 'canales')} de los "
        f"{integer(total)}, de {height} × {width}; sus pesos, {integer((alphas > 0).sum())} "
        f"positivos y {integer((alphas < 0).sum())} negativos; la suma ponderada, negativa en el "
        f"{negative:.1f} % de sus puntos; la parte positiva; y el mapa sobre la placa: "
        f"{describe_map(heatmap)}."
    )
    return figure, alt


def fine_overlay(image: np.ndarray, heatmap: np.ndarray) -> np.ndarray:
    """``overlay`` con las dos imágenes ampliadas, para que los contornos salgan nítidos."""
    image = np.asarray(image)
    heat = np.asarray(heatmap, dtype=np.float32)
    if image.ndim != 2 or heat.shape != image.shape or min(image.shape) >= _FINE:
        return overlay(image, heat)
    scale = _FINE / min(image.shape)
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    film = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
    heat = np.asarray(Image.fromarray(heat).resize(size, Image.Resampling.BILINEAR))
    return overlay(film, np.clip(heat, 0.0, 1.0))


def describe_map(heatmap: np.ndarray) -> str:
    """Dónde está el calor de un mapa (H, W) y cuánta imagen supera la mitad del máximo."""
    if float(heatmap.max()) <= 0:
        return "el mapa está vacío, sin evidencia a favor"
    row, column = np.unravel_index(int(heatmap.argmax()), heatmap.shape)
    vertical = ("arriba", "a media altura", "abajo")[min(2, 3 * row // heatmap.shape[0])]
    horizontal = ("a la izquierda", "al centro", "a la derecha")[
        min(2, 3 * column // heatmap.shape[1])
    ]
    area = 100 * float((heatmap >= 0.5 * heatmap.max()).mean())
    return (
        f"el máximo está {vertical} {horizontal} de la imagen y el {area:.0f} % de ella supera la "
        "mitad del máximo"
    )


def _weight_bars(axes: Axes, alphas: np.ndarray) -> None:
    """Los pesos de todos los canales, ordenados: los negativos cuentan en contra."""
    largest = float(np.abs(alphas).max())
    power = int(np.floor(np.log10(largest))) if largest > 0 else 0
    power = 0 if -1 <= power <= 2 else power
    ordered = np.sort(alphas)[::-1] / 10.0**power
    ranks = np.arange(ordered.size)
    positive = ordered > 0
    axes.bar(ranks[positive], ordered[positive], width=1.0, color=palette.PNEUMONIA.color)
    axes.bar(ranks[~positive], ordered[~positive], width=1.0, color=palette.NORMAL.color)
    axes.axhline(0, color=palette.TEXT, linewidth=0.8)
    factor = f" ($\\times 10^{{{power}}}$)" if power else ""
    axes.set_title(f"3. los pesos{factor}", fontsize=SMALL, loc="center")
    axes.set_xlabel(f"{integer(ordered.size)} canales, ordenados", fontsize=SMALL)
    axes.set_xticks([])
    axes.tick_params(labelsize=SMALL)
    axes.locator_params(axis="y", nbins=4)
    axes.set_box_aspect(0.82)


def heat_bar(figure: Figure, grid: np.ndarray) -> None:
    """Bajo los ejes de ``grid``, la escala del calor con los niveles de los contornos."""
    scale = ScalarMappable(cmap=matplotlib.colormaps[COLORMAP])
    scale.set_clim(0.0, 1.0)
    bar = figure.colorbar(
        scale, ax=grid, location="bottom", shrink=0.5, aspect=32, fraction=0.04, pad=0.02
    )
    bar.set_ticks([0.0, *LEVELS, 1.0])
    for level in LEVELS:
        bar.ax.axvline(level, color="black", linewidth=3.0)
        bar.ax.axvline(level, color="white", linewidth=1.3)
    bar.ax.tick_params(labelsize=SMALL)
    bar.set_label("calor, relativo al máximo de cada placa", fontsize=SMALL)
    bar.outline.set_visible(False)
