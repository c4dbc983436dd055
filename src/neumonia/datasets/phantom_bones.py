"""Esqueleto de la maqueta: costillas, columna y cintura escapular, en centímetros de hueso."""

import math

import numpy as np

from neumonia.datasets.phantom_patient import Anatomy, Pose
from neumonia.datasets.phantom_shapes import capsule, dome, ellipse, step


def arm_axis(sign: float, angle: float) -> tuple[tuple[float, float], tuple[float, float]]:
    start = (sign * 0.31, 0.195)
    return start, (start[0] + sign * 0.5 * math.cos(angle), start[1] - 0.5 * math.sin(angle))


def ribs(a: Anatomy, y: np.ndarray, side: np.ndarray, half: np.ndarray) -> np.ndarray:
    cage = half + 0.012
    sine = np.clip(side / cage, 0.0, 0.9995)
    theta = np.arcsin(sine) * (2.0 / np.pi)
    # Un rayo que roza el arco atraviesa más hueso: de ahí el borde lateral brillante.
    cosine = np.sqrt(1.0 - sine * sine)
    graze = 1.0 / np.maximum(cosine, 0.22)
    inside = step(cage + 0.008 - side, 0.006)
    back = a.rib_fall * theta**1.9 - 0.020 * np.sin(np.pi * theta)
    front = a.rib_fall + a.rib_front * (1.0 - theta) ** 0.9
    total = np.zeros_like(y)
    arcs = ((back, 0.42, step(side - 0.03, 0.01), 11), (front, 0.23, step(theta - 0.40, 0.05), 8))
    for fall, amount, extent, last in arcs:
        u = (y - a.first_rib - fall) / a.rib_gap
        u = u + 0.07 * np.sin(1.9 * u + a.rib_wave)
        index = np.clip(np.rint(u), 0, last)
        widen = np.minimum(graze, 1.7)
        d2 = ((u - index) / (a.rib_width * widen)) ** 2
        tube = np.sqrt(np.clip(1.0 - d2, 0.0, None)) * (0.75 + 0.5 * np.clip(d2, 0, 1))
        total = total + amount * tube * np.minimum(graze, 2.4) * extent
    return total * inside * (1.0 - 0.45 * step(y - 0.88, 0.06))


def vertebrae(a: Anatomy, pose: Pose, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    sx = np.abs(x + pose.yaw * 0.3)
    half = a.spine * (0.85 + 0.35 * y)
    body = step(half - sx, 0.007)
    phase = (y / a.vertebra) % 1.0
    disc = np.exp(-(((phase - 0.5) / 0.11) ** 2))
    wide = step(half * 1.55 - sx, 0.012) * np.exp(-(((phase - 0.95) / 0.16) ** 2))
    pedicle = np.exp(-(((sx - 0.66 * half) / 0.009) ** 2) - ((phase - 0.88) / 0.16) ** 2)
    process = np.exp(-((sx / 0.008) ** 2) - ((phase - 0.2) / 0.22) ** 2)
    return (
        0.85 * body * (1.0 - 0.35 * disc)
        + 0.22 * wide
        + 0.30 * pedicle
        + 0.30 * process
        + 0.15 * np.exp(-(((sx - half) / 0.006) ** 2))
    ) * (0.70 + 0.30 * step(y - 0.3, 0.2))


def shoulder_girdle(a: Anatomy, pose: Pose, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    total = np.zeros_like(x)
    # La cintura escapular está en el tercio superior: no vale la pena calcularla más abajo.
    rows = int(np.count_nonzero(y.min(axis=1) < 0.70))
    x, y = x[:rows], y[:rows]
    upper = total[:rows]
    for sign, angle in zip((-1.0, 1.0), pose.arm, strict=True):
        lift = max(0.0, math.sin(angle)) * 0.035
        s = (sign * x - 0.03) / 0.25
        line = (
            a.clavicle + 0.012 - a.clavicle_slope * 0.2 * s - lift * s * s + 0.012 * np.sin(5.5 * s)
        )
        width = 0.0095 + 0.004 * (s - 0.5) ** 2
        d2 = ((y - line) / width) ** 2
        extent = step(s, 0.03) * step(1.0 - s, 0.05)
        upper += 0.95 * np.sqrt(np.clip(1.0 - d2 / 1.7, 0, None)) * extent
        head = (sign * 0.335, 0.155 - lift)
        _, tip = arm_axis(sign, angle)
        shaft = capsule(x, y, head, (tip[0] + sign * 0.02, tip[1]))
        upper += 0.60 * dome(shaft * (1.0 / 0.023**2))
        upper += 0.28 * np.exp(-(((np.sqrt(shaft) - 0.018) / 0.006) ** 2))
        upper += 0.50 * dome(ellipse(x, y, (*head, 0.042, 0.036)))
        blade = capsule(x, y, (sign * 0.29, 0.19 - lift), (sign * 0.345, 0.40 - lift))
        spine = capsule(x, y, (sign * 0.20, 0.235 - lift), (sign * 0.33, 0.16 - lift))
        upper += 0.38 * np.exp(blade * -1e4) + 0.30 * np.exp(spine * -1e4)
    return total
