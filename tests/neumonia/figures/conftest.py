"""Lo que las pruebas de figuras comparten: una revisión del dibujo ya compuesto."""

from collections.abc import Callable
from unittest import mock

import numpy as np
import pytest
from matplotlib.text import Text
from scipy.special import expit

from neumonia.figures import Illustration
from neumonia.figures.base import book_style


def drawn_texts(illustration: Illustration) -> list[tuple[Text, np.ndarray]]:
    """Los textos que de verdad se dibujan y su caja (x0, y0, x1, y1) en píxeles.

    Se anotan mientras se dibujan: Matplotlib guarda también rótulos que nunca muestra.
    """
    figure = illustration.figure
    original = Text.draw
    found: dict[int, tuple[Text, np.ndarray]] = {}

    def record(self: Text, renderer) -> None:
        original(self, renderer)
        if self.get_visible() and self.get_text().strip():
            found[id(self)] = (self, self.get_window_extent(renderer).extents)

    with book_style(), mock.patch.object(Text, "draw", record):
        figure.draw_without_rendering()
    return list(found.values())


@pytest.fixture
def texts() -> Callable[[Illustration], list[str]]:
    """Devuelve los textos dibujados en una figura."""
    return lambda illustration: [text.get_text() for text, _ in drawn_texts(illustration)]


@pytest.fixture
def faults() -> Callable[[Illustration], list[str]]:
    """Devuelve los defectos de una figura: letra chica, texto cortado o encimado, muy ancha."""

    def check(illustration: Illustration) -> list[str]:
        figure = illustration.figure
        found = []
        if figure.get_size_inches()[0] > 6.8:
            found.append(f"mide {figure.get_size_inches()[0]} pulgadas de ancho")
        drawn = drawn_texts(illustration)
        width, height = figure.bbox.width, figure.bbox.height
        for text, (x0, y0, x1, y1) in drawn:
            if text.get_fontsize() < 8:
                found.append(f"letra de {text.get_fontsize()}: {text.get_text()!r}")
            if x0 < 0 or y0 < 0 or x1 > width or y1 > height:
                found.append(f"texto cortado: {text.get_text()!r}")
        for i, (first, a) in enumerate(drawn):
            for second, b in drawn[i + 1 :]:
                wide = min(a[2], b[2]) - max(a[0], b[0])
                tall = min(a[3], b[3]) - max(a[1], b[1])
                if wide > 2 and tall > 2:
                    found.append(f"se enciman {first.get_text()!r} y {second.get_text()!r}")
        for axes in figure.axes:
            box = axes.get_window_extent()
            if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height:
                found.append("unos ejes salen de la figura")
        return found

    return check


@pytest.fixture
def films() -> np.ndarray:
    """Ocho imágenes uint8 de 40 x 40, distintas entre sí."""
    rng = np.random.default_rng(5)
    return rng.integers(0, 256, (8, 40, 40)).astype(np.uint8)


@pytest.fixture
def labels() -> np.ndarray:
    """Las clases de una prueba del tamaño de la oficial."""
    return np.r_[np.zeros(234, int), np.ones(390, int)]


@pytest.fixture
def models(labels) -> dict[str, np.ndarray]:
    """Probabilidades de una red prudente y de otra demasiado segura."""
    rng = np.random.default_rng(2)
    return {
        "CNN": expit(rng.normal(np.where(labels, 2.5, -0.3), 1.5)),
        "VGG16": expit(rng.normal(np.where(labels, 9.0, -2.0), 5)),
    }
