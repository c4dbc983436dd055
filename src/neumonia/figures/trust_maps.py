"""Figuras de confianza hechas de mapas: por método, por capa borrada y las de más calor fuera."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from neumonia.errors import DataError
from neumonia.figures.base import (
    WIDTH,
    check_films,
    count,
    grid_shape,
    illustrated,
)
from neumonia.figures.explanation import describe_map, heat_bar
from neumonia.figures.trust_common import title_of
from neumonia.figures.trust_panels import (
    BAR,
    NOTE,
    check_maps,
    close_gaps,
    fit_title,
    note_on_top,
    outline,
    panel_size,
    show_map,
    show_plain,
    tight_figure,
)
from neumonia.text import number, percent
from neumonia.trust.outside import thorax_region
from neumonia.trust.similarity import spearman


@illustrated
def method_maps(
    film: np.ndarray,
    maps: Mapping[str, np.ndarray],
    mask: np.ndarray | None = None,
    columns: int = 4,
) -> tuple[Figure, str]:
    """Una radiografía y, a su lado, lo que señala cada método.

    Parameters
    ----------
    film : uint8 (H, W)
    maps : {método o título: float (H, W) en [0, 1]}
    mask : bool (H, W), optional
        La opacidad, que se rodea, sin sus huecos, en todos los paneles.
    columns : int >= 1
        Paneles por fila, como máximo.

    Raises
    ------
    DataError
        Formas que no corresponden o ningún mapa.
    """
    named = [(title_of(name), heat) for name, heat in maps.items()]
    figure, facts = _film_and_maps(film, named, mask, columns)
    planted = ""
    if mask is not None:
        planted = " La opacidad va rodeada por una raya discontinua."
        facts = [
            f"{fact}; {_inside(heat, np.asarray(mask, bool))}"
            for fact, (_, heat) in zip(facts, named, strict=True)
        ]
    return figure, (
        f"Una radiografía y {count(len(named), 'mapa')} superpuestos a ella, uno por método."
        f"{planted} {'. '.join(facts)}."
    )


@illustrated
def cascade_strip(
    film: np.ndarray, steps: Sequence[tuple[str, np.ndarray]], columns: int = 4
) -> tuple[Figure, str]:
    """El mapa de una radiografía a medida que se borran las capas de la red.

    Parameters
    ----------
    film : uint8 (H, W)
    steps : pares (título, float (H, W) en [0, 1])
        En orden; el primero, el de la red intacta, con el que se comparan los demás.
    columns : int >= 1

    Raises
    ------
    DataError
        Formas que no corresponden o ningún paso.
    """
    steps = list(steps)
    figure, facts = _film_and_maps(film, steps, None, columns)
    first = np.asarray(steps[0][1])[None]
    for place, (_, heat) in enumerate(steps[1:], 1):
        likeness = number(float(spearman(first, np.asarray(heat)[None])[0]), 2)
        facts[place] += f"; correlación de rangos con el primero, {likeness}"
    return figure, (
        f"Una radiografía y {count(len(facts), 'mapa')} superpuestos a ella, con cada vez más "
        f"capas borradas. {'. '.join(facts)}."
    )


@illustrated
def worst_maps(
    films: np.ndarray,
    maps: np.ndarray,
    shares: Sequence[float],
    titles: Sequence[str],
    chance: float,
) -> tuple[Figure, str]:
    """Las radiografías con más calor fuera del tórax, con el borde del trapecio que lo delimita.

    Parameters
    ----------
    films : uint8 (N, H, W)
    maps : float (N, H, W) en [0, 1]
    shares : (N,) en 0..1
        Parte del calor fuera de ``thorax_region``.
    titles : N textos breves
    chance : float en 0..1
        Lo que pondría fuera un mapa uniforme.

    Raises
    ------
    DataError
        Formas o largos que no corresponden.
    """
    films = check_films(films)
    maps = check_maps(maps, films.shape)
    if not len(shares) == len(titles) == len(films):
        raise DataError(f"Necesitamos {len(films)} títulos y {len(films)} partes del calor.")
    pairs = min(len(films), 2 if len(films) <= 8 else 3)
    lines, _ = grid_shape(len(films), pairs)
    side, row_height = panel_size(min(WIDTH / (2 * pairs), 1.7), lines, titles, NOTE)
    figure = tight_figure(lines * row_height + BAR + NOTE, 2 * pairs * side)
    grid = figure.subplots(lines, 2 * pairs, squeeze=False)
    region = thorax_region(*films.shape[1:])
    facts = []
    for position, (film, heat) in enumerate(zip(films, maps, strict=True)):
        row, start = divmod(position, pairs)
        first, second = grid[row, 2 * start : 2 * start + 2]
        show_plain(first, film, fit_title(titles[position], side), "left")
        show_map(second, film, heat, f"fuera {percent(shares[position], 0)}")
        for axes in (first, second):
            outline(axes, region)
        facts.append(f"{titles[position]}: {percent(shares[position])}; {describe_map(heat)}")
    for axes in grid.ravel()[2 * len(films) :]:
        axes.set_axis_off()
    heat_bar(figure, grid)
    note_on_top(figure, f"un mapa uniforme pondría fuera {percent(chance, 0)}")
    return figure, (
        f"{count(len(films), 'radiografía')} y su mapa, con el trapecio donde está el tórax en "
        f"raya discontinua y la parte del calor que cae fuera; la de un mapa uniforme sería "
        f"{percent(chance)}. {'. '.join(facts)}."
    )


def _inside(heat: np.ndarray, mask: np.ndarray) -> str:
    if not np.any(heat):
        return "no señala nada"
    share = percent(float(heat[mask].sum(dtype=np.float64) / heat.sum(dtype=np.float64)))
    within = "dentro" if mask.ravel()[int(np.argmax(heat))] else "fuera"
    return f"ese máximo cae {within} de la opacidad, que recibe {share} del calor"


def _film_and_maps(
    film: np.ndarray,
    named: Sequence[tuple[str, np.ndarray]],
    mask: np.ndarray | None,
    columns: int,
) -> tuple[Figure, list[str]]:
    film = check_films(np.asarray(film)[None])[0]
    if not named or columns < 1:
        raise DataError("Necesitamos al menos un mapa y una columna.")
    heats = [check_maps(heat, film.shape) for _, heat in named]
    if mask is not None and np.shape(mask) != film.shape:
        raise DataError(f"La máscara mide {np.shape(mask)} y la radiografía {film.shape}.")
    lines, columns = grid_shape(1 + len(named), columns)
    titles = [title for title, _ in named]
    side, row_height = panel_size(min(WIDTH / columns, 2.1), lines, titles)
    figure = tight_figure(lines * row_height + BAR, side * columns)
    grid = figure.subplots(lines, columns, squeeze=False)
    panels = grid.ravel()
    show_plain(panels[0], film, fit_title("la radiografía", side))
    for axes, (title, _), heat in zip(panels[1:], named, heats, strict=False):
        show_map(axes, film, heat, fit_title(title, side))
    for axes in panels[1 + len(named) :]:
        axes.set_axis_off()
    if mask is not None:
        planted = close_gaps(np.asarray(mask, bool))
        for axes in panels[: 1 + len(named)]:
            outline(axes, planted)
    heat_bar(figure, grid)
    facts = [
        f"{title}: {describe_map(heat)}" for (title, _), heat in zip(named, heats, strict=True)
    ]
    return figure, facts
