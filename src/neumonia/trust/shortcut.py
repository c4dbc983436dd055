"""El atajo plantado: una red que aprende la marca en lugar de la neumonía, y cómo arreglarla.

Entrenamos la misma CNN pequeña con las variantes de ``neumonia.trust.shortcut_repair`` y medimos
cada una donde el atajo sirve, donde falta y donde engaña. Fuente de la idea: Zech y otros (2018),
*PLOS Medicine* 15(11), y Geirhos y otros (2020), *Shortcut Learning in Deep Neural Networks*,
arXiv:2004.07780.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from neumonia.datasets.phantoms import open_phantoms
from neumonia.errors import ConfigError, DataError
from neumonia.evaluation import binary_metrics, bootstrap_by_patient
from neumonia.gradcam import grad_cam
from neumonia.models import build_cnn, initial_bias
from neumonia.splits import by_patient, check_split
from neumonia.text import number, percent
from neumonia.training import fit, predict_logits, sigmoid
from neumonia.trust.checks import check_films
from neumonia.trust.intervals import mean_interval
from neumonia.trust.localisation import energy_inside
from neumonia.trust.marker import marker_zone, stamp_marker
from neumonia.trust.randomisation import Explain, run_explainer
from neumonia.trust.shortcut_repair import VARIANTS, Variant, restore_frame

if TYPE_CHECKING:
    import keras

# (entrenamiento, validación, semilla) -> red; los datos son (x, y, filas), como en ``fit``.
Trainer = Callable[[tuple, tuple, int], "keras.Model"]

N_FILMS = 800
# 66 = 64 + 2: la primera convolución quita dos píxeles y las reducciones dividen exacto. Con 64, la
# última tira una columna del mapa, justo la de la marca.
SIZE = 66
DIFFICULTY = 0.2
FRACTIONS = (0.6, 0.15, 0.25)
EPOCHS = 10
BATCH_SIZE = 16
PATIENCE = 4

# En conv3 cada celda del mapa abarca 4 píxeles; en conv4, 8, más que la marca entera.
EXPLAINERS: Mapping[str, Explain] = MappingProxyType(
    {name: partial(grad_cam, layer="conv3", method=name) for name in ("grad_cam", "hires_cam")}
)


@dataclass(frozen=True, eq=False)
class ShortcutResult:
    """Lo que mide ``shortcut_experiment``.

    Attributes
    ----------
    table : DataFrame
        ``variant``, ``metric``, ``method``, ``value``, ``low`` y ``high`` (intervalo del 95 % por
        paciente) y ``n_null``. Las métricas: ``auc_val``, en la validación, marcada igual que el
        entrenamiento; ``auc_clean``, en la prueba sin marcas; ``auc_swapped``, en la prueba con la
        marca en las normales; ``heat``, por cada método, la parte del calor que cae en la zona de
        la marca, media sobre las placas de prueba con neumonía, todas marcadas. Un mapa nulo
        cuenta como 0, y ``n_null`` dice cuántos hubo. En las AUC ``method`` es ``""``.
    chance : float
        La parte de la placa que ocupa esa zona: el ``heat`` de un mapa uniforme.
    zone : bool (H, W)
    rows : int64 (M,)
        Posiciones en el manifiesto de las placas de ejemplo, todas de prueba y con neumonía.
    films : uint8 (M, H, W)
        Esas placas, con la marca.
    maps : dict
        Variante -> método -> float32 (M, H, W) en 0..1.
    """

    table: pd.DataFrame
    chance: float
    zone: np.ndarray
    rows: np.ndarray
    films: np.ndarray
    maps: dict[str, dict[str, np.ndarray]]


def shortcut_films(
    n_films: int = N_FILMS, size: int = SIZE, seed: int = 0, difficulty: float = DIFFICULTY
) -> tuple[np.ndarray, pd.DataFrame, pd.Series]:
    """Las placas del experimento: maqueta pequeña y fácil, repartida por paciente.

    Returns
    -------
    (uint8 (N, size, size), manifiesto, partición)
        60 % para entrenar, 15 % de validación y 25 % de prueba.

    Raises
    ------
    ConfigError
        Como ``open_phantoms``.
    DataError
        Si son tan pocas que no alcanzan para tres partes.
    """
    dataset = open_phantoms(n_films, size, seed, difficulty)
    split = by_patient(dataset.manifest, seed, FRACTIONS)
    return dataset.load(size=size), dataset.manifest, split


def train_small(train: tuple, val: tuple, seed: int) -> "keras.Model":
    """La CNN del libro, sin aumento, entrenada en pocas épocas.

    Sin aumento porque la traslación sacaría la marca de la placa, y porque el experimento debe
    caber en un cuaderno. Los argumentos son ``(x, y, filas)``, como en ``fit``.
    """
    images, labels, rows = train
    model = build_cnn(images.shape[1], seed, initial_bias(labels[rows]), augment=False)
    fit(model, train, val, EPOCHS, BATCH_SIZE, PATIENCE, seed)
    return model


def shortcut_experiment(
    images: np.ndarray,
    manifest: pd.DataFrame,
    split: pd.Series,
    seed: int = 0,
    train: Trainer = train_small,
    explainers: Mapping[str, Explain] = EXPLAINERS,
    variants: Sequence[Variant] = VARIANTS,
    n: int = 2000,
    n_examples: int = 6,
    report: Callable[[str], None] | None = None,
) -> ShortcutResult:
    """Entrena cada variante y la mide con la marca, sin ella y con ella cambiada de clase.

    Con la misma semilla, los mismos números.

    Parameters
    ----------
    images : uint8 (N, H, W)
        Cuadradas si usamos ``train_small``; alineadas con ``manifest``.
    manifest : DataFrame con ``label`` y ``patient``
    split : Series, ``train``, ``val`` o ``test`` por placa
    seed : int
        La de los pesos, la del vaivén de la marca y la de los remuestreos.
    train : función (entrenamiento, validación, semilla) -> red
    explainers : nombre -> función (red, placas) -> mapas (N, h, w) en 0..1
        Por omisión Grad-CAM y HiResCAM en ``conv3``. En esta CNN, que acaba en una capa densa,
        Grad-CAM suele quedar en silencio ante la marca: promedia sobre toda la placa un gradiente
        que solo es positivo en la esquina.
    variants : sequence of Variant
    n : int, remuestreos
    n_examples : int >= 1
        Cuántas placas de ejemplo guardamos con sus mapas.
    report : función, optional
        Recibe una línea de texto al empezar y al terminar cada red.

    Returns
    -------
    ShortcutResult

    Raises
    ------
    DataError
        Placas no válidas o partición incompleta.
    ConfigError
        Placas de menos de 32 píxeles, ninguna variante, ningún método o ``n_examples`` menor que 1.
    """
    films = check_films(images)
    if len(films) != len(manifest):
        raise DataError(
            f"Hay {len(films)} placas y el manifiesto tiene {len(manifest)} filas: debe haber una "
            "por placa, en el mismo orden."
        )
    check_split(manifest, split)
    if not variants or not explainers or n_examples < 1:
        raise ConfigError("Hacen falta al menos una variante, un método y una placa de ejemplo.")
    say = report or (lambda line: None)
    bench = _Bench(films, manifest, split, seed, n)
    examples = _examples(bench.sick, n_examples, seed)
    shown = np.isin(bench.sick, examples)
    rows: list[dict] = []
    maps: dict[str, dict[str, np.ndarray]] = {}
    for position, variant in enumerate(variants, 1):
        say(f"Red {position} de {len(variants)} («{variant.name}»): entrenamos.")
        marked = stamp_marker(films, variant.marked(bench.labels, seed), seed)
        ready = variant.prepare(marked)
        data = [(ready, bench.labels, bench.parts[part]) for part in ("train", "val")]
        model = train(*data, seed)
        found, heat = bench.measure(model, variant, ready, explainers)
        rows += [{"variant": variant.name, **row} for row in found]
        maps[variant.name] = {method: part[shown] for method, part in heat.items()}
        say(_summary(position, len(variants), variant.name, found))
    return ShortcutResult(
        table=pd.DataFrame(rows),
        chance=float(bench.zone.mean()),
        zone=bench.zone,
        rows=examples,
        films=bench.helped[examples],
        maps=maps,
    )


class _Bench:
    """Las placas de prueba en sus tres estados, y las medidas de una red sobre ellas."""

    def __init__(
        self, films: np.ndarray, manifest: pd.DataFrame, split: pd.Series, seed: int, n: int
    ) -> None:
        self.labels = manifest["label"].to_numpy()
        self.patients = manifest["patient"].to_numpy(dtype=object)
        self.parts = {part: np.flatnonzero(split == part) for part in ("train", "val", "test")}
        self.sick = self.parts["test"][self.labels[self.parts["test"]] == 1]
        self.zone = marker_zone(*films.shape[1:])
        self.clean = films
        self.helped = stamp_marker(films, self.labels == 1, seed)
        self.swapped = stamp_marker(films, self.labels == 0, seed)
        self.seed, self.n = seed, n

    def measure(
        self,
        model: "keras.Model",
        variant: Variant,
        ready: np.ndarray,
        explainers: Mapping[str, Explain],
    ) -> tuple[list[dict], dict[str, np.ndarray]]:
        """Las filas de la tabla y los mapas de las placas de prueba con neumonía, marcadas."""
        val, test = self.parts["val"], self.parts["test"]
        rows = [
            self._auc("auc_val", model, ready[val], val),
            self._auc("auc_clean", model, variant.prepare(self.clean[test]), test),
            self._auc("auc_swapped", model, variant.prepare(self.swapped[test]), test),
        ]
        maps = {}
        for method, explain in explainers.items():
            seen = run_explainer(explain, model, variant.prepare(self.helped[self.sick]))
            maps[method] = restore_frame(seen, *self.zone.shape)
            rows.append(self._heat(method, maps[method]))
        return rows, maps

    def _auc(self, metric: str, model: "keras.Model", films: np.ndarray, rows: np.ndarray) -> dict:
        labels, patients = self.labels[rows], self.patients[rows]
        scores = sigmoid(predict_logits(model, films))
        value = binary_metrics(labels, scores)["roc_auc"]
        low, high = bootstrap_by_patient(labels, scores, patients, n=self.n, seed=self.seed)
        return _row(metric, "", value, low, high, 0)

    def _heat(self, method: str, maps: np.ndarray) -> dict:
        shares = energy_inside(maps, np.broadcast_to(self.zone, maps.shape))
        interval = mean_interval(shares, self.patients[self.sick], self.n, self.seed)
        return _row("heat", method, *interval, int((~maps.any(axis=(1, 2))).sum()))


def _row(
    metric: str, method: str, value: float, low: float, high: float, n_null: int
) -> dict[str, object]:
    return {
        "metric": metric,
        "method": method,
        "value": value,
        "low": low,
        "high": high,
        "n_null": n_null,
    }


def _examples(sick: np.ndarray, n_examples: int, seed: int) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).permutation(sick)[:n_examples])


def _summary(position: int, total: int, name: str, found: list[dict]) -> str:
    value = {row["metric"]: row["value"] for row in found if not row["method"]}
    heat = [f"{percent(row['value'])} ({row['method']})" for row in found if row["method"]]
    return (
        f"Red {position} de {total} («{name}»): AUC {number(value['auc_val'])} en validación, "
        f"{number(value['auc_clean'])} en la prueba limpia y {number(value['auc_swapped'])} con la "
        f"marca cambiada. Calor en la marca: {', '.join(heat)}."
    )
