"""El avance se ve cuando hace falta y no estorba cuando no."""

import io
import sys
import threading
from collections.abc import Callable

import pytest

from neumonia import progress
from neumonia.progress import in_threads, track


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress.time, "monotonic", clock)
    return clock


@pytest.fixture
def open_terminal(monkeypatch) -> Callable[[], Terminal]:
    """Pone una terminal en stderr; dentro de la prueba, porque pytest lo cambia al empezarla."""

    def open_it() -> Terminal:
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setattr(sys, "stderr", Terminal())
        return sys.stderr

    return open_it


def walk(clock: Clock, items, seconds: float, **options) -> list:
    seen = []
    for item in track(items, "Leyendo", **options):
        seen.append(item)
        clock.now += seconds
    return seen


def test_una_tarea_corta_no_escribe_nada(clock, capsys):
    assert walk(clock, range(5), 0.3) == [0, 1, 2, 3, 4]
    assert capsys.readouterr() == ("", "")


def test_en_un_registro_una_linea_a_los_dos_segundos_y_luego_cada_diez(clock, capsys):
    assert walk(clock, "abcdefghijkl", 1.5) == list("abcdefghijkl")
    out, err = capsys.readouterr()
    assert out == ""
    # 3.0 s es la primera vez que pasan de 2; 13.5 s, la primera que pasan otros diez.
    assert err.splitlines() == ["Leyendo: 2/12", "Leyendo: 9/12", "Leyendo: 12 en 18 s"]


def test_sin_largo_conocido_se_cuenta_sin_total(clock, capsys):
    walk(clock, iter("ab"), 3.0)
    assert capsys.readouterr().err.splitlines()[0] == "Leyendo: 1"


def test_el_total_que_se_pide_manda(clock, capsys):
    walk(clock, iter("ab"), 3.0, total=7)
    assert capsys.readouterr().err.splitlines()[0] == "Leyendo: 1/7"


def test_un_iterable_vacio(clock, capsys):
    assert walk(clock, [], 1.0) == []
    assert capsys.readouterr().err == ""


def test_en_una_terminal_una_tarea_corta_no_dibuja(clock, open_terminal):
    terminal = open_terminal()
    assert walk(clock, range(3), 0.1) == [0, 1, 2]
    assert terminal.getvalue() == ""


def test_en_una_terminal_una_larga_dibuja_la_barra(clock, open_terminal):
    terminal = open_terminal()
    assert walk(clock, range(4), 1.5) == [0, 1, 2, 3]
    drawn = terminal.getvalue()
    assert "Leyendo" in drawn and "4/4" in drawn
    assert drawn.endswith("\x1b[?25h"), "el cursor debe volver a verse"


def test_la_barra_se_cierra_si_la_tarea_falla(clock, open_terminal):
    terminal = open_terminal()

    def items():
        for item in range(5):
            clock.now += 1.5
            yield item
        raise ValueError("roto")

    with pytest.raises(ValueError, match="roto"):
        list(track(items(), "Leyendo"))
    assert terminal.getvalue().endswith("\x1b[?25h")


def test_lo_impreso_mientras_dura_la_barra_llega_a_la_salida(clock, open_terminal, capsys):
    """Con la salida en un archivo, la barra no debe llevarse los resultados a la pantalla."""
    terminal = open_terminal()
    for item in track(range(4), "Leyendo"):
        clock.now += 1.5
        print(f"resultado {item}")
    assert capsys.readouterr().out == "".join(f"resultado {item}\n" for item in range(4))
    assert "resultado" not in terminal.getvalue()


def test_los_hilos_conservan_el_orden_y_muestran_el_avance(clock, capsys):
    def slow(value):
        threading.Event().wait(0.02 if value < 3 else 0)
        clock.now += 3
        return value * value

    assert in_threads(slow, range(40), "Leyendo") == [k * k for k in range(40)]
    assert "Leyendo: 40" in capsys.readouterr().err
    assert in_threads(str, []) == []


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_un_error_se_propaga_y_ningun_hilo_sigue_trabajando(failure):
    done = []

    def work(value):
        if value == 0:
            raise failure
        threading.Event().wait(0.01)
        done.append(value)

    with pytest.raises(failure):
        in_threads(work, range(500))
    finished = len(done)
    assert finished < 100
    threading.Event().wait(0.05)
    assert len(done) == finished
