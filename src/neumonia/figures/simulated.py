"""Figura de la segunda vuelta: cómo decide cada red cuando se le imita otro equipo."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from neumonia.errors import DataError
from neumonia.evaluation.metrics import METRIC_NAMES
from neumonia.figures import palette
from neumonia.figures.base import SMALL, illustrated, new_figure
from neumonia.figures.dots import draw_interval

_ROW = 0.34
_STEP = 0.34
_METRICS = ("specificity", "sensitivity")


@illustrated
def simulated_decisions(networks: Mapping[str, Mapping[str, Any]]) -> tuple[Figure, str]:
    """Especificidad y sensibilidad en cada adquisición imitada, una red por símbolo.

    Parameters
    ----------
    networks : {nombre: {cambio: {"specificity": [valor, bajo, alto], "sensitivity": ídem}}}
        De ``run_second``: ``changes`` de los candidatos que se quieran ver, ya nombrados. Todos
        con los mismos cambios.

    Raises
    ------
    DataError
        Si no hay redes o no comparten los cambios.
    """
    changes = [list(found) for found in networks.values()]
    if not changes or any(names != changes[0] for names in changes):
        raise DataError("Necesitamos al menos una red, y todas con los mismos cambios.")
    styles = palette.model_styles(list(networks))
    figure = new_figure(1.2 + _ROW * len(changes[0]))
    panels = figure.subplots(1, len(_METRICS), sharey=True)
    facts = []
    for axes, metric in zip(panels, _METRICS, strict=True):
        for number, (name, found) in enumerate(networks.items()):
            # Cada red en su renglón dentro de la fila: los intervalos no se tapan.
            shift = (number - (len(networks) - 1) / 2) * _STEP
            values = [found[change][metric][0] for change in changes[0]]
            for row, change in enumerate(changes[0]):
                draw_interval(axes, row + shift, found[change][metric], styles[name])
            axes.plot([], [], styles[name].marker, color=styles[name].color, label=name)
            worst = min(range(len(values)), key=values.__getitem__)
            facts.append(
                f"{name}, {METRIC_NAMES[metric]}: {values[0]:.3f} en la {changes[0][0]} y "
                f"{values[worst]:.3f} en la peor, {changes[0][worst]}"
            )
        axes.set_xlim(-0.04, 1.04)
        axes.set_xlabel(METRIC_NAMES[metric])
        axes.axhline(0.5, color=palette.MUTED, linewidth=0.8)
        axes.grid(True)
        axes.tick_params(axis="y", length=0)
    panels[0].set_yticks(range(len(changes[0])), changes[0], fontsize=SMALL)
    panels[0].set_ylim(len(changes[0]) - 0.4, -0.6)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=2, frameon=False)
    return figure, (
        "Dos paneles, especificidad y sensibilidad con umbral 0.5 en la validación, con su "
        f"intervalo de 95 %: una fila por adquisición imitada y un símbolo por red. "
        f"{'; '.join(facts)}."
    )
