"""Descargar: el camino bueno, la red caída y la suma que no coincide. Sin tocar la red."""

import hashlib
import sys
import types

import numpy as np
import pytest
import requests

from neumonia.datasets import base, pneumoniamnist
from neumonia.datasets.chest_xray import download_kermany, open_kermany
from neumonia.datasets.pneumoniamnist import download_pneumoniamnist, open_pneumoniamnist
from neumonia.errors import ConfigError, DataError, NeumoniaError


@pytest.fixture
def hub(monkeypatch):
    """Un kagglehub de mentira que devuelve una carpeta o falla."""

    def install(result):
        def dataset_download(handle):
            assert handle == "paultimothymooney/chest-xray-pneumonia"
            if isinstance(result, BaseException):
                raise result
            return str(result)

        fake = types.SimpleNamespace(dataset_download=dataset_download)
        monkeypatch.setitem(sys.modules, "kagglehub", fake)

    return install


def test_kermany_se_descarga_y_se_importa(hub, make_folder, tree, tmp_path):
    hub(make_folder({f"chest_xray/{name}": data for name, data in tree.items()}))
    report = download_kermany(tmp_path / "datos", progress=False)
    assert report.imported == 24
    assert len(open_kermany(tmp_path / "datos")) == 24


@pytest.mark.parametrize(
    "failure", [requests.ConnectionError("sin ruta"), OSError("sin red"), ValueError("403 " * 200)]
)
def test_sin_red_kermany_dice_como_hacerlo_a_mano(hub, tmp_path, failure):
    hub(failure)
    with pytest.raises(DataError, match="neumonia datos importar") as caught:
        download_kermany(tmp_path / "datos", progress=False)
    assert "kaggle.com" in str(caught.value)
    assert len(str(caught.value)) < 500
    assert not (tmp_path / "datos").exists()


@pytest.fixture
def server(monkeypatch, tmp_path):
    """Pooch conserva su comprobación; solo se cambia quién trae los bytes."""
    import pooch

    def install(content, size=28, failure=None):
        class Fake:
            def __init__(self, **options):
                assert options["timeout"] > 0

            def __call__(self, url, output_file, pooch_object):
                if failure:
                    raise failure
                assert "zenodo.org/records/10519652" in url
                with open(output_file, "wb") as handle:
                    handle.write(content)

        monkeypatch.setattr(pooch, "HTTPDownloader", Fake)

    return install


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Un .npz pequeño cuyo MD5 ocupa el lugar del publicado."""
    path = tmp_path / "origen.npz"
    images = np.zeros((2, 28, 28), np.uint8)
    labels = np.array([[0], [1]], np.uint8)
    np.savez(path, **{
        f"{split}_{kind}": value
        for split in ("train", "val", "test")
        for kind, value in (("images", images), ("labels", labels))
    })  # fmt: skip
    content = path.read_bytes()
    files = {28: (base.INFO["pneumoniamnist"]["files"][28][0], hashlib.md5(content).hexdigest())}
    record = {**base.INFO, "pneumoniamnist": {**base.INFO["pneumoniamnist"], "files": files}}
    monkeypatch.setattr(pneumoniamnist, "INFO", record)
    return content


def test_pneumoniamnist_se_descarga_con_su_suma(server, published, tmp_path):
    server(published)
    report = download_pneumoniamnist(tmp_path / "datos")
    assert report.imported == 6
    assert len(open_pneumoniamnist(tmp_path / "datos")) == 6
    assert [item.name for item in (tmp_path / "datos").iterdir()] == ["pneumoniamnist.npz"]


def test_una_suma_distinta_se_rechaza_y_no_queda_nada(server, published, tmp_path):
    server(published + b"x")
    with pytest.raises(DataError, match="MD5"):
        download_pneumoniamnist(tmp_path / "datos")
    assert list((tmp_path / "datos").iterdir()) == []


def test_sin_red_pneumoniamnist_dice_como_hacerlo_a_mano(server, tmp_path):
    server(b"", failure=requests.ConnectTimeout())
    with pytest.raises(DataError, match=r"ConnectTimeout.*zenodo.*neumonia datos importar"):
        download_pneumoniamnist(tmp_path / "datos", 64)
    assert list((tmp_path / "datos").iterdir()) == []


def test_un_tamano_que_no_se_publica(tmp_path):
    with pytest.raises(ConfigError, match="28, 64, 128, 224"):
        download_pneumoniamnist(tmp_path / "datos", 100)


def test_un_destino_imposible(tmp_path):
    (tmp_path / "archivo").write_text("x")
    with pytest.raises(NeumoniaError, match="No se pudo escribir"):
        download_pneumoniamnist(tmp_path / "archivo" / "datos")


def test_los_md5_publicados_son_cuatro_y_bien_formados():
    files = base.INFO["pneumoniamnist"]["files"]
    assert list(files) == [28, 64, 128, 224]
    assert len({md5 for _, md5 in files.values()}) == 4
    assert all(len(md5) == 32 and int(md5, 16) >= 0 for _, md5 in files.values())
    assert all((f"_{size}.npz" in url) == (size != 28) for size, (url, _) in files.items())
