"""``neumonia estudio`` y ``neumonia tabla``: de la orden a la carpeta publicada."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neumonia.cli.study import seal
from neumonia.lab.readme import BEGIN, END
from neumonia.study import Config, Study, export

FAST = {"size": 32, "epochs_cnn": 1, "epochs_head": 1}
SMALL = {"dataset": "maqueta", "n_films": 120, "size": 32, "epochs_cnn": 2, "epochs_head": 2}
"""Lo mismo que la fixture ``trained``."""


@pytest.fixture
def one_figure(monkeypatch) -> None:
    original = export.illustrations
    monkeypatch.setattr(export, "illustrations", lambda study: [next(original(study))])


@pytest.fixture
def settings(monkeypatch, no_vgg16) -> None:
    """Estudios rápidos y sin VGG16."""
    monkeypatch.setenv("NEUMONIA_AJUSTES", json.dumps(FAST))


class TestMaqueta:
    def test_publica_en_la_carpeta_y_muestra_la_tabla(
        self, run, trained, monkeypatch, tmp_path, one_figure
    ):
        trained.enter(monkeypatch)
        result = run("estudio", "--salida", tmp_path / "salida", "--sin-modelos")
        assert result.code == 0
        assert str(tmp_path / "salida") in result.out
        metrics = trained.study.results["models"]["vgg16"]["test"]
        row = next(line for line in result.out.splitlines() if line.startswith("| VGG16"))
        assert f"{metrics['roc_auc']:.3f}" in row and "ROC-AUC" in result.out
        assert result.err.count("ya estaba") == 2, "nada se entrena otra vez"
        stored = json.loads((tmp_path / "salida" / "results.json").read_text(encoding="utf-8"))
        assert stored == trained.study.results
        assert not list((tmp_path / "salida").glob("*.keras"))

    def test_sin_carpeta_dice_donde_quedo_y_como_se_publica(self, run, trained, monkeypatch):
        trained.enter(monkeypatch)
        result = run("estudio")
        assert result.code == 0
        assert "--salida DIR" in result.out and str(trained.cache) in result.out

    def test_las_opciones_mandan_sobre_el_entorno(self, run, trained, monkeypatch):
        trained.enter(monkeypatch)
        monkeypatch.setenv("NEUMONIA_PARTICION", "oficial")
        monkeypatch.setenv("NEUMONIA_SEMILLA", "9")
        result = run("estudio", "--particion", "paciente", "--semilla", "0")
        assert result.code == 0 and "partición por paciente, semilla 0" in result.err
        assert result.err.count("ya estaba") == 2

    def test_el_sello_cambia_solo_si_cambia_algun_producto(
        self, run, trained, monkeypatch, tmp_path
    ):
        trained.enter(monkeypatch)
        both = tmp_path / "sello"
        assert run("estudio", "--sello", both).code == 0
        # Quien lo calculó todo y quien lo encontró hecho ponen el mismo sello.
        assert both.read_text() == seal(trained.study)
        assert sorted(line.rsplit("-", 1)[0] for line in both.read_text().split()) == [
            "cnn", "mapas-cnn", "mapas-vgg16", "vgg16",
        ]  # fmt: skip

    def test_una_interrupcion_al_entrenar(self, run, monkeypatch, settings, make_folder, films):
        def interrupted(*args, **options):
            raise KeyboardInterrupt

        monkeypatch.setattr("neumonia.training.fit", interrupted)
        result = run("estudio", "--datos", "kermany", "--raiz", make_folder(films(3)))
        assert result.code == 1 and "interrumpido" in result.err
        assert list(Path(os.environ["NEUMONIA_CACHE"]).glob("productos/*")) == []

    def test_una_carpeta_de_salida_imposible(self, run, trained, monkeypatch, tmp_path):
        trained.enter(monkeypatch)
        (tmp_path / "salida").write_text("soy un archivo")
        result = run("estudio", "--salida", tmp_path / "salida")
        assert result.code == 1 and "No se pudo escribir" in result.err


def test_otro_proceso_sin_vgg16_da_los_mismos_numeros(trained, tmp_path, monkeypatch):
    """De verdad: ``python -m neumonia`` en un proceso nuevo, con otra semilla de hash."""
    for name, value in {
        "NEUMONIA_CACHE": str(tmp_path / "cache"),
        "NEUMONIA_VGG16": str(tmp_path / "no-esta.h5"),
        "NEUMONIA_AJUSTES": json.dumps(SMALL | {"epochs_robust": 1}),
        "PYTHONHASHSEED": "12345",
    }.items():
        monkeypatch.setenv(name, value)
    done = subprocess.run(
        [sys.executable, "-m", "neumonia", "estudio"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    # Con dos núcleos, las dos redes se entrenan a la vez, cada una en su proceso.
    assert re.search(r"Modelo CNN: \d+ s", done.stderr)
    assert re.search(r"Modelo CNN robusta: \d+ s", done.stderr)
    assert "| CNN robusta" in done.stdout
    assert "Sin VGG16" in done.stderr and "no-esta.h5" in done.stderr
    assert "Traceback" not in done.stderr and "Warning" not in done.stderr
    assert "| CNN" in done.stdout and "VGG16" not in done.stdout

    theirs = Study(Config.from_environment(), progress=False)
    assert theirs.is_trained("cnn") and theirs.models == ("cnn",)
    assert np.array_equal(theirs.logits("cnn"), trained.study.logits("cnn"))
    pd.testing.assert_frame_equal(theirs.history("cnn"), trained.study.history("cnn"))
    assert theirs.is_trained("robusta")
    assert theirs.results["models"] == {"cnn": trained.study.results["models"]["cnn"]}


class TestKermany:
    def test_una_carpeta_pequena_de_principio_a_fin(
        self, run, make_folder, films, settings, tmp_path, one_figure
    ):
        content = films(4)
        content["train/NORMAL/IM-0999-0001.jpeg"] = b""
        folder = make_folder(content)
        result = run(
            "estudio", "--datos", "kermany", "--raiz", folder, "--particion", "oficial",
            "--salida", tmp_path / "salida",
        )  # fmt: skip
        assert result.code == 0, result.err
        results = json.loads((tmp_path / "salida" / "results.json").read_text(encoding="utf-8"))
        assert results["data"]["films"] == 48 and results["data"]["patients"] == 24
        assert results["data"]["balance"]["test"]["total"] == 16
        table = pd.read_csv(tmp_path / "salida" / "predictions.csv")
        assert (table["image_id"].str.startswith("test/") == (table["split"] == "test")).all()
        record = (tmp_path / "salida" / "provenance.json").read_text(encoding="utf-8")
        assert "IM-0999-0001.jpeg" in record and str(tmp_path) not in record
        assert json.loads(record)["data"]["license"] == "CC BY 4.0"
        assert results["vgg16_missing"] is True and "no-esta" not in record
        assert table["p_vgg16"].isna().all()
        names = {p.relative_to(tmp_path / "salida") for p in (tmp_path / "salida").rglob("*")}
        assert Path("cnn.keras") in names and not any("vgg16" in str(name) for name in names)

    @pytest.mark.parametrize("problem", ["una sola clase", "1 paciente(s) NORMAL", "película"])
    def test_unos_datos_que_no_sirven_se_explican(self, run, make_folder, films, settings, problem):
        content = {
            "una sola clase": {k: v for k, v in films(3).items() if "NORMAL" in k},
            "1 paciente(s) NORMAL": {
                f"train/NORMAL/IM-0001-{n:04d}.jpeg": v for n, v in enumerate(films(3).values())
            } | {k: v for k, v in films(1).items() if k.startswith("train/PNEUMONIA")},
            "película": {"notas.txt": b"nada"},
        }  # fmt: skip
        folder = make_folder(content[problem])
        result = run("estudio", "--datos", "kermany", "--raiz", folder)
        assert (result.code, result.out) == (1, "") and problem in result.err

    def test_por_paciente_sin_saber_los_pacientes(self, run, monkeypatch, settings, tmp_path):
        arrays = {}
        for part in ("train", "val", "test"):
            arrays[f"{part}_images"] = np.arange(8 * 28 * 28).reshape(8, 28, 28).astype(np.uint8)
            arrays[f"{part}_labels"] = (np.arange(8) % 2).astype(np.uint8)
        np.savez(tmp_path / "pneumoniamnist.npz", **arrays)
        result = run(
            "estudio", "--datos", "pneumoniamnist", "--raiz", tmp_path, "--particion", "paciente"
        )
        assert result.code == 1 and "«oficial»" in result.err


def test_la_tabla_del_readme(run, trained, tmp_path):
    folder = tmp_path / "estudio" / "maqueta" / "paciente"
    folder.mkdir(parents=True)
    (folder / "results.json").write_text(json.dumps(trained.study.results), encoding="utf-8")
    readme = tmp_path / "README.md"
    readme.write_text(f"antes\n{BEGIN}\n{END}\ndespués\n", encoding="utf-8")
    result = run("tabla", readme)
    assert (result.code, result.err) == (0, "")
    text = readme.read_text(encoding="utf-8")
    accuracy = trained.study.results["models"]["cnn"]["test"]["accuracy"]
    assert f"{accuracy:.3f} (" in text and text.endswith("después\n")
