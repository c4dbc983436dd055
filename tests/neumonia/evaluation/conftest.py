"""Predicciones de juguete con empates y varias placas por paciente."""

import numpy as np
import pytest


@pytest.fixture
def toy() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Etiquetas, probabilidades redondeadas (hay empates) y pacientes de 1 a 4 placas."""
    rng = np.random.default_rng(11)
    labels = rng.integers(0, 2, 150)
    scores = np.clip(rng.normal(0.4 + 0.2 * labels, 0.22), 0, 1).round(1)
    patients = np.array([f"p{rng.integers(60)}" for _ in labels], dtype=object)
    return labels, scores, patients
