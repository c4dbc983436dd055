"""Lo que la regla mira de una imagen: la forma de su miniatura y tres números de su aspecto."""

import math
from typing import NamedTuple, Self

import numpy as np

from neumonia.datasets.images import resize
from neumonia.errors import DataError

SIDE = 16
COMPONENTS = 50
EPSILON = 1e-6
_DETAIL_SIDE = 64


class Views(NamedTuple):
    """Miniaturas float64 (N, SIDE, SIDE) y logaritmo de la nitidez (N,)."""

    thumbs: np.ndarray
    sharpness: np.ndarray


class Description(NamedTuple):
    """``coordinates`` (N, K), de varianza 1 en el entrenamiento, y ``features`` (N, 5)."""

    coordinates: np.ndarray
    features: np.ndarray


class Components(NamedTuple):
    """Las componentes principales de la miniatura: ``mean`` (P,), ``basis`` (K, P), ``scale`` (K,).

    ``P`` es ``SIDE**2``; ``scale`` son las desviaciones en el entrenamiento.
    """

    mean: np.ndarray
    basis: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, thumbs: np.ndarray) -> Self:
        """De miniaturas (N, SIDE, SIDE); ``DataError`` si son todas iguales."""
        flat, _, _ = _standardise(thumbs)
        mean = flat.mean(axis=0)
        _, spread, directions = np.linalg.svd(flat - mean, full_matrices=False)
        scale = spread / math.sqrt(len(flat))
        # Con pocas radiografías, demasiadas componentes las aprenderían de memoria.
        kept = min(COMPONENTS, len(flat) // 3, int((scale > EPSILON).sum()))
        if kept < 1:
            raise DataError(
                "Las radiografías de entrenamiento son todas iguales: no hay qué aprender de ellas."
            )
        return cls(mean, directions[:kept], scale[:kept])

    def describe(self, views: Views) -> Description:
        """Las características: dentro y fuera de las componentes, gris, contraste y nitidez."""
        flat, grey, contrast = _standardise(views.thumbs)
        gap = flat - self.mean
        projected = gap @ self.basis.T
        residual = np.maximum((gap**2).sum(axis=1) - (projected**2).sum(axis=1), 0)
        coordinates = projected / self.scale
        inside = np.log((coordinates**2).sum(axis=1) + EPSILON)
        outside = np.log(residual / gap.shape[1] + EPSILON)
        aspect = (grey, np.log1p(contrast), views.sharpness)
        return Description(coordinates, np.column_stack([inside, outside, *aspect]))


def look(images: np.ndarray) -> Views:
    """Las vistas de unas imágenes uint8 (N, H, W)."""
    thumbs, sharpness = np.empty((len(images), SIDE, SIDE)), np.empty(len(images))
    for place, image in enumerate(images):
        thumbs[place] = resize(image, SIDE)
        detail = resize(image, _DETAIL_SIDE).astype(np.float64)
        steps = np.abs(np.diff(detail, axis=0)).mean() + np.abs(np.diff(detail, axis=1)).mean()
        sharpness[place] = np.log1p(steps)
    return Views(thumbs, sharpness)


def _standardise(thumbs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    flat = thumbs.reshape(len(thumbs), -1)
    grey, contrast = flat.mean(axis=1), flat.std(axis=1)
    # Una imagen lisa no tiene forma: menos de un nivel de contraste cuenta como uno.
    return (flat - grey[:, None]) / np.maximum(contrast, 1.0)[:, None], grey, contrast
