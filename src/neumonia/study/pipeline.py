"""El estudio: cada producto se pide por su nombre y se calcula solo si falta."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neumonia.arrays import open_arrays
from neumonia.datasets import Dataset, open_dataset
from neumonia.errors import ConfigError, WeightsError
from neumonia.files import cache_dir, digest
from neumonia.gradcam.examples import choose_examples
from neumonia.models.bias import initial_bias
from neumonia.models.weights import ResolvedWeights
from neumonia.robust import Recipe
from neumonia.splits import check_split, make_split
from neumonia.study import build, recipes
from neumonia.study.config import Config
from neumonia.study.results import summarize
from neumonia.study.store import Product, Store
from neumonia.study.weights import WeightsMemory

MODELS = ("cnn", "vgg16")
ROBUST = "robusta"
"""La CNN que se entrena con otra toma cada vez: se suma a las dos del estudio."""


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

    @cached_property
    def dataset(self) -> Dataset:
        """El conjunto de radiografías, con su manifiesto."""
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

    def _get(self, kind: str, recipe: dict[str, Any], builder: Callable[[Path], None]) -> Product:
        product = self.store.get(kind, recipe, builder)
        self.used[kind] = product
        return product

    @cached_property
    def _cnn(self) -> Product:
        recipe = recipes.cnn_recipe(self)
        return self._get(
            "cnn", recipe, lambda folder: build.train_cnn(self, folder, digest(recipe))
        )

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

    @property
    def robust_recipe(self) -> Recipe:
        """Con qué receta se entrena la CNN robusta.

        Raises
        ------
        ConfigError
            Si la configuración no la pide.
        """
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

    @cached_property
    def _robust(self) -> Product:
        recipe = recipes.robust_recipe(self)
        return self._get(ROBUST, recipe, lambda folder: build.train_robust(self, folder))

    @cached_property
    def _features(self) -> Product:
        return self._get(
            "caracteristicas",
            recipes.features_recipe(self),
            lambda folder: build.compute_vgg16_features(self, folder),
        )

    @property
    def features(self) -> np.ndarray:
        """float32 ``(N, h, w, 512)``: la salida de la base congelada de VGG16."""
        return np.load(self._features.folder / "features.npy", mmap_mode="r", allow_pickle=False)

    @cached_property
    def _vgg16(self) -> Product:
        recipe = recipes.vgg16_recipe(self)
        product = self._get(
            "vgg16", recipe, lambda folder: build.train_vgg16(self, folder, digest(recipe))
        )
        # Si la cabeza ya estaba, nadie pidió las características, pero también salió de ellas.
        features = self.store.find("caracteristicas", recipes.features_recipe(self))
        if features is not None:
            self.used.setdefault("caracteristicas", features)
        return product

    def product(self, name: str) -> Product:
        """Producto de ``"cnn"``, ``"vgg16"`` o ``"robusta"``; entrena si hace falta.

        Raises
        ------
        ConfigError
            Otro nombre, o la robusta si la configuración no la pide.
        WeightsError
            Si se pide VGG16 y no hay pesos.
        """
        products = {"cnn": "_cnn", "vgg16": "_vgg16", ROBUST: "_robust"}
        if name not in products:
            raise ConfigError(f"No hay un modelo {name!r}. Los que hay: {', '.join(products)}.")
        return getattr(self, products[name])

    def is_trained(self, name: str) -> bool:
        """Si el modelo ya está guardado. No entrena ni descarga nada."""
        if name == "cnn":
            return self.store.find("cnn", recipes.cnn_recipe(self)) is not None
        if name == ROBUST:
            return self.store.find(ROBUST, recipes.robust_recipe(self)) is not None
        return self._weights_memory.on_disk() and (
            self.store.find("vgg16", recipes.vgg16_recipe(self)) is not None
        )

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

        manifest = self.dataset.manifest
        table = manifest[["image_id", "patient", "label"]].copy()
        table["split"] = self.split.to_numpy()
        for name in MODELS:
            table[f"p_{name}"] = expit(self.logits(name)) if name in self.models else np.nan
        if ROBUST in self.networks:
            table[f"p_{ROBUST}"] = expit(self.logits(ROBUST))
        return table

    @cached_property
    def results(self) -> dict[str, Any]:
        """Todos los números del estudio, sin tiempos: mismas entradas, mismos bytes."""
        return summarize(self)

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
        """Mapas Grad-CAM de ejemplos de prueba.

        Returns
        -------
        dict
            ``row`` int64 (n,), ``outcome`` str (n,), ``probability`` float64 (n,),
            ``PNEUMONIA`` y ``NORMAL`` float32 (n, H, W) en [0, 1], y ``all_negative_PNEUMONIA``
            y ``all_negative_NORMAL`` bool (n,).
        """
        product = self._get(
            f"mapas-{name}",
            recipes.maps_recipe(self, name, per_outcome),
            lambda folder: build.explain_examples(self, name, per_outcome, folder),
        )
        with np.load(product.folder / "maps.npz", allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}

    def work_folder(self, key: str) -> Path:
        """Carpeta donde un entrenamiento deja lo necesario para seguir tras una interrupción."""
        folder = self.cache / "en-curso" / key
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def open_study(config: Config | None = None, **changes: Any) -> Study:
    """Abre un estudio; sin argumentos, el que describen las variables ``NEUMONIA_*``.

    Parameters
    ----------
    config : Config, optional
    **changes
        Campos de ``Config`` que cambian; por ejemplo ``split="archivo"``.
    """
    base = config if config is not None else Config.from_environment()
    return Study(base.with_changes(**changes) if changes else base)
