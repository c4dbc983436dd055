"""Rejillas de mapas con rótulos al margen: por desenlace y del atajo a sus arreglos."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from neumonia.errors import DataError
from neumonia.figures.base import (
    WIDTH,
    check_films,
    count,
    illustrated,
    listing,
)
from neumonia.figures.explanation import describe_map, heat_bar
from neumonia.figures.trust_common import in_order, title_of
from neumonia.figures.trust_panels import (
    BAR,
    NOTE,
    check_maps,
    fit_title,
    note_on_top,
    outline,
    panel_size,
    show_map,
    show_plain,
    tight_figure,
    write_label,
)
from neumonia.text import number, percent

_LABEL = 0.3
_LETTER = 0.065
# Lado, en pulgadas, con el que un mapa todavía se distingue.
_LEGIBLE = 0.75

OUTCOMES = {
    "VP": "verdaderos positivos",
    "FP": "falsos positivos",
    "FN": "falsos negativos",
    "VN": "verdaderos negativos",
}


@illustrated
def outcome_maps(
    films: np.ndarray,
    maps_by_network: Mapping[str, np.ndarray],
    outcomes: Sequence[str],
    probabilities: Mapping[str, Sequence[float]],
    n_per_outcome: int = 2,
) -> tuple[Figure, str]:
    """Aciertos y errores de cada clase: la radiografía y el mapa de cada red, con su probabilidad.

    Los desenlaces van uno bajo otro, para que la figura se lea en una pantalla estrecha, o de dos
    en dos si así no cabrían en una página. Con un solo desenlace los paneles son más grandes.

    Parameters
    ----------
    films : uint8 (N, H, W)
    maps_by_network : {nombre de la red: float (N, H, W) en [0, 1]}
    outcomes : N textos: VP, FP, FN o VN
        Según la red que se tome de referencia.
    probabilities : {nombre de la red: (N,)}
        La de neumonía.
    n_per_outcome : int de 1 a 3
        De cada desenlace se muestran las primeras. Uno sin radiografías no aparece.

    Raises
    ------
    DataError
        Formas o largos que no corresponden, desenlaces desconocidos o ``n_per_outcome`` fuera de
        1..3.
    """
    films = check_films(films)
    networks = {name: check_maps(heat, films.shape) for name, heat in maps_by_network.items()}
    chances = {name: np.asarray(probabilities.get(name, ()), float) for name in networks}
    if not networks or any(p.shape != (len(films),) for p in chances.values()):
        raise DataError("Necesitamos al menos una red y, de cada una, una probabilidad por imagen.")
    truth = np.asarray(outcomes)
    if truth.shape != (len(films),) or not set(truth.tolist()) <= set(OUTCOMES):
        raise DataError(f"Cada radiografía necesita su desenlace: {', '.join(OUTCOMES)}.")
    if not 1 <= n_per_outcome <= 3:
        raise DataError(f"Se muestran de 1 a 3 radiografías por desenlace, no {n_per_outcome}.")
    blocks = {name: np.flatnonzero(truth == name)[:n_per_outcome] for name in OUTCOMES}
    blocks = {name: rows for name, rows in blocks.items() if rows.size}
    wide = 1 + len(networks)
    named = [f"{name} 0.00" for name in networks]
    for across in (1, 2):
        tall = _tallest(blocks, across)
        widest = min(1.5, (WIDTH / across - _LABEL) / wide)
        side, row_height = panel_size(widest, sum(tall), named)
        if side >= _LEGIBLE:
            break
    figure = tight_figure(sum(tall) * row_height + BAR, across * (wide * side + _LABEL))
    grid = figure.add_gridspec(
        sum(tall), across * (1 + wide), width_ratios=across * [_LABEL, *[side] * wide]
    )
    facts = []
    for position, (name, rows) in enumerate(blocks.items()):
        line, start = sum(tall[: position // across]), (position % across) * (1 + wide)
        label = figure.add_subplot(grid[line : line + len(rows), start])
        write_label(label, OUTCOMES[name], rotation=90)
        for row, film in enumerate(rows, line):
            show_plain(figure.add_subplot(grid[row, start + 1]), films[film], name)
            said = []
            for column, (network, maps) in enumerate(networks.items(), start + 2):
                title = f"{network} {number(chances[network][film], 2)}"
                axes = figure.add_subplot(grid[row, column])
                show_map(axes, films[film], maps[film], fit_title(title, side))
                said.append(f"{title}, {describe_map(maps[film])}")
            facts.append(f"{name}: {'; '.join(said)}")
    heat_bar(figure, np.array(figure.axes))
    absent = [OUTCOMES[name] for name in OUTCOMES if name not in blocks]
    without = f" No hay {listing(absent)}." if absent else ""
    return figure, (
        f"{count(len(facts), 'radiografía')} con el mapa de {listing(list(networks))} y la "
        f"probabilidad de neumonía que da cada red, por desenlace.{without} {'. '.join(facts)}."
    )


@illustrated
def shortcut_maps(
    films: np.ndarray,
    maps: Mapping[str, Mapping[str, np.ndarray]],
    zone: np.ndarray,
    titles: Mapping[str, str] | None = None,
) -> tuple[Figure, str]:
    """Las radiografías marcadas y, debajo, el mapa de cada red: la del atajo y las arregladas.

    Una fila por variante; bajo cada radiografía, una columna por método.

    Parameters
    ----------
    films : uint8 (N, H, W), con la marca
        N por el número de métodos no pasa de seis: no cabrían más columnas.
    maps : {variante: {método: float (N, H, W) en [0, 1]}}
        En orden; un método que falta en una variante deja su sitio en blanco.
    zone : bool (H, W)
        Donde puede estar la marca; se rodea con una raya discontinua.
    titles : {variante: nombre para mostrar}, optional

    Raises
    ------
    DataError
        Formas que no corresponden, demasiadas columnas o ningún mapa.
    """
    films = check_films(films)
    zone = np.asarray(zone, bool)
    methods = in_order(name for found in maps.values() for name in found)
    columns = len(films) * len(methods)
    if not 0 < columns <= 6 or zone.shape != films.shape[1:]:
        raise DataError(
            "Necesitamos de 1 a 6 columnas, radiografías por métodos, y una zona de su tamaño; hay "
            f"{columns} columnas y la zona mide {zone.shape}."
        )
    labels = [(titles or {}).get(name, name) for name in maps]
    gutter = 0.2 + _LETTER * max(map(len, ["con la marca", *labels]))
    named = [f"{title_of(name)} 99 %" for name in methods]
    widest = min(1.5, (WIDTH - gutter) / columns)
    side, row_height = panel_size(widest, 1 + len(maps), named, 2 * NOTE)
    figure = tight_figure((1 + len(maps)) * row_height + BAR + 2 * NOTE, gutter + side * columns)
    grid = figure.add_gridspec(1 + len(maps), 1 + columns, width_ratios=[gutter, *[side] * columns])
    write_label(figure.add_subplot(grid[0, 0]), "con la marca")
    for place, film in enumerate(films):
        start = 1 + place * len(methods)
        axes = figure.add_subplot(grid[0, start : start + len(methods)])
        show_plain(axes, film)
        outline(axes, zone)
    facts = []
    for line, (label, found) in enumerate(zip(labels, maps.values(), strict=True), 1):
        write_label(figure.add_subplot(grid[line, 0]), label)
        for column, method in enumerate(methods):
            if method in found:
                heats = check_maps(found[method], films.shape)
                shares = [_share(heat, zone) for heat in heats]
                for place, (film, heat) in enumerate(zip(films, heats, strict=True)):
                    title = f"{title_of(method)} {percent(shares[place], 0)}"
                    axes = figure.add_subplot(grid[line, 1 + place * len(methods) + column])
                    show_map(axes, film, heat, fit_title(title, side))
                    outline(axes, zone)
                spelled = listing([percent(s) if s == s else "mapa nulo" for s in shares])
                facts.append(f"{label}, {title_of(method)}: {spelled}")
    heat_bar(figure, np.array(figure.axes))
    note_on_top(figure, "el porcentaje es la parte del calor que cae en la zona rodeada")
    return figure, (
        f"{count(len(films), 'radiografía')} con una marca en la esquina, rodeada por una raya "
        f"discontinua, y debajo el mapa de cada red. Parte del calor en la zona de la marca, que "
        f"ocupa {percent(float(zone.mean()))} de la imagen. {'; '.join(facts)}."
    )


def _tallest(blocks: Mapping[str, np.ndarray], across: int) -> list[int]:
    """Filas que ocupa cada tanda de ``across`` desenlaces."""
    heights = [len(rows) for rows in blocks.values()]
    return [max(heights[start : start + across]) for start in range(0, len(heights), across)]


def _share(heat: np.ndarray, zone: np.ndarray) -> float:
    """Parte del calor en la zona; NaN si el mapa es nulo."""
    total = float(heat.sum(dtype=np.float64))
    return float(heat[zone].sum(dtype=np.float64)) / total if total else float("nan")
