"""Del tórax a la placa de la maqueta: las opacidades que se plantan y la radiografía que resulta.

Tres patrones, a la manera de los libros de radiología pediátrica: ``lobar`` (una consolidación
grande de borde borroso, a veces cortada por una cisura y con broncograma aéreo),
``bronconeumonia`` (focos pequeños y repartidos) y ``difusa`` (velo bilateral alrededor de los
hilios). La opacidad llena de líquido una fracción del aire que el rayo encuentra: no tapa costillas
ni vasos, y borra el borde del corazón cuando lo toca (signo de la silueta).

La placa: ``T = exp(-Σ µ·t)``; el detector recibe ``T`` más la radiación dispersa (una versión muy
borrosa de ``T``) con ruido de conteo, y la placa muestra ``-log`` de esa señal, de modo que lo
denso se ve claro. Ver Bushberg et al. (2011), *The Essential Physics of Medical Imaging*.
"""

import math
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
from PIL import Image
from scipy import ndimage

from neumonia.datasets.phantom_body import (
    LUNG_DEPTH,
    Thorax,
    branch,
    draw_segments,
    ellipse,
    step,
    to_film,
)

SUBTYPES = ("lobar", "bronconeumonia", "difusa")
MASK_FRACTION = 0.35
"""La máscara reúne los píxeles donde lo agregado supera esta fracción de su máximo en la placa."""
LUNG_FRACTION = 0.12
"""Un píxel pertenece al pulmón si el aire llega a esta fracción de la profundidad típica."""
MU_SOFT = 0.205
MU_BONE = 0.42
LUNG_DENSITY = 0.22
"""Densidad del pulmón aireado respecto del agua; sube al espirar."""

_LOBES = (
    # lado, centro (x, y), semiejes (x, y) y cisura: +1 corta por debajo, -1 por encima.
    (-1, 0.18, 0.34, 0.165, 0.155, 1),
    (-1, 0.17, 0.58, 0.155, 0.130, -1),
    (-1, 0.20, 0.67, 0.170, 0.145, 0),
    (1, 0.17, 0.37, 0.150, 0.175, 0),
    (1, 0.22, 0.64, 0.160, 0.165, 0),
)
# Por patrón: cuánto ondulan los bordes y cuánto grano tiene lo que llena.
_ROUGHNESS = {"lobar": (0.33, 0.18), "bronconeumonia": (0.40, 0.34), "difusa": (0.25, 0.34)}
_LETTER = ("111110", "110011", "110011", "111110", "110110", "110011", "110011")


# --- ruido -----------------------------------------------------------------------------------


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
            moved = Image.fromarray(grid).transform(
                x.shape[::-1], Image.Transform.AFFINE, affine, Image.Resampling.BICUBIC
            )
            total += np.asarray(moved)
        return total * np.float32(1.3 / np.sqrt(len(self.grids)))


# --- opacidades ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Opacity:
    """Opacidad de un paciente, en coordenadas del cuerpo.

    ``foci`` (K, 7): cx, cy, semieje x, semieje y, giro, fracción del aire que se llena y cisura.
    """

    subtype: str
    foci: np.ndarray
    cloud: Cloud
    grain: Cloud
    bronchi: np.ndarray | None


def draw_opacity(rng: np.random.Generator, subtype: str, difficulty: float) -> Opacity:
    """Sortea la opacidad de un paciente; ``difficulty`` en [0, 1] la hace más tenue y pequeña."""
    strength, extent = 1.38 - 0.60 * difficulty, 1.45 - 0.44 * difficulty
    # Casi todas las opacidades son francas; una de cada cinco es incipiente y cuesta verla.
    mild = rng.uniform() < 0.10 + 0.20 * difficulty
    severity = rng.uniform(0.35, 0.70) if mild else rng.uniform(0.85, 1.15)
    strength, extent = strength * severity, extent * math.sqrt(severity)
    foci = {"lobar": _lobar, "bronconeumonia": _patchy, "difusa": _diffuse}[subtype](rng)
    foci[:, 2:4] *= extent
    foci[:, 5] = np.clip(foci[:, 5] * strength, 0.0, 0.95)
    cloud, grain = Cloud.draw(rng, (5, 9)), Cloud.draw(rng, (30, 52))
    return Opacity(subtype, foci, cloud, grain, _bronchi(rng, subtype, foci))


def _lobar(rng: np.random.Generator) -> np.ndarray:
    rows = []
    for index in rng.permutation(len(_LOBES))[: 1 + int(rng.uniform() < 0.35)]:
        side, x, y, a, b, fissure = _LOBES[index]
        cut = fissure if rng.uniform() < 0.6 else 0
        centre = (side * (x + rng.normal(0, 0.02)), y + rng.normal(0, 0.03))
        axes = (a * rng.uniform(0.75, 1.2), b * rng.uniform(0.75, 1.2))
        rows.append((*centre, *axes, rng.normal(0, 0.4), rng.uniform(0.70, 0.98), cut))
    return np.array(rows)


def _patchy(rng: np.random.Generator) -> np.ndarray:
    count = int(rng.integers(7, 14))
    lean = rng.uniform(0.15, 0.85)
    side = np.where(rng.uniform(size=count) < lean, -1.0, 1.0)
    x = side * rng.uniform(0.12, 0.28, count)
    y = rng.triangular(0.30, 0.66, 0.78, count)
    radius = rng.uniform(0.045, 0.100, count)
    tall = radius * rng.uniform(0.8, 1.3, count)
    tilt, amount = rng.normal(0, 0.6, count), rng.uniform(0.38, 0.66, count)
    return np.column_stack((x, y, radius, tall, tilt, amount, np.zeros(count)))


def _diffuse(rng: np.random.Generator) -> np.ndarray:
    rows = []
    for side in (-1.0, 1.0):
        centre = (side * rng.uniform(0.12, 0.17), rng.uniform(0.47, 0.56))
        axes = (rng.uniform(0.13, 0.19), rng.uniform(0.19, 0.27))
        rows.append((*centre, *axes, -side * 0.35, rng.uniform(0.46, 0.70), 0.0))
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


def _fill_fraction(opacity: Opacity, x: np.ndarray, y: np.ndarray, change: float) -> np.ndarray:
    """Fracción del aire que la opacidad llena en cada píxel, en [0, 1]."""
    roughness, grain = _ROUGHNESS[opacity.subtype]
    ripple = opacity.cloud.at(x, y) * np.float32(roughness)
    clear = np.ones_like(x)
    for cx, cy, a, b, tilt, amount, fissure in opacity.foci.tolist():
        inside = 1.0 - ellipse(x, y, (cx, cy, a, b), tilt) + ripple
        filled = amount * change * step(inside - 0.20, 0.65)
        if fissure:
            # La cisura es una pared: la consolidación termina ahí con un borde neto.
            edge = cy + fissure * 0.62 * b + 0.15 * (np.abs(x) - abs(cx))
            filled = filled * step(fissure * (edge - y), 0.010)
        clear = clear * (1.0 - filled)
    patchy = np.clip(1.0 + grain * opacity.grain.at(x, y), 0.2, 1.8)
    return np.clip((1.0 - clear) * patchy, 0.0, 0.95).astype(np.float32)


def add_opacity(
    opacity: Opacity, thorax: Thorax, pose: SimpleNamespace, change: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Centímetros de tejido agregados y máscara, ambos (S, S).

    ``change`` es la evolución entre placas del paciente. La máscara (``bool``) vale donde lo
    agregado supera ``MASK_FRACTION`` de su máximo en esta placa y el píxel está dentro del pulmón
    (``LUNG_FRACTION``).
    """
    added = _fill_fraction(opacity, thorax.x, thorax.y, change) * thorax.lung
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
        tilt, length = rng.normal(0, 0.35), rng.uniform(0.05, 0.11)
        thick = rng.uniform(0.006, 0.014)
        if present < 0.30 * confusion:
            added += 2.0 * np.exp(-ellipse(thorax.x, thorax.y, (x0, y0, length, thick), tilt))
        if bases < 0.5 * confusion:
            depth = rng.uniform(0.5, 2.0)
            added += depth * step(thorax.y - floor + 0.05, 0.035)
        if hilar < 0.6 * confusion:
            spot = (sign * 0.105, 0.475, rng.uniform(0.03, 0.06), rng.uniform(0.05, 0.09))
            added += rng.uniform(0.4, 1.6) * np.exp(-ellipse(thorax.x, thorax.y, spot, -sign * 0.3))
    return np.minimum(added, 0.6 * thorax.lung).astype(np.float32)


# --- disparo y revelado ----------------------------------------------------------------------


def draw_technique(rng: np.random.Generator, other_site: bool, confusion: float) -> SimpleNamespace:
    """Sortea el disparo y el revelado; longitudes en fracciones del lado.

    ``other_site`` es el equipo distinto del que sale la prueba oficial.
    """
    u = rng.uniform
    spread = 0.3 + 0.7 * confusion
    frame = tuple(u(0.0, 0.045, 4)) if u() < (0.45 if other_site else 0.12) else None
    marker = (u(0.02, 0.075), u(0.05, 0.55), u(0.035, 0.06), u(0.7, 1.0)) if u() < 0.8 else None
    technique = SimpleNamespace(
        photons=math.exp(u(math.log(4e4), math.log(1e5))),
        scatter=u(0.20, 0.20 + 0.22 * spread),
        low=u(-0.05, 0.09) * spread,
        high=u(-0.08, 0.10) * spread,
        gamma=math.exp(rng.normal(0.0, 0.08 * spread)),
        sharpen=u(0.45, 0.45 + 0.3 * spread),
        blur=u(0.0030, 0.0030 + 0.0012 * spread),
        texture=u(0.6, 0.8 + 0.4 * confusion),
        aeration=u(-0.05, 0.03 + 0.14 * confusion),
        veil=(rng.normal(0.0, 0.07 * spread), rng.normal(0.0, 0.07 * spread)),
        frame=frame,
        marker=marker,
        wire=bool(u() < 0.06),
        fog=u(0.0, 12.0),
    )
    if other_site:
        technique.photons *= 0.55
        technique.scatter += 0.12
        technique.gamma *= 0.84
        technique.low -= 0.06
        technique.sharpen *= 0.5
        technique.blur *= 1.2
        technique.fog += 8.0
    return technique


def expose(
    rng: np.random.Generator, thorax: Thorax, added: np.ndarray, technique: SimpleNamespace
) -> np.ndarray:
    """Dispara y revela: la placa ``uint8`` (S, S).

    ``added`` (S, S) son los centímetros de tejido que ocupan aire del pulmón (vasos aparte).
    """
    size = thorax.x.shape[0]
    texture = film_noise(rng, size, (14, 30, 62)) * np.float32(0.055 * technique.texture)
    # Un vaso se ve por el aire que lo rodea: dentro de la opacidad pierde el contraste.
    aerated = thorax.lung - added
    share = aerated / np.maximum(thorax.lung, 1e-3)
    streaks = np.clip(thorax.vessels + thorax.lung * texture, 0.0, thorax.lung)
    air = (aerated - streaks * share) * (1.0 - LUNG_DENSITY - technique.aeration)
    soft = np.clip(thorax.body - air, 0.0, None)
    soft = soft * (1.0 + 0.02 * film_noise(rng, size, (5, 11)))
    bone = thorax.bone + 1.6 * _wire(rng, size) if technique.wire else thorax.bone
    transmitted = np.exp(-(MU_SOFT * soft + MU_BONE * bone))
    return _finish(_develop(_detect(rng, transmitted, technique), technique), technique)


def _detect(rng: np.random.Generator, transmitted: np.ndarray, t: SimpleNamespace) -> np.ndarray:
    size = transmitted.shape[0]
    # Lo disperso no pasa de lo que sale del cuerpo: sin tope, el aire directo velaría los bordes.
    coarse = resample(np.minimum(transmitted, 0.35), 32)
    scattered = resample(ndimage.gaussian_filter(coarse, 2.6, mode="nearest"), size)
    signal = ndimage.gaussian_filter(transmitted, t.blur * size) + t.scatter * scattered
    counts = t.photons * signal
    noise = rng.standard_normal((size, size), dtype=np.float32)
    counts = counts + noise * np.sqrt(np.maximum(counts, 1.0))
    return -np.log(np.maximum(counts, 1.0) / t.photons)


def _develop(density: np.ndarray, t: SimpleNamespace) -> np.ndarray:
    size = density.shape[0]
    axis = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    density = density + t.veil[0] * axis[None, :] + t.veil[1] * axis[:, None]
    smooth = resample(ndimage.gaussian_filter(resample(density, 64), 2.2), size)
    density = density + t.sharpen * (density - smooth)
    body = density[density > 0.55]
    floor, ceiling = np.percentile(body, (6.0, 98.5)) if body.size > size else (0.6, 2.4)
    span = float(ceiling - floor)
    low = float(floor) - (0.27 + t.low) * span
    high = float(ceiling) + (0.10 + t.high) * span
    value = np.clip((density - low) / (high - low), 0.0, 1.0) ** t.gamma
    # Hombro de la curva: las zonas más densas se comprimen en vez de recortarse.
    return value * (1.18 - 0.18 * value)


def _finish(shown: np.ndarray, t: SimpleNamespace) -> np.ndarray:
    size = shown.shape[0]
    shown = shown * (255.0 - t.fog) + t.fog
    if t.frame is not None:
        axis = (np.arange(size, dtype=np.float32) + 0.5) / size
        left, right, top, bottom = t.frame
        soft = 0.5 / size
        open_x = step(axis - left, soft) * step(1.0 - right - axis, soft)
        open_y = step(axis - top, soft) * step(1.0 - bottom - axis, soft)
        shown = shown * (open_y[:, None] * open_x[None, :])
    if t.marker is not None:
        shown = np.maximum(shown, 255.0 * _marker(size, t.marker))
    return np.clip(np.rint(shown), 0, 255).astype(np.uint8)


def _marker(size: int, marker: tuple[float, float, float, float]) -> np.ndarray:
    left, top, height, strength = marker
    tall = max(5, round(height * size))
    wide = max(4, round(0.72 * tall))
    bits = np.array([[int(c) for c in row] for row in _LETTER], dtype=np.float32)
    letter = Image.fromarray(bits).resize((wide, tall), Image.Resampling.BILINEAR)
    out = np.zeros((size, size), np.float32)
    row, column = round(top * size), round(left * size)
    out[row : row + tall, column : column + wide] = np.asarray(letter) * strength
    return out


def _wire(rng: np.random.Generator, size: int) -> np.ndarray:
    """Cable de monitor con su botón: una curva de Bézier que entra por el borde."""
    start = rng.uniform((0.0, 0.75), (1.0, 1.05))
    pull = rng.uniform(0.2, 0.9, 2)
    end = rng.uniform((0.15, 0.2), (0.85, 0.8))
    t = np.linspace(0.0, 1.0, 13)[:, None]
    curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * pull + t**2 * end
    cable = np.column_stack((curve[:-1], curve[1:], np.full(12, 0.003)))
    knob = np.array([[end[0] - 0.007, end[1], end[0] + 0.007, end[1], 0.010]])
    return np.minimum(draw_segments(np.concatenate((cable, knob)), size) / 0.006, 1.0)
