"""La comprobación de cada mapa: ¿importa el lugar que señala más que otro cualquiera?

Se tapa el 10 % más caliente de la radiografía con su gris medio y se mira cuánto baja el logit de
la clase explicada. Se repite con la misma silueta en 19 lugares al azar: girada, reflejada y
desplazada, con lo que el tamaño, la forma y la continuidad de lo tapado son siempre los mismos y
solo cambia el lugar. El mapa pasa si el logit baja y baja más que en los 19.

Error. Es una prueba de permutación: los giros, las reflexiones y los desplazamientos circulares
forman un grupo, así que si el lugar no importara (todas las posiciones de la silueta serían igual
de probables) el mapa pasaría, como mucho, 1 vez de cada 20; Hemerik y Goeman (2018),
arXiv:1411.7565. Eso es lo único garantizado. Que pase no dice que el mapa sea correcto —uno que
siempre señale el centro puede pasar—, ni que no pase dice que la red se equivoque. Un mapa acertado
también puede fallar, por ejemplo si hay otra zona igual de importante: ``place_rates`` mide cuánto.

Por qué gris y no la radiografía desenfocada de las curvas de ``neumonia.lab.fidelity``: una zona
desenfocada imita una opacidad y sube el logit de neumonía allí donde cae. Con el gris, la máscara
verdadera de la maqueta pasa la prueba más veces. Los mapas de oclusión se hacen también tapando con
gris: que pasen casi siempre dice poco.
"""

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from neumonia.errors import ConfigError, DataError
from neumonia.gradcam.network import check_target, observe
from neumonia.heat import Predict, check_films, check_maps, check_share

if TYPE_CHECKING:
    import keras

DRAWS = 19
SHARE = 0.10


@dataclass(frozen=True, eq=False)
class PlaceCheck:
    """El resultado de una radiografía.

    Attributes
    ----------
    drop : float
        Cuánto baja el logit de la clase al tapar lo más caliente; NaN si el mapa es nulo.
    others : float64 (K,)
        Cuánto baja en cada lugar al azar; vacío si el mapa es nulo.
    """

    drop: float
    others: np.ndarray

    @property
    def null(self) -> bool:
        """El mapa no señala ningún lugar: no hay qué comprobar, y no pasa."""
        return len(self.others) == 0

    @property
    def as_large(self) -> int:
        """Lugares al azar donde el logit baja tanto o más."""
        return int((self.others >= self.drop).sum())

    @property
    def passed(self) -> bool:
        return not self.null and self.drop > 0 and self.as_large == 0


def check_place(
    predict: Predict,
    films: np.ndarray,
    heatmaps: ArrayLike,
    target: str = "PNEUMONIA",
    draws: int = DRAWS,
    share: float = SHARE,
    seed: int = 0,
) -> tuple[PlaceCheck, ...]:
    """Comprueba el mapa de cada radiografía.

    Parameters
    ----------
    predict : radiografías float32 (b, S, S) en 0..255 -> logits de neumonía (b,)
        Se llama una vez por radiografía, siempre con ``draws + 2``.
    films : (N, S, S) uint8 o float en 0..255
        Cuadradas: un cuarto de vuelta debe caber en el mismo sitio.
    heatmaps : (N, S, S) en 0..1
    target : {"PNEUMONIA", "NORMAL"}
    draws : int >= 1
        Lugares al azar; un mapa que no importa pasa a lo sumo una vez de cada ``draws + 1``.
    share : float en (0, 1)
        Parte de los píxeles que se tapa; menos si el mapa tiene menos píxeles con calor.
    seed : int
        Con los píxeles de la radiografía decide los lugares: los mismos para todos los métodos, y
        no dependen de qué otras radiografías haya.

    Raises
    ------
    DataError
        Radiografías o mapas no válidos, o si ``predict`` no da un logit finito por radiografía.
    ConfigError
        ``target``, ``draws`` o ``share`` fuera de su dominio.
    """
    sign = check_target(target)
    heatmaps = check_maps(heatmaps)
    films = check_films(films, heatmaps.shape)
    check_share(share, "La parte que se tapa")
    if draws < 1:
        raise ConfigError(f"Hace falta al menos un lugar al azar con que comparar; hay {draws}.")
    if films.shape[1] != films.shape[2]:
        raise DataError(f"La comprobación pide radiografías cuadradas y son {films.shape[1:]}.")
    return tuple(
        _check(predict, film, heat, sign, draws, share, seed)
        for film, heat in zip(films, heatmaps, strict=True)
    )


def predictor(model: "keras.Model") -> Predict:
    """La red como función de radiografías a logits, aunque termine en una sigmoide."""
    call = observe(model, None)
    return lambda films: call(films[..., None])[1]


def _check(
    predict: Predict,
    film: np.ndarray,
    heat: np.ndarray,
    sign: float,
    draws: int,
    share: float,
    seed: int,
) -> PlaceCheck:
    if not heat.any():
        return PlaceCheck(float("nan"), np.empty(0))
    film = np.ascontiguousarray(film, dtype=np.float32)
    rng = np.random.default_rng((seed, zlib.crc32(film.tobytes())))
    hottest = _hottest(heat, share, rng)
    places = [hottest, *(move(hottest, rng) for _ in range(draws))]
    covered = np.where(places, film.mean(dtype=np.float64).astype(np.float32), film)
    # La radiografía entera va en el mismo lote: la red redondea distinto según su tamaño.
    seen = np.concatenate([film[None], covered])
    logits = np.asarray(predict(seen), dtype=np.float64)
    if logits.shape != (len(seen),) or not np.isfinite(logits).all():
        raise DataError(
            f"predict debe dar un logit finito por radiografía, con forma ({len(seen)},); dio un "
            f"arreglo de forma {logits.shape}."
        )
    drops = sign * (logits[0] - logits[1:])
    return PlaceCheck(float(drops[0]), drops[1:])


def _hottest(heat: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Los píxeles más calientes, bool (S, S): los empates al azar, y ninguno sin calor."""
    count = max(1, round(share * heat.size))
    order = np.lexsort((rng.random(heat.size), -heat.ravel()))[:count]
    chosen = np.zeros(heat.size, bool)
    chosen[order] = True
    return chosen.reshape(heat.shape) & (heat > 0)


def move(region: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """La región (S, S) en un lugar al azar: un giro, quizá un reflejo, y un desplazamiento.

    Sale por un borde y entra por el opuesto. Todas las combinaciones son igual de probables.
    """
    turned = np.rot90(region, rng.integers(4))
    if rng.integers(2):
        turned = turned[:, ::-1]
    return np.roll(turned, rng.integers(len(region), size=2), axis=(0, 1))
