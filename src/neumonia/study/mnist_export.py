"""Publicar el estudio de 28 píxeles: números, predicciones, lo probado y la procedencia."""

import os
import platform
from pathlib import Path
from typing import Any

import pandas as pd

import neumonia
from neumonia.files import write_json, write_text
from neumonia.study.export import predictions_csv
from neumonia.study.mnist import MnistRun
from neumonia.study.provenance import git_commit, package_versions, processor, source_digest


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
    write_json(folder / "provenance.json", _provenance(run))
    write_json(folder / "results.json", run.results)
    return folder


def _provenance(run: MnistRun) -> dict[str, Any]:
    dataset = run.dataset
    return {
        "data": {
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            "films": len(dataset.manifest),
            "citation": dataset.info.get("citation"),
            "license": dataset.info.get("licence"),
        },
        "config": run.results["choice"],
        "code": {
            "version": neumonia.__version__,
            "commit": git_commit(),
            "source_digest": source_digest(),
        },
        "packages": package_versions(),
        "machine": {
            "python": platform.python_version(),
            "system": platform.system(),
            "processor": processor(),
            "cores": os.cpu_count(),
        },
        "seconds": run.seconds,
    }
