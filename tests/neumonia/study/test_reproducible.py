"""Dos estudios hechos desde cero, en procesos y carpetas distintos, dan los mismos bytes."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from neumonia.datasets import open_dataset
from neumonia.splits import make_split

SMALL = {
    "dataset": "maqueta",
    "n_films": 60,
    "size": 32,
    "epochs_cnn": 2,
    "epochs_head": 1,
    "batch_cnn": 8,
}
# Sin pesos a la vista: lo que se compara es la CNN, y la prueba no debe descargar nada.
NO_WEIGHTS = "no-existe.h5"
FILES = ("results.json", "predictions.csv", "history.csv", "layers.csv")


def publish(tmp_path, name: str) -> dict[str, bytes]:
    folder = tmp_path / name
    environment = {
        **os.environ,
        "NEUMONIA_CACHE": str(tmp_path / f"cache-{name}"),
        "NEUMONIA_AJUSTES": json.dumps(SMALL),
        "NEUMONIA_VGG16": str(tmp_path / NO_WEIGHTS),
    }
    command = [sys.executable, "-m", "neumonia", "estudio", "--sin-modelos", "--salida", folder]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {file: (folder / file).read_bytes() for file in FILES}


def test_el_estudio_repetido_desde_cero_da_los_mismos_bytes(tmp_path):
    first, second = publish(tmp_path, "uno"), publish(tmp_path, "dos")
    for file in FILES:
        assert first[file] == second[file], file
    assert json.loads(first["results.json"])["models"]["cnn"]["epochs_run"] == SMALL["epochs_cnn"]


@pytest.mark.real
@pytest.mark.parametrize("kind", ["paciente", "oficial"])
def test_ningun_paciente_ni_archivo_repetido_cruza_la_particion_real(shared, kind):
    manifest = open_dataset("kermany", root=shared / "datos" / "chest_xray_224.zip").manifest
    assert manifest["sha256"].duplicated().sum() == 32
    for seed in range(5):
        split = make_split(manifest, kind, seed)
        assert len(np.unique(split)) == 3
        for column in ("patient", "sha256"):
            assert split.groupby(manifest[column].to_numpy()).nunique().max() == 1
