"""El peor caso, contra scikit-learn y contra casos que se resuelven a mano."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from neumonia.errors import DataError
from neumonia.evaluation.worst_case import worst_case, worst_case_distribution


def random_case(seed, n=60, k=4):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    logits = rng.normal(labels[:, None] * 1.5, 1.0, (n, k)) + rng.normal(0, 0.7, k)
    return labels, logits, rng.integers(0, 25, n)


def worst_by_hand(labels, logits, threshold):
    return min(balanced_accuracy_score(labels, column >= threshold) for column in logits.T)


def test_un_caso_a_mano():
    # La segunda adquisición sube todos los logits: un mismo umbral solo puede servir a las dos
    # entre 1 y 2.
    labels = [0, 0, 1, 1]
    logits = np.array([[-3, 0], [-2, 1], [2, 5], [3, 6]], dtype=float)
    found = worst_case(labels, logits)
    assert found.score == 1.0
    assert 1 < found.threshold < 2


@pytest.mark.parametrize("seed", range(8))
def test_ningun_umbral_da_un_peor_caso_mejor(seed):
    labels, logits, _ = random_case(seed)
    found = worst_case(labels, logits)
    assert found.score == pytest.approx(worst_by_hand(labels, logits, found.threshold))
    column = logits[:, found.column] >= found.threshold
    assert balanced_accuracy_score(labels, column) == pytest.approx(found.score)
    tried = np.unique(logits)
    best = max(worst_by_hand(labels, logits, cut) for cut in [*tried, tried[-1] + 1])
    assert found.score == pytest.approx(best)


def test_el_minimo_no_es_la_media():
    labels = np.array([0, 1] * 10)
    good = np.where(labels == 1, 2.0, -2.0)
    # Tres columnas perfectas no compensan una que no distingue nada.
    found = worst_case(labels, np.stack([good, good, good, np.zeros(20)], axis=1))
    assert found.score == 0.5 and found.column == 3


@pytest.mark.parametrize("seed", range(3))
def test_el_remuestreo_es_el_de_repetir_pacientes(seed):
    labels, logits, patients = random_case(seed)
    drawn = worst_case_distribution(labels, logits, patients, 0.4, n=40, seed=7)
    names = np.unique(patients)
    codes = {name: code for code, name in enumerate(dict.fromkeys(patients.tolist()))}
    rng = np.random.default_rng(7)
    chosen = rng.integers(len(names), size=(40, len(names)))
    for value, picked in zip(drawn, chosen, strict=True):
        rows = np.concatenate(
            [[r for r, p in enumerate(patients) if codes[p] == code] for code in picked]
        ).astype(int)
        assert value == pytest.approx(worst_by_hand(labels[rows], logits[rows], 0.4))


def test_con_los_mismos_pacientes_los_remuestreos_van_a_la_par():
    labels, logits, patients = random_case(0)
    twice = [worst_case_distribution(labels, logits, patients, 0.4, n=30) for _ in range(2)]
    assert (twice[0] == twice[1]).all()


@pytest.mark.parametrize(
    ("labels", "logits", "words"),
    [
        ([0, 1], np.zeros(2), "columna"),
        ([0, 1], np.zeros((3, 2)), "columna"),
        ([0, 1], np.array([[0.0], [np.inf]]), "finitos"),
        ([0, 2], np.zeros((2, 1)), "0 o 1"),
        ([1, 1], np.zeros((2, 1)), "clase"),
    ],
)
def test_lo_que_no_sirve_lo_dice(labels, logits, words):
    with pytest.raises(DataError, match=words):
        worst_case(labels, logits)
