"""Las órdenes, como las escribe una persona: salida, códigos y mensajes en español."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from imprenta import cli
from imprenta.engine import Engine

CHAPTER = "# A {#sec-a}\n\n```{python}\nprint('hola')\n```\n"


@pytest.fixture
def inside(book, monkeypatch):
    monkeypatch.chdir(book.root)
    return book


def test_imprime_y_dice_donde_cuanto_y_con_que(inside, capsys):
    inside.write({"a.qmd": CHAPTER})
    assert cli.main(["libro", "--motor", "pandoc"]) == 0
    text = capsys.readouterr().out
    assert "Imprimimos con pandoc y Typst: lo pedimos con --motor pandoc." in text
    assert "Sitio: _book/index.html" in text and "PDF: _book/Un-libro--de-prueba.pdf" in text
    assert "kB" in text and "Listo en" in text
    assert (inside.root / "_book" / "cuadernos" / "a.ipynb").is_file()
    assert sorted(os.listdir(inside.root)) == [
        ".imprenta",
        "_book",
        "_quarto.yml",
        "a.qmd",
        "index.qmd",
        "referencias.qmd",
        "refs.bib",
    ]


def test_un_fallo_deja_intacto_lo_anterior(inside, capsys):
    inside.write({"a.qmd": CHAPTER})
    assert cli.main(["libro", "--motor", "pandoc"]) == 0
    before = (inside.root / "_book" / "a.html").read_bytes()
    inside.write({"a.qmd": CHAPTER.replace("print('hola')", "x = 1\n1 / 0")})
    capsys.readouterr()
    assert cli.main(["libro", "--motor", "pandoc"]) == 1
    said = capsys.readouterr().err
    assert "a.qmd:5: " in said and "ZeroDivisionError" in said and "1 defecto." in said
    assert "Traceback" not in said
    assert (inside.root / "_book" / "a.html").read_bytes() == before
    assert not [name for name in os.listdir(inside.root) if name.startswith("._book")]


def test_la_revision_va_antes_de_ejecutar_nada(inside, capsys):
    inside.write({"a.qmd": CHAPTER + "\n@fig-nada y @nadie\n"})
    assert cli.main(["libro", "--motor", "pandoc"]) == 1
    said = capsys.readouterr()
    assert "ejecutando" not in said.out
    assert "a.qmd:7: La referencia @fig-nada no existe en el libro." in said.err
    assert "2 defectos." in said.err
    assert not (inside.root / "_book").exists()


def test_revisar(inside, capsys):
    inside.write({"a.qmd": CHAPTER})
    assert cli.main(["revisar"]) == 0
    assert "3 capítulos revisados, sin defectos." in capsys.readouterr().out
    (inside.root / "a.qmd").write_text("sin título\n")
    assert cli.main(["--raiz", str(inside.root), "revisar"]) == 1
    assert "a.qmd:1: El capítulo no tiene título" in capsys.readouterr().err


def test_los_capitulos_ilegibles_se_dicen_todos(inside, capsys):
    inside.write({"a.qmd": "```{r}\nx\n```\n", "b.qmd": "```{julia}\nx\n```\n"})
    assert cli.main(["revisar"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert [row.split(" ")[0] for row in said] == ["a.qmd:1:", "b.qmd:1:", "2"]


def test_cuadernos_no_toca_el_resto_de_la_salida(inside, capsys):
    inside.write({"a.qmd": CHAPTER})
    (inside.root / "_book").mkdir()
    (inside.root / "_book" / "index.html").write_text("x")
    assert cli.main(["cuadernos"]) == 0
    assert "_book/cuadernos/a.ipynb" in capsys.readouterr().out
    assert (inside.root / "_book" / "index.html").read_text() == "x"
    other = inside.root.parent / "otra"
    assert cli.main(["cuadernos", "--salida", str(other)]) == 0
    assert (other / "cuadernos" / "a.ipynb").is_file()
    assert str(other) in capsys.readouterr().out


def test_la_salida_no_puede_borrar_lo_ajeno(inside, capsys):
    inside.write({"a.qmd": CHAPTER})
    foreign = inside.root.parent / "fotos"
    foreign.mkdir()
    (foreign / "foto.jpg").write_text("x")
    assert cli.main(["libro", "--motor", "pandoc", "--salida", str(foreign)]) == 1
    assert "no son del libro" in capsys.readouterr().err
    assert cli.main(["libro", "--salida", str(inside.root)]) == 1
    assert "contiene al libro" in capsys.readouterr().err
    assert cli.main(["libro", "--salida", str(foreign / "foto.jpg")]) == 1
    assert "no es una carpeta" in capsys.readouterr().err
    assert (foreign / "foto.jpg").read_text() == "x"


def test_con_quarto_tambien_se_escriben_los_cuadernos(inside, capsys, monkeypatch):
    inside.write({"a.qmd": CHAPTER})

    def render(path, config, output, say):
        (output / "index.html").write_text("de quarto")
        (output / config.pdf_name).write_text("pdf")

    monkeypatch.setattr(cli, "choose_engine", lambda wanted: Engine(Path("/q"), "está"))
    monkeypatch.setattr(cli, "run_quarto", render)
    assert cli.main(["libro"]) == 0
    assert "Imprimimos con Quarto: está." in capsys.readouterr().out
    assert (inside.root / "_book" / "index.html").read_text() == "de quarto"
    assert (inside.root / "_book" / "cuadernos" / "a.ipynb").is_file()


def test_el_pdf_que_falta_se_dice(inside, capsys, monkeypatch):
    inside.write({"a.qmd": CHAPTER})
    monkeypatch.setattr(cli, "choose_engine", lambda wanted: Engine(Path("/q"), "está"))
    monkeypatch.setattr(cli, "run_quarto", lambda *_: None)
    assert cli.main(["libro"]) == 1
    assert "no dejó" in capsys.readouterr().err


def test_interrumpir_se_dice_sin_rastro(inside, capsys, monkeypatch):
    inside.write({"a.qmd": CHAPTER})

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "read_book", interrupted)
    assert cli.main(["revisar"]) == 130
    assert "queda intacto" in capsys.readouterr().err


def test_cerrar_la_tuberia_no_deja_rastro(inside):
    inside.write({"a.qmd": CHAPTER})
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "imprenta", "revisar"],
        cwd=inside.root,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "faltan estos argumentos: ORDEN"),
        (["imprimir"], "no es una opción"),
        (["libro", "--motor", "word"], "'word' no es una opción"),
        (["libro", "--motor"], "necesita un valor"),
        (["revisar", "--nada"], "argumentos desconocidos: --nada"),
        (["libro", "--sin-cache=1"], "no lleva valor"),
    ],
)
def test_el_mal_uso_se_explica_en_espanol_con_codigo_2(capsys, arguments, message):
    assert cli.main(arguments) == 2
    said = capsys.readouterr().err
    assert message in said and "uso: imprenta" in said
    for word in ("usage", "error: the", "invalid", "required", "expected"):
        assert word not in said


def test_la_ayuda_esta_en_espanol(capsys):
    for arguments in (["--help"], ["libro", "--ayuda"], ["revisar", "-h"]):
        assert cli.main(arguments) == 0
        said = capsys.readouterr().out
        assert said.startswith("uso: imprenta") and "muestra esta ayuda y termina" in said
        for word in ("usage", "options", "positional", "show this"):
            assert word not in said


def test_fuera_de_un_libro(tmp_path, capsys):
    assert cli.main(["--raiz", str(tmp_path), "revisar"]) == 1
    assert "No encontramos _quarto.yml" in capsys.readouterr().err


def test_python_m_imprenta(inside):
    inside.write({"a.qmd": "# A\n"})
    done = subprocess.run(
        [sys.executable, "-m", "imprenta", "revisar"],
        cwd=inside.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(os.name != "posix", reason="las señales son de POSIX")
def test_interrumpir_a_media_ejecucion_no_deja_procesos_ni_restos(inside, tmp_path):
    note = tmp_path / "proceso"
    code = f"import os, time\nopen({str(note)!r}, 'w').write(str(os.getpid()))\ntime.sleep(120)"
    inside.write({"a.qmd": f"# A\n\n```{{python}}\n{code}\n```\n"})
    process = subprocess.Popen(
        [sys.executable, "-m", "imprenta", "libro", "--motor", "pandoc"],
        cwd=inside.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Quien corre las pruebas puede ignorar la señal y sus hijos lo heredarían.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    for _ in range(600):
        if note.is_file() and note.read_text():
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "Interrumpido. Lo que había antes queda intacto.\n")
    assert not Path(f"/proc/{note.read_text()}").exists()
    left = [name for name in os.listdir(inside.root) if name.startswith(("._book", "_book"))]
    assert left == []
