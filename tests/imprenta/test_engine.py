"""Con qué se imprime, y por qué: se prueba con un «quarto» de mentira que la prueba escribe."""

import os
import stat
import sys
import time

import pytest

from imprenta import engine
from imprenta.engine import choose_engine, quarto_version, remove_remote_scripts, run_quarto
from imprenta.errors import ImprentaError

posix = pytest.mark.skipif(os.name != "posix", reason="el quarto de mentira es un guion de sh")


@pytest.fixture(autouse=True)
def isolated(tmp_path, monkeypatch):
    """Sin quarto en el PATH, con caché propia y sin permiso de descargar."""
    monkeypatch.setenv("IMPRENTA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("IMPRENTA_SIN_DESCARGA", "1")
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/bin{os.pathsep}/usr/bin")
    monkeypatch.setattr(
        engine.shutil,
        "which",
        lambda name: str(tmp_path / "bin" / name) if (tmp_path / "bin" / name).exists() else None,
    )


def fake_quarto(tmp_path, version="1.9.38", body="exit 0", folder="bin"):
    path = tmp_path / folder / "quarto"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'#!/bin/sh\nif [ "$1" = "--version" ]; then echo "{version}"; exit 0; fi\n{body}\n'
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@posix
@pytest.mark.parametrize(
    ("version", "good"),
    [
        ("1.9.38", True),
        ("1.10.2", True),
        ("2.0", True),
        ("1.8.25", False),
        ("99.9.9", True),
    ],
)
def test_quarto_se_usa_desde_la_1_9(tmp_path, version, good):
    path = fake_quarto(tmp_path, version)
    chosen = choose_engine("auto", lambda _: None)
    assert (chosen.quarto == path) is good
    assert version in chosen.reason


@posix
def test_un_quarto_que_no_responde(tmp_path):
    path = fake_quarto(tmp_path, "sin número")
    assert quarto_version(path) is None
    assert quarto_version(tmp_path / "nada") is None
    assert "no responde" in choose_engine("auto", lambda _: None).reason


def test_sin_quarto_se_imprime_con_pandoc_y_se_dice_por_que():
    chosen = choose_engine("auto", lambda _: None)
    assert chosen.quarto is None
    assert "no está en el PATH" in chosen.reason and "IMPRENTA_SIN_DESCARGA" in chosen.reason
    assert "--motor pandoc" in choose_engine("pandoc").reason


def test_pedir_quarto_sin_tenerlo_es_un_error():
    with pytest.raises(ImprentaError, match="Pedimos Quarto, pero quarto no está en el PATH"):
        choose_engine("quarto", lambda _: None)


@posix
def test_el_intento_se_hace_una_vez_y_se_recuerda(tmp_path, monkeypatch):
    monkeypatch.delenv("IMPRENTA_SIN_DESCARGA")
    calls, said = [], []
    monkeypatch.setattr(
        engine, "_install", lambda folder, seconds: calls.append(1) or "pip: no hay red"
    )
    assert "no hay red" in choose_engine("auto", said.append).reason
    assert "60 s como máximo" in said[0]
    second = choose_engine("auto", said.append)
    assert len(calls) == 1 and "7 días" in second.reason
    marker = tmp_path / "cache" / "quarto-no-disponible"
    old = time.time() - 8 * 86400
    os.utime(marker, (old, old))
    choose_engine("auto", said.append)
    assert len(calls) == 2
    assert not (tmp_path / "cache" / "quarto-cli").exists()


@posix
def test_lo_que_trae_pip_se_usa_y_se_vuelve_a_usar(tmp_path, monkeypatch):
    monkeypatch.delenv("IMPRENTA_SIN_DESCARGA")
    monkeypatch.setattr(
        engine,
        "_install",
        lambda folder, seconds: fake_quarto(tmp_path, folder="cache/quarto-cli/x/bin") and "",
    )
    chosen = choose_engine("quarto", lambda _: None)
    assert chosen.quarto == tmp_path / "cache" / "quarto-cli" / "x" / "bin" / "quarto"
    assert "antes con pip" in choose_engine("auto", lambda _: None).reason


def test_lo_que_trae_pip_y_no_funciona_se_borra(tmp_path, monkeypatch):
    monkeypatch.delenv("IMPRENTA_SIN_DESCARGA")

    def broken(folder, seconds):
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "quarto").write_text("roto")
        return ""

    monkeypatch.setattr(engine, "_install", broken)
    assert "no funciona" in choose_engine("auto", lambda _: None).reason
    assert not (tmp_path / "cache" / "quarto-cli").exists()


@posix
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("echo 'ERROR: no hay red' >&2; exit 1", "pip: ERROR: no hay red"),
        ("exit 3", "código 3"),
        ("exit 0", ""),
    ],
)
def test_la_instalacion_dice_por_que_fallo(tmp_path, monkeypatch, body, message):
    monkeypatch.setattr(sys, "executable", str(fake_quarto(tmp_path, body=body, folder="py")))
    assert message in engine._install(tmp_path / "destino", 20)


@posix
def test_la_instalacion_tiene_plazo_y_no_deja_hijos(tmp_path, monkeypatch):
    note = tmp_path / "hijo"
    body = f"sleep 30 & echo $! > {note}; wait"
    monkeypatch.setattr(sys, "executable", str(fake_quarto(tmp_path, body=body, folder="py")))
    start = time.perf_counter()
    assert "no terminó" in engine._install(tmp_path / "destino", 0.7)
    assert time.perf_counter() - start < 10
    child = int(note.read_text())
    for _ in range(50):
        if not _alive(child):
            break
        time.sleep(0.1)
    assert not _alive(child)


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stream:
            return stream.read().split(")")[1].split()[0] != "Z"
    except OSError:
        return False


def test_sin_pip_o_sin_carpeta(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nada"))
    assert "pip no arranca" in engine._install(tmp_path / "destino", 5)


def test_la_carpeta_de_cache_sigue_las_costumbres(tmp_path, monkeypatch):
    assert engine.cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("IMPRENTA_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert engine.cache_folder() == tmp_path / "imprenta"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert engine.cache_folder().parts[-2:] == (".cache", "imprenta")


RENDER = """
echo "PY=$QUARTO_PYTHON"
echo "[IPKernelApp] WARNING | Kernel is running over TCP without encryption. WARN"
echo "args: $@"
{extra}
"""


@posix
@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (
            "printf '\\033[33mWARN: Unable to resolve crossref @fig-x\\033[39m\\n'",
            "Unable to resolve",
        ),
        ("echo '[WARNING] Citeproc: citation x not found'", "citation x"),
        ("exit 4", "código 4"),
    ],
)
def test_un_aviso_de_quarto_hace_fallar(tmp_path, book, extra, message):
    book.write({"a.qmd": "# A\n"})
    path = fake_quarto(tmp_path, body=RENDER.format(extra=extra))
    with pytest.raises(ImprentaError, match=message):
        run_quarto(path, book.config, book.output, lambda _: None)


@posix
def test_quarto_se_llama_con_este_python_y_su_ruido_se_calla(tmp_path, book):
    book.write({"a.qmd": "# A\n"})
    book.output.mkdir()
    said = []
    run_quarto(
        fake_quarto(tmp_path, body=RENDER.format(extra="")), book.config, book.output, said.append
    )
    assert f"PY={sys.executable}" in said
    assert any(row.startswith("args: render") and "--output-dir salida" in row for row in said)
    assert not any("TCP" in row for row in said)


@posix
def test_si_nos_interrumpen_quarto_se_detiene(tmp_path, book):
    book.write({"a.qmd": "# A\n"})
    path = fake_quarto(tmp_path, body="echo $$; exec sleep 30")
    pids = []

    def interrupt(row):
        pids.append(int(row))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_quarto(path, book.config, book.output, interrupt)
    assert not _alive(pids[0])


def test_los_guiones_de_la_red_se_quitan(tmp_path):
    page = tmp_path / "a" / "x.html"
    page.parent.mkdir()
    page.write_text(
        '<script src="https://cdn.example.org/jquery.js" crossorigin></script>\n'
        "<script type=\"application/javascript\">define('jquery', [],function() {})</script>\n"
        '<script src="site_libs/quarto.js"></script>\n<p>texto</p>\n'
    )
    (tmp_path / "y.html").write_text("<p>igual</p>")
    remove_remote_scripts(tmp_path)
    assert page.read_text() == '<script src="site_libs/quarto.js"></script>\n<p>texto</p>\n'
    assert (tmp_path / "y.html").read_text() == "<p>igual</p>"
