"""Explicar sin derivar: tapar parte de la radiografía y mirar qué le pasa al logit.

Lo tapado toma el gris medio de su propia radiografía. El negro no serviría de ausencia: en una
placa es aire, y un rectángulo negro borra opacidades y a la vez dibuja pulmón.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from neumonia.gradcam.maps import Evidence, resize_bilinear, weighted_sum
from neumonia.gradcam.network import observe

if TYPE_CHECKING:
    import keras

# Un canal que varía menos que esto, respecto de su mayor valor, es constante salvo redondeo.
_FLAT = 1e-5
_PATCHES_PER_SIDE = 8


def score_cam(
    model: "keras.Model", layer: "keras.layers.Layer", sign: float, batch_size: int
) -> Callable[[np.ndarray], Evidence]:
    """Score-CAM: un canal pesa según el logit que alcanza lo que ese canal deja ver.

    Cada canal, ampliado al tamaño de la imagen y llevado a 0..1, es una máscara: donde vale 1 se ve
    la radiografía y donde vale 0, su gris medio. Los pesos (N, 1, 1, K) son la softmax, sobre los
    canales, del aumento del logit con signo frente a la radiografía gris. Ese aumento se resta a
    todos por igual y la softmax no lo nota, así que no lo calculamos. Un canal constante no enseña
    dónde mirar y queda fuera, con peso 0.

    Los demás pesos son positivos y suman uno, aunque el logit no dependa de la radiografía: un mapa
    con calor no prueba que la red mire ahí. Y como la softmax es exponencial, con logits grandes
    casi todo el peso va a un canal.

    Cuesta una pasada de la red por canal; se hacen ``batch_size`` a la vez.

    Wang y otros (2020), arXiv:1910.01279, algoritmo 1. El artículo multiplica por la máscara una
    imagen ya centrada en la media de su conjunto, así que lo tapado queda en esa media; nuestras
    redes reciben 0..255, y multiplicar sin más taparía con negro.
    """
    call = observe(model, layer)

    def explain(batch: np.ndarray) -> Evidence:
        features, logits = call(batch)
        grey = _grey(batch)
        scores = np.full((len(batch), features.shape[-1]), -np.inf)
        films, channels = np.nonzero(_varies(features))
        for part in _parts(len(films), batch_size):
            film, channel = films[part], channels[part]
            masks = resize_bilinear(features[film, :, :, channel], *batch.shape[1:3])
            visible = _stretch(masks)[..., None] * (batch[film] - grey[film])
            scores[film, channel] = sign * call(grey[film] + visible)[1]
        weights = _softmax(scores).astype(features.dtype)[:, None, None]
        return Evidence(weighted_sum(features, weights), logits, features, weights)

    return explain


def occlusion(
    model: "keras.Model", layer: None, sign: float, batch_size: int
) -> Callable[[np.ndarray], Evidence]:
    """Oclusión: cuánto baja el logit con signo al tapar cada zona con un cuadrado gris.

    El cuadrado mide un octavo del lado menor y avanza la mitad de su lado; el último de cada fila y
    columna llega al borde. El valor de un píxel es la bajada media de los cuadrados que lo cubren;
    es negativo donde tapar favorece a la clase.

    Cuesta unas 250 pasadas de la red por radiografía; se hacen ``batch_size`` a la vez.

    Zeiler y Fergus (2014), arXiv:1311.2901, sección 4.2.
    """
    call = observe(model, None)

    def explain(batch: np.ndarray) -> Evidence:
        height, width = batch.shape[1:3]
        side = max(1, round(min(height, width) / _PATCHES_PER_SIDE))
        rows, columns = _spans(height, side), _spans(width, side)
        covering = np.outer(rows.sum(axis=0), columns.sum(axis=0))
        maps, logits = np.empty((len(batch), height, width)), np.empty(len(batch))
        for index, (film, grey) in enumerate(zip(batch, _grey(batch), strict=True)):
            drops = np.empty(len(rows) * len(columns))
            for part in _parts(len(drops), batch_size):
                row, column = np.divmod(np.arange(len(drops))[part], len(columns))
                hidden = rows[row, :, None, None] & columns[column, None, :, None]
                # La radiografía entera va en el mismo lote: la red redondea distinto según el
                # tamaño del lote, y donde tapar no cambia nada la bajada debe ser cero exacto.
                seen = np.concatenate([film[None], np.where(hidden, grey, film)])
                scores = call(seen)[1].astype(np.float64)
                drops[part] = sign * (scores[0] - scores[1:])
                logits[index] = scores[0]
            drops = drops.reshape(len(rows), len(columns))
            maps[index] = rows.T.astype(float) @ drops @ columns / covering
        return Evidence(maps, logits)

    return explain


def _grey(batch: np.ndarray) -> np.ndarray:
    return batch.mean(axis=(1, 2), keepdims=True)


def _parts(total: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, total, size))


def _varies(features: np.ndarray) -> np.ndarray:
    """Qué canales de cada radiografía no son constantes: (N, h, w, K) -> bool (N, K)."""
    high, low = features.max(axis=(1, 2)), features.min(axis=(1, 2))
    return high - low > _FLAT * np.maximum(np.abs(high), np.abs(low))


def _stretch(masks: np.ndarray) -> np.ndarray:
    """Lleva cada máscara (M, H, W) a 0..1; una constante queda en ceros."""
    low = masks.min(axis=(1, 2), keepdims=True)
    span = masks.max(axis=(1, 2), keepdims=True) - low
    return np.divide(masks - low, span, out=np.zeros_like(masks), where=span > 0)


def _softmax(scores: np.ndarray) -> np.ndarray:
    """Softmax por filas, donde -inf pesa 0; una fila toda -inf queda en ceros."""
    peaks = scores.max(axis=1, keepdims=True)
    powers = np.exp(scores - np.where(np.isfinite(peaks), peaks, 0))
    total = powers.sum(axis=1, keepdims=True)
    return np.divide(powers, total, out=powers, where=total > 0)


def _spans(length: int, side: int) -> np.ndarray:
    """Tramos de ``side`` píxeles que cubren ``length``: bool (tramos, length)."""
    starts = np.unique(np.append(np.arange(0, length - side, max(1, side // 2)), length - side))
    place = np.arange(length)
    return (place >= starts[:, None]) & (place < starts[:, None] + side)
