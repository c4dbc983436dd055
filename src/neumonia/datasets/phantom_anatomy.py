"""Anatomía de la maqueta: espesores de tejido blando, aire y hueso de un tórax infantil.

Las coordenadas del cuerpo son x en [-0.5, 0.5] (negativa a la derecha del paciente, que en la
placa queda a la izquierda) e y en [0, 1] hacia abajo. Los espesores van en centímetros.
"""

import math
from dataclasses import dataclass

import numpy as np

from neumonia.datasets.phantom_bones import arm_axis, ribs, shoulder_girdle, vertebrae
from neumonia.datasets.phantom_patient import Anatomy, Pose
from neumonia.datasets.phantom_shapes import (
    capsule,
    cube,
    dome,
    draw_segments,
    ellipse,
    step,
)

BODY_DEPTH = 12.5
LUNG_DEPTH = 9.0
FRAME_CM = 26.0
"""Lado de la placa en centímetros: convierte radios relativos de vasos en espesores."""


@dataclass(frozen=True)
class Thorax:
    """Campos (S, S) ``float32`` de una placa: coordenadas del cuerpo y espesores en centímetros."""

    x: np.ndarray
    y: np.ndarray
    body: np.ndarray
    lung: np.ndarray
    bone: np.ndarray
    vessels: np.ndarray
    hilum: tuple[tuple[float, float], tuple[float, float]]
    floor: tuple[float, float]


def body_frame(pose: Pose, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordenadas del cuerpo (x, y) de cada píxel de una placa (size, size)."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    u = ((axis - pose.shift[0]) / pose.scale[0])[None, :]
    v = ((axis - pose.shift[1]) / pose.scale[1])[:, None]
    c, s = math.cos(pose.angle), math.sin(pose.angle)
    return c * u + s * v, c * v - s * u + 0.5


def to_film(pose: Pose, segments: np.ndarray) -> np.ndarray:
    """Lleva segmentos (M, 5) del cuerpo a la placa: inversa de `body_frame`."""
    c, s = math.cos(pose.angle), math.sin(pose.angle)
    out = segments.copy()
    for i in (0, 2):
        x, y = segments[:, i], segments[:, i + 1] - 0.5
        out[:, i] = (c * x - s * y) * pose.scale[0] + pose.shift[0] + 0.5
        out[:, i + 1] = (s * x + c * y) * pose.scale[1] + pose.shift[1] + 0.5
    out[:, 4] *= pose.scale[0]
    return out


def build_thorax(anatomy: Anatomy, pose: Pose, size: int) -> Thorax:
    """Calcula los espesores que atraviesan los rayos de una placa de ``size`` píxeles de lado."""
    x, y = body_frame(pose, size)
    side = np.abs(x)
    body = _body(anatomy, pose, x, y, side)
    half = _half_width(anatomy, y)
    lung, floor = _lung(anatomy, pose, x, y, side, half)
    air = _airways(anatomy, pose, x, y)
    bone = (
        ribs(anatomy, y, side, half)
        + vertebrae(anatomy, pose, x, y)
        + shoulder_girdle(anatomy, pose, x, y)
    ) * anatomy.bone
    inside = np.minimum(body * 0.5, 1.0)
    tubes = draw_segments(to_film(pose, anatomy.vessels), size) * np.float32(FRAME_CM)
    vessels = np.minimum(tubes * np.float32(pose.crowding), 0.6 * lung)
    return Thorax(
        x,
        y,
        np.maximum(body - air, 0.0),
        lung,
        bone * inside,
        vessels,
        ((-0.085, 0.47), (0.085, 0.455)),
        floor,
    )


def _half_width(a: Anatomy, y: np.ndarray) -> np.ndarray:
    rise = np.clip((0.86 - y) / (0.86 - a.apex), 0.0, 1.0)
    return a.width * np.sqrt(np.clip(1.0 - rise**1.8, 1e-4, None)).astype(np.float32)


def _body(a: Anatomy, pose: Pose, x: np.ndarray, y: np.ndarray, side: np.ndarray) -> np.ndarray:
    outer = (
        a.width + a.wall + 0.012 - 0.05 * np.clip(0.55 - y, 0, 1) + 0.02 * np.clip(y - 0.75, 0, 1)
    )
    shoulder = 0.045 + 0.30 * np.clip(side - 0.09, 0, None)
    # Los hombros son más delgados que el tronco; el abdomen, algo más grueso.
    slender = 1.0 - 0.20 * step(0.30 - y, 0.10) * step(side - 0.13, 0.07)
    trunk = (
        BODY_DEPTH
        * a.depth
        * np.clip(1.0 - (side / outer) ** 2.7, 0, None) ** 0.55
        * step(y - shoulder - 0.03, 0.05)
        * slender
        * (1.0 + 0.16 * step(y - 0.85, 0.08))
    )
    collar = 0.105 + 0.5 * np.clip(y - 0.05, 0.0, 0.2) ** 1.2
    neck = 8.0 * dome((x / collar) ** 2) * step(0.24 - y, 0.06)
    head = 12.0 * dome(ellipse(x, y, (0.3 * pose.yaw, pose.head - 0.10, 0.185, 0.16)))
    total = cube(trunk) + cube(neck) + cube(head)
    for sign, angle in zip((-1.0, 1.0), pose.arm, strict=True):
        start, end = arm_axis(sign, angle)
        away = (x - start[0]) ** 2 + (y - start[1]) ** 2
        # El brazo se afina al alejarse del hombro, donde lo cubre el deltoides.
        radius = 0.088 + 0.045 * np.exp(away * (-1.0 / 0.13**2))
        total += cube(5.6 * dome(capsule(x, y, start, end) / (radius * radius)))
    return np.cbrt(total).astype(np.float32)


def _lung(
    a: Anatomy, pose: Pose, x: np.ndarray, y: np.ndarray, side: np.ndarray, half: np.ndarray
) -> tuple[np.ndarray, tuple[float, float]]:
    shape = np.clip(1.0 - (side / half) ** 2, 0.0, None) ** 0.38
    apex = step(y - a.apex - 0.035, 0.06)
    depth = LUNG_DEPTH * a.depth * (1.0 - 1.2 * pose.expiration) * shape * apex
    # El mediastino y el corazón desplazan aire: son espesores que se restan al pulmón.
    middle = x - pose.yaw * 0.6
    thymus = np.exp(-(((y - 0.34) / 0.105) ** 2))
    edge = np.where(
        middle > 0,
        a.mediastinum + a.thymus_left * thymus,
        a.mediastinum * 0.95 + a.thymus_right * thymus,
    )
    edge = edge + 0.018 * np.exp(-(((y - 0.47) / 0.06) ** 2)) + 0.06 * step(y - a.base + 0.03, 0.03)
    mediastinum = LUNG_DEPTH * step(edge - np.abs(middle), 0.014)
    drop = -pose.expiration
    heart_y = 0.625 + 0.6 * drop
    hx = x - pose.yaw
    # Ventrículo izquierdo, aurícula derecha y pedículo de los grandes vasos.
    ventricle = dome(
        ellipse(hx, y, (0.062, heart_y + 0.02, a.heart_height, a.heart_width), a.heart_tilt)
    )
    atrium = dome(ellipse(hx, y, (-0.030, heart_y + 0.02, 0.088, 0.165)))
    pedicle = dome(ellipse(hx, y, (0.014, heart_y - 0.16, 0.088, 0.20), -0.14))
    heart = 7.2 * a.depth * (cube(ventricle) + cube(atrium) + 0.7 * cube(pedicle)) ** 0.25
    floor = (a.right_dome + drop, a.left_dome + drop)
    left = (x > 0).astype(np.float32)
    top = floor[0] + (floor[1] - floor[0]) * left
    centre = 0.14 + 0.03 * left
    bend = a.dome_curve * ((side - centre) / 0.2) ** 2
    diaphragm = top + bend * (0.5 + 0.5 * (side > centre).astype(np.float32))
    under = y - diaphragm
    # Detrás de la cúpula baja el receso posterior: el aire se apaga poco a poco, no de golpe.
    above = 1.0 - step(under, 0.006) * (0.90 + 0.10 * step(under - 0.07, 0.07))
    lung = np.clip(depth - mediastinum - heart, 0.0, None) * above
    return lung.astype(np.float32), floor


def _airways(a: Anatomy, pose: Pose, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    across = ((x + 0.006 - pose.yaw * 0.5) / 0.021) ** 2
    column = np.exp(-across * across) * step(0.36 - y, 0.02)
    air = 1.3 * column * step(y - 0.02, 0.03)
    for sign, reach in ((-1.0, 0.055), (1.0, 0.075)):
        air = air + 0.8 * np.exp(
            capsule(x, y, (-0.004, 0.36), (sign * reach, 0.43)) * (-1.0 / 0.013**2)
        )
    low = y + pose.expiration - a.left_dome
    bubble = ellipse(x, low, (0.20, 0.03 + a.gastric_size, 0.11, a.gastric_size))
    air = air + a.gastric * dome(bubble) ** 0.7
    for cx, cy, r, gas in a.colon[a.colon[:, 3] > 0].tolist():
        air = air + gas * dome(ellipse(x, y, (cx, cy + 0.02, 1.3 * r, r)))
    return air.astype(np.float32)
