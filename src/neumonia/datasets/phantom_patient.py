"""El paciente y su pose: lo que se sortea antes de calcular una placa de la maqueta."""

from dataclasses import dataclass

import numpy as np

from neumonia.datasets.phantom_shapes import branch


@dataclass(frozen=True)
class Anatomy:
    """Lo que distingue a un paciente de otro; longitudes en fracciones del lado de la placa."""

    apex: float
    width: float
    base: float
    wall: float
    depth: float
    first_rib: float
    rib_gap: float
    rib_width: float
    rib_fall: float
    rib_front: float
    rib_wave: float
    heart_width: float
    heart_tilt: float
    heart_height: float
    mediastinum: float
    thymus_left: float
    thymus_right: float
    right_dome: float
    left_dome: float
    dome_curve: float
    spine: float
    vertebra: float
    bone: float
    clavicle: float
    clavicle_slope: float
    gastric: float
    gastric_size: float
    colon: np.ndarray
    vessels: np.ndarray


@dataclass(frozen=True)
class Pose:
    """Cómo quedó el paciente en una placa concreta."""

    shift: tuple[float, float]
    scale: tuple[float, float]
    angle: float
    yaw: float
    expiration: float
    arm: tuple[float, float]
    head: float
    crowding: float


def draw_anatomy(rng: np.random.Generator, confusion: float) -> Anatomy:
    """Sortea un paciente; ``confusion`` en [0, 1] agranda timo, corazón y otras variantes sanas."""
    u = rng.uniform
    thymus = np.abs(rng.normal(0.0, 0.022 * (0.5 + confusion), size=2))
    base = u(0.765, 0.825)
    return Anatomy(
        apex=u(0.135, 0.185),
        width=u(0.335, 0.385),
        base=base,
        wall=u(0.035, 0.062),
        depth=u(0.9, 1.12),
        first_rib=u(0.130, 0.165),
        rib_gap=u(0.068, 0.080),
        rib_width=u(0.155, 0.205),
        rib_fall=u(0.080, 0.140),
        rib_front=u(0.10, 0.17),
        rib_wave=u(0.0, 6.28),
        heart_width=u(0.125, 0.145 + 0.018 * confusion),
        heart_tilt=u(0.85, 1.10),
        heart_height=u(0.215, 0.250),
        mediastinum=u(0.058, 0.074),
        thymus_left=float(thymus[0]),
        thymus_right=float(thymus[1]),
        right_dome=base,
        left_dome=base + u(0.005, 0.035),
        dome_curve=u(0.08, 0.15),
        spine=u(0.038, 0.048),
        vertebra=u(0.047, 0.055),
        bone=u(0.85, 1.15),
        clavicle=u(0.15, 0.19),
        clavicle_slope=u(0.02, 0.22),
        gastric=float(u() < 0.6) * u(1.2, 3.5),
        gastric_size=u(0.04, 0.085),
        colon=np.column_stack(
            (u(0.02, 0.34, 7), u(0.86, 1.0, 7), u(0.014, 0.04, 7), u(0.0, 2.0, 7) * (u() < 0.4))
        ),
        vessels=_vessel_trees(rng),
    )


def _vessel_trees(rng: np.random.Generator) -> np.ndarray:
    trees = []
    for side in (-1.0, 1.0):
        hilum = (side * 0.085, 0.47 - 0.015 * (side > 0))
        for heading in (-1.25, -0.75, -0.2, 0.35, 0.8, 1.2, 1.45):
            aim = heading + rng.normal(0.0, 0.12)
            angle = aim if side > 0 else np.pi - aim
            reach = rng.uniform(0.075, 0.105)
            trees.append(branch(rng, hilum, angle, reach, rng.uniform(0.011, 0.0155), 4))
    return np.concatenate(trees)


def draw_pose(rng: np.random.Generator, confusion: float) -> Pose:
    """Sortea la pose de una placa; ``confusion`` en [0, 1] suma malas inspiraciones y giros."""
    loose = 0.4 + 0.6 * confusion
    zoom = 1.05 + 0.10 * loose * rng.uniform(-1.0, 1.0)
    arms = rng.choice(3, p=(0.70, 0.20, 0.10))
    centre = (1.42, 0.30, -1.05)[arms]
    return Pose(
        shift=(rng.normal(0.0, 0.028 * loose), rng.normal(0.0, 0.034 * loose)),
        scale=(zoom * rng.uniform(0.96, 1.05), zoom * rng.uniform(0.97, 1.03)),
        angle=rng.normal(0.0, 0.050 * loose),
        yaw=rng.normal(0.0, 0.010 + 0.010 * confusion),
        expiration=max(0.0, rng.normal(0.0, 0.015 + 0.035 * confusion)),
        arm=(centre + rng.normal(0.0, 0.15), centre + rng.normal(0.0, 0.15)),
        head=rng.uniform(-0.16, 0.10),
        crowding=rng.uniform(0.7, 0.9 + 0.6 * confusion),
    )
