"""Los pesos de VGG16 se buscan una vez, y no haberlos hallado se recuerda un rato."""

import os
import time
from pathlib import Path

import pytest

from neumonia.errors import WeightsError
from neumonia.models import weights
from neumonia.models.weights import RETRY_AFTER, ResolvedWeights, WeightsMemory

FOUND = ResolvedWeights(Path("pesos.h5"), "carpeta de trabajo", "0" * 64)


class Search:
    """Sustituye a ``resolve_weights``; anota si se pidió usar la red."""

    def __init__(self) -> None:
        self.on_disk = False
        self.on_network = False
        self.asked: list[bool] = []

    def __call__(self, path=None, download: bool = True) -> ResolvedWeights:
        self.asked.append(download)
        if self.on_disk or (download and self.on_network):
            return FOUND
        raise WeightsError(f"intento {len(self.asked)}")


@pytest.fixture
def search(monkeypatch) -> Search:
    search = Search()
    monkeypatch.setattr(weights, "resolve_weights", search)
    return search


@pytest.fixture
def memory(tmp_path) -> WeightsMemory:
    return WeightsMemory(tmp_path)


def fail(memory: WeightsMemory) -> str:
    with pytest.raises(WeightsError) as caught:
        memory.resolve()
    return str(caught.value)


def test_un_fracaso_se_recuerda_sin_volver_a_la_red_hasta_que_se_olvida(memory, search):
    assert fail(memory) == fail(memory) == "intento 1", "el primero, que miró en la red"
    assert search.asked == [True, False]
    search.on_network = True
    memory.forget()
    assert memory.resolve() is FOUND
    memory.forget()
    assert not memory.note.exists()


def test_lo_que_aparece_en_el_disco_se_ve_enseguida(memory, search):
    fail(memory)
    assert not memory.on_disk()
    search.on_disk = True
    assert memory.resolve() is FOUND and memory.on_disk()
    assert search.asked == [True, False, False, False]


def test_pasadas_unas_horas_se_vuelve_a_la_red(memory, search):
    fail(memory)
    old = time.time() - RETRY_AFTER - 1
    os.utime(memory.note, (old, old))
    assert fail(memory) == "intento 2"
    assert search.asked == [True, True]


def test_una_nota_ilegible_no_cuenta(memory, search):
    memory.note.write_bytes(b"\xff\xfe\xff")
    assert fail(memory) == "intento 1"
    assert memory.note.read_text(encoding="utf-8") == "intento 1"


@pytest.mark.parametrize(("value", "remembered"), [("no-esta.h5", False), ("", True)])
def test_si_se_indica_el_archivo_no_se_recuerda_nada(
    memory, search, monkeypatch, value, remembered
):
    monkeypatch.setenv("NEUMONIA_VGG16", value)
    fail(memory)
    assert memory.note.exists() == remembered
