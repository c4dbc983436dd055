"""El estudio: cada producto se pide por su nombre y se calcula solo si falta."""

import shutil
from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neumonia.datasets import Dataset, open_dataset
from neumonia.datasets.images import DECODER_VERSION, open_arrays
from neumonia.errors import ConfigError, WeightsError
from neumonia.files import cache_dir, digest, write_text
from neumonia.gradcam.examples import choose_examples
from neumonia.models.bias import initial_bias
from neumonia.models.weights import ResolvedWeights, WeightsMemory
from neumonia.robust import Recipe
from neumonia.splits import check_split, make_split
from neumonia.study.config import Config
from neumonia.study.results import summarize
from neumonia.study.store import Product, Store, code_digest

MODELS = ("cnn", "vgg16")
ROBUST = "robusta"
"""La CNN que se entrena con otra toma cada vez: se suma a las dos del estudio."""
# Sube cuando cambia lo que este módulo pone en un producto; lo demás lo dice la huella del código.
METHOD = 1
_FEATURES = "caracteristicas"
_TRAINING = ("neumonia.models.batches", "neumonia.training")
_ROBUST = (
    "neumonia.models.augmentation",
    "neumonia.models.batches",
    "neumonia.models.cnn",
    "neumonia.robust",
)
_MAPS = tuple(
    f"neumonia.gradcam.{part}" for part in ("examples", "explain", "maps", "methods", "network")
)


class Study:
    """Un estudio completo, de la radiografía al mapa, con todos sus productos en disco.

    Parameters
    ----------
    config : Config
    cache : Path, optional
        Carpeta de productos; por omisión ``cache_dir()``.
    progress : bool
        Muestra el avance de lo que pase de dos segundos.

    Notes
    -----
    Cada propiedad depende solo de las anteriores: ``dataset`` → ``images``, ``split`` → modelos
    → ``predictions`` → ``results`` y ``maps``. Las características de VGG16 no dependen de la
    partición ni de la semilla y se comparten entre estudios.
    """

    def __init__(self, config: Config, cache: Path | None = None, progress: bool = True) -> None:
        self.config = config
        self.cache = Path(cache) if cache is not None else cache_dir()
        self.progress = progress
        self.store = Store(self.cache / "productos")
        self._weights_memory = WeightsMemory(self.cache)
        self.used: dict[str, Product] = {}
        """Los productos pedidos hasta ahora, por su nombre."""

    # Los datos.

    @cached_property
    def dataset(self) -> Dataset:
        c = self.config
        return open_dataset(
            c.dataset,
            root=c.root,
            seed=c.seed if c.data_seed is None else c.data_seed,
            n_films=c.n_films,
            size=c.size,
            difficulty=c.difficulty,
            progress=self.progress,
        )

    @cached_property
    def images(self) -> np.ndarray:
        """uint8 ``(N, size, size)``, en el orden del manifiesto y leído del disco a demanda."""
        folder = self.cache / "arreglos"
        return open_arrays(self.dataset, self.config.size, folder, progress=self.progress)

    @cached_property
    def split(self) -> pd.Series:
        """``"train"``, ``"val"`` o ``"test"`` por fila del manifiesto."""
        split = make_split(self.dataset.manifest, self.config.split, self.config.seed)
        check_split(self.dataset.manifest, split)
        return split

    @property
    def labels(self) -> np.ndarray:
        """int8 ``(N,)``: 0 = NORMAL, 1 = PNEUMONIA."""
        return self.dataset.manifest["label"].to_numpy()

    def rows(self, part: str) -> np.ndarray:
        """Posiciones en el manifiesto de ``"train"``, ``"val"`` o ``"test"``."""
        rows = np.flatnonzero((self.split == part).to_numpy())
        if rows.size == 0:
            raise ConfigError(f"No hay radiografías en la parte {part!r}: train, val o test.")
        return rows

    @cached_property
    def split_digest(self) -> str:
        """Huella de quién quedó en cada parte."""
        return digest(list(zip(self.dataset.manifest["image_id"], self.split, strict=True)))

    @cached_property
    def bias(self) -> float:
        """Sesgo inicial de la última capa: ``log(n_pos/n_neg)`` del entrenamiento."""
        return initial_bias(self.labels[self.rows("train")])

    # Los pesos de VGG16, y con ellos qué redes puede haber.

    @cached_property
    def vgg16_weights(self) -> ResolvedWeights:
        """Los pesos de VGG16 ya verificados, o lanza ``WeightsError`` con todo lo intentado.

        Un fracaso se recuerda unas horas; ``forget_missing_weights`` lo olvida.
        """
        return self._weights_memory.resolve()

    def forget_missing_weights(self) -> None:
        """Hace que los pesos de VGG16 se busquen de nuevo aunque hace poco no los hubiera."""
        self._weights_memory.forget()
        self.__dict__.pop("vgg16_missing", None)

    @cached_property
    def vgg16_missing(self) -> str | None:
        """Por qué no hay pesos de VGG16, o ``None`` si los hay."""
        try:
            _ = self.vgg16_weights
        except WeightsError as error:
            return str(error)
        return None

    @property
    def models(self) -> tuple[str, ...]:
        """Los modelos que este estudio puede entrenar aquí."""
        return MODELS if self.vgg16_missing is None else ("cnn",)

    @property
    def networks(self) -> tuple[str, ...]:
        """Los modelos y, si la configuración la pide, la CNN robusta."""
        return (*self.models, ROBUST) if self.config.epochs_robust else self.models

    # Las recetas: todo lo que determina los números de un producto, y nada más.

    @property
    def images_recipe(self) -> dict[str, Any]:
        """Qué películas, de qué lado y cómo se decodifican."""
        return {
            "dataset": self.dataset.name,
            "fingerprint": self.dataset.fingerprint,
            "size": self.config.size,
            "decoder": DECODER_VERSION,
        }

    def training_recipe(
        self, epochs: int, patience: int, batch_size: int, architecture: str
    ) -> dict[str, Any]:
        """Un entrenamiento de la red del módulo ``architecture`` con la partición del estudio."""
        return {
            "images": self.images_recipe,
            "split": self.split_digest,
            "seed": self.config.seed,
            "epochs": epochs,
            "patience": patience,
            "batch_size": batch_size,
            "precision": self.config.precision,
            "code": code_digest(architecture, *_TRAINING),
            "method": METHOD,
        }

    @property
    def features_recipe(self) -> dict[str, Any]:
        """Las características de VGG16: ni la partición ni la semilla cambian nada en ellas."""
        return {
            "images": self.images_recipe,
            "weights": self.vgg16_weights.sha256,
            "precision": self.config.precision,
            "code": code_digest("neumonia.models.vgg16"),
        }

    def recipe(self, name: str) -> dict[str, Any]:
        """La receta de ``"cnn"``, ``"vgg16"`` o ``"robusta"``.

        Raises
        ------
        ConfigError
            Otro nombre, o la robusta si la configuración no la pide.
        WeightsError
            Si se pide VGG16 y no hay pesos.
        """
        c = self.config
        if name == "cnn":
            training = (c.epochs_cnn, c.patience_cnn, c.batch_cnn)
            return self.training_recipe(*training, "neumonia.models.cnn")
        if name == "vgg16":
            training = (c.epochs_head, c.patience_head, c.batch_head)
            recipe = self.training_recipe(*training, "neumonia.models.vgg16")
            return {**recipe, "features": self.features_recipe}
        if name != ROBUST:
            known = ", ".join((*MODELS, ROBUST))
            raise ConfigError(f"No hay un modelo {name!r}. Los que hay: {known}.")
        return {
            "images": self.images_recipe,
            "split": self.split_digest,
            "seed": c.seed,
            "recipe": asdict(self.robust_recipe),
            "code": code_digest(*_ROBUST),
            "method": METHOD,
        }

    @property
    def robust_recipe(self) -> Recipe:
        """Con qué receta se entrena la CNN robusta; ``ConfigError`` si no se pide."""
        c = self.config
        if not c.epochs_robust:
            raise ConfigError(
                f"Este estudio, sobre {c.dataset}, no entrena la CNN robusta: pidámosla con "
                "epochs_robust."
            )
        return Recipe(
            size=c.size,
            epochs=c.epochs_robust,
            batch_size=c.batch_cnn,
            precision=c.precision,
        )

    def maps_recipe(self, name: str, per_outcome: int) -> dict[str, Any]:
        """Los mapas de unos ejemplos; el modelo ya resume datos, partición y semilla."""
        return {
            "model": self.product(name).key,
            "per_outcome": per_outcome,
            "code": code_digest(*_MAPS),
            "method": METHOD,
        }

    # Los productos. Aquí, y solo aquí, se entrena.

    def product(self, name: str) -> Product:
        """Producto de ``"cnn"``, ``"vgg16"`` o ``"robusta"``, entrenado si hace falta; ``recipe``
        dice qué errores puede haber."""
        if name in self.used and name in (*MODELS, ROBUST):
            return self.used[name]
        recipe = self.recipe(name)
        train = {"cnn": self._train_cnn, "vgg16": self._train_vgg16, ROBUST: self._train_robust}
        product = self._get(name, recipe, lambda folder: train[name](folder, digest(recipe)))
        if name == "vgg16":
            # Si ya estaba, nadie pidió las características, pero también salió de ellas.
            features = self.store.find(_FEATURES, self.features_recipe)
            if features is not None:
                self.used.setdefault(_FEATURES, features)
        return product

    def is_trained(self, name: str) -> bool:
        """Si el modelo ya está guardado. No entrena ni descarga nada."""
        if name == "vgg16" and not self._weights_memory.on_disk():
            return False
        return self.store.find(name, self.recipe(name)) is not None

    @property
    def features(self) -> np.ndarray:
        """float32 ``(N, h, w, 512)``: la salida de la base congelada de VGG16."""
        product = self.used.get(_FEATURES) or self._get(
            _FEATURES, self.features_recipe, self._compute_features
        )
        return np.load(product.folder / "features.npy", mmap_mode="r", allow_pickle=False)

    def _get(self, kind: str, recipe: dict[str, Any], build: Callable[[Path], None]) -> Product:
        self.used[kind] = self.store.get(kind, recipe, build)
        return self.used[kind]

    def _train_cnn(self, folder: Path, key: str) -> None:
        from neumonia.models.cnn import build_cnn
        from neumonia.training import predict_logits

        c = self.config
        model = build_cnn(c.size, c.seed, output_bias=self.bias, precision=c.precision)
        work = self.work_folder(f"cnn-{key}")
        history = self._fit(model, self.images, c.epochs_cnn, c.batch_cnn, c.patience_cnn, work)
        logits = predict_logits(model, self.images, progress=self.progress)
        _save(folder, model, history, logits)
        shutil.rmtree(work)

    def _compute_features(self, folder: Path) -> None:
        from neumonia.models.vgg16 import compute_features, load_backbone

        c = self.config
        backbone = load_backbone(c.size, self.vgg16_weights.path, precision=c.precision)
        features = compute_features(backbone, self.images, progress=self.progress)
        np.save(folder / "features.npy", features, allow_pickle=False)

    def _train_vgg16(self, folder: Path, key: str) -> None:
        """Entrena la cabeza sobre las características y guarda la red completa."""
        from neumonia.models.vgg16 import assemble, build_head, load_backbone
        from neumonia.training import predict_logits

        c, features = self.config, self.features
        head = build_head(features.shape[1:], c.seed, output_bias=self.bias)
        work = self.work_folder(f"vgg16-{key}")
        history = self._fit(head, features, c.epochs_head, c.batch_head, c.patience_head, work)
        logits = predict_logits(head, features, progress=self.progress)
        # La base en float32: la red guardada debe dar lo mismo en cualquier procesador.
        backbone = load_backbone(c.size, self.vgg16_weights.path)
        _save(folder, assemble(backbone, head, c.size), history, logits)
        shutil.rmtree(work)

    def _train_robust(self, folder: Path, key: str) -> None:
        from neumonia.robust import build, fit
        from neumonia.training import predict_logits

        recipe, seed = self.robust_recipe, self.config.seed
        model = build(recipe, seed)
        rows = self.rows("train"), self.rows("val")
        history = fit(model, recipe, self.images, self.labels, *rows, seed, self.progress)
        _save(folder, model, history, predict_logits(model, self.images, progress=self.progress))

    def _fit(
        self, model: Any, x: np.ndarray, epochs: int, batch_size: int, patience: int, work: Path
    ) -> pd.DataFrame:
        from neumonia.training import fit

        return fit(
            model,
            train=(x, self.labels, self.rows("train")),
            val=(x, self.labels, self.rows("val")),
            epochs=epochs,
            batch_size=batch_size,
            patience=patience,
            seed=self.config.seed,
            workdir=work,
            progress=self.progress,
        )

    def work_folder(self, key: str) -> Path:
        """Donde un entrenamiento deja lo necesario para seguir tras una interrupción."""
        folder = self.cache / "en-curso" / key
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    # Lo que dice cada red.

    def history(self, name: str) -> pd.DataFrame:
        """Historial del entrenamiento, una fila por época."""
        return pd.read_csv(self.product(name).folder / "history.csv")

    def layers(self, name: str) -> pd.DataFrame:
        """Tabla de capas: nombre, tipo, forma de salida, parámetros."""
        return pd.read_csv(self.product(name).folder / "layers.csv", keep_default_na=False)

    def model_path(self, name: str) -> Path:
        """Archivo ``.keras`` del modelo completo: de píxeles 0..255 al logit."""
        return self.product(name).folder / "model.keras"

    def model(self, name: str) -> Any:
        """El modelo entrenado, cargado."""
        from neumonia.models.backend import load_keras

        return load_keras().saving.load_model(self.model_path(name), compile=False)

    def logits(self, name: str) -> np.ndarray:
        """float64 ``(N,)``: logit de cada radiografía del manifiesto."""
        return np.load(self.product(name).folder / "logits.npy", allow_pickle=False)

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """``image_id, patient, label, split, p_cnn, p_vgg16`` de todas las radiografías.

        ``p_vgg16`` falta (NaN) si no hay pesos de VGG16. Si la configuración la pide, también
        ``p_robusta``.
        """
        from scipy.special import expit

        table = self.dataset.manifest[["image_id", "patient", "label"]].copy()
        table["split"] = self.split.to_numpy()
        for name in dict.fromkeys((*MODELS, *self.networks)):
            table[f"p_{name}"] = expit(self.logits(name)) if name in self.networks else np.nan
        return table

    @cached_property
    def results(self) -> dict[str, Any]:
        """El contenido de ``results.json``, sin tiempos: mismas entradas, mismos bytes."""
        networks = {name: (self.history(name), self.layers(name)) for name in self.networks}
        return summarize(
            self.config, self.dataset, self.split, self.split_digest, networks, self.predictions
        )

    def examples(self, name: str, per_outcome: int = 4) -> pd.DataFrame:
        """Ejemplos de prueba por desenlace: ``row, outcome, probability``."""
        test = self.predictions.assign(row=np.arange(len(self.predictions)))
        test = test[test["split"] == "test"]
        return choose_examples(
            test["row"].to_numpy(),
            test["label"].to_numpy(),
            test[f"p_{name}"].to_numpy(),
            per_outcome=per_outcome,
            seed=self.config.seed,
        )

    def maps(self, name: str, per_outcome: int = 4) -> dict[str, np.ndarray]:
        """Mapas Grad-CAM de ejemplos de prueba, hacia las dos clases.

        Returns
        -------
        dict
            ``row`` int64 (n,), ``outcome`` str (n,), ``probability`` float64 (n,),
            ``PNEUMONIA`` y ``NORMAL`` float32 (n, H, W) en [0, 1], y ``all_negative_PNEUMONIA``
            y ``all_negative_NORMAL`` bool (n,).
        """
        product = self._get(
            f"mapas-{name}",
            self.maps_recipe(name, per_outcome),
            lambda folder: self._explain(name, per_outcome, folder),
        )
        with np.load(product.folder / "maps.npz", allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}

    def _explain(self, name: str, per_outcome: int, folder: Path) -> None:
        from neumonia.gradcam import grad_cam_raw

        chosen, model = self.examples(name, per_outcome), self.model(name)
        rows = chosen["row"].to_numpy()
        stored: dict[str, Any] = {
            "row": rows.astype(np.int64),
            "outcome": chosen["outcome"].to_numpy().astype("U2"),
            "probability": chosen["probability"].to_numpy(),
        }
        for target in ("PNEUMONIA", "NORMAL"):
            cam = grad_cam_raw(model, self.images[rows], target=target)
            stored[target] = cam.heatmaps
            stored[f"all_negative_{target}"] = cam.all_negative
        np.savez_compressed(folder / "maps.npz", **stored)


def _save(folder: Path, model: Any, history: pd.DataFrame, logits: np.ndarray) -> None:
    from neumonia.models.layers import layer_table

    model.save(folder / "model.keras")
    write_text(folder / "history.csv", history.to_csv(index=False, lineterminator="\n"))
    write_text(folder / "layers.csv", layer_table(model).to_csv(index=False, lineterminator="\n"))
    np.save(folder / "logits.npy", logits, allow_pickle=False)


def open_study(config: Config | None = None, **changes: Any) -> Study:
    """Abre un estudio; sin ``config``, el que describen las variables ``NEUMONIA_*``.

    ``changes`` son campos de ``Config`` que cambian; por ejemplo ``split="archivo"``.
    """
    base = config if config is not None else Config.from_environment()
    return Study(base.with_changes(**changes) if changes else base)
