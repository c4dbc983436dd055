"""Aumento de datos: cada radiografía, como la habría dado otro equipo.

Un aparato distinto encuadra, recorta, enfoca y revela de otra manera, y la enfermedad sigue siendo
la misma. Lo que aquí se sortea en cada época es eso, y nada que cambie el diagnóstico.
"""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from neumonia.errors import ConfigError, DataError
from neumonia.models.backend import load_keras

if TYPE_CHECKING:
    import tensorflow as tf

_MAX = 255.0
# Filtro binomial de 5 x 5: el promedio que difumina.
_BINOMIAL = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]).astype(np.float32) / 256


@dataclass(frozen=True)
class Acquisition:
    """Hasta dónde puede cambiar cada rasgo de la toma; con todo en 0, nada cambia.

    Cada radiografía recibe su propio sorteo uniforme.

    Parameters
    ----------
    rotation : float
        Giro, en grados a cada lado.
    shift : float
        Desplazamiento vertical y horizontal, como fracción del lado.
    stretch : float
        El alto y el ancho se multiplican cada uno por su ``exp(u)``, con ``u`` entre ``-stretch`` y
        ``stretch``. Los archivos no son cuadrados y la red recibe un cuadrado: esto imita otra
        proporción del original.
    blur, sharpen : float
        Parte del detalle fino que se pierde o que se añade. El detalle es la diferencia con un
        promedio de 5 x 5 píxeles.
    gamma : float
        Los grises, en [0, 1], se elevan a ``exp(u)``.
    contrast : float
        La distancia a la media se multiplica por ``exp(u)``.
    brightness : float
        Se suma ``u``, en niveles de gris de 0 a 255.
    noise : float
        Desviación máxima del ruido gaussiano, en niveles de gris.

    Raises
    ------
    ConfigError
        Si alguno es negativo o ``shift`` no es menor que 1.
    """

    rotation: float = 0.0
    shift: float = 0.0
    stretch: float = 0.0
    blur: float = 0.0
    sharpen: float = 0.0
    gamma: float = 0.0
    contrast: float = 0.0
    brightness: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 <= value < (1 if name == "shift" else np.inf):
                raise ConfigError(f"El cambio {name!r} no puede valer {value}.")


OTHER_DEVICE = Acquisition(
    rotation=10.0,
    shift=0.08,
    stretch=0.25,
    blur=1.0,
    sharpen=0.6,
    gamma=0.5,
    contrast=0.4,
    brightness=30.0,
    noise=12.0,
)
"""Cuánto pueden diferir dos equipos. La razón de cada intervalo, en el capítulo 10."""

CHANGES: dict[str, tuple[str, ...]] = {
    "encuadre": ("rotation", "shift"),
    "proporción": ("stretch",),
    "nitidez": ("blur", "sharpen"),
    "grises": ("gamma", "contrast", "brightness"),
    "ruido": ("noise",),
}
"""Qué cambia en otro equipo → los campos de ``Acquisition`` que lo imitan."""


def acquisition_of(*changes: str) -> Acquisition:
    """``OTHER_DEVICE`` con solo los ``changes`` pedidos; sin ninguno, nada cambia.

    Raises
    ------
    ConfigError
        Si alguno no existe.
    """
    unknown = sorted(set(changes) - set(CHANGES))
    if unknown:
        raise ConfigError(f"No hay un cambio {', '.join(unknown)}. Los que hay: {list(CHANGES)}.")
    fields = [field for change in changes for field in CHANGES[change]]
    return Acquisition(**{field: getattr(OTHER_DEVICE, field) for field in fields})


def acquire(films: "tf.Tensor", seed: "tf.Tensor", limits: Acquisition) -> "tf.Tensor":
    """Sortea, para cada radiografía del lote, otra manera de tomarla.

    Parameters
    ----------
    films : uint8 o float (N, H, W), en 0..255
    seed : int32 (2,)
        La misma semilla da los mismos sorteos.
    limits : Acquisition

    Returns
    -------
    float32 (N, H, W, 1), en 0..255
    """
    import tensorflow as tf

    count = tf.shape(films)[0]
    seeds = tf.unstack(tf.random.split(seed, 11), num=11)

    def draw(place: int, low: float, high: float) -> "tf.Tensor":
        return tf.random.stateless_uniform([count, 1, 1, 1], seeds[place], low, high)

    x = tf.cast(films, tf.float32)[..., None] / _MAX
    if limits.rotation or limits.shift or limits.stretch:
        angle = draw(0, -limits.rotation, limits.rotation) * (np.pi / 180)
        moves = [draw(place, -limits.shift, limits.shift) for place in (1, 2)]
        scales = [tf.exp(draw(place, -limits.stretch, limits.stretch)) for place in (3, 4)]
        x = _framed(x, angle, moves, scales)
    if limits.blur or limits.sharpen:
        kernel = tf.constant(_BINOMIAL)[..., None, None]
        edges = tf.pad(x, [[0, 0], [2, 2], [2, 2], [0, 0]], "SYMMETRIC")
        smooth = tf.nn.conv2d(edges, kernel, 1, "VALID")
        x = x + draw(5, -limits.sharpen, limits.blur) * (smooth - x)
    if limits.gamma:
        # El mínimo evita 0 elevado a un número pequeño.
        x = tf.clip_by_value(x, 1e-4, 1.0) ** tf.exp(draw(6, -limits.gamma, limits.gamma))
    if limits.contrast:
        mean = tf.reduce_mean(x, [1, 2, 3], keepdims=True)
        x = mean + (x - mean) * tf.exp(draw(7, -limits.contrast, limits.contrast))
    if limits.brightness:
        x = x + draw(8, -limits.brightness, limits.brightness) / _MAX
    if limits.noise:
        grain = tf.random.stateless_normal(tf.shape(x), seeds[9])
        x = x + grain * draw(10, 0.0, limits.noise) / _MAX
    return tf.clip_by_value(x, 0.0, 1.0) * _MAX


def _framed(
    x: "tf.Tensor", angle: "tf.Tensor", moves: list["tf.Tensor"], scales: list["tf.Tensor"]
) -> "tf.Tensor":
    """Giro, desplazamiento y estiramiento en un solo remuestreo; el borde se repite.

    Un solo remuestreo, porque cada uno difumina un poco. Un marco negro, además, sería una pista.
    """
    import tensorflow as tf

    height, width = x.shape[1], x.shape[2]
    row, column = (height - 1) / 2, (width - 1) / 2
    flat = [tf.reshape(value, [-1]) for value in (angle, *moves, *scales)]
    turn, down, right, tall, wide = flat
    # Cada píxel nuevo (columna, fila) se busca en la imagen de partida.
    xx, xy = tf.cos(turn) / wide, -tf.sin(turn) / wide
    yx, yy = tf.sin(turn) / tall, tf.cos(turn) / tall
    zero = tf.zeros_like(turn)
    matrix = [
        xx,
        xy,
        column - right * width - xx * column - xy * row,
        yx,
        yy,
        row - down * height - yx * column - yy * row,
        zero,
        zero,
    ]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=x,
        transforms=tf.stack(matrix, axis=1),
        output_shape=[height, width],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )


def augment(images: np.ndarray, seed: int, limits: Acquisition = OTHER_DEVICE) -> np.ndarray:
    """``images`` como las habría dado otro equipo, cada una con su sorteo.

    Parameters
    ----------
    images : (N, H, W)
        Valores en 0..255.
    seed : int
    limits : Acquisition

    Returns
    -------
    ndarray uint8 (N, H, W)

    Raises
    ------
    DataError
        Si ``images`` no tiene tres dimensiones.
    """
    images = np.asarray(images)
    if images.ndim != 3:
        raise DataError(f"Esperamos imágenes (N, alto, ancho) y su forma es {images.shape}.")
    load_keras()
    changed = acquire(images, np.array([seed, 0], np.int32), limits)
    return np.rint(np.asarray(changed)[..., 0]).astype(np.uint8)
