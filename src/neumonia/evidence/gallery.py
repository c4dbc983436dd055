"""Las figuras con radiografías: las del atajo y la parte «figuras»."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neumonia import figures
from neumonia.datasets.phantoms import phantom_masks
from neumonia.evidence.exam import Exam
from neumonia.evidence.networks import Network
from neumonia.evidence.outside import heat_outside
from neumonia.files import write_json
from neumonia.gradcam import METHODS, grad_cam
from neumonia.gradcam.examples import choose_examples
from neumonia.training import sigmoid
from neumonia.trust import ShortcutResult, cascading_randomisation, thorax_region, worst_films

if TYPE_CHECKING:
    from neumonia.figures import Illustration

PER_OUTCOME = 2
N_WORST = 6
_SHORTCUT_FILMS = 3
_SHORTCUT_METHODS = ("grad_cam", "hires_cam")


def save_figures(folder: Path, drawings: Mapping[str, "Illustration"], part: str) -> list[str]:
    """Escribe ``figures/<nombre>.png`` y ``figures/<part>.json`` (los textos alternativos)."""
    for name, drawing in drawings.items():
        drawing.save(folder / "figures" / f"{name}.png")
    alts = {name: drawing.alt for name, drawing in drawings.items()}
    write_json(folder / "figures" / f"{part}.json", alts)
    return list(drawings)


def draw_shortcut(results: Mapping[str, ShortcutResult]) -> dict[str, "Illustration"]:
    """Las radiografías marcadas y sus mapas, con el atajo y con cada arreglo, por red."""
    return {
        f"atajo-{network}": figures.shortcut_maps(
            result.films[:_SHORTCUT_FILMS],
            {
                variant: {name: found[name][:_SHORTCUT_FILMS] for name in _SHORTCUT_METHODS}
                for variant, found in result.maps.items()
            },
            result.zone,
        )
        for network, result in results.items()
    }


def draw_gallery(exam: Exam) -> dict[str, "Illustration"]:
    """Las figuras de la parte «figuras».

    ``desenlaces``: aciertos y errores de la prueba con el mapa de cada red; el desenlace es el de
    la CNN. ``metodos-<red>`` y ``cascada-<red>``: una positiva sorteada entre las que la red
    acierta. ``peores-<red>``: las radiografías con más calor de Grad-CAM fuera del tórax.
    """
    found = {"desenlaces": _outcomes(exam)}
    for network in exam.networks:
        row = exam.sample(exam.correct_positives(network), few=True)[:1]
        found[f"metodos-{network.key}"] = _methods(exam, network, row)
        if not network.slow:
            found[f"cascada-{network.key}"] = _cascade(exam, network, row)
            found[f"peores-{network.key}"] = _worst(exam, network)
    return found


def run_gallery(exam: Exam, folder: Path) -> dict[str, Any]:
    """Dibuja, guarda y devuelve ``{"figures": nombres}``."""
    return {"figures": save_figures(folder, draw_gallery(exam), "figuras")}


def _outcomes(exam: Exam) -> "Illustration":
    study, first = exam.study, exam.networks[0]
    test = study.rows("test")
    chosen = choose_examples(
        test,
        study.labels[test],
        sigmoid(first.logits[test]),
        per_outcome=PER_OUTCOME,
        seed=exam.seed,
    )
    rows = chosen["row"].to_numpy()
    films = exam.images(rows)
    return figures.outcome_maps(
        films,
        {network.title: grad_cam(network.model, films) for network in exam.networks},
        chosen["outcome"].tolist(),
        {network.title: sigmoid(network.logits[rows]) for network in exam.networks},
        n_per_outcome=PER_OUTCOME,
    )


def _methods(exam: Exam, network: Network, row: np.ndarray) -> "Illustration":
    films = exam.images(row)
    maps = {name: grad_cam(network.model, films, method=name)[0] for name in METHODS}
    study = exam.study
    has_masks = study.dataset.name == "maqueta"
    mask = phantom_masks(study.dataset, row, study.config.size)[0] if has_masks else None
    return figures.method_maps(films[0], maps, mask)


def _cascade(exam: Exam, network: Network, row: np.ndarray) -> "Illustration":
    films, explain = exam.images(row), network.explain("grad_cam")
    steps = [("intacta", explain(network.model, films)[0])]
    for layer, maps in cascading_randomisation(network.model, explain, films, exam.seed):
        steps.append((f"hasta {layer}", maps[0]))
    return figures.cascade_strip(films[0], steps)


def _worst(exam: Exam, network: Network) -> "Illustration":
    test = exam.study.rows("test")
    shares = heat_outside(exam, network, "grad_cam", test)["outside"].to_numpy()
    places = worst_films(shares, N_WORST)
    rows = test[places]
    films = exam.images(rows)
    names = ("NORMAL", "PNEUMONIA")
    titles = [
        f"{names[exam.study.labels[row]]} · p = {sigmoid(network.logits[row]):.2f}" for row in rows
    ]
    outside = float((~thorax_region(*films.shape[1:])).mean())
    return figures.worst_maps(
        films, grad_cam(network.model, films), shares[places], titles, outside
    )
