"""El cuerpo de la maqueta: el tórax de un niño, en centímetros de tejido blando, aire y hueso.

Coordenadas del cuerpo: x en [-0.5, 0.5] (negativa a la derecha del paciente, que en la placa queda
a la izquierda) e y en [0, 1] hacia abajo. Las longitudes son fracciones del lado de la placa, de
modo que la misma anatomía sirve a cualquier tamaño; los campos son ``float32`` (S, S).
"""

import math
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
from PIL import Image, ImageDraw

BODY_DEPTH = 12.5
LUNG_DEPTH = 9.0
FRAME_CM = 26.0
"""Lado de la placa en centímetros: convierte radios relativos de vasos en espesores."""
CANVAS = 320
"""Lado, en píxeles, del lienzo donde se trazan líneas finas antes de llevarlas a la placa."""

Point = tuple[float, float]


# --- trazos ----------------------------------------------------------------------------------


def step(distance: np.ndarray, width: float) -> np.ndarray:
    """Escalón suave: 0 muy por debajo de cero, 1 muy por encima; ``width`` es su escala."""
    return 0.5 + 0.5 * np.tanh(distance * (1.0 / width))


def cube(field: np.ndarray) -> np.ndarray:
    return field * field * field  # mucho más rápido que ``** 3``


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


def capsule(x: np.ndarray, y: np.ndarray, start: Point, end: Point) -> np.ndarray:
    """Distancia al cuadrado de cada punto al segmento que va de ``start`` a ``end``."""
    ux, uy = end[0] - start[0], end[1] - start[1]
    px, py = x - start[0], y - start[1]
    along = np.clip((px * ux + py * uy) * (1.0 / (ux * ux + uy * uy)), 0.0, 1.0)
    px -= along * ux
    py -= along * uy
    return px * px + py * py


def branch(
    rng: np.random.Generator, start: Point, angle: float, length: float, radius: float, depth: int
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

    ``segments`` (M, 5) son (x0, y0, x1, y1, radio), con x e y en [0, 1] dentro de la placa.
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


# --- lo que se sortea ------------------------------------------------------------------------


def draw_anatomy(rng: np.random.Generator, confusion: float) -> SimpleNamespace:
    """Lo que distingue a un paciente de otro.

    ``confusion`` en [0, 1] agranda timo, corazón y otras variantes sanas que imitan opacidades.
    """
    u = rng.uniform
    thymus = np.abs(rng.normal(0.0, 0.022 * (0.5 + confusion), size=2))
    base = u(0.765, 0.825)
    return SimpleNamespace(
        thymus=thymus,
        base=base,
        apex=u(0.135, 0.185),
        width=u(0.335, 0.385),
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


def draw_pose(rng: np.random.Generator, confusion: float) -> SimpleNamespace:
    """Cómo quedó el paciente en una placa; ``confusion`` suma malas inspiraciones y giros."""
    loose = 0.4 + 0.6 * confusion
    zoom = 1.05 + 0.10 * loose * rng.uniform(-1.0, 1.0)
    arms = (1.42, 0.30, -1.05)[rng.choice(3, p=(0.70, 0.20, 0.10))]
    return SimpleNamespace(
        shift=(rng.normal(0.0, 0.028 * loose), rng.normal(0.0, 0.034 * loose)),
        scale=(zoom * rng.uniform(0.96, 1.05), zoom * rng.uniform(0.97, 1.03)),
        angle=rng.normal(0.0, 0.050 * loose),
        yaw=rng.normal(0.0, 0.010 + 0.010 * confusion),
        expiration=max(0.0, rng.normal(0.0, 0.015 + 0.035 * confusion)),
        arm=(arms + rng.normal(0.0, 0.15), arms + rng.normal(0.0, 0.15)),
        head=rng.uniform(-0.16, 0.10),
        crowding=rng.uniform(0.7, 0.9 + 0.6 * confusion),
    )


def body_frame(pose: SimpleNamespace, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordenadas del cuerpo (x, y) de cada píxel de una placa (size, size)."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    u = ((axis - pose.shift[0]) / pose.scale[0])[None, :]
    v = ((axis - pose.shift[1]) / pose.scale[1])[:, None]
    c, s = math.cos(pose.angle), math.sin(pose.angle)
    return c * u + s * v, c * v - s * u + 0.5


def to_film(pose: SimpleNamespace, segments: np.ndarray) -> np.ndarray:
    """Lleva segmentos (M, 5) del cuerpo a la placa: inversa de `body_frame`."""
    c, s = math.cos(pose.angle), math.sin(pose.angle)
    out = segments.copy()
    for i in (0, 2):
        x, y = segments[:, i], segments[:, i + 1] - 0.5
        out[:, i] = (c * x - s * y) * pose.scale[0] + pose.shift[0] + 0.5
        out[:, i + 1] = (s * x + c * y) * pose.scale[1] + pose.shift[1] + 0.5
    out[:, 4] *= pose.scale[0]
    return out


# --- el tórax --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Thorax:
    """Coordenadas del cuerpo y espesores en centímetros de cada píxel de una placa.

    ``floor`` es la altura de las cúpulas del diafragma, derecha e izquierda.
    """

    x: np.ndarray
    y: np.ndarray
    body: np.ndarray
    lung: np.ndarray
    bone: np.ndarray
    vessels: np.ndarray
    floor: Point


def build_thorax(anatomy: SimpleNamespace, pose: SimpleNamespace, size: int) -> Thorax:
    """Calcula los espesores que atraviesan los rayos de una placa de ``size`` píxeles de lado."""
    x, y = body_frame(pose, size)
    side = np.abs(x)
    body = _body(anatomy, pose, x, y, side)
    rise = np.clip((0.86 - y) / (0.86 - anatomy.apex), 0.0, 1.0)
    half = anatomy.width * np.sqrt(np.clip(1.0 - rise**1.8, 1e-4, None)).astype(np.float32)
    lung, floor = _lung(anatomy, pose, x, y, side, half)
    air = _airways(anatomy, pose, x, y)
    bone = (
        _ribs(anatomy, y, side, half)
        + _vertebrae(anatomy, pose, x, y)
        + _shoulder_girdle(anatomy, pose, x, y)
    ) * anatomy.bone
    inside = np.minimum(body * 0.5, 1.0)
    tubes = draw_segments(to_film(pose, anatomy.vessels), size) * np.float32(FRAME_CM)
    vessels = np.minimum(tubes * np.float32(pose.crowding), 0.6 * lung)
    return Thorax(x, y, np.maximum(body - air, 0.0), lung, bone * inside, vessels, floor)


def _body(
    a: SimpleNamespace, pose: SimpleNamespace, x: np.ndarray, y: np.ndarray, side: np.ndarray
) -> np.ndarray:
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
        start, end = _arm_axis(sign, angle)
        away = (x - start[0]) ** 2 + (y - start[1]) ** 2
        # El brazo se afina al alejarse del hombro, donde lo cubre el deltoides.
        radius = 0.088 + 0.045 * np.exp(away * (-1.0 / 0.13**2))
        total += cube(5.6 * dome(capsule(x, y, start, end) / (radius * radius)))
    return np.cbrt(total).astype(np.float32)


def _arm_axis(sign: float, angle: float) -> tuple[Point, Point]:
    start = (sign * 0.31, 0.195)
    return start, (start[0] + sign * 0.5 * math.cos(angle), start[1] - 0.5 * math.sin(angle))


def _lung(
    a: SimpleNamespace,
    pose: SimpleNamespace,
    x: np.ndarray,
    y: np.ndarray,
    side: np.ndarray,
    half: np.ndarray,
) -> tuple[np.ndarray, Point]:
    shape = np.clip(1.0 - (side / half) ** 2, 0.0, None) ** 0.38
    apex = step(y - a.apex - 0.035, 0.06)
    depth = LUNG_DEPTH * a.depth * (1.0 - 1.2 * pose.expiration) * shape * apex
    # El mediastino y el corazón desplazan aire: son espesores que se restan al pulmón.
    middle = x - pose.yaw * 0.6
    thymus = np.exp(-(((y - 0.34) / 0.105) ** 2))
    left, right = a.thymus.tolist()
    edge = np.where(
        middle > 0, a.mediastinum + left * thymus, a.mediastinum * 0.95 + right * thymus
    )
    edge = edge + 0.018 * np.exp(-(((y - 0.47) / 0.06) ** 2)) + 0.06 * step(y - a.base + 0.03, 0.03)
    mediastinum = LUNG_DEPTH * step(edge - np.abs(middle), 0.014)
    drop = -pose.expiration
    heart_y = 0.625 + 0.6 * drop
    hx = x - pose.yaw
    # Ventrículo izquierdo, aurícula derecha y pedículo de los grandes vasos.
    box = (0.062, heart_y + 0.02, a.heart_height, a.heart_width)
    ventricle = dome(ellipse(hx, y, box, a.heart_tilt))
    atrium = dome(ellipse(hx, y, (-0.030, heart_y + 0.02, 0.088, 0.165)))
    pedicle = dome(ellipse(hx, y, (0.014, heart_y - 0.16, 0.088, 0.20), -0.14))
    heart = 7.2 * a.depth * (cube(ventricle) + cube(atrium) + 0.7 * cube(pedicle)) ** 0.25
    floor = (a.base + drop, a.left_dome + drop)
    on_left = (x > 0).astype(np.float32)
    top = floor[0] + (floor[1] - floor[0]) * on_left
    centre = 0.14 + 0.03 * on_left
    bend = a.dome_curve * ((side - centre) / 0.2) ** 2
    under = y - (top + bend * (0.5 + 0.5 * (side > centre).astype(np.float32)))
    # Detrás de la cúpula baja el receso posterior: el aire se apaga poco a poco, no de golpe.
    above = 1.0 - step(under, 0.006) * (0.90 + 0.10 * step(under - 0.07, 0.07))
    lung = np.clip(depth - mediastinum - heart, 0.0, None) * above
    return lung.astype(np.float32), floor


def _airways(a: SimpleNamespace, pose: SimpleNamespace, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    across = ((x + 0.006 - pose.yaw * 0.5) / 0.021) ** 2
    column = np.exp(-across * across) * step(0.36 - y, 0.02)
    air = 1.3 * column * step(y - 0.02, 0.03)
    for end in ((-0.055, 0.43), (0.075, 0.43)):
        air = air + 0.8 * np.exp(capsule(x, y, (-0.004, 0.36), end) * (-1.0 / 0.013**2))
    low = y + pose.expiration - a.left_dome
    bubble = ellipse(x, low, (0.20, 0.03 + a.gastric_size, 0.11, a.gastric_size))
    air = air + a.gastric * dome(bubble) ** 0.7
    for cx, cy, r, gas in a.colon[a.colon[:, 3] > 0].tolist():
        air = air + gas * dome(ellipse(x, y, (cx, cy + 0.02, 1.3 * r, r)))
    return air.astype(np.float32)


def _ribs(a: SimpleNamespace, y: np.ndarray, side: np.ndarray, half: np.ndarray) -> np.ndarray:
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
        d2 = ((u - index) / (a.rib_width * np.minimum(graze, 1.7))) ** 2
        tube = np.sqrt(np.clip(1.0 - d2, 0.0, None)) * (0.75 + 0.5 * np.clip(d2, 0, 1))
        total = total + amount * tube * np.minimum(graze, 2.4) * extent
    return total * inside * (1.0 - 0.45 * step(y - 0.88, 0.06))


def _vertebrae(
    a: SimpleNamespace, pose: SimpleNamespace, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    sx = np.abs(x + pose.yaw * 0.3)
    half = a.spine * (0.85 + 0.35 * y)
    body = step(half - sx, 0.007)
    phase = (y / a.vertebra) % 1.0
    disc = np.exp(-(((phase - 0.5) / 0.11) ** 2))
    wide = step(half * 1.55 - sx, 0.012) * np.exp(-(((phase - 0.95) / 0.16) ** 2))
    pedicle = np.exp(-(((sx - 0.66 * half) / 0.009) ** 2) - ((phase - 0.88) / 0.16) ** 2)
    process = np.exp(-((sx / 0.008) ** 2) - ((phase - 0.2) / 0.22) ** 2)
    edge = np.exp(-(((sx - half) / 0.006) ** 2))
    column = 0.85 * body * (1.0 - 0.35 * disc) + 0.22 * wide + 0.30 * pedicle + 0.30 * process
    return (column + 0.15 * edge) * (0.70 + 0.30 * step(y - 0.3, 0.2))


def _shoulder_girdle(
    a: SimpleNamespace, pose: SimpleNamespace, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    total = np.zeros_like(x)
    # La cintura escapular está en el tercio superior: no vale la pena calcularla más abajo.
    rows = int(np.count_nonzero(y.min(axis=1) < 0.70))
    x, y, upper = x[:rows], y[:rows], total[:rows]
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
        _, tip = _arm_axis(sign, angle)
        shaft = capsule(x, y, head, (tip[0] + sign * 0.02, tip[1]))
        upper += 0.60 * dome(shaft * (1.0 / 0.023**2))
        upper += 0.28 * np.exp(-(((np.sqrt(shaft) - 0.018) / 0.006) ** 2))
        upper += 0.50 * dome(ellipse(x, y, (*head, 0.042, 0.036)))
        blade = capsule(x, y, (sign * 0.29, 0.19 - lift), (sign * 0.345, 0.40 - lift))
        spine = capsule(x, y, (sign * 0.20, 0.235 - lift), (sign * 0.33, 0.16 - lift))
        upper += 0.38 * np.exp(blade * -1e4) + 0.30 * np.exp(spine * -1e4)
    return total
