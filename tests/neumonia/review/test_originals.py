"""Los archivos originales: lo que delatan sin mirar ningún píxel, y por dónde llega al JSON."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from neumonia.baselines import PROPERTIES, file_properties
from neumonia.cli import main
from neumonia.errors import DataError
from neumonia.files import read_json
from neumonia.review.originals import measure_originals
from neumonia.review.runner import Review


def save(path: Path, seed: int, kind: str = "JPEG", width: int = 48, **options: object) -> None:
    noise = np.random.default_rng(seed).integers(0, 255, (40, width)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, kind, **options)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())


@pytest.fixture
def files(tmp_path) -> Path:
    """Normales guardadas con más calidad y, algunas, más anchas; una de ellas, PNG."""
    root = tmp_path / "originales"
    for k in range(6):
        save(root / f"train/NORMAL/IM-{k:04d}-0001.jpeg", k, quality=95, width=40 + 8 * (k % 3))
        save(root / f"train/PNEUMONIA/person{k}_virus_1.jpeg", 50 + k, quality=40)
    save(root / "train/NORMAL/IM-0099-0001.png", 99, "PNG")
    (root / "train/NORMAL/IM-0100-0001.jpeg").write_bytes(b"roto")
    return root


def test_la_separacion_de_cada_propiedad_es_la_de_scikit_learn(files):
    found, table = measure_originals(files), file_properties(files).table
    sizes = {key: found[key] for key in ("n", "normal", "pneumonia", "patients", "skipped")}
    assert sizes == {"n": 13, "normal": 7, "pneumonia": 6, "patients": 13, "skipped": 1}
    assert tuple(found["properties"]) == PROPERTIES
    for name, (value, low, high) in found["properties"].items():
        known = table[table[name].notna()]
        expected = roc_auc_score(known["label"], known[name].astype(float))
        assert value == pytest.approx(expected, abs=1e-12) and low <= value <= high
    # Más compresión es menos peso y una tabla mayor; el alto es igual en todas.
    assert found["properties"]["bytes_per_pixel"] == [0, 0, 0]
    assert found["properties"]["luminance_table"] == [1, 1, 1]
    assert found["properties"]["height"] == [0.5, 0.5, 0.5]
    low, high = found["properties"]["width"][1:]
    assert low < high


def test_sin_tabla_en_una_clase_no_hay_numero_y_sin_una_clase_no_hay_nada(tmp_path):
    for k in range(2):
        save(tmp_path / f"train/NORMAL/IM-{k:04d}-0001.png", k, "PNG")
    with pytest.raises(DataError, match="una sola clase"):
        measure_originals(tmp_path)
    for k in range(2):
        save(tmp_path / f"train/PNEUMONIA/person{k}_virus_1.jpeg", 50 + k)
    found = measure_originals(tmp_path)["properties"]
    assert found["luminance_table"] == [None, None, None]
    assert found["bytes_per_pixel"][0] is not None


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Los atajos ya medidos, para mirar solo lo que se les añade."""

    def measured(base, open_one, report):
        open_one(base)
        return {"baselines": {}}

    monkeypatch.setattr("neumonia.review.runner.run_shortcuts", measured)
    monkeypatch.setattr("neumonia.study.provenance.provenance", lambda study: dict.fromkeys(
        ("split", "seconds", "config")))  # fmt: skip
    return tmp_path / "salida"


def test_sin_originales_no_hay_seccion_de_archivos(quick, hospital):
    assert read_json(Review(hospital.base, quick).run("atajos")) == {"baselines": {}}


def test_la_orden_lleva_los_originales_hasta_el_json(quick, hospital, files):
    common = ["revision", "atajos", "--datos", "kermany", "--raiz", str(hospital.root)]
    common += ["--salida", str(quick), "--originales"]
    assert main([*common, str(files)]) == 0
    assert read_json(quick / "atajos.json")["files"] == measure_originals(files)
    assert main([*common, str(files / "no-esta")]) != 0


@pytest.mark.real
def test_los_originales_reales_delatan_la_clase_por_su_compresion(shared):
    found = measure_originals(shared / "datos" / "chest_xray_originales_muestra.zip")
    assert (found["normal"], found["pneumonia"], found["skipped"]) == (24, 40, 0)
    assert found["properties"]["bytes_per_pixel"][2] < 0.2
