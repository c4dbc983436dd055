"""«figuras»: las radiografías y sus mapas que el libro enseña del examen."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from neumonia import figures
from neumonia.datasets.phantoms import phantom_masks
from neumonia.figures import Illustration
from neumonia.gradcam import METHODS, grad_cam
from neumonia.gradcam.examples import choose_examples
from neumonia.heat import thorax_region
from neumonia.lab.networks import Exam, Network, open_exam
from neumonia.lab.outside import CLASSES, heat_outside
from neumonia.lab.sanity import cascading_randomisation
from neumonia.training import sigmoid

if TYPE_CHECKING:
    from neumonia.study.experiment import Bench

PER_OUTCOME = 2
N_WORST = 6


def run(bench: "Bench") -> pd.DataFrame:
    """Dibuja las figuras de la CNN y dice, de cada una, cuántas radiografías enseña (``films``).

    ``metodos-cnn``: los seis métodos en una positiva acertada, sorteada. Con radiografías reales,
    además, ``cascada-cnn``: la misma, mientras se borra la red; ``peores-cnn``: las que más calor
    de Grad-CAM dejan fuera del tórax; y ``desenlaces``: aciertos y errores, con cada red.
    """
    exam = open_exam(bench)
    rows = []
    for name, draw in drawings(exam).items():
        exam.report(f"Figura: {name}")
        drawing, films = draw()
        drawing.save(bench.figures / f"{name}.png")
        rows.append({"figure": name, "metric": "films", "value": films})
    return pd.DataFrame(rows)


def drawings(exam: Exam) -> dict[str, Callable[[], tuple[Illustration, int]]]:
    """Nombre -> función que dibuja y dice cuántas radiografías enseña."""
    cnn = exam.networks[0]
    row = exam.sample(exam.correct_positives(cnn), few=True)[:1]
    found: dict[str, Callable[[], tuple[Illustration, int]]] = {
        "metodos-cnn": lambda: (_methods(exam, cnn, row), 1)
    }
    if exam.study.dataset.name != "maqueta":
        found["cascada-cnn"] = lambda: (_cascade(exam, cnn, row), 1)
        found["peores-cnn"] = lambda: (_worst(exam, cnn), N_WORST)
        found["desenlaces"] = lambda: _outcomes(exam)
    return found


def _methods(exam: Exam, network: Network, row: np.ndarray) -> Illustration:
    films, study = exam.images(row), exam.study
    maps = {name: grad_cam(network.model, films, method=name)[0] for name in METHODS}
    has_masks = study.dataset.name == "maqueta"
    mask = phantom_masks(study.dataset, row, study.config.size)[0] if has_masks else None
    return figures.method_maps(films[0], maps, mask)


def _cascade(exam: Exam, network: Network, row: np.ndarray) -> Illustration:
    films, explain = exam.images(row), network.explain("grad_cam")
    steps = {"intacta": explain(network.model, films)[0]}
    for layer, maps in cascading_randomisation(network.model, explain, films, exam.seed):
        steps[f"hasta {layer}"] = maps[0]
    return figures.method_maps(films[0], steps)


def _worst(exam: Exam, network: Network) -> Illustration:
    test, study = exam.study.rows("test"), exam.study
    shares = heat_outside(exam, network, "grad_cam", test)["outside"].to_numpy()
    order = np.argsort(-shares, kind="stable")
    places = order[~np.isnan(shares[order])][:N_WORST]
    rows = test[places]
    films = exam.images(rows)
    titles = [f"{CLASSES[study.labels[r]]} · p = {sigmoid(network.logits[r]):.2f}" for r in rows]
    region = thorax_region(*films.shape[1:])
    return figures.worst_maps(films, grad_cam(network.model, films), shares[places], titles, region)


def _outcomes(exam: Exam) -> tuple[Illustration, int]:
    """El desenlace es el de la primera red, la CNN."""
    study, test = exam.study, exam.study.rows("test")
    probabilities = sigmoid(exam.networks[0].logits[test])
    chosen = choose_examples(test, study.labels[test], probabilities, PER_OUTCOME, exam.seed)
    rows = chosen["row"].to_numpy()
    films = exam.images(rows)
    maps = {
        network.title: (grad_cam(network.model, films), sigmoid(network.logits[rows]))
        for network in exam.networks
    }
    return figures.outcome_maps(films, maps, chosen["outcome"].tolist()), len(rows)
