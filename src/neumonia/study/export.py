"""Publicar un estudio en una carpeta: números, predicciones, figuras, modelos y procedencia."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from neumonia import figures
from neumonia.exploration import (
    class_balance,
    example_rows,
    intensity_histogram,
    mean_images,
)
from neumonia.files import atomic_path, write_json, write_text
from neumonia.progress import track
from neumonia.study.provenance import provenance

if TYPE_CHECKING:
    from neumonia.figures import Illustration
    from neumonia.study.pipeline import Study

MODEL_TITLES = {"cnn": "CNN", "vgg16": "VGG16"}
_PROBABILITY_DIGITS = 9


def export_study(study: "Study", folder: Path, models: bool = True) -> Path:
    """Escribe el estudio entero en ``folder`` y la devuelve.

    Deja ``results.json``, ``predictions.csv``, ``history.csv``, ``layers.csv``, ``provenance.json``,
    ``figures/*.png`` con ``figures/figures.json`` (los textos alternativos) y, si ``models``, un
    ``.keras`` por modelo. Cada archivo aparece entero o no aparece; los que ya estaban se
    sustituyen.

    Raises
    ------
    NeumoniaError
        Si falla un producto o no se puede escribir.
    """
    folder = Path(folder)
    write_json(folder / "results.json", study.results)
    write_text(folder / "predictions.csv", predictions_csv(study.predictions))
    write_text(folder / "history.csv", _stacked_csv({m: study.history(m) for m in study.models}))
    write_text(folder / "layers.csv", _stacked_csv({m: study.layers(m) for m in study.models}))
    alts = {}
    drawings = list(illustrations(study))
    for name, illustration in track(drawings, "Figuras"):
        illustration.save(folder / "figures" / f"{name}.png")
        alts[name] = illustration.alt
    write_json(folder / "figures" / "figures.json", alts)
    if models:
        for name in study.models:
            with atomic_path(folder / f"{name}.keras") as temporary:
                shutil.copyfile(study.model_path(name), temporary)
    write_json(folder / "provenance.json", provenance(study))
    return folder


def predictions_csv(predictions: pd.DataFrame) -> str:
    """Las predicciones como CSV con nueve cifras significativas."""
    return predictions.to_csv(
        index=False, float_format=f"%.{_PROBABILITY_DIGITS}g", lineterminator="\n"
    )


def _stacked_csv(tables: dict[str, pd.DataFrame]) -> str:
    stacked = pd.concat({name: table for name, table in tables.items()}, names=["model", None])
    return stacked.reset_index(level=0).to_csv(index=False, lineterminator="\n")


def illustrations(study: "Study") -> Iterator[tuple[str, "Illustration"]]:
    """Todas las figuras del estudio, con el nombre de su archivo."""
    manifest, images, labels = study.dataset.manifest, study.images, study.labels
    yield "balance", figures.class_balance(class_balance(manifest, study.split))
    rows = [
        row
        for label in (0, 1)
        for row in example_rows(manifest, study.split, label, 4, study.config.seed)
    ]
    yield "ejemplos", figures.example_films(images, labels, rows, manifest)
    train = study.rows("train")
    yield "medias", figures.mean_images(*mean_images(images[train], labels[train]))
    yield "histogramas", figures.intensity_histograms(
        intensity_histogram(images[train], labels[train])
    )
    for name in study.models:
        yield f"curvas-{name}", figures.training_curves(study.history(name), MODEL_TITLES[name])
    yield from _evaluation_figures(study)
    for name in study.models:
        yield f"gradcam-{name}", _gradcam_figure(study, name)


def _evaluation_figures(study: "Study") -> Iterator[tuple[str, "Illustration"]]:
    test = study.predictions[study.predictions["split"] == "test"]
    labels = test["label"].to_numpy()
    scores = {MODEL_TITLES[m]: test[f"p_{m}"].to_numpy() for m in study.models}
    metrics = {MODEL_TITLES[m]: study.results["models"][m]["test"] for m in study.models}
    yield "confusion", figures.confusion_matrices(metrics)
    yield "roc", figures.roc_curves(labels, scores)
    yield "precision-exhaustividad", figures.pr_curves(labels, scores)
    yield "probabilidades", figures.probability_histograms(labels, scores)


def _gradcam_figure(study: "Study", name: str) -> "Illustration":
    maps = study.maps(name)
    titles = [
        f"{outcome} · p = {probability:.2f}"
        for outcome, probability in zip(maps["outcome"], maps["probability"], strict=True)
    ]
    return figures.gradcam_grid(study.images[maps["row"]], maps["PNEUMONIA"], titles)
