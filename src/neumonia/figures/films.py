"""Figuras que muestran placas: ejemplos, máscaras de la maqueta y versiones aumentadas."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from neumonia.errors import DataError
from neumonia.figures import palette
from neumonia.figures.base import (
    WIDTH,
    check_films,
    count,
    grid_shape,
    illustrated,
    listing,
    new_figure,
    show_film,
)
from neumonia.text import integer

_COLUMNS = 4


@illustrated
def example_films(
    images: np.ndarray, labels: ArrayLike, rows: ArrayLike, manifest: pd.DataFrame
) -> tuple[Figure, str]:
    """Radiografías de ejemplo con su clase, su subtipo y su tamaño original.

    Parameters
    ----------
    images : uint8 (N, H, W)
        Todas las radiografías, alineadas con ``manifest`` (puede ser un ``memmap``).
    labels : (N,) 0 o 1
    rows : (n,) int
        Posiciones de las que se muestran, en ese orden.
    manifest : DataFrame con ``subtype``, ``height`` y ``width`` (píxeles originales)

    Raises
    ------
    DataError
        Si ``rows`` está vacío o sale del conjunto.
    """
    chosen = np.asarray(rows, dtype=np.int64)
    truth = np.asarray(labels)
    if chosen.size == 0 or chosen.min() < 0 or chosen.max() >= len(images):
        raise DataError(
            f"Las posiciones a mostrar deben estar entre 0 y {len(images) - 1}, y hay al menos una."
        )
    lines, columns = grid_shape(chosen.size, _COLUMNS)
    names = [_film_name(int(truth[row]), str(manifest["subtype"].iloc[row])) for row in chosen]
    separator = "\n" if max(map(len, names)) > 22 else " · "
    title_lines = 3 if separator == "\n" else 2
    figure = new_figure(
        lines * (WIDTH / _COLUMNS + 0.1 + 0.14 * title_lines) + 0.06, WIDTH * columns / _COLUMNS
    )
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    seen = []
    for axes, row, name in zip(panels, chosen, names, strict=False):
        size = f"{int(manifest['width'].iloc[row])} × {int(manifest['height'].iloc[row])} px"
        title = f"{name.replace(' · ', separator)}\n{size}"
        show_film(axes, images[row], title, palette.CLASSES[int(truth[row])].color)
        seen.append(f"{name}, {size}")
    for axes in panels[chosen.size :]:
        axes.set_axis_off()
    films = count(chosen.size, "radiografía")
    return figure, f"{films} de tórax, con clase y tamaño original: {'; '.join(seen)}."


@illustrated
def phantom_masks(images: np.ndarray, masks: np.ndarray) -> tuple[Figure, str]:
    """Arriba la maqueta tal cual; abajo, la misma con el borde de la opacidad plantada.

    Parameters
    ----------
    images : uint8 (N, H, W)
    masks : bool (N, H, W), verdadera dentro de la opacidad

    Raises
    ------
    DataError
        Si las formas difieren o no hay imágenes.
    """
    films = check_films(images)
    planted = np.asarray(masks, dtype=bool)
    if planted.shape != films.shape:
        raise DataError(f"Hay imágenes {films.shape} y máscaras {planted.shape}: deben coincidir.")
    columns = max(len(films), 3)
    figure = new_figure(2 * WIDTH / columns * 0.97 + 0.45)
    grid = figure.subplots(2, columns, squeeze=False)
    shares = []
    for column in range(columns):
        if column >= len(films):
            grid[0, column].set_axis_off()
            grid[1, column].set_axis_off()
            continue
        share = 100 * planted[column].mean()
        shares.append(f"{share:.1f} %")
        show_film(grid[0, column], films[column])
        show_film(grid[1, column], films[column], f"opacidad: {share:.1f} %")
        if planted[column].any():
            # Trazo doble: el blanco se ve sobre lo oscuro y el negro sobre lo claro.
            for color, width in (("black", 3.0), ("white", 1.3)):
                grid[1, column].contour(planted[column], [0.5], colors=color, linewidths=width)
    sick = int(planted.any(axis=(1, 2)).sum())
    alt = (
        f"{count(len(films), 'radiografía sintética', 'radiografías sintéticas')}; en "
        f"{integer(sick)} hay una opacidad plantada, rodeada por su contorno exacto. "
        "Parte de la imagen que ocupa: "
        f"{listing(shares)}."
    )
    return figure, alt


@illustrated
def augmentation_examples(originals: np.ndarray, augmented: np.ndarray) -> tuple[Figure, str]:
    """Cada radiografía junto a sus versiones aumentadas.

    Parameters
    ----------
    originals : (N, H, W) en 0..255
    augmented : (N, K, H, W) en 0..255, K versiones de cada una

    Raises
    ------
    DataError
        Si las formas no corresponden.
    """
    films = check_films(originals, "originals")
    versions = np.asarray(augmented)
    if versions.ndim != 4 or versions.shape[0] != len(films) or versions.shape[1] == 0:
        raise DataError(
            f"Las versiones aumentadas deben tener forma ({len(films)}, K, H, W) y tienen "
            f"{versions.shape}."
        )
    columns = 1 + versions.shape[1]
    side = min(WIDTH / columns, 1.7)
    figure = new_figure(len(films) * side + 0.3, columns * side)
    grid = figure.subplots(len(films), columns, squeeze=False)
    for row, film in enumerate(films):
        for column, image in enumerate((film, *versions[row])):
            title = "" if row else "original" if column == 0 else f"versión {column}"
            show_film(grid[row, column], image, title)
    return figure, (
        f"{count(len(films), 'radiografía')} en la primera columna y, a su derecha, "
        f"{count(versions.shape[1], 'versión aumentada', 'versiones aumentadas')} de cada una, "
        "con giros, desplazamientos y cambios de escala pequeños, sin reflejos."
    )


def _film_name(label: int, subtype: str) -> str:
    name = palette.CLASS_NAMES[label]
    return name if subtype in ("", "normal") else f"{name} · {subtype}"
