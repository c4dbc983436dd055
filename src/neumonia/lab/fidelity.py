"""«fidelidad»: ¿depende la red de lo que el mapa señala? Curvas de borrado y de inserción.

Se quitan (o se ponen) los píxeles de más a menos calientes y se sigue la probabilidad. No hace
falta máscara. Dos cautelas: una radiografía a medio borrar no se parece a ninguna de entrenamiento,
y el orden al azar borra píxeles sueltos en vez de regiones; conviene mirar también el mapa del
centro.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation import mean_interval
from neumonia.gradcam import grad_cam
from neumonia.gradcam.network import observe
from neumonia.heat import Predict, centre_maps, check_films, check_maps
from neumonia.lab.networks import Exam, Network
from neumonia.training import sigmoid

REPLACEMENTS = ("blur", "mean")
RANDOM_ORDER = "random_order"
# Una opacidad ocupa cerca de la décima parte de la radiografía: un desenfoque menor la dejaría ver.
_BLUR = 0.1
_BATCH = 32


@dataclass(frozen=True)
class Curve:
    """La probabilidad de neumonía, float64 (N, S+1), con cada fracción de los píxeles cambiada."""

    fractions: np.ndarray
    probabilities: np.ndarray

    @property
    def auc(self) -> np.ndarray:
        """Área bajo la curva de cada radiografía por trapecios: float64 (N,) en 0..1."""
        return np.trapezoid(self.probabilities, self.fractions, axis=1)


def deletion_curve(
    predict: Predict,
    films: np.ndarray,
    maps: ArrayLike,
    steps: int = 20,
    replacement: str = "blur",
    seed: int = 0,
    deletes: bool = True,
) -> Curve:
    """Borra los píxeles de más a menos calientes: un mapa fiel hunde pronto la probabilidad.

    Los empates se ordenan al azar con ``seed``, así que un mapa nulo es un orden al azar.

    Parameters
    ----------
    predict : radiografías float32 (b, H, W) en 0..255 -> logits de neumonía (b,)
    films : (N, H, W) uint8 o float en 0..255
    maps : (N, H, W) en 0..1
    steps : int >= 1
        La curva tiene ``steps + 1`` puntos, con el mismo número de píxeles entre uno y otro.
    replacement : {"blur", "mean"}
        Lo que se pone en lugar de un píxel: la radiografía desenfocada (gaussiana con desviación de
        un décimo del lado corto) o su gris medio.
    deletes : bool
        Con ``False`` se parte de la radiografía sustituida entera y se devuelven los píxeles: es la
        curva de inserción, y un mapa fiel recupera pronto la probabilidad.

    Raises
    ------
    DataError
        Radiografías o mapas no válidos, o si ``predict`` no da un logit finito por radiografía.
    ConfigError
        ``steps`` o ``replacement`` fuera de su dominio.

    Fuente: Petsiuk, Das y Saenko (2018), *RISE*, arXiv:1806.07421.
    """
    maps = check_maps(maps)
    films = check_films(films, maps.shape)
    size = maps[0].size
    if not 1 <= steps <= size:
        raise ConfigError(f"Los pasos van de 1 a {size}, los píxeles que hay, y son {steps}.")
    if replacement not in REPLACEMENTS:
        raise ConfigError(
            f"No conocemos el sustituto {replacement!r}; elijamos: {', '.join(REPLACEMENTS)}."
        )
    limits = np.rint(np.arange(steps + 1) * size / steps).astype(np.int64)
    probabilities = np.empty((len(films), steps + 1))
    rng = np.random.default_rng(seed)
    for start in range(0, len(films), _BATCH):
        batch = np.asarray(films[start : start + _BATCH], dtype=np.float32)
        part = slice(start, start + len(batch))
        ranks = np.stack([_ranks(heat, rng) for heat in maps[part]])
        other = np.stack([_replace(film, replacement) for film in batch])
        for step, limit in enumerate(limits):
            altered = np.where((ranks < limit) == deletes, other, batch)
            probabilities[part, step] = sigmoid(_logits(predict, altered))
    return Curve(limits / size, probabilities)


def measure(exam: Exam) -> pd.DataFrame:
    """Curvas de borrado e inserción en positivas de prueba que la red acierta.

    Returns
    -------
    DataFrame
        ``replacement`` (blur o mean), ``fraction`` y las columnas comunes. Las medidas: el área
        (``deletion``, ``insertion``); su diferencia pareada con la del orden al azar
        (``deletion_difference``…: gana la negativa al borrar y la positiva al insertar); y la
        probabilidad media en cada ``fraction`` (``deletion_curve``…). Entre los métodos están el
        orden al azar y el mapa del centro.
    """
    rows: list[dict[str, Any]] = []
    for network in exam.networks:
        exam.report(f"Fidelidad: {network.title}")
        chosen = exam.sample(exam.correct_positives(network), few=network.slow)
        films, patients = exam.images(chosen), exam.patients(chosen)
        maps = {name: grad_cam(network.model, films, method=name) for name in network.methods()}
        maps["centre"] = centre_maps(films.shape)
        # El orden al azar desempata como los métodos: un mapa nulo da exactamente sus curvas.
        maps[RANDOM_ORDER] = np.broadcast_to(np.float32(0), films.shape)
        predict = predictor(network)
        for replacement in REPLACEMENTS:
            for kind, deletes in (("deletion", True), ("insertion", False)):
                options = (exam.budget.steps, replacement, exam.seed, deletes)
                curves = {
                    name: deletion_curve(predict, films, heat, *options)
                    for name, heat in maps.items()
                }
                rows += [
                    {"network": network.key, "replacement": replacement, **row}
                    for row in area_rows(curves, kind, patients, exam.draw)
                ]
    return pd.DataFrame(rows)


def area_rows(
    curves: dict[str, Curve], kind: str, patients: np.ndarray, draw: tuple[int, int]
) -> list[dict[str, Any]]:
    """El área de cada método, su diferencia con el orden al azar y su curva media."""
    chance = curves[RANDOM_ORDER].auc
    rows: list[dict[str, Any]] = []
    for method, curve in curves.items():
        common = {"method": method, "n": len(chance)}
        for metric, values in ((kind, curve.auc), (f"{kind}_difference", curve.auc - chance)):
            value, low, high = mean_interval(values, patients, *draw)
            rows.append({**common, "metric": metric, "value": value, "low": low, "high": high})
        means = curve.probabilities.mean(axis=0)
        rows += [
            {**common, "metric": f"{kind}_curve", "fraction": fraction, "value": mean}
            for fraction, mean in zip(curve.fractions, means, strict=True)
        ]
    return rows


def predictor(network: Network) -> Predict:
    """Radiografías (N, H, W) -> logits, con la red compilada una sola vez."""
    call = observe(network.model, None)
    return lambda films: call(np.asarray(films, np.float32)[..., None])[1].astype(np.float64)


def _ranks(heat: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Puesto de cada píxel, int64 (H, W): 0 el más caliente, los empates al azar."""
    order = np.lexsort((rng.random(heat.size), -heat.ravel()))
    ranks = np.empty(heat.size, dtype=np.int64)
    ranks[order] = np.arange(heat.size)
    return ranks.reshape(heat.shape)


def _replace(film: np.ndarray, replacement: str) -> np.ndarray:
    if replacement == "mean":
        return np.full_like(film, film.mean(dtype=np.float64))
    return gaussian_filter(film, _BLUR * min(film.shape), mode="nearest")


def _logits(predict: Predict, films: np.ndarray) -> np.ndarray:
    logits = np.asarray(predict(films), dtype=np.float64)
    if logits.shape != (len(films),) or not np.isfinite(logits).all():
        raise DataError(
            f"predict debe dar un logit finito por radiografía, con forma ({len(films)},); dio un "
            f"arreglo de forma {logits.shape}."
        )
    return logits
