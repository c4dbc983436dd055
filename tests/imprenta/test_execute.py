"""Los capítulos se ejecutan una vez, y cada fallo dice capítulo, línea y excepción."""

import asyncio
import json
import os
import signal
import sys
import threading

import pytest

from imprenta.build import read_book
from imprenta.errors import BookErrors
from imprenta.execute import clean_outputs, execute_book
from imprenta.kernel import kernel_environment, run_in_thread


def run(book, use_cache=True):
    config = book.config
    return execute_book(read_book(config), config, use_cache, book.said.append)


def cell(code: str, options: str = "") -> str:
    return f"```{{python}}\n{options}{code}\n```\n\n"


def test_el_nucleo_es_este_python_sin_color_y_en_la_carpeta_del_capitulo(book):
    (book.root / "src").mkdir()
    (book.root / "src" / "modulo_propio.py").write_text("valor = 7\n")
    code = (
        "import json, os, sys, modulo_propio\n"
        "print(json.dumps([sys.executable, os.getcwd(), modulo_propio.valor, "
        "os.environ['PYTHONHASHSEED'], os.environ['NO_COLOR'], hash('a') == hash('a')]))"
    )
    book.write({"book/a.qmd": "# A\n\n" + cell(code)})
    outputs = run(book)[1].outputs[0]
    values = json.loads(outputs[0]["text"])
    assert os.path.realpath(values[0]) == os.path.realpath(sys.executable)
    assert values[1:5] == [str(book.root / "book"), 7, "0", "1"]


def test_el_entorno_respeta_lo_que_ya_habia(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/antes")
    monkeypatch.setenv("FORCE_COLOR", "1")
    environment = kernel_environment(tmp_path, tmp_path)
    assert environment["PYTHONPATH"] == "/antes"
    assert "FORCE_COLOR" not in environment


def test_las_expresiones_se_evaluan_en_su_sitio(book):
    book.write(
        {
            "a.qmd": "# A\n\n"
            + cell("x = 1")
            + "Vale `{python} x`.\n\n"
            + cell("x = 2")
            + "Vale `{python} x` y `{python} x`.\n"
        }
    )
    result = run(book)[1]
    values = [bundle["x"]["data"]["text/plain"] for bundle in result.inline.values()]
    assert values == ["1", "2"]
    assert result.outputs == {0: [], 1: []}


def test_un_fallo_senala_capitulo_linea_y_excepcion_de_cada_capitulo(book):
    book.write(
        {
            "a.qmd": "# A\n\n"
            + cell("x = 1\ny = 2\nraise ValueError('con color')", "#| label: mala\n"),
            "b.qmd": "# B\n\nVale `{python} nada`.\n",
            "c.qmd": "# C\n\n" + cell("bien = 1"),
        }
    )
    with pytest.raises(BookErrors) as caught:
        run(book)
    first, second = caught.value.problems
    assert (first.file, first.line) == ("a.qmd", 7)
    assert "línea 3 (celda «mala»)" in first.message and "ValueError: con color" in first.message
    assert (second.file, second.line) == ("b.qmd", 3)
    assert "NameError" in second.message
    # Lo que sí terminó queda guardado.
    assert list((book.root / ".imprenta" / "ejecutados").glob("c-*.ipynb"))
    assert not list((book.root / ".imprenta" / "ejecutados").glob("a-*.ipynb"))


def test_un_error_de_sintaxis_tambien_tiene_linea(book):
    book.write({"a.qmd": "# A\n\n" + cell("x = 1\ny = = 2")})
    with pytest.raises(BookErrors, match=r"a\.qmd:\d+: .*SyntaxError"):
        run(book)


def test_una_celda_que_no_termina(book):
    book.write(
        {"a.qmd": "# A\n\n" + cell("a = 1") + cell("import time; time.sleep(60)")},
        extra="imprenta:\n  espera: 4\n",
    )
    with pytest.raises(BookErrors, match=r"a\.qmd:7: La celda no terminó en 4 s"):
        run(book)


def test_un_proceso_que_muere(book):
    book.write({"a.qmd": "# A\n\n" + cell("a = 1") + cell("import os; os._exit(9)")})
    with pytest.raises(BookErrors, match=r"a\.qmd:7: El proceso de Python murió"):
        run(book)


def test_lo_guardado_se_usa_hasta_que_cambie_algo(book, monkeypatch):
    (book.root / "src").mkdir()
    module = book.root / "src" / "m.py"
    module.write_text("v = 1\n")
    chapter = "# A\n\n" + cell("import m, os; print(m.v, os.getpid())")
    extra = "imprenta:\n  dependencias: [src]\n  entorno: ['MI_*']\n"

    def state():
        result = run(book)[1]
        return result.cached, result.outputs[0][0]["text"]

    book.write({"a.qmd": chapter}, extra=extra)
    cached, first = state()
    assert not cached
    assert state() == (True, first)
    book.write({"a.qmd": chapter + "Una coma, más texto.\n"}, extra=extra)
    assert state() == (True, first)
    module.write_text("v = 2\n")
    cached, second = state()
    assert not cached and second.startswith("2 ")
    monkeypatch.setenv("MI_OPCION", "x")
    assert state()[0] is False
    monkeypatch.setenv("OTRA", "x")
    assert state()[0] is True
    assert run(book, use_cache=False)[1].cached is False
    assert len(list((book.root / ".imprenta" / "ejecutados").glob("a-*.ipynb"))) == 1


def test_un_resultado_guardado_danado_se_vuelve_a_calcular(book):
    book.write({"a.qmd": "# A\n\n" + cell("print(1)")})
    run(book)
    path = next((book.root / ".imprenta" / "ejecutados").glob("a-*.ipynb"))
    path.write_text("{")
    assert run(book)[1].cached is False
    assert run(book)[1].cached is True


def test_limpiar_salidas_junta_flujos_y_barras_de_progreso():
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": "a\x1b[1mb\x1b[0m\n"},
        {"output_type": "stream", "name": "stdout", "text": ["10 %\r", "100 %\n"]},
        {"output_type": "stream", "name": "stderr", "text": "c\r\n"},
        {
            "output_type": "execute_result",
            "execution_count": 3,
            "metadata": {},
            "data": {"text/plain": ["\x1b[31m", "x"]},
            "transient": {},
        },
    ]
    assert clean_outputs(outputs) == [
        {"output_type": "stream", "name": "stdout", "text": "ab\n100 %\n"},
        {"output_type": "stream", "name": "stderr", "text": "c\n"},
        {"output_type": "execute_result", "metadata": {}, "data": {"text/plain": "x"}},
    ]


def test_un_nucleo_que_no_arranca_se_explica(book, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/no/hay/python")
    book.write({"a.qmd": "# A\n\n" + cell("x = 1")})
    with pytest.raises(BookErrors, match=r"a\.qmd: No se pudo ejecutar el capítulo: .*/no/hay"):
        run(book)


@pytest.mark.skipif(os.name != "posix", reason="las señales son de POSIX")
def test_la_interrupcion_espera_a_que_el_trabajo_se_recoja():
    events = []

    async def work():
        asyncio.get_running_loop().create_task(asyncio.sleep(100))
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(0.2)
            events.append("recogido")

    main = threading.main_thread().ident
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.5, lambda: signal.pthread_kill(main, signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run_in_thread(work())
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)
    assert events == ["recogido"]
    assert "imprenta" not in [thread.name for thread in threading.enumerate()]
