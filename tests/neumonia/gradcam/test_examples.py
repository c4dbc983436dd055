"""Los ejemplos que se explican se eligen al azar, con semilla y sin favorecer a nadie."""

import numpy as np
import pytest

from neumonia.errors import DataError
from neumonia.gradcam.examples import OUTCOMES, choose_examples


@pytest.fixture
def films():
    """Cuarenta radiografías con diez de cada desenlace, y posiciones que no son 0..39."""
    labels = np.repeat([1, 0, 0, 1], 10)
    probabilities = np.repeat([0.9, 0.1, 0.8, 0.2], 10) + np.linspace(0, 0.05, 40)
    return np.arange(40) * 3 + 100, labels, probabilities


def outcome(label: int, probability: float, threshold: float = 0.5) -> str:
    return {(1, True): "VP", (0, False): "VN", (0, True): "FP", (1, False): "FN"}[
        label, probability >= threshold
    ]


@pytest.mark.parametrize("threshold", [0.5, 0.85])
def test_cada_fila_conserva_su_clase_su_probabilidad_y_su_desenlace(films, threshold):
    rows, labels, probabilities = films
    chosen = choose_examples(*films, per_outcome=3, threshold=threshold)
    assert list(chosen.columns) == ["row", "outcome", "label", "probability"]
    for item in chosen.itertuples():
        place = int(np.flatnonzero(rows == item.row)[0])
        assert (item.label, item.probability) == (labels[place], probabilities[place])
        assert item.outcome == outcome(labels[place], probabilities[place], threshold)


def test_hasta_tres_de_cada_desenlace_en_orden_y_sin_repetir(films):
    chosen = choose_examples(*films, per_outcome=3)
    assert list(chosen["outcome"]) == [name for name in OUTCOMES for _ in range(3)]
    assert chosen["row"].is_unique
    for _, group in chosen.groupby("outcome"):
        assert group["row"].is_monotonic_increasing


def test_con_menos_casos_se_dan_los_que_hay_y_un_desenlace_vacio_no_aparece():
    chosen = choose_examples([5, 7], [1, 0], [0.9, 0.2], per_outcome=4)
    assert list(chosen["outcome"]) == ["VP", "VN"] and list(chosen["row"]) == [5, 7]


def test_la_probabilidad_igual_al_umbral_se_decide_neumonia():
    assert list(choose_examples([0, 1], [1, 0], [0.5, 0.5])["outcome"]) == ["VP", "FP"]


def test_la_semilla_fija_la_eleccion_y_otra_la_cambia(films):
    def rows(seed: int) -> list[int]:
        return list(choose_examples(*films, per_outcome=3, seed=seed)["row"])

    assert rows(0) == rows(0)
    assert len({tuple(rows(seed)) for seed in range(6)}) > 1


def test_la_eleccion_no_mira_la_probabilidad(films):
    """Con muchas semillas, los casos seguros y los dudosos salen por igual."""
    rows, labels, _ = films
    probabilities = np.concatenate([np.linspace(0.5, 1, 10), np.full(30, 0.1)])
    picked = [
        row
        for seed in range(300)
        for row in choose_examples(rows, labels, probabilities, per_outcome=2, seed=seed)["row"]
        if row < rows[10]
    ]
    counts = np.unique(picked, return_counts=True)[1]
    assert len(counts) == 10 and len(picked) == 600
    # 60 esperadas por radiografía; cinco desviaciones son 35.
    assert counts.min() > 25 and counts.max() < 95


@pytest.mark.parametrize(
    ("rows", "labels", "probabilities"), [([], [], []), ([1, 2], [1], [0.5, 0.5]), ([1], [1], [])]
)
def test_largos_distintos_o_nada_que_elegir(rows, labels, probabilities):
    with pytest.raises(DataError, match="mismo largo; llegaron"):
        choose_examples(rows, labels, probabilities)
