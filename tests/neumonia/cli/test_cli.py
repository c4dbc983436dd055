"""La orden ``neumonia``: ayuda y errores en español, códigos de salida y ningún rastro de pila."""

import io
import os
import re
import subprocess
import sys

import pytest

import neumonia
from neumonia import cli
from neumonia.cli.parser import translate

COMMANDS = (
    (), ("datos",), ("datos", "importar"), ("datos", "descargar"), ("datos", "auditar"),
    ("estudio",), ("tabla",), ("explicar",), ("laboratorio",), ("revision",), ("robustez",),
    ("ficha",),
)  # fmt: skip
ENGLISH = re.compile(
    r"\b(usage|options?|optional|positional|arguments?|show|this|help message|exit|default"
    r"|choose|choice|required|invalid|unrecognized|expected|the following|value|ignored"
    r"|error|not|file|directory)\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: " ".join(c) or "neumonia")
def test_la_ayuda_esta_entera_en_espanol(run, command):
    result = run(*command, "--help")
    assert run(*command, "-h") == run(*command, "--ayuda") == result
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("uso: neumonia")
    assert "muestra esta ayuda" in result.out
    found = ENGLISH.findall(result.out.replace("--help", "").replace(".keras", ""))
    assert not found, f"{found} en:\n{result.out}"


def test_la_ayuda_nombra_todas_las_ordenes(run):
    text = run("--help").out
    for name in {command[0] for command in COMMANDS if command}:
        assert re.search(rf"^\s+{name}\s", text, re.M)
    assert "no sirve para diagnosticar" in text


def test_la_version(run):
    assert run("--version").out == f"neumonia {neumonia.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "faltan: ORDEN"),
        (("entrenar",), "'entrenar' no es una opción; elijamos entre: .*estudio"),
        (("datos",), "faltan: ORDEN"),
        (("datos", "importar"), "faltan: RUTA"),
        (("datos", "descargar", "maqueta"), "'maqueta' no es una opción.*kermany"),
        (("datos", "descargar", "kermany", "--lado", "x"), "--lado: 'x' no es un valor válido"),
        (("estudio", "--inventada"), "no conocemos: --inventada"),
        (("tabla", "a.md", "--hel"), "no conocemos: --hel"),
        (("estudio", "--datos", "tac"), "opción --datos: 'tac' no es una opción; elijamos entre"),
        (("datos", "auditar", "--datos", "tac"), "opción --datos: 'tac' no es una opción"),
        (("estudio", "--particion", "azar"), "'azar' no es una opción; elijamos entre: .*oficial"),
        (("estudio", "--semilla", "1.5"), "opción --semilla: '1.5' no es un valor válido"),
        (("estudio", "--semilla"), "opción --semilla: necesita un valor"),
        (("estudio", "--sin-modelos=3"), "--sin-modelos: no lleva valor, y llegó '3'"),
        (("explicar", "a.png"), "faltan: --salida"),
        (("explicar", "--salida", "x"), "faltan: IMAGEN"),
        (("explicar", "a.png", "--salida", "x", "--modelo", "resnet"), "'resnet' no es una opción"),
        (("explicar", "a.png", "--salida", "x", "--objetivo", "gripe"), "'gripe' no es una opción"),
        (("tabla",), "faltan: README"),
    ],
)
def test_un_error_de_uso_sale_con_dos_y_se_explica_en_espanol(run, arguments, message):
    result = run(*arguments)
    assert (result.code, result.out) == (2, "")
    assert re.search(message, result.err), result.err
    assert result.err.startswith("uso: neumonia")
    assert not ENGLISH.findall(result.err), result.err


def test_lo_que_no_sabemos_traducir_se_muestra_igual():
    assert translate("algo nuevo") == "algo nuevo"


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (("estudio",), {"NEUMONIA_DATOS": "tac"}, "--datos no puede ser 'tac'"),
        (("estudio",), {"NEUMONIA_SEMILLA": "x"}, "NEUMONIA_SEMILLA debe ser un entero"),
        (("estudio",), {"NEUMONIA_AJUSTES": "{"}, "NEUMONIA_AJUSTES no es JSON válido"),
        (("estudio", "--semilla", "-1"), {}, "--semilla debe ser un entero de al menos 0"),
        (("estudio", "--semilla", str(2**40)), {}, "--semilla no puede pasar de"),
        (("estudio", "--datos", "kermany"), {}, "No encontramos los datos de «kermany»"),
        (("estudio", "--datos", "kermany", "--raiz", "/no/esta"), {}, "/no/esta"),
        (("datos", "auditar", "--datos", "kermany"), {}, "No existe"),
        (("datos", "auditar", "/no/esta"), {}, "No existe /no/esta"),
        (("datos", "importar", "/no/esta.zip"), {}, "No existe /no/esta.zip"),
        (("datos", "descargar", "pneumoniamnist", "--lado", "30"), {}, "28, 64, 128, 224"),
        (("tabla", "/no/esta/README.md"), {}, "No existe /no/esta/README.md"),
    ],
)
def test_un_error_previsto_sale_con_uno_y_en_una_linea(
    run, monkeypatch, arguments, environment, message
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    result = run(*arguments)
    assert (result.code, result.out) == (1, "")
    *progress, last = result.err.splitlines()
    assert all(line.startswith("· ") for line in progress)
    assert last.startswith("neumonia: ") and message in last


@pytest.fixture
def failing(monkeypatch):
    """Hace que ``neumonia tabla`` lance lo dado."""

    def use(error: BaseException) -> None:
        def fail(path):
            raise error

        monkeypatch.setattr("neumonia.cli.study.update_readme", fail)

    return use


def test_una_interrupcion_sale_con_uno_y_dice_que_se_puede_seguir(run, failing):
    failing(KeyboardInterrupt())
    result = run("tabla", "README.md")
    assert (result.code, result.out) == (1, "")
    assert "interrumpido" in result.err and "sigue desde ahí" in result.err


def test_un_error_del_sistema_no_previsto_tampoco_deja_rastro(run, failing):
    failing(PermissionError(13, "Permission denied", "README.md"))
    result = run("tabla", "README.md")
    assert (result.code, result.err) == (1, "neumonia: no tenemos permiso (README.md)\n")


def test_si_quien_leia_la_salida_se_fue_se_termina_en_silencio(
    monkeypatch, capfd, make_folder, films
):
    folder = make_folder(films(1))
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as output:
        monkeypatch.setattr(sys, "stdout", output)
        assert cli.main(["datos", "auditar", str(folder)]) == 1
    assert capfd.readouterr().err == ""


def test_una_terminal_sin_nuestras_letras_no_detiene_la_orden(monkeypatch, make_folder, films):
    folder = str(make_folder(films(1)))
    # La segunda no se puede ajustar, y se usa como esté.
    ascii_only, plain = io.TextIOWrapper(io.BytesIO(), encoding="ascii"), io.StringIO()
    for screen, expected in ((ascii_only, "Revisi?n: "), (plain, "Revisión: ")):
        monkeypatch.setattr(sys, "stdout", screen)
        assert cli.main(["datos", "auditar", folder]) == 0
        screen.seek(0)
        assert expected in screen.read()


def test_importar_no_carga_lo_pesado_y_python_m_responde():
    program = (
        "import sys, runpy, neumonia, neumonia.study, neumonia.cli\n"
        "heavy = ('tensorflow', 'keras', 'matplotlib.pyplot', 'h5py', 'onnx', 'kagglehub')\n"
        "print([name for name in heavy if name in sys.modules])\n"
        "sys.argv = ['neumonia', '--version']\n"
        "runpy.run_module('neumonia', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr == "" and done.returncode == 0
    assert done.stdout == f"[]\nneumonia {neumonia.__version__}\n"
