"""Aumento que imita otro equipo: brillo, contraste, gamma, nitidez, ruido y encuadre."""

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from neumonia.errors import ConfigError
from neumonia.models.backend import layer_seeds, load_keras

if TYPE_CHECKING:
    import keras

_MAX = 255.0


@dataclass(frozen=True)
class Acquisition:
    """Cuánto puede cambiar cada rasgo de la adquisición, radiografía por radiografía.

    Parameters
    ----------
    brightness : float >= 0
        Se suma un número de ``[-brightness, brightness]``, en niveles de gris (0 a 255).
    contrast : float en [0, 1)
        La desviación respecto de la media se multiplica por un número de ``[1-c, 1+c]``.
    gamma : float >= 0
        Exponente ``exp(u)`` con ``u`` en ``[-gamma, gamma]``, sobre la imagen en [0, 1].
    blur : float en [0, 1]
        Parte del detalle fino que se puede perder: 0 deja la imagen igual y 1 puede dejar solo
        lo que sobrevive a un promedio de 5 x 5 píxeles.
    sharpen : float >= 0
        Parte del detalle fino que se puede añadir.
    noise : float >= 0
        Desviación máxima del ruido gaussiano, en niveles de gris.
    zoom, shift : float en [0, 1)
        Encuadre: acercamiento o alejamiento, y desplazamiento, como fracción del lado.
    stretch : float en [0, 1)
        Alto y ancho se estiran o encogen cada uno por su cuenta, hasta esta fracción: imita otra
        proporción del archivo original, que al aplastarlo en un cuadrado deja su huella.
    rotation : float >= 0
        Giro máximo en grados.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    gamma: float = 0.0
    blur: float = 0.0
    sharpen: float = 0.0
    noise: float = 0.0
    zoom: float = 0.0
    shift: float = 0.0
    stretch: float = 0.0
    rotation: float = 0.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            bounded = name in ("contrast", "blur", "zoom", "shift", "stretch")
            if not value >= 0 or (bounded and value > 1):
                limits = "entre 0 y 1" if bounded else "0 o más"
                raise ConfigError(f"El aumento {name!r} debe ser {limits}; recibimos {value}.")


GEOMETRIC = Acquisition(zoom=0.1, shift=0.1, rotation=5.0)
STRONG = Acquisition(
    brightness=30.0,
    contrast=0.4,
    gamma=0.4,
    blur=1.0,
    sharpen=0.5,
    noise=6.0,
    zoom=0.15,
    shift=0.1,
    rotation=7.0,
)
PROFILES = {
    "ninguno": Acquisition(),
    "geometrico": GEOMETRIC,
    "adquisicion": replace(STRONG, zoom=0.0, shift=0.0, rotation=0.0),
    "fuerte": STRONG,
    "encuadre": replace(STRONG, stretch=0.25),
}


def acquisition_layers(profile: Acquisition, seed: int) -> list["keras.layers.Layer"]:
    """Capas que aplican ``profile`` durante el entrenamiento y no hacen nada al predecir.

    Parameters
    ----------
    profile : Acquisition
    seed : int

    Returns
    -------
    list of keras.layers.Layer
        Reciben y entregan float32 (N, H, W, 1) en 0..255. La de intensidad es propia de este
        paquete: guardemos la red sin ellas para que el archivo se abra en cualquier parte.
    """
    keras = load_keras()
    seeds = layer_seeds(seed)
    layers: list[Any] = []
    common = {"fill_mode": "nearest", "interpolation": "bilinear", "dtype": "float32"}
    if profile.rotation:
        turn = profile.rotation / 360
        layers.append(keras.layers.RandomRotation(turn, seed=next(seeds), **common))
    if profile.zoom:
        layers.append(keras.layers.RandomZoom(profile.zoom, seed=next(seeds), **common))
    if profile.stretch:
        stretch = (profile.stretch, profile.stretch)
        layers.append(keras.layers.RandomZoom(*stretch, seed=next(seeds), **common))
    if profile.shift:
        shift = (profile.shift, profile.shift)
        layers.append(keras.layers.RandomTranslation(*shift, seed=next(seeds), **common))
    intensity = (profile.brightness, profile.contrast, profile.gamma)
    if any((*intensity, profile.blur, profile.sharpen, profile.noise)):
        layers.append(_intensity_layer(profile, next(seeds)))
    return layers


def _intensity_layer(profile: Acquisition, seed: int) -> "keras.layers.Layer":
    keras = load_keras()
    ops = keras.ops

    class RandomAcquisition(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__(dtype="float32", name="acquisition")
            self.draws = keras.random.SeedGenerator(seed)

        def get_config(self) -> dict[str, Any]:
            return {"profile": asdict(profile), "seed": seed}

        def _draw(self, films: Any, low: float, high: float) -> Any:
            shape = (ops.shape(films)[0], 1, 1, 1)
            return keras.random.uniform(shape, low, high, seed=self.draws)

        def call(self, films: Any, training: bool = False) -> Any:
            if not training:
                return films
            x = films
            if profile.blur or profile.sharpen:
                smooth = ops.average_pool(x, 5, 1, padding="same")
                x = x + self._draw(x, -profile.blur, profile.sharpen) * (x - smooth)
            if profile.contrast:
                mean = ops.mean(x, axis=(1, 2, 3), keepdims=True)
                change = self._draw(x, 1 - profile.contrast, 1 + profile.contrast)
                x = mean + change * (x - mean)
            if profile.brightness:
                x = x + self._draw(x, -profile.brightness, profile.brightness)
            if profile.gamma:
                exponent = ops.exp(self._draw(x, -profile.gamma, profile.gamma))
                # El gradiente no pasa por aquí; el mínimo evita 0 elevado a un número pequeño.
                x = _MAX * ops.power(ops.clip(x / _MAX, 1e-4, 1.0), exponent)
            if profile.noise:
                noise = keras.random.normal(ops.shape(x), seed=self.draws)
                x = x + self._draw(x, 0.0, profile.noise) * noise
            return ops.clip(x, 0.0, _MAX)

    return RandomAcquisition()
