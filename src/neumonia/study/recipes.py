"""La receta de cada producto: todo lo que determina sus números, y nada más."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from neumonia.study.store import code_digest

if TYPE_CHECKING:
    from neumonia.study.pipeline import Study

_BUILD = "neumonia.study.build"
_TRAINING = ("neumonia.models.batches", "neumonia.training", "neumonia.training_state", _BUILD)
_MAPS = ("examples", "explain", "maps", "methods", "network")


def images_recipe(study: "Study") -> dict[str, Any]:
    """Las radiografías como arreglo: qué películas, de qué lado y cómo se decodifican."""
    return {
        "dataset": study.dataset.name,
        "fingerprint": study.dataset.fingerprint,
        "size": study.config.size,
        "decoder": code_digest("neumonia.datasets.images", "neumonia.arrays"),
    }


def cnn_recipe(study: "Study") -> dict[str, Any]:
    """La CNN entrenada."""
    c = study.config
    return training_recipe(study, c.epochs_cnn, c.patience_cnn, c.batch_cnn, "neumonia.models.cnn")


def features_recipe(study: "Study") -> dict[str, Any]:
    """Las características de VGG16: ni la partición ni la semilla cambian nada en ellas."""
    return {
        "images": images_recipe(study),
        "weights": study.vgg16_weights.sha256,
        "precision": study.config.precision,
        "code": code_digest("neumonia.models.vgg16"),
    }


def vgg16_recipe(study: "Study") -> dict[str, Any]:
    """La cabeza entrenada sobre esas características."""
    c = study.config
    return {
        **training_recipe(
            study, c.epochs_head, c.patience_head, c.batch_head, "neumonia.models.vgg16"
        ),
        "features": features_recipe(study),
    }


def robust_recipe(study: "Study") -> dict[str, Any]:
    """La CNN que ve otra toma en cada época."""
    return {
        "images": images_recipe(study),
        "split": study.split_digest,
        "seed": study.config.seed,
        "recipe": asdict(study.robust_recipe),
        "code": code_digest(
            "neumonia.models.augmentation",
            "neumonia.models.batches",
            "neumonia.models.cnn",
            "neumonia.robust",
            _BUILD,
        ),
    }


def maps_recipe(study: "Study", name: str, per_outcome: int) -> dict[str, Any]:
    """Los mapas de unos ejemplos de prueba; el modelo ya resume datos, partición y semilla."""
    return {
        "model": study.product(name).key,
        "per_outcome": per_outcome,
        "code": code_digest(*(f"neumonia.gradcam.{part}" for part in _MAPS), _BUILD),
    }


def training_recipe(
    study: "Study", epochs: int, patience: int, batch_size: int, architecture: str
) -> dict[str, Any]:
    c = study.config
    return {
        "images": images_recipe(study),
        "split": study.split_digest,
        "seed": c.seed,
        "epochs": epochs,
        "patience": patience,
        "batch_size": batch_size,
        "precision": c.precision,
        "code": code_digest(architecture, *_TRAINING),
    }
