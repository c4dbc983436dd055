"""La salida aparece entera o no aparece."""

import errno
import os

import pytest

from imprenta.errors import ImprentaError
from imprenta.files import atomic_write, replacement_folder


def test_escribir_reemplaza_y_no_deja_restos(tmp_path):
    path = tmp_path / "a" / "b.txt"
    atomic_write(path, b"uno")
    atomic_write(path, b"dos")
    assert path.read_bytes() == b"dos"
    assert os.listdir(path.parent) == ["b.txt"]
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask():
    current = os.umask(0)
    os.umask(current)
    return current


def test_si_el_cambio_falla_lo_anterior_queda(tmp_path, monkeypatch):
    path = tmp_path / "b.txt"
    atomic_write(path, b"uno")

    def full(*_):
        raise OSError(errno.ENOSPC, "lleno")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ImprentaError, match="No queda espacio"):
        atomic_write(path, b"dos")
    assert path.read_bytes() == b"uno"
    assert os.listdir(tmp_path) == ["b.txt"]


def test_una_ruta_imposible_se_explica(tmp_path):
    (tmp_path / "archivo").write_text("x")
    with pytest.raises(ImprentaError, match="No se pudo escribir"):
        atomic_write(tmp_path / "archivo" / "b.txt", b"x")
    with (
        pytest.raises(ImprentaError, match="No se pudo escribir"),
        replacement_folder(tmp_path / "archivo" / "carpeta"),
    ):
        pass


def test_la_carpeta_se_cambia_entera(tmp_path):
    target = tmp_path / "_book"
    target.mkdir()
    (target / "viejo").write_text("x")
    with replacement_folder(target) as folder:
        (folder / "nuevo").write_text("y")
        assert (target / "viejo").exists()
    assert os.listdir(target) == ["nuevo"]
    assert os.listdir(tmp_path) == ["_book"]


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), FileNotFoundError(2, "z")])
def test_si_el_bloque_falla_la_carpeta_queda_como_estaba(tmp_path, error):
    target = tmp_path / "_book"
    target.mkdir()
    (target / "viejo").write_text("x")
    with pytest.raises(type(error)), replacement_folder(target) as folder:
        (folder / "nuevo").write_text("y")
        raise error
    assert os.listdir(target) == ["viejo"]
    assert os.listdir(tmp_path) == ["_book"]


def test_si_el_renombrado_falla_la_carpeta_vuelve(tmp_path, monkeypatch):
    target = tmp_path / "_book"
    target.mkdir()
    (target / "viejo").write_text("x")
    real, calls = os.replace, []

    def second_fails(one, other):
        calls.append(one)
        if len(calls) == 2:
            raise OSError(errno.EACCES, "no")
        return real(one, other)

    monkeypatch.setattr(os, "replace", second_fails)
    with pytest.raises(ImprentaError, match="No se pudo escribir"), replacement_folder(target):
        pass
    assert os.listdir(target) == ["viejo"]
    assert os.listdir(tmp_path) == ["_book"]


def test_una_carpeta_nueva_cuyo_renombrado_falla(tmp_path, monkeypatch):
    def fails(*_):
        raise OSError(errno.EACCES, "no")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(ImprentaError), replacement_folder(tmp_path / "nueva"):
        pass
    assert os.listdir(tmp_path) == []
