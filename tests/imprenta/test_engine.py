"""Con qué se imprime, y por qué: se prueba con un «quarto» de mentira que la prueba escribe."""

import os
import stat
import sys
from pathlib import Path

import pytest

from imprenta import engine
from imprenta.engine import choose_engine, run_quarto
from imprenta.errors import ImprentaError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="el quarto de mentira es un guion de sh")


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Pone en el PATH un quarto que dice una versión y, si se le pide imprimir, hace ``body``."""

    def make(version: str = "1.9.38", body: str = "exit 0") -> Path:
        path = tmp_path / "quarto"
        path.write_text(
            f'#!/bin/sh\nif [ "$1" = "--version" ]; then echo "{version}"; exit 0; fi\n{body}\n'
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(engine.shutil, "which", lambda name: str(path))
        return path

    return make


@pytest.mark.parametrize(
    ("version", "good"),
    [("1.9.38", True), ("1.10.2", True), ("2.0", True), ("1.8.25", False), ("sin número", False)],
)
def test_quarto_se_usa_desde_la_1_9(fake, version, good):
    path = fake(version)
    chosen = choose_engine("auto")
    assert (chosen.quarto == path) is good
    assert version in chosen.reason or "no responde" in chosen.reason


def test_sin_quarto_se_imprime_con_pandoc_y_se_dice_por_que(monkeypatch):
    monkeypatch.setattr(engine.shutil, "which", lambda name: None)
    assert choose_engine("auto") == engine.Engine(None, "quarto no está en el PATH")
    assert "--motor pandoc" in choose_engine("pandoc").reason
    with pytest.raises(ImprentaError, match="quarto no está en el PATH"):
        choose_engine("quarto")
    monkeypatch.setattr(engine.shutil, "which", lambda name: "/no/hay/quarto")
    assert "no responde" in choose_engine("auto").reason


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("printf '\\033[33mWARN: Unable to resolve crossref @fig-x\\033[39m\\n'", "@fig-x"),
        ("echo '[WARNING] Citeproc: citation x not found'", "citation x"),
        ("exit 4", "código 4"),
    ],
)
def test_un_aviso_de_quarto_hace_fallar(fake, book, body, message):
    book.write({"a.qmd": "# A\n"})
    with pytest.raises(ImprentaError, match=message):
        run_quarto(fake(body=body), book.config, book.output, lambda _: None)


def test_quarto_se_llama_con_este_python_y_su_ruido_se_calla(fake, book):
    book.write({"a.qmd": "# A\n"})
    said = []
    body = 'echo "PY=$QUARTO_PYTHON"\necho "[IPKernelApp] WARNING | TCP. WARN"\necho "args: $@"'
    run_quarto(fake(body=body), book.config, book.output, said.append)
    assert said[0] == f"PY={sys.executable}"
    assert said[1].startswith("args: render") and "--output-dir salida" in said[1]
    assert len(said) == 2


def test_si_nos_interrumpen_quarto_se_detiene(fake, book):
    book.write({"a.qmd": "# A\n"})
    pids = []

    def interrupt(row):
        pids.append(int(row))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_quarto(fake(body="echo $$; exec sleep 30"), book.config, book.output, interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)
