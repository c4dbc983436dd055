"""Trazos con los que se arma la maqueta: bordes suaves, cápsulas, ruido correlacionado y árboles.

Todo se expresa en fracciones del lado de la placa, de modo que la misma anatomía sirve a
cualquier tamaño. Los campos son ``float32`` de forma (S, S).
"""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

CANVAS = 320
"""Lado, en píxeles, del lienzo donde se trazan líneas finas antes de llevarlas a la placa."""


def step(distance: np.ndarray, width: float) -> np.ndarray:
    """Escalón suave: 0 muy por debajo de cero, 1 muy por encima; ``width`` es su escala."""
    return 0.5 + 0.5 * np.tanh(distance * (1.0 / width))


def cube(field: np.ndarray) -> np.ndarray:
    """Tercera potencia; multiplicar es mucho más rápido que ``** 3``."""
    return field * field * field


def dome(squared: np.ndarray) -> np.ndarray:
    """Espesor relativo de un elipsoide visto de frente; ``squared`` es la distancia al cuadrado."""
    return np.sqrt(np.clip(1.0 - squared, 0.0, None))


def ellipse(
    x: np.ndarray, y: np.ndarray, box: tuple[float, float, float, float], tilt: float = 0.0
) -> np.ndarray:
    """Distancia elíptica al cuadrado (1 en el borde); ``box`` es (cx, cy, semieje x, semieje y)."""
    cx, cy, a, b = box
    u, v = x - cx, y - cy
    c, s = math.cos(tilt), math.sin(tilt)
    return ((c * u + s * v) / a) ** 2 + ((c * v - s * u) / b) ** 2


def capsule(
    x: np.ndarray, y: np.ndarray, start: tuple[float, float], end: tuple[float, float]
) -> np.ndarray:
    """Distancia al cuadrado de cada punto al segmento que va de ``start`` a ``end``."""
    ux, uy = end[0] - start[0], end[1] - start[1]
    px, py = x - start[0], y - start[1]
    along = np.clip((px * ux + py * uy) * (1.0 / (ux * ux + uy * uy)), 0.0, 1.0)
    px -= along * ux
    py -= along * uy
    return px * px + py * py


def resample(field: np.ndarray, size: int) -> np.ndarray:
    """Lleva un campo (n, n) a (size, size) ``float32`` con interpolación bicúbica."""
    picture = Image.fromarray(np.ascontiguousarray(field, dtype=np.float32))
    return np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC))


def film_noise(rng: np.random.Generator, size: int, octaves: tuple[int, ...]) -> np.ndarray:
    """Ruido de varias escalas, media 0 y desviación ≈ 1; ``octaves`` son celdas por lado."""
    total = np.zeros((size, size), np.float32)
    for cells in octaves:
        total += resample(rng.standard_normal((cells, cells), dtype=np.float32), size)
    return total * np.float32(1.3 / np.sqrt(len(octaves)))


@dataclass(frozen=True)
class Cloud:
    """Ruido anclado al cuerpo: el mismo en todas las placas del paciente, sea cual sea la pose."""

    grids: tuple[np.ndarray, ...]
    cells: tuple[int, ...]

    @classmethod
    def draw(cls, rng: np.random.Generator, octaves: tuple[int, ...]) -> "Cloud":
        """Sortea las rejillas; ``octaves`` son celdas por unidad de longitud del cuerpo."""
        # El doble de celdas: la placa puede mostrar más cuerpo que la unidad, nunca dos unidades.
        grids = tuple(rng.standard_normal((2 * n, 2 * n), dtype=np.float32) for n in octaves)
        return cls(grids, octaves)

    def at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Valor en las coordenadas del cuerpo (S, S) de `body_frame`, desviación cercana a 1."""
        total = np.zeros(x.shape, np.float32)
        # x e y son afines en el píxel: bastan tres esquinas para conocer la transformación.
        dx, dy = float(x[0, 1] - x[0, 0]), float(x[1, 0] - x[0, 0])
        ex, ey = float(y[0, 1] - y[0, 0]), float(y[1, 0] - y[0, 0])
        x0, y0 = float(x[0, 0]) - 0.5 * (dx + dy) + 1.0, float(y[0, 0]) - 0.5 * (ex + ey) + 0.5
        for grid, n in zip(self.grids, self.cells, strict=True):
            affine = (dx * n, dy * n, x0 * n, ex * n, ey * n, y0 * n)
            total += np.asarray(
                Image.fromarray(grid).transform(
                    x.shape[::-1], Image.Transform.AFFINE, affine, Image.Resampling.BICUBIC
                )
            )
        return total * np.float32(1.3 / np.sqrt(len(self.grids)))


def branch(
    rng: np.random.Generator,
    start: tuple[float, float],
    angle: float,
    length: float,
    radius: float,
    depth: int,
) -> np.ndarray:
    """Árbol que se bifurca: filas (x0, y0, x1, y1, radio), en coordenadas del cuerpo."""
    rows = []
    pending = [(start, angle, length, radius, depth)]
    while pending:
        (x, y), heading, reach, r, left = pending.pop()
        reach *= rng.uniform(0.8, 1.2)
        bend = heading + rng.normal(0.0, 0.16)
        # Dos tramos por rama: una rama recta se ve dibujada con regla.
        for turn in (heading, bend):
            nx, ny = x + 0.5 * reach * np.cos(turn), y + 0.5 * reach * np.sin(turn)
            rows.append((x, y, nx, ny, r))
            x, y = nx, ny
        if left > 1:
            spread = rng.uniform(0.25, 0.55, size=2)
            pending.append(((x, y), bend - spread[0], reach * 0.78, r * 0.74, left - 1))
            pending.append(((x, y), bend + spread[1], reach * 0.78, r * 0.74, left - 1))
    return np.array(rows, dtype=np.float64)


def draw_segments(segments: np.ndarray, size: int) -> np.ndarray:
    """Espesor de tubos que atraviesa cada rayo, en fracciones del lado de la placa: (S, S).

    Parameters
    ----------
    segments : (M, 5)
        (x0, y0, x1, y1, radio), con x e y en [0, 1] dentro de la placa.
    """
    scale = 255.0 / max(float(segments[:, 4].max()), 1e-6)
    canvas = Image.new("L", (CANVAS, CANVAS), 0)
    pen = ImageDraw.Draw(canvas)
    # Del más fino al más grueso: donde dos tubos se cruzan queda el mayor espesor.
    for x0, y0, x1, y1, r in segments[np.argsort(segments[:, 4], kind="stable")].tolist():
        line = (x0 * CANVAS, y0 * CANVAS, x1 * CANVAS, y1 * CANVAS)
        pen.line(line, fill=round(r * scale), width=max(1, round(2 * r * CANVAS)))
    soft = canvas.resize((size, size), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return np.asarray(soft, dtype=np.float32) * np.float32(2.0 / scale)
