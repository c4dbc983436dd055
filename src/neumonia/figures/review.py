"""Figuras de la revisión: protocolos y comparación con lo publicado."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from neumonia.errors import DataError
from neumonia.evaluation.metrics import METRIC_NAMES
from neumonia.figures import palette
from neumonia.figures.base import SMALL, illustrated, listing, new_figure
from neumonia.figures.dots import Interval, draw_interval

_ROW = 0.27
_PUBLISHED = palette.Style("#5F5F5F", "-", "D", "")


@illustrated
def protocol_means(
    models: Mapping[str, Mapping[str, Mapping[str, Any]]], metric: str = "roc_auc"
) -> tuple[Figure, str]:
    """Media sobre semillas con su intervalo, y cada semilla, por protocolo y por modelo.

    Parameters
    ----------
    models : {modelo: {protocolo: {"mean": {métrica: (media, bajo, alto)}, "seeds": [...]}}}
        Lo que devuelve ``run_protocols`` en ``models``, con los modelos ya nombrados.
    metric : nombre de ``METRIC_NAMES``

    Raises
    ------
    DataError
        Si no hay modelos o la métrica no existe.
    """
    if not models or metric not in METRIC_NAMES:
        raise DataError("Necesitamos al menos un modelo y una métrica conocida.")
    protocols = list(next(iter(models.values())))
    styles = palette.model_styles(list(models))
    figure = new_figure(0.8 + 0.42 * len(protocols) * len(models))
    axes = figure.subplots()
    facts, row, ticks = [], 0, []
    for protocol in protocols:
        for name, found in models.items():
            mean = found[protocol]["mean"][metric]
            draw_interval(axes, row, mean, styles[name])
            values = [one[metric] for one in found[protocol]["seeds"]]
            axes.plot(
                values, [row + 0.22] * len(values), "|", color=styles[name].color, markersize=7
            )
            ticks.append(f"{protocol} · {name}")
            facts.append(f"{protocol}, {name}: {_spell(mean)}")
            row += 1
        if protocol != protocols[-1]:
            axes.axhline(row - 0.5, color=palette.GRID, linewidth=0.8)
    axes.set_yticks(range(row), ticks)
    axes.set_ylim(row - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.set_xlabel(
        f"{METRIC_NAMES[metric]} en prueba (punto: media; raya: 95 %; marcas: semillas)"
    )
    return figure, (
        f"Puntos con intervalo del 95 %: {METRIC_NAMES[metric]} en prueba según cómo se separó, "
        f"media de varias semillas, con una marca por semilla. {'; '.join(facts)}."
    )


@illustrated
def published_comparison(
    ours: Mapping[str, Mapping[str, Interval]],
    published: Sequence[Mapping[str, Any]],
    metrics: Sequence[str] = ("specificity", "sensitivity", "accuracy", "roc_auc"),
) -> tuple[Figure, str]:
    """Nuestros modelos, con intervalo, frente a lo que otros publicaron, sin él.

    Parameters
    ----------
    ours : {nombre: {métrica: (valor, bajo, alto)}}
    published : sequence de dict con ``title`` y las métricas que se publicaron
    metrics : nombres de ``METRIC_NAMES``; un panel por cada una

    Raises
    ------
    DataError
        Si no hay nada que dibujar o falta una métrica nuestra.
    """
    if not ours or any(metric not in found for found in ours.values() for metric in metrics):
        raise DataError(f"De cada modelo nuestro necesitamos {listing(list(metrics))}.")
    names = [*ours, *(row["title"] for row in published)]
    styles = palette.model_styles(list(ours))
    figure = new_figure(1.0 + _ROW * len(names))
    panels = np.atleast_1d(figure.subplots(1, len(metrics), sharey=True))
    facts = []
    for axes, metric in zip(panels, metrics, strict=True):
        for row, (name, found) in enumerate(ours.items()):
            draw_interval(axes, row, found[metric], styles[name])
            facts.append(f"{name}, {METRIC_NAMES[metric]} {_spell(found[metric])}")
        for row, one in enumerate(published, start=len(ours)):
            if metric in one:
                draw_interval(axes, row, (one[metric], None, None), _PUBLISHED)
                facts.append(f"{one['title']}, {METRIC_NAMES[metric]} {one[metric]:.3f}")
        axes.set_title(METRIC_NAMES[metric], fontsize=SMALL)
        axes.xaxis.set_major_locator(MaxNLocator(3))
        axes.axhline(len(ours) - 0.5, color=palette.MUTED, linewidth=0.8)
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
        axes.tick_params(axis="x", labelsize=SMALL)
    panels[0].set_yticks(range(len(names)), names, fontsize=SMALL)
    panels[0].set_ylim(len(names) - 0.4, -0.6)
    return figure, (
        "Un panel por métrica en la prueba oficial; arriba, nuestros modelos con su intervalo del "
        f"95 %; abajo, los publicados por otros, sin intervalo. {'; '.join(facts)}."
    )


def _spell(found: Interval) -> str:
    value, low, high = found
    if low is None or high is None:
        return f"{value:.3f}"
    return f"{value:.3f} ({low:.3f} a {high:.3f})"


@illustrated
def robust_networks(
    panels: Mapping[str, Mapping[str, Interval]], chosen: str
) -> tuple[Figure, str]:
    """Cada candidata en el examen y en la prueba, en el orden del examen.

    Parameters
    ----------
    panels : {título del panel: {candidata: (valor, bajo, alto)}}
        Todos con las mismas candidatas y en el mismo orden; el primero es el del examen.
    chosen : str
        La candidata que ganó: va en negrita.

    Raises
    ------
    DataError
        Si no hay paneles, no comparten las candidatas o la elegida no está.
    """
    names = [list(found) for found in panels.values()]
    if not names or any(other != names[0] for other in names) or chosen not in names[0]:
        raise DataError(
            "Necesitamos las mismas candidatas en cada panel, y entre ellas la elegida."
        )
    styles = palette.model_styles(list(panels))
    figure = new_figure(0.9 + _ROW * len(names[0]))
    grid = np.atleast_1d(figure.subplots(1, len(panels), sharey=True))
    facts = []
    for axes, (title, found) in zip(grid, panels.items(), strict=True):
        for row, value in enumerate(found.values()):
            draw_interval(axes, row, value, styles[title])
        axes.set_title(title, fontsize=SMALL)
        axes.margins(x=0.12)
        axes.xaxis.set_major_locator(MaxNLocator(3))
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
        axes.tick_params(axis="x", labelsize=SMALL)
        best = max(found, key=lambda name: found[name][0])
        facts.append(f"{title}: la mayor es {best}, {_spell(found[best])}")
    grid[0].set_yticks(range(len(names[0])), names[0], fontsize=SMALL)
    grid[0].set_ylim(len(names[0]) - 0.4, -0.6)
    for tick, name in zip(grid[0].get_yticklabels(), names[0], strict=True):
        tick.set_fontweight("bold" if name == chosen else "normal")
    each = "; ".join(
        f"{name}, {_spell(value)}" for name, value in next(iter(panels.values())).items()
    )
    return figure, (
        f"Un punto con intervalo del 95 % por candidata y panel. De la primera a la última del "
        f"examen: {each}. {'; '.join(facts)}. La elegida es {chosen}."
    )
