"""De los espesores a la placa: Beer-Lambert, dispersión, ruido cuántico y curva del detector.

Modelo: ``T = exp(-Σ µ·t)``; el detector recibe ``T`` más la radiación dispersa (una versión muy
borrosa de ``T``) con ruido de conteo, y la placa muestra ``-log`` de esa señal, de modo que lo
denso se ve claro. Ver Bushberg et al. (2011), *The Essential Physics of Medical Imaging*.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image
from scipy import ndimage

from neumonia.datasets.phantom_anatomy import Thorax
from neumonia.datasets.phantom_shapes import draw_segments, film_noise, resample, step

MU_SOFT = 0.205
MU_BONE = 0.42
LUNG_DENSITY = 0.22
"""Densidad del pulmón aireado respecto del agua; sube al espirar."""

_LETTER = ("111110", "110011", "110011", "111110", "110110", "110011", "110011")


@dataclass(frozen=True)
class Technique:
    """Condiciones de disparo y revelado de una placa; longitudes en fracciones del lado."""

    photons: float
    scatter: float
    low: float
    high: float
    gamma: float
    sharpen: float
    blur: float
    texture: float
    aeration: float
    veil: tuple[float, float]
    frame: tuple[float, float, float, float] | None
    marker: tuple[float, float, float, float] | None
    wire: bool
    fog: float


def draw_technique(rng: np.random.Generator, other_site: bool, confusion: float) -> Technique:
    """Sortea el disparo; ``other_site`` es el equipo distinto del que sale la prueba oficial."""
    u = rng.uniform
    spread = 0.3 + 0.7 * confusion
    frame = tuple(u(0.0, 0.045, 4)) if u() < (0.45 if other_site else 0.12) else None
    marker = (u(0.02, 0.075), u(0.05, 0.55), u(0.035, 0.06), u(0.7, 1.0)) if u() < 0.8 else None
    technique = Technique(
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
    if not other_site:
        return technique
    return replace(
        technique,
        photons=technique.photons * 0.55,
        scatter=technique.scatter + 0.12,
        gamma=technique.gamma * 0.84,
        low=technique.low - 0.06,
        sharpen=technique.sharpen * 0.5,
        blur=technique.blur * 1.2,
        fog=technique.fog + 8.0,
    )


def expose(
    rng: np.random.Generator, thorax: Thorax, added: np.ndarray, technique: Technique
) -> np.ndarray:
    """Dispara y revela: devuelve la placa ``uint8`` (S, S).

    Parameters
    ----------
    added : (S, S)
        Centímetros de tejido blando que ocupan aire del pulmón (vasos aparte).
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
    bone = thorax.bone
    if technique.wire:
        bone = bone + 1.6 * _wire(rng, size)
    transmitted = np.exp(-(MU_SOFT * soft + MU_BONE * bone))
    density = _detect(rng, transmitted, technique)
    shown = _develop(density, technique)
    return _finish(shown, technique)


def _detect(rng: np.random.Generator, transmitted: np.ndarray, t: Technique) -> np.ndarray:
    size = transmitted.shape[0]
    # Lo disperso no pasa de lo que sale del cuerpo: sin tope, el aire directo velaría los bordes.
    coarse = resample(np.minimum(transmitted, 0.35), 32)
    scattered = resample(ndimage.gaussian_filter(coarse, 2.6, mode="nearest"), size)
    signal = ndimage.gaussian_filter(transmitted, t.blur * size) + t.scatter * scattered
    counts = t.photons * signal
    noise = rng.standard_normal((size, size), dtype=np.float32)
    counts = counts + noise * np.sqrt(np.maximum(counts, 1.0))
    return -np.log(np.maximum(counts, 1.0) / t.photons)


def _develop(density: np.ndarray, t: Technique) -> np.ndarray:
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


def _finish(shown: np.ndarray, t: Technique) -> np.ndarray:
    size = shown.shape[0]
    shown = shown * (255.0 - t.fog) + t.fog
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size
    if t.frame is not None:
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
    start, pull, end = (
        rng.uniform((0.0, 0.75), (1.0, 1.05)),
        rng.uniform(0.2, 0.9, 2),
        (rng.uniform((0.15, 0.2), (0.85, 0.8))),
    )
    t = np.linspace(0.0, 1.0, 13)[:, None]
    curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * pull + t**2 * end
    cable = np.column_stack((curve[:-1], curve[1:], np.full(12, 0.003)))
    knob = np.array([[end[0] - 0.007, end[1], end[0] + 0.007, end[1], 0.010]])
    return np.minimum(draw_segments(np.concatenate((cable, knob)), size) / 0.006, 1.0)
