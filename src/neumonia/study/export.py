"""Publicar un estudio en una carpeta: números, predicciones, figuras, modelos y procedencia."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from neumonia import figures
from neumonia.errors import NeumoniaError
from neumonia.exploration import class_balance, example_rows, intensity_histogram, mean_images
from neumonia.figures import Illustration
from neumonia.files import explain_os_error, read_json, write_json, write_text
from neumonia.progress import track
from neumonia.study.pipeline import Study
from neumonia.study.provenance import provenance

MODEL_TITLES = {"cnn": "CNN", "vgg16": "VGG16", "robusta": "CNN robusta"}
_EXAMPLES = 4
_ALTS = Path("figures") / "figures.json"


def export_study(study: Study, folder: Path, models: bool = True) -> Path:
    """Escribe el estudio entero en ``folder`` y la devuelve.

    Deja ``results.json``, ``predictions.csv``, ``history.csv``, ``layers.csv``,
    ``provenance.json``, ``figures/*.png`` con ``figures/figures.json`` (los textos alternativos)
    y, si ``models``, un ``.keras`` por modelo. Todo se prepara aparte y se muda al final: si algo
    falla, lo que había en ``folder`` queda como estaba. Las figuras y los modelos de una
    publicación anterior que este estudio no produce se retiran; lo demás no se toca.

    Raises
    ------
    NeumoniaError
        Si falla un producto o no se puede escribir.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".tmp-", dir=folder) as name:
            staged = Path(name)
            _write_all(study, staged, models)
            files = sorted(p.relative_to(staged) for p in staged.rglob("*") if p.is_file())
            for old in sorted(_published_before(folder) - set(files)):
                (folder / old).unlink(missing_ok=True)
            (folder / _ALTS.parent).mkdir(exist_ok=True)
            for file in files:
                os.replace(staged / file, folder / file)
    except OSError as error:
        raise explain_os_error(error, folder) from error
    return folder


def _write_all(study: Study, folder: Path, models: bool) -> None:
    write_json(folder / "results.json", study.results)
    write_text(folder / "predictions.csv", predictions_csv(study.predictions))
    write_text(folder / "history.csv", _stacked_csv({m: study.history(m) for m in study.networks}))
    write_text(folder / "layers.csv", _stacked_csv({m: study.layers(m) for m in study.networks}))
    alts = {}
    drawings = list(illustrations(study))
    for name, illustration in track(drawings, "Figuras") if study.progress else drawings:
        illustration.save(folder / "figures" / f"{name}.png")
        alts[name] = illustration.alt
    write_json(folder / _ALTS, alts)
    if models:
        for name in study.networks:
            shutil.copyfile(study.model_path(name), folder / f"{name}.keras")
    write_json(folder / "provenance.json", provenance(study))


def _published_before(folder: Path) -> set[Path]:
    """Las figuras y los modelos que dejó una publicación anterior."""
    try:
        names = [name for name in read_json(folder / _ALTS) if name == Path(name).name]
    except (NeumoniaError, TypeError):
        names = []
    figures_before = {_ALTS.parent / f"{name}.png" for name in names}
    return figures_before | {Path(f"{name}.keras") for name in MODEL_TITLES}


def predictions_csv(predictions: pd.DataFrame) -> str:
    """Las predicciones como CSV, con las probabilidades sin redondear.

    Redondear crea empates entre las más cercanas a 1, y los empates cambian la ROC-AUC.
    """
    return predictions.to_csv(index=False, float_format="%.17g", lineterminator="\n")


def _stacked_csv(tables: dict[str, pd.DataFrame]) -> str:
    stacked = pd.concat(tables, names=["model", None])
    return stacked.reset_index(level=0).to_csv(index=False, lineterminator="\n")


def illustrations(study: Study) -> Iterator[tuple[str, Illustration]]:
    """Todas las figuras del estudio, con el nombre de su archivo."""
    manifest, images, labels = study.dataset.manifest, study.images, study.labels
    yield "balance", figures.class_balance(class_balance(manifest, study.split))
    train = study.rows("train")
    rows = [
        row
        for label in (0, 1)
        for row in example_rows(
            manifest,
            study.split,
            label,
            min(_EXAMPLES, int((labels[train] == label).sum())),
            study.config.seed,
        )
    ]
    yield "ejemplos", figures.example_films(images, labels, rows, manifest)
    yield "medias", figures.mean_images(*mean_images(images[train], labels[train]))
    histograms = intensity_histogram(images[train], labels[train])
    yield "histogramas", figures.intensity_histograms(histograms)
    for name in study.networks:
        yield f"curvas-{name}", figures.training_curves(study.history(name), MODEL_TITLES[name])
    yield from _evaluation_figures(study)
    for name in study.models:
        yield f"gradcam-{name}", _gradcam_figure(study, name)


def _evaluation_figures(study: Study) -> Iterator[tuple[str, Illustration]]:
    test = study.predictions[study.predictions["split"] == "test"]
    labels = test["label"].to_numpy()
    scores = {MODEL_TITLES[m]: test[f"p_{m}"].to_numpy() for m in study.models}
    metrics = {MODEL_TITLES[m]: study.results["models"][m]["test"] for m in study.models}
    yield "confusion", figures.confusion_matrices(metrics)
    yield "roc", figures.roc_curves(labels, scores)
    yield "precision-exhaustividad", figures.pr_curves(labels, scores)
    yield "probabilidades", figures.probability_histograms(labels, scores)


def _gradcam_figure(study: Study, name: str) -> Illustration:
    maps = study.maps(name)
    titles = [
        f"{outcome} · p = {probability:.2f}"
        for outcome, probability in zip(maps["outcome"], maps["probability"], strict=True)
    ]
    return figures.gradcam_grid(study.images[maps["row"]], maps["PNEUMONIA"], titles)
