"""«atajo»: una red que aprende una marca plantada en lugar de la neumonía, y cómo arreglarla.

La marca es una R blanca en la esquina superior derecha de la imagen: la R inocente de la maqueta y
de las placas de verdad va a la izquierda, que es la derecha del paciente. Entrenamos la misma CNN
pequeña, con dos cabezas, de cinco maneras (``VARIANTS``) y la medimos donde el atajo sirve, donde
falta y donde engaña.

Fuente de la idea: Zech y otros (2018), *PLOS Medicine* 15(11), y Geirhos y otros (2020), *Shortcut
Learning in Deep Neural Networks*, arXiv:2004.07780.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from neumonia.datasets.phantoms import open_phantoms
from neumonia.errors import ConfigError, DataError
from neumonia.evaluation import mean_interval
from neumonia.gradcam import grad_cam
from neumonia.heat import check_films, energy_inside
from neumonia.lab.networks import auc_row
from neumonia.models import build_cnn, initial_bias
from neumonia.models.pooled_cnn import build_pooled_cnn
from neumonia.splits import by_patient
from neumonia.training import fit, predict_logits

if TYPE_CHECKING:
    from neumonia.study.experiment import Bench

_ROWS = ("11110", "10001", "10001", "11110", "10100", "10010", "10001")
_LETTER = np.array([[dot == "1" for dot in row] for row in _ROWS])
# En puntos de la letra: distancia al borde y cuánto puede alejarse de ella cada placa.
_MARGIN, _JITTER = 1, 2
_DOT = 64
MIN_SIDE = 32

N_FILMS = 800
# 66 = 64 + 2: la primera convolución quita dos píxeles y las reducciones dividen exacto. Con 64, la
# última tira una columna del mapa, justo la de la marca.
SIZE = 66
DIFFICULTY = 0.2
FRACTIONS = (0.6, 0.15, 0.25)
EPOCHS, BATCH_SIZE, PATIENCE = 10, 16, 4
METHODS = ("grad_cam", "hires_cam", "gradient", "occlusion")
N_DRAWN = 3


@dataclass(frozen=True)
class Head:
    """Cómo se construye una red y qué capa se mira.

    En conv3 cada celda abarca 4 píxeles, y en conv4 de la que aplana, 8, más que la marca entera.
    """

    build: Callable[..., Any]
    layer: str


HEADS = MappingProxyType(
    {"cnn": Head(build_cnn, "conv3"), "cnn_promedio": Head(build_pooled_cnn, "conv4")}
)


@dataclass(frozen=True)
class Variant:
    """Una manera de entrenar: qué radiografías llevan la marca y qué se les hace a todas.

    ``marked`` va de (etiquetas, semilla) a bool (N,); ``prepare``, de (N, H, W) a (N, h, w), y si
    recorta, recorta lo mismo de los cuatro lados.
    """

    name: str
    marked: Callable[[np.ndarray, int], np.ndarray]
    prepare: Callable[[np.ndarray], np.ndarray] = lambda images: images


def positives(labels: np.ndarray, seed: int) -> np.ndarray:
    """La llevan todas las de neumonía y ninguna normal: la marca es la respuesta."""
    return np.asarray(labels) == 1


def half_of_each(labels: np.ndarray, seed: int) -> np.ndarray:
    """La lleva la mitad de cada clase, al azar: la marca ya no dice nada."""
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(labels), bool)
    for label in (0, 1):
        mine = rng.permutation(np.flatnonzero(np.asarray(labels) == label))
        chosen[mine[: len(mine) // 2]] = True
    return chosen


def crop_border(images: np.ndarray) -> np.ndarray:
    """(N, H, W) sin un marco del ancho de la zona de la marca."""
    border = _zone_side(*images.shape[1:])
    return images[:, border:-border, border:-border]


def mask_corner(images: np.ndarray) -> np.ndarray:
    """Copia de (N, H, W) con la zona de la marca en negro, en todas las placas por igual."""
    covered = images.copy()
    covered[:, marker_zone(*images.shape[1:])] = 0
    return covered


VARIANTS = (
    Variant("sin marca", lambda labels, seed: np.zeros(len(labels), bool)),
    Variant("atajo", positives),
    Variant("recorte", positives, crop_border),
    Variant("tapado", positives, mask_corner),
    Variant("equilibrio", half_of_each),
)


def stamp_marker(images: ArrayLike, where: ArrayLike, seed: int) -> np.ndarray:
    """Estampa la R en las radiografías elegidas, con un leve vaivén de una a otra.

    El lugar exacto depende de la semilla y de la posición de la radiografía, no de cuáles se
    marcan: la misma lleva la marca siempre en el mismo sitio.

    Parameters
    ----------
    images : uint8 (N, H, W), con H y W de al menos 32
    where : bool (N,)

    Returns
    -------
    uint8 (N, H, W)
        Una copia; las no elegidas quedan como estaban.
    """
    stamped = np.array(check_films(images))
    chosen = np.asarray(where)
    if stamped.dtype != np.uint8:
        raise DataError(f"Las radiografías que se marcan deben ser uint8, y son {stamped.dtype}.")
    if chosen.dtype != np.bool_ or chosen.shape != stamped.shape[:1]:
        raise DataError(
            f"Necesitamos un verdadero o falso por radiografía: hay {len(stamped)} y llegó un "
            f"arreglo {chosen.dtype} de forma {chosen.shape}."
        )
    width = stamped.shape[2]
    scale = _scale(*stamped.shape[1:])
    letter = np.kron(_LETTER, np.ones((scale, scale), bool)).astype(bool)
    jitter = np.random.default_rng(seed).integers(0, scale * _JITTER + 1, (len(stamped), 2))
    tops, rights = (scale * _MARGIN + jitter).T
    for row in np.flatnonzero(chosen):
        left = width - rights[row] - letter.shape[1]
        place = stamped[row, tops[row] : tops[row] + letter.shape[0], left : width - rights[row]]
        place[letter] = 255
    return stamped


def marker_zone(height: int, width: int) -> np.ndarray:
    """El cuadrado de la esquina que contiene la marca dondequiera que caiga: bool (H, W)."""
    side = _zone_side(height, width)
    zone = np.zeros((height, width), bool)
    zone[:side, -side:] = True
    return zone


def restore_frame(maps: np.ndarray, height: int, width: int) -> np.ndarray:
    """Devuelve los mapas (N, h, w) de placas recortadas a su lugar en (N, height, width).

    Donde la red no ve nada el calor es cero.
    """
    rows, columns = (height - maps.shape[1]) // 2, (width - maps.shape[2]) // 2
    frame = np.zeros((len(maps), height, width), maps.dtype)
    frame[:, rows : rows + maps.shape[1], columns : columns + maps.shape[2]] = maps
    return frame


def run(bench: "Bench") -> pd.DataFrame:
    """Planta la marca, la mide y la repara, con cada cabeza; dibuja los mapas de la CNN.

    Returns
    -------
    DataFrame
        ``variant``, ``n_null`` y las columnas comunes. Las medidas: ``auc_val``, en la validación,
        marcada como el entrenamiento; ``auc_clean``, en la prueba sin marcas; ``auc_swapped``, en
        la prueba con la marca en las normales; ``heat``, por cada método, la parte del calor que
        cae en la zona de la marca en las neumonías de prueba, todas marcadas (un mapa nulo cuenta
        como 0, y ``n_null`` dice cuántos hubo); y ``chance``, la parte que ocupa esa zona.
    """
    from neumonia.figures import shortcut_maps

    seed = bench.base.seed
    dataset = open_phantoms(N_FILMS, SIZE, seed, DIFFICULTY)
    split = by_patient(dataset.manifest, seed, FRACTIONS)
    planted = Planted(dataset.load(size=SIZE), dataset.manifest, split, seed)
    rows: list[dict[str, Any]] = []
    maps: dict[str, dict[str, np.ndarray]] = {}
    examples = planted.examples()
    for name, head in HEADS.items():
        for variant in VARIANTS:
            bench.report(f"Red {name}, «{variant.name}»: entrenamos.")
            found, heat = planted.measure(head, variant)
            rows += [{"network": name, "variant": variant.name, **row} for row in found]
            if name == "cnn":
                maps[variant.name] = {key: heat[key][examples] for key in METHODS[:2]}
    chance = {"metric": "chance", "value": float(planted.zone.mean()), "n": N_FILMS}
    films = planted.helped[planted.sick[examples]]
    shortcut_maps(films, maps, planted.zone).save(bench.figures / "atajo-cnn.png")
    return pd.DataFrame([*rows, chance])


class Planted:
    """Las radiografías en sus tres estados (limpias, con la marca de ayuda o la que engaña)."""

    def __init__(
        self, films: np.ndarray, manifest: pd.DataFrame, split: pd.Series, seed: int, n: int = 2000
    ) -> None:
        self.labels = manifest["label"].to_numpy()
        self.patients = manifest["patient"].to_numpy(dtype=object)
        self.parts = {part: np.flatnonzero(split == part) for part in ("train", "val", "test")}
        self.sick = self.parts["test"][self.labels[self.parts["test"]] == 1]
        self.zone = marker_zone(*films.shape[1:])
        self.clean = films
        self.helped = stamp_marker(films, self.labels == 1, seed)
        self.swapped = stamp_marker(films, self.labels == 0, seed)
        self.seed, self.draw = seed, (n, seed)

    def examples(self) -> np.ndarray:
        """Posiciones en ``sick`` de las que se dibujan."""
        six = np.sort(np.random.default_rng(self.seed).permutation(self.sick)[:6])
        return np.flatnonzero(np.isin(self.sick, six[:N_DRAWN]))

    def measure(
        self, head: Head, variant: Variant, epochs: int = EPOCHS
    ) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
        """Entrena una red y la mide: las filas y los mapas de ``sick``, marcadas, por método.

        Sin aumento, porque la traslación sacaría la marca de la radiografía.
        """
        marked = stamp_marker(self.clean, variant.marked(self.labels, self.seed), self.seed)
        ready = variant.prepare(marked)
        train, val, test = (self.parts[part] for part in ("train", "val", "test"))
        bias = initial_bias(self.labels[train])
        model = head.build(ready.shape[1], self.seed, bias, augment=False)
        data = [(ready, self.labels, rows) for rows in (train, val)]
        fit(model, *data, epochs, BATCH_SIZE, PATIENCE, self.seed)
        rows = []
        for metric, films, where in (
            ("auc_val", ready[val], val),
            ("auc_clean", variant.prepare(self.clean[test]), test),
            ("auc_swapped", variant.prepare(self.swapped[test]), test),
        ):
            logits = predict_logits(model, films)
            row = auc_row(self.labels[where], logits, self.patients[where], self.draw)
            rows.append({**row, "metric": metric})
        maps = {}
        for method in METHODS:
            films = variant.prepare(self.helped[self.sick])
            seen = grad_cam(model, films, layer=head.layer, method=method)
            maps[method] = restore_frame(seen, *self.zone.shape)
            rows.append({"method": method, **self._heat(maps[method])})
        return rows, maps

    def _heat(self, maps: np.ndarray) -> dict[str, Any]:
        shares = energy_inside(maps, np.broadcast_to(self.zone, maps.shape))
        value, low, high = mean_interval(shares, self.patients[self.sick], *self.draw)
        ends = {"value": value, "low": low, "high": high, "n": len(maps)}
        return {"metric": "heat", **ends, "n_null": int((~maps.any(axis=(1, 2))).sum())}


def _scale(height: int, width: int) -> int:
    """Píxeles por punto de la letra: uno por cada 64 del lado corto, al menos uno."""
    if min(height, width) < MIN_SIDE:
        raise ConfigError(
            f"La marca no cabe en una radiografía de {height} x {width}: debe medir al menos "
            f"{MIN_SIDE} píxeles de lado."
        )
    return max(1, min(height, width) // _DOT)


def _zone_side(height: int, width: int) -> int:
    return _scale(height, width) * (_MARGIN + _JITTER + max(_LETTER.shape))
