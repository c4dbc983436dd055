"""Publicar el estudio de 28 píxeles: números, predicciones, lo probado y la procedencia."""

from pathlib import Path

import pandas as pd

from neumonia.files import write_json, write_text
from neumonia.study.export import predictions_csv
from neumonia.study.mnist import MnistRun
from neumonia.study.provenance import data_origin, environment


def export_mnist(run: MnistRun, folder: Path | str, trials: pd.DataFrame | None = None) -> Path:
    """Escribe ``results.json``, ``predictions.csv``, ``history.csv`` y ``provenance.json``.

    Con ``trials`` (lo que devuelve ``run_search``) escribe además ``trials.csv``. Devuelve la
    carpeta.

    Raises
    ------
    NeumoniaError
        Si no se puede escribir.
    """
    folder = Path(folder)
    write_text(folder / "predictions.csv", predictions_csv(run.predictions))
    write_text(folder / "history.csv", run.history.to_csv(index=False, lineterminator="\n"))
    if trials is not None:
        write_text(
            folder / "trials.csv",
            trials.to_csv(index=False, float_format="%.10g", lineterminator="\n"),
        )
    write_json(
        folder / "provenance.json",
        {
            "data": data_origin(run.dataset),
            "config": run.results["choice"],
            **environment(),
            "seconds": run.seconds,
        },
    )
    write_json(folder / "results.json", run.results)
    return folder
