"""La puerta única: nombres, rutas por omisión y mensajes."""

import numpy as np
import pytest

from neumonia import datasets
from neumonia.datasets import (
    NAMES,
    default_root,
    download_dataset,
    import_dataset,
    library,
    open_dataset,
)
from neumonia.errors import ConfigError, DataError
from neumonia.files import cache_dir


@pytest.fixture
def npz(tmp_path):
    path = tmp_path / "pneumoniamnist.npz"
    content = {}
    for split in ("train", "val", "test"):
        content[f"{split}_images"] = np.zeros((2, 28, 28), np.uint8)
        content[f"{split}_labels"] = np.array([[0], [1]])
    np.savez(path, **content)
    return path


def test_un_nombre_desconocido_enumera_los_que_hay():
    with pytest.raises(ConfigError, match="kermany64, kermany, pneumoniamnist, maqueta"):
        open_dataset("covid")
    with pytest.raises(ConfigError):
        library("../fuera")


def test_la_maqueta_recibe_sus_opciones(monkeypatch):
    from neumonia.datasets import phantoms

    got = {}
    monkeypatch.setattr(phantoms, "open_phantoms", lambda **options: got.update(options) or "ok")
    assert open_dataset("maqueta", seed=3, n_films=40, size=64, difficulty=0.2) == "ok"
    assert got == {"n_films": 40, "size": 64, "seed": 3, "difficulty": 0.2}


@pytest.mark.parametrize("name", ["kermany", "pneumoniamnist"])
def test_sin_datos_se_dice_que_orden_los_trae(name):
    with pytest.raises(DataError, match=f"neumonia datos descargar {name}"):
        open_dataset(name)


def test_importar_y_abrir_sin_decir_rutas(make_zip, tree, npz):
    assert import_dataset(make_zip(tree), progress=False).imported == 24
    assert import_dataset(npz).imported == 6
    assert len(open_dataset("kermany")) == 24
    assert len(open_dataset("pneumoniamnist")) == 6
    assert library("kermany") == cache_dir() / "datos" / "kermany"


def test_la_raiz_puede_ser_el_propio_archivo(make_zip, tree, npz, monkeypatch):
    path = make_zip(tree)
    assert len(open_dataset("kermany", root=path)) == 24
    assert len(open_dataset("pneumoniamnist", root=str(npz))) == 6
    monkeypatch.setenv("NEUMONIA_RAIZ", str(path))
    assert default_root("kermany") == path
    assert len(open_dataset("kermany")) == 24


def test_importar_algo_que_no_existe(tmp_path):
    for name in ("nada.zip", "nada.npz"):
        with pytest.raises(DataError, match="No existe"):
            import_dataset(tmp_path / name)


def test_descargar_reparte_segun_el_nombre(monkeypatch, tmp_path):
    calls = []
    room = "neumonia.datasets."
    monkeypatch.setattr(f"{room}chest_xray.download_kermany", lambda *a: calls.append(("k", *a)))
    monkeypatch.setattr(
        f"{room}pneumoniamnist.download_pneumoniamnist", lambda *a: calls.append(("p", *a))
    )
    download_dataset("kermany", progress=False)
    download_dataset("pneumoniamnist", tmp_path, size=64)
    assert calls == [("k", library("kermany"), False, False), ("p", tmp_path, 64, True)]
    with pytest.raises(ConfigError, match="no se descarga"):
        download_dataset("maqueta")


def test_cada_conjunto_tiene_su_ficha():
    assert set(datasets.INFO) == set(NAMES)
    for record in datasets.INFO.values():
        assert {"title", "licence", "citation", "url"} <= set(record)
    counts = datasets.INFO["kermany"]["n_samples"]
    assert sum(sum(part.values()) for part in counts.values()) == 5856


def test_importar_el_paquete_no_carga_tensorflow():
    import subprocess
    import sys

    code = (
        "import sys, neumonia.datasets, neumonia.datasets.chest_xray, "
        "neumonia.datasets.pneumoniamnist, neumonia.splits, neumonia.exploration; "
        "heavy = {'tensorflow', 'keras', 'matplotlib.pyplot', 'kagglehub', 'pooch'}; "
        "bad = heavy & set(sys.modules); "
        "sys.exit(repr(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
