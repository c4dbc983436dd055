"""Las redes cuyos mapas se examinan, las radiografías que se miran y cuánto podemos gastar."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation import binary_metrics, bootstrap_by_patient
from neumonia.gradcam import METHODS, conv_layers, explainer
from neumonia.study import Study
from neumonia.training import sigmoid

if TYPE_CHECKING:
    import keras

    from neumonia.study.experiment import Bench

Explain = Callable[["keras.Model", np.ndarray], np.ndarray]
"""(red, radiografías (N, H, W) en 0..255) -> mapas (N, H, W) en 0..1."""

TITLES = MappingProxyType({"cnn": "CNN", "cnn_promedio": "CNN con promedio", "vgg16": "VGG16"})
FAST = ("grad_cam", "hires_cam", "grad_cam++", "gradient")
SLOW = ("score_cam", "occlusion")
POOLED_EPOCHS = 12
# Las últimas convoluciones de los tres últimos bloques.
_VGG16_LAYERS = ("vgg16/block3_conv3", "vgg16/block4_conv3", "vgg16/block5_conv3")


@dataclass(frozen=True)
class Budget:
    """Cuántas radiografías y sorteos se miran; ``few``, si la red o el método son lentos.

    ``draws`` y ``few_draws`` son redes al azar; ``steps``, puntos de las curvas de borrado.
    """

    films: int = 60
    few: int = 8
    draws: int = 5
    few_draws: int = 2
    resamples: int = 2000
    steps: int = 20


@dataclass(frozen=True, eq=False)
class Network:
    """Una red entrenada y lo que hace falta para examinar sus mapas.

    ``logits`` es float64 (N,), uno por radiografía del estudio; ``layers``, las convoluciones que
    se examinan, y la última es la de por omisión; ``slow``, si conviene mirar menos radiografías.
    """

    key: str
    model: "keras.Model"
    logits: np.ndarray
    layers: tuple[str, ...]
    slow: bool

    @property
    def title(self) -> str:
        return TITLES[self.key]

    def explain(self, method: str) -> Explain:
        """El método en la última capa; se prepara una vez por red, aunque le cambien los pesos."""
        prepared: dict[int, tuple[Any, Callable]] = {}

        def run(model: "keras.Model", films: np.ndarray) -> np.ndarray:
            if id(model) not in prepared:
                # Con la red guardada al lado, su identificador no puede pasar a otra.
                prepared[id(model)] = (model, explainer(model, method=method))
            return prepared[id(model)][1](films).heatmaps

        return run

    def methods(self) -> tuple[str, ...]:
        """Los métodos que puede pagar en muchas radiografías."""
        return tuple(name for name in METHODS if not (self.slow and name in SLOW))


@dataclass(frozen=True, eq=False)
class Exam:
    """Un estudio, el presupuesto con que se examinan los mapas de sus redes y a quién se avisa."""

    study: Study
    budget: Budget = field(default_factory=Budget)
    report: Callable[[str], None] = lambda text: None

    @cached_property
    def networks(self) -> tuple[Network, ...]:
        """Las redes; se abren, y se entrenan si hace falta, al pedirlas."""
        # La que promedia se entrena aparte: solo donde hay máscaras con que compararla.
        pooled = ("cnn_promedio",) if self.study.dataset.name == "maqueta" else ()
        vgg16 = ("vgg16",) if "vgg16" in self.study.models else ()
        return tuple(open_network(self.study, key) for key in ("cnn", *pooled, *vgg16))

    @property
    def seed(self) -> int:
        return self.study.config.seed

    @property
    def draw(self) -> tuple[int, int]:
        """Los remuestreos de un intervalo y su semilla."""
        return self.budget.resamples, self.seed

    def correct_positives(self, network: Network, part: str = "test") -> np.ndarray:
        """Posiciones de las radiografías con neumonía que la red acierta (logit mayor que 0)."""
        rows = self.study.rows(part)
        rows = rows[(self.study.labels[rows] == 1) & (network.logits[rows] > 0)]
        if rows.size == 0:
            raise DataError(
                f"{network.title} no acierta ninguna radiografía con neumonía de {part!r}: no hay "
                "mapas que medir. Entrenémosla con más radiografías o más épocas."
            )
        return rows

    def sample(self, rows: np.ndarray, few: bool) -> np.ndarray:
        """Hasta ``budget.films`` posiciones (o ``few``), al azar y con semilla, en orden."""
        limit = self.budget.few if few else self.budget.films
        return np.sort(np.random.default_rng(self.seed).permutation(rows)[:limit])

    def patients(self, rows: np.ndarray) -> np.ndarray:
        return self.study.dataset.manifest["patient"].to_numpy(dtype=object)[rows]

    def images(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(self.study.images[rows])


def open_exam(bench: "Bench") -> Exam:
    """El examen de un banco; las radiografías reales, en la partición oficial: la difícil."""
    changes = {"split": "oficial"} if bench.base.dataset == "kermany" else {}
    return Exam(bench.open(**changes), report=bench.report)


def auc_row(
    labels: np.ndarray, logits: np.ndarray, patients: np.ndarray, draw: tuple[int, int]
) -> dict[str, Any]:
    """``metric`` (roc_auc), ``value``, ``low``, ``high`` (95 %, por paciente) y ``n``."""
    scores = sigmoid(logits)
    low, high = bootstrap_by_patient(labels, scores, patients, n=draw[0], seed=draw[1])
    value = binary_metrics(labels, scores)["roc_auc"]
    return {"metric": "roc_auc", "value": value, "low": low, "high": high, "n": len(labels)}


def open_network(study: Study, key: str) -> Network:
    """La red ``key`` de ``TITLES``, entrenada si hace falta."""
    if key not in TITLES:
        raise ConfigError(f"No hay una red {key!r}. Las que hay: {', '.join(TITLES)}.")
    if key == "cnn_promedio":
        from neumonia.models.backend import load_keras

        folder = _pooled(study)
        model = load_keras().saving.load_model(folder / "model.keras", compile=False)
        logits = np.load(folder / "logits.npy", allow_pickle=False)
    else:
        model, logits = study.model(key), study.logits(key)
    layers = _VGG16_LAYERS if key == "vgg16" else tuple(conv_layers(model))
    return Network(key, model, logits, layers, slow=key == "vgg16")


def _pooled(study: Study) -> Path:
    c = study.config
    recipe = study.training_recipe(
        POOLED_EPOCHS, c.patience_cnn, c.batch_cnn, "neumonia.models.pooled_cnn"
    )
    return study.store.get(
        "cnn_promedio", recipe, lambda folder: _train_pooled(study, folder)
    ).folder


def _train_pooled(study: Study, folder: Path) -> None:
    from neumonia.models.pooled_cnn import build_pooled_cnn
    from neumonia.training import fit, predict_logits

    c = study.config
    model: Any = build_pooled_cnn(c.size, c.seed, output_bias=study.bias, precision=c.precision)
    data = [(study.images, study.labels, study.rows(part)) for part in ("train", "val")]
    fit(model, *data, POOLED_EPOCHS, c.batch_cnn, c.patience_cnn, c.seed, progress=study.progress)
    np.save(folder / "logits.npy", predict_logits(model, study.images), allow_pickle=False)
    model.save(folder / "model.keras")
