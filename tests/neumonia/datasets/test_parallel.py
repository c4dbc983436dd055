"""El mapa en hilos: orden, memoria acotada y errores."""

import threading
import time

import pytest

from neumonia.datasets.parallel import ordered_map, workers


def test_conserva_el_orden_aunque_los_primeros_tarden_mas():
    def slow(value):
        time.sleep(0.02 if value < 3 else 0)
        return value * value

    assert list(ordered_map(slow, range(40), threads=4)) == [k * k for k in range(40)]


def test_no_lee_la_entrada_por_adelantado():
    taken = []

    def source():
        for k in range(1000):
            taken.append(k)
            yield k

    results = ordered_map(lambda k: k, source(), threads=2)
    assert next(results) == 0
    assert len(taken) <= 16
    results.close()


def test_un_error_se_propaga_y_detiene_lo_pendiente():
    done = []
    lock = threading.Lock()

    def work(value):
        if value == 0:
            raise ValueError("cero")
        time.sleep(0.01)
        with lock:
            done.append(value)

    with pytest.raises(ValueError, match="cero"):
        list(ordered_map(work, range(500), threads=2))
    finished = len(done)
    assert finished < 100
    time.sleep(0.05)
    assert len(done) == finished


def test_siempre_hay_entre_uno_y_cuatro_hilos(monkeypatch):
    for cores, expected in ((None, 1), (1, 1), (2, 2), (64, 4)):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        assert workers() == expected
    monkeypatch.undo()
    assert list(ordered_map(str, range(3))) == ["0", "1", "2"]
