"""Rejillas de radiografías y mapas: por método, por desenlace, las peores y las del atajo."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import binary_closing, binary_fill_holes

from neumonia.errors import DataError
from neumonia.figures import palette
from neumonia.figures.base import (
    SMALL,
    WIDTH,
    check_films,
    count,
    illustrated,
    listing,
    new_figure,
    show_film,
)
from neumonia.figures.explanation import describe_map, fine_overlay, heat_bar
from neumonia.figures.forest import PAGE, in_order, title_of
from neumonia.text import number, percent

# Pulgadas: la escala del calor, la nota, el rótulo de un panel y cada línea más, y una letra.
_BAR, _NOTE, _TITLE, _LINE, _LETTER = 0.62, 0.2, 0.2, 0.14, 0.07
# Con menos ancho se cortaría el rótulo de la escala; con más lado, una sola fila llena la página.
_NARROWEST, _WIDEST = 2.6, 1.7
_GAP = 0.05
_CYAN = "#7FD4FF"

OUTCOMES = {
    "VP": "verdaderos positivos",
    "FP": "falsos positivos",
    "FN": "falsos negativos",
    "VN": "verdaderos negativos",
}


@dataclass(frozen=True, eq=False)
class Panel:
    """Una radiografía (H, W) y, si lo hay, su mapa (H, W) en 0..1 superpuesto."""

    film: np.ndarray
    heat: np.ndarray | None = None
    title: str = ""


def map_grid(
    lines: Sequence[Sequence[Panel | None]],
    labels: Sequence[str] = (),
    region: np.ndarray | None = None,
    note: str = "",
) -> Figure:
    """Una fila de paneles por línea; ``None`` deja el hueco.

    Parameters
    ----------
    labels : un rótulo por línea, al margen; ninguno si está vacío
    region : bool (H, W), optional
        Se rodea en todos los paneles con una raya discontinua.
    note : lo que se dice encima de todo
    """
    columns = max(map(len, lines))
    panels = [panel for line in lines for panel in line if panel is not None]
    longest = max((len(text) for label in labels for text in label.split("\n")), default=0)
    gutter = [0.25 + _LETTER * longest] if labels else []
    above = 2 * _NOTE if note else 0.0
    widest = min(_WIDEST, (WIDTH - sum(gutter)) / columns)
    side, height = _panel_size(widest, len(lines), [panel.title for panel in panels], above)
    width = max(sum(gutter) + side * columns, _NARROWEST)
    figure = new_figure(len(lines) * height + _BAR + above, width)
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.02, wspace=0.02, hspace=0.0)
    ratios = [*gutter, *[side] * columns]
    grid = figure.add_gridspec(len(lines), len(ratios), width_ratios=ratios)
    for row, line in enumerate(lines):
        if labels:
            axes = figure.add_subplot(grid[row, 0])
            axes.set_axis_off()
            axes.text(0.5, 0.5, labels[row], ha="center", va="center", fontsize=SMALL)
        for column, panel in enumerate(line, len(gutter)):
            if panel is not None:
                axes = figure.add_subplot(grid[row, column])
                _show(axes, panel, side)
                if region is not None:
                    _outline(axes, region)
    heat_bar(figure, np.array(figure.axes))
    if note:
        text = _fit(note, width)
        figure.suptitle(text, fontsize=SMALL, color=palette.MUTED)
    return figure


@illustrated
def method_maps(
    film: np.ndarray, maps: Mapping[str, np.ndarray], mask: np.ndarray | None = None
) -> tuple[Figure, str]:
    """Una radiografía uint8 (H, W) y, a su lado, lo que señala cada método, o cada paso.

    Los mapas son float (H, W) en [0, 1]; ``mask``, bool (H, W), es la opacidad, que se rodea.
    """
    film = check_films(np.asarray(film)[None])[0]
    if not maps:
        raise DataError("Necesitamos al menos un mapa.")
    panels = [Panel(film, title="la radiografía")]
    facts = []
    for name, heat in maps.items():
        panels.append(Panel(film, _same(heat, film.shape), title_of(name)))
        fact = f"{title_of(name)}: {describe_map(heat)}"
        facts.append(fact if mask is None else f"{fact}; {_inside(heat, _same(mask, film.shape))}")
    lines = [panels[start : start + 4] for start in range(0, len(panels), 4)]
    figure = map_grid(lines, region=None if mask is None else close_gaps(np.asarray(mask, bool)))
    planted = "" if mask is None else " La opacidad va rodeada por una raya discontinua."
    return figure, (
        f"Una radiografía y {count(len(maps), 'mapa')} superpuestos a ella.{planted} "
        f"{'. '.join(facts)}."
    )


@illustrated
def worst_maps(
    films: np.ndarray,
    maps: np.ndarray,
    shares: Sequence[float],
    titles: Sequence[str],
    region: np.ndarray,
) -> tuple[Figure, str]:
    """Las radiografías con más calor fuera del tórax, con el borde que lo delimita.

    ``films`` son uint8 (N, H, W); ``maps``, float (N, H, W) en [0, 1]; ``shares``, la parte del
    calor de cada uno fuera de ``region``, bool (H, W).
    """
    films, maps = check_films(films), _same(maps, np.shape(films))
    if not len(shares) == len(titles) == len(films):
        raise DataError(f"Necesitamos {len(films)} títulos y {len(films)} partes del calor.")
    chance = 1 - float(np.mean(region))
    panels, facts = [], []
    for film, heat, share, title in zip(films, maps, shares, titles, strict=True):
        panels += [Panel(film, title=title), Panel(film, heat, f"fuera {percent(share, 0)}")]
        facts.append(f"{title}: {percent(share)}; {describe_map(heat)}")
    lines = [panels[start : start + 4] for start in range(0, len(panels), 4)]
    figure = map_grid(lines, (), region, f"un mapa uniforme pondría fuera {percent(chance, 0)}")
    return figure, (
        f"{count(len(films), 'radiografía')} y su mapa, con el trapecio del tórax en raya "
        f"discontinua y la parte del calor que cae fuera; la de un mapa uniforme sería "
        f"{percent(chance)}. {'. '.join(facts)}."
    )


@illustrated
def outcome_maps(
    films: np.ndarray,
    networks: Mapping[str, tuple[np.ndarray, Sequence[float]]],
    outcomes: Sequence[str],
) -> tuple[Figure, str]:
    """Aciertos y errores de cada clase: la radiografía y el mapa de cada red, con su probabilidad.

    ``films`` son uint8 (N, H, W); ``networks``, {nombre: (mapas (N, H, W) en [0, 1], probabilidades
    (N,))}; ``outcomes``, N textos: VP, FP, FN o VN.
    """
    films = check_films(films)
    if len(outcomes) != len(films) or not set(outcomes) <= set(OUTCOMES):
        raise DataError(f"Cada radiografía necesita su desenlace: {', '.join(OUTCOMES)}.")
    lines, labels, facts = [], [], []
    for name, title in OUTCOMES.items():
        for place in np.flatnonzero(np.asarray(outcomes) == name):
            labels.append("" if title in labels else title)
            line, said = [Panel(films[place], title=name)], []
            for network, (maps, probabilities) in networks.items():
                heat = _same(maps, films.shape)[place]
                line.append(
                    Panel(films[place], heat, f"{network} {number(probabilities[place], 2)}")
                )
                said.append(f"{line[-1].title}, {describe_map(heat)}")
            lines.append(line)
            facts.append(f"{name}: {'; '.join(said)}")
    figure = map_grid(lines, [label.replace(" ", "\n") for label in labels])
    return figure, (
        f"{count(len(facts), 'radiografía')} con el mapa de {listing(list(networks))} y la "
        f"probabilidad de neumonía que da cada red, por desenlace. {'. '.join(facts)}."
    )


@illustrated
def shortcut_maps(
    films: np.ndarray, maps: Mapping[str, Mapping[str, np.ndarray]], zone: np.ndarray
) -> tuple[Figure, str]:
    """Las radiografías marcadas y, debajo, el mapa de cada red: la del atajo y las arregladas.

    ``films`` son uint8 (N, H, W), con la marca; ``maps``, {variante: {método: float (N, H, W) en
    [0, 1]}}; ``zone``, bool (H, W), donde puede estar la marca: se rodea.
    """
    films = check_films(films)
    zone = _same(zone, films.shape[1:]).astype(bool)
    methods = in_order(name for found in maps.values() for name in found)
    if not methods:
        raise DataError("Necesitamos el mapa de algún método.")
    gaps = [None] * (len(methods) - 1)
    lines = [[panel for film in films for panel in (Panel(film), *gaps)]]
    facts = []
    for variant, found in maps.items():
        line = []
        for place, film in enumerate(films):
            for method in methods:
                heat = _same(found[method], films.shape)[place]
                share = _share(heat, zone)
                line.append(Panel(film, heat, f"{title_of(method)} {percent(share, 0)}"))
                facts.append(f"{variant}, {title_of(method)}: {percent(share)}")
        lines.append(line)
    note = "el porcentaje es la parte del calor que cae en la zona rodeada"
    figure = map_grid(lines, ["con la marca", *maps], zone, note)
    return figure, (
        f"{count(len(films), 'radiografía')} con una marca en la esquina, rodeada por una raya "
        "discontinua, y debajo el mapa de cada red. Parte del calor en la zona de la marca, que "
        f"ocupa {percent(float(zone.mean()))} de la imagen. {'; '.join(facts)}."
    )


def close_gaps(mask: np.ndarray) -> np.ndarray:
    """La máscara bool (H, W) sin huecos ni rendijas: el borde de muchos granos taparía el mapa.

    Une lo que dista menos de un 5 % del lado corto; no quita ningún píxel.
    """
    steps = max(1, round(_GAP * min(mask.shape) / 2))
    closed = binary_fill_holes(binary_closing(np.pad(mask, steps), iterations=steps))
    return closed[steps:-steps, steps:-steps]


def _same(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    found = np.asarray(array)
    if found.shape != shape:
        raise DataError(f"Llegó algo de forma {found.shape} para radiografías {shape}.")
    return found


def _share(heat: np.ndarray, region: np.ndarray) -> float:
    """Parte del calor en la región; NaN si el mapa es nulo."""
    total = float(heat.sum(dtype=np.float64))
    return float(heat[region].sum(dtype=np.float64)) / total if total else float("nan")


def _inside(heat: np.ndarray, mask: np.ndarray) -> str:
    if not np.any(heat):
        return "no señala nada"
    mask = mask.astype(bool)
    within = "dentro" if mask.ravel()[int(np.argmax(heat))] else "fuera"
    share = percent(_share(np.asarray(heat), mask))
    return f"ese máximo cae {within} de la opacidad, que recibe {share} del calor"


def _fit(title: str, width: float) -> str:
    """Parte el rótulo, entre palabras, en las líneas que caben en ``width`` pulgadas."""
    return fill(title, max(6, int(width / _LETTER)), break_long_words=False)


def _panel_size(
    widest: float, lines: int, titles: Sequence[str], above: float
) -> tuple[float, float]:
    """Lado de los paneles y alto de cada fila, en pulgadas, para que quepan en la página."""
    for tall in (1, 2, 3):
        head = _TITLE + _LINE * (tall - 1)
        side = min(widest, (PAGE - _BAR - above) / lines - head)
        if all(_fit(title, side).count("\n") < tall for title in titles):
            break
    return side, side + head


def _show(axes: Axes, panel: Panel, side: float) -> None:
    height, width = panel.film.shape
    if panel.heat is None:
        show_film(axes, panel.film)
        axes.images[-1].set_interpolation("bilinear")
    else:
        show_film(axes, fine_overlay(panel.film, panel.heat))
        axes.images[-1].set_extent((-0.5, width - 0.5, height - 0.5, -0.5))
        if not np.any(panel.heat):
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
    axes.set_title(_fit(panel.title, side), fontsize=SMALL, pad=3, loc="center")


def _outline(axes: Axes, region: np.ndarray) -> None:
    """Rodea una región bool (H, W) con una raya discontinua clara sobre otra negra."""
    height, width = region.shape
    limits = axes.get_xlim(), axes.get_ylim()
    places = np.arange(-1, width + 1), np.arange(-1, height + 1)
    padded = np.pad(region.astype(float), 1)
    for color, line, stroke in (("black", "solid", 2.6), (_CYAN, "dashed", 1.4)):
        axes.contour(*places, padded, [0.5], colors=color, linewidths=stroke, linestyles=line)
    axes.set_xlim(limits[0])
    axes.set_ylim(limits[1])
