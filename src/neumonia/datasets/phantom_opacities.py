"""Opacidades de la maqueta: el tejido denso que ocupa el aire del pulmón, con su máscara.

Tres patrones, a la manera de los libros de radiología pediátrica: ``lobar`` (una consolidación
grande de borde borroso, a veces cortada por una cisura y con broncograma aéreo),
``bronconeumonia`` (focos pequeños y repartidos) y ``difusa`` (velo bilateral alrededor de los
hilios). La opacidad llena de líquido una fracción del aire que el rayo encuentra: no tapa costillas
ni vasos, y borra el borde del corazón cuando lo toca (signo de la silueta).
"""

import math
from dataclasses import dataclass

import numpy as np

from neumonia.datasets.phantom_anatomy import LUNG_DEPTH, Thorax, to_film
from neumonia.datasets.phantom_patient import Pose
from neumonia.datasets.phantom_shapes import Cloud, branch, draw_segments, ellipse, step

SUBTYPES = ("lobar", "bronconeumonia", "difusa")
MASK_FRACTION = 0.35
"""La máscara reúne los píxeles donde lo agregado supera esta fracción de su máximo en la placa."""
LUNG_FRACTION = 0.12
"""Un píxel pertenece al pulmón si el aire llega a esta fracción de la profundidad típica."""

_LOBES = (
    # lado, centro (x, y), semiejes (x, y) y cisura: +1 corta por debajo, -1 por encima.
    (-1, 0.18, 0.34, 0.165, 0.155, 1),
    (-1, 0.17, 0.58, 0.155, 0.130, -1),
    (-1, 0.20, 0.67, 0.170, 0.145, 0),
    (1, 0.17, 0.37, 0.150, 0.175, 0),
    (1, 0.22, 0.64, 0.160, 0.165, 0),
)


@dataclass(frozen=True)
class Opacity:
    """Opacidad de un paciente, en coordenadas del cuerpo."""

    subtype: str
    foci: np.ndarray
    """(K, 7): cx, cy, semieje x, semieje y, giro, fracción del aire que se llena, cisura."""
    cloud: Cloud
    grain: Cloud
    roughness: float
    bronchi: np.ndarray | None


def draw_opacity(rng: np.random.Generator, subtype: str, difficulty: float) -> Opacity:
    """Sortea la opacidad de un paciente.

    Parameters
    ----------
    subtype : {"lobar", "bronconeumonia", "difusa"}
    difficulty : float
        En [0, 1]; a mayor dificultad, opacidades más tenues y más pequeñas.
    """
    strength, extent = 1.38 - 0.60 * difficulty, 1.45 - 0.44 * difficulty
    # Casi todas las opacidades son francas; una de cada cinco es incipiente y cuesta verla.
    mild = rng.uniform() < 0.10 + 0.20 * difficulty
    severity = rng.uniform(0.35, 0.70) if mild else rng.uniform(0.85, 1.15)
    strength, extent = strength * severity, extent * math.sqrt(severity)
    foci = {"lobar": _lobar, "bronconeumonia": _patchy, "difusa": _diffuse}[subtype](rng)
    foci[:, 2:4] *= extent
    foci[:, 5] = np.clip(foci[:, 5] * strength, 0.0, 0.95)
    roughness = {"lobar": 0.33, "bronconeumonia": 0.40, "difusa": 0.25}[subtype]
    cloud, grain = Cloud.draw(rng, (5, 9)), Cloud.draw(rng, (30, 52))
    return Opacity(subtype, foci, cloud, grain, roughness, _bronchi(rng, subtype, foci))


def _lobar(rng: np.random.Generator) -> np.ndarray:
    chosen = rng.permutation(len(_LOBES))[: 1 + int(rng.uniform() < 0.35)]
    rows = []
    for index in chosen:
        side, x, y, a, b, fissure = _LOBES[index]
        cut = fissure if rng.uniform() < 0.6 else 0
        rows.append(
            (
                side * (x + rng.normal(0, 0.02)),
                y + rng.normal(0, 0.03),
                a * rng.uniform(0.75, 1.2),
                b * rng.uniform(0.75, 1.2),
                rng.normal(0, 0.4),
                rng.uniform(0.70, 0.98),
                cut,
            )
        )
    return np.array(rows)


def _patchy(rng: np.random.Generator) -> np.ndarray:
    count = int(rng.integers(7, 14))
    lean = rng.uniform(0.15, 0.85)
    side = np.where(rng.uniform(size=count) < lean, -1.0, 1.0)
    x = side * rng.uniform(0.12, 0.28, count)
    y = rng.triangular(0.30, 0.66, 0.78, count)
    radius = rng.uniform(0.045, 0.100, count)
    return np.column_stack(
        (
            x,
            y,
            radius,
            radius * rng.uniform(0.8, 1.3, count),
            rng.normal(0, 0.6, count),
            rng.uniform(0.38, 0.66, count),
            np.zeros(count),
        )
    )


def _diffuse(rng: np.random.Generator) -> np.ndarray:
    rows = []
    for side in (-1.0, 1.0):
        rows.append(
            (
                side * rng.uniform(0.12, 0.17),
                rng.uniform(0.47, 0.56),
                rng.uniform(0.13, 0.19),
                rng.uniform(0.19, 0.27),
                -side * 0.35,
                rng.uniform(0.46, 0.70),
                0.0,
            )
        )
    return np.array(rows)


def _bronchi(rng: np.random.Generator, subtype: str, foci: np.ndarray) -> np.ndarray | None:
    """Broncograma: bronquios con aire que la consolidación deja ver por contraste."""
    shown = rng.uniform() < 0.6
    if subtype != "lobar" or not shown:
        return None
    trees = []
    for cx, cy, a, b in foci[:, :4]:
        hilum = (np.sign(cx) * 0.085, 0.46)
        angle = np.arctan2(cy - hilum[1], cx - hilum[0])
        reach = np.hypot(cy - hilum[1], cx - hilum[0])
        trees.append(branch(rng, hilum, angle, 0.5 * reach + 0.2 * (a + b), 0.005, 3))
    return np.concatenate(trees)


def fill_fraction(opacity: Opacity, x: np.ndarray, y: np.ndarray, change: float) -> np.ndarray:
    """Fracción del aire que la opacidad llena en cada píxel, en [0, 1].

    ``change`` es la evolución entre placas del paciente: 1 es la del sorteo.
    """
    ripple = opacity.cloud.at(x, y) * np.float32(opacity.roughness)
    clear = np.ones_like(x)
    for cx, cy, a, b, tilt, amount, fissure in opacity.foci.tolist():
        inside = 1.0 - ellipse(x, y, (cx, cy, a, b), tilt) + ripple
        filled = amount * change * step(inside - 0.20, 0.65)
        if fissure:
            # La cisura es una pared: la consolidación termina ahí con un borde neto.
            edge = cy + fissure * 0.62 * b + 0.15 * (np.abs(x) - abs(cx))
            filled = filled * step(fissure * (edge - y), 0.010)
        clear = clear * (1.0 - filled)
    grain = {"difusa": 0.34, "bronconeumonia": 0.34, "lobar": 0.18}[opacity.subtype]
    patchy = np.clip(1.0 + grain * opacity.grain.at(x, y), 0.2, 1.8)
    return np.clip((1.0 - clear) * patchy, 0.0, 0.95).astype(np.float32)


def add_opacity(
    opacity: Opacity, thorax: Thorax, pose: Pose, change: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Centímetros de tejido agregados y máscara, ambos de forma (S, S).

    La máscara (``bool``) vale donde lo agregado supera ``MASK_FRACTION`` de su máximo en esta placa
    y el píxel está dentro del pulmón (``LUNG_FRACTION``).
    """
    added = fill_fraction(opacity, thorax.x, thorax.y, change) * thorax.lung
    field = thorax.lung > LUNG_FRACTION * LUNG_DEPTH
    mask = (added > MASK_FRACTION * float(added.max(initial=1e-6))) & field
    if opacity.bronchi is not None:
        tubes = draw_segments(to_film(pose, opacity.bronchi), added.shape[0])
        added = added * (1.0 - 0.20 * np.clip(tubes / 0.009, 0.0, 1.0))
    return added.astype(np.float32), mask


def healthy_bands(rng: np.random.Generator, thorax: Thorax, confusion: float) -> np.ndarray:
    """Hallazgos que no son neumonía: atelectasias en banda, hilios cargados y bases poco aireadas.

    Devuelve centímetros agregados (S, S). Aparecen con igual probabilidad en las dos clases.
    """
    added = np.zeros_like(thorax.lung)
    for sign, floor in zip((-1.0, 1.0), thorax.floor, strict=True):
        present, bases, hilar = rng.uniform(size=3)
        x0, y0 = sign * rng.uniform(0.13, 0.26), rng.uniform(0.45, 0.72)
        tilt, length, thick = (
            rng.normal(0, 0.35),
            rng.uniform(0.05, 0.11),
            rng.uniform(0.006, 0.014),
        )
        if present < 0.30 * confusion:
            added += 2.0 * np.exp(-ellipse(thorax.x, thorax.y, (x0, y0, length, thick), tilt))
        if bases < 0.5 * confusion:
            depth = rng.uniform(0.5, 2.0)
            added += depth * step(thorax.y - floor + 0.05, 0.035)
        if hilar < 0.6 * confusion:
            spot = (sign * 0.105, 0.475, rng.uniform(0.03, 0.06), rng.uniform(0.05, 0.09))
            added += rng.uniform(0.4, 1.6) * np.exp(-ellipse(thorax.x, thorax.y, spot, -sign * 0.3))
    return np.minimum(added, 0.6 * thorax.lung).astype(np.float32)
