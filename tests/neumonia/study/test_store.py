"""El almacén calcula una vez cada cosa y no deja nada a medias."""

import ast
import hashlib
import json
import os
import sys
from pathlib import Path

import pytest

from neumonia.errors import NeumoniaError
from neumonia.files import digest
from neumonia.study.store import Store, code_digest

RECIPE = {"datos": "maqueta", "semilla": 0}


class Builder:
    """Escribe un archivo y cuenta cuántas veces lo llamaron."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.calls = 0
        self.error = error

    def __call__(self, folder: Path) -> None:
        self.calls += 1
        assert list(folder.iterdir()) == []
        (folder / "a.txt").write_text(f"cálculo {self.calls}", encoding="utf-8")
        (folder / "sub").mkdir()
        (folder / "sub" / "b.bin").write_bytes(b"1234")
        if self.error:
            raise self.error


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "productos")


def test_la_misma_receta_calcula_una_sola_vez(store):
    build = Builder()
    first = store.get("cnn", RECIPE, build)
    again = Store(store.folder).get("cnn", dict(reversed(RECIPE.items())), build)
    assert build.calls == 1
    assert (first.fresh, again.fresh) == (True, False)
    assert first.folder == again.folder == store.folder / f"cnn-{digest(RECIPE)}"
    assert first.key == again.key == first.folder.name
    assert again.recipe == RECIPE and again.seconds == first.seconds >= 0


def test_otra_receta_u_otra_clase_de_producto_es_otro_producto(store):
    build = Builder()
    store.get("cnn", RECIPE, build)
    store.get("cnn", {**RECIPE, "semilla": 1}, build)
    store.get("vgg16", RECIPE, build)
    assert build.calls == 3
    assert len(list(store.folder.iterdir())) == 3


@pytest.mark.parametrize("error", [ValueError("roto"), KeyboardInterrupt()])
def test_si_la_construccion_falla_no_queda_nada_y_se_puede_repetir(store, error):
    with pytest.raises(type(error)):
        store.get("cnn", RECIPE, Builder(error))
    assert list(store.folder.iterdir()) == []
    assert store.find("cnn", RECIPE) is None
    assert store.get("cnn", RECIPE, Builder()).fresh


def test_si_se_acaba_el_disco_el_error_lo_dice(store):
    with pytest.raises(NeumoniaError, match="No queda espacio"):
        store.get("cnn", RECIPE, Builder(OSError(28, "No space left on device")))
    assert list(store.folder.iterdir()) == []


def test_buscar_no_calcula_ni_crea_carpetas(store):
    assert store.find("cnn", RECIPE) is None
    assert not store.folder.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"key": "x"}',
        b'{"key": "x", "recipe": {}, "seconds": "mucho"}',
        b'{"key": "x", "recipe": {}, "seconds": 1, "files": 3}',
        b'{"key": "x", "recipe": {}, "seconds": 1, "files": {"a.txt": 1}}',
        b'{"key": "x", "recipe": {}, "seconds": 1}',
    ],
)
def test_un_sello_danado_se_vuelve_a_calcular(store, content):
    build = Builder()
    folder = store.get("cnn", RECIPE, build).folder
    (folder / "producto.json").write_bytes(content)
    assert store.find("cnn", RECIPE) is None
    assert store.get("cnn", RECIPE, build).fresh
    assert build.calls == 2
    assert (folder / "a.txt").read_text(encoding="utf-8") == "cálculo 2"
    assert not store.get("cnn", RECIPE, build).fresh


@pytest.mark.parametrize("content", [None, b"12", b"1235"])
def test_si_falta_un_archivo_o_cambio_un_byte_se_vuelve_a_calcular(store, content):
    build = Builder()
    inner = store.get("cnn", RECIPE, build).folder / "sub" / "b.bin"
    assert not store.get("cnn", RECIPE, build).fresh
    before = inner.stat()
    inner.unlink() if content is None else inner.write_bytes(content)
    if content is not None:
        # Ni el tamaño ni la fecha delatan un byte cambiado por el disco; su contenido, sí.
        os.utime(inner, ns=(before.st_atime_ns, before.st_mtime_ns))
    again = Store(store.folder)
    assert again.find("cnn", RECIPE) is None
    assert again.get("cnn", RECIPE, build).fresh and build.calls == 2
    assert inner.read_bytes() == b"1234"


def test_un_archivo_tocado_se_relee_con_el_almacen_abierto(store):
    inner = store.get("cnn", RECIPE, Builder()).folder / "sub" / "b.bin"
    assert store.find("cnn", RECIPE) is not None
    inner.write_bytes(b"1235")
    os.utime(inner, ns=(1, 1))
    assert store.find("cnn", RECIPE) is None


def test_el_sello_dice_la_receta_y_el_resumen_de_cada_archivo(store):
    folder = store.get("cnn", RECIPE, Builder()).folder
    stamp = json.loads((folder / "producto.json").read_text())
    assert stamp["recipe"] == RECIPE and stamp["key"] == folder.name
    expected = {"a.txt": "cálculo 1".encode(), "sub/b.bin": b"1234"}
    assert stamp["files"] == {
        name: hashlib.sha256(data).hexdigest() for name, data in expected.items()
    }


class TestHuellaDelCodigo:
    CODE = (
        '"""Módulo."""\nX = 1\n\n\n'
        'class A:\n    """Clase."""\n\n'
        '    def f(self):\n        """Hace."""\n        return X + 1\n'
    )

    @pytest.fixture
    def measure(self, tmp_path, monkeypatch):
        """Huella de un módulo con el código dado."""
        monkeypatch.syspath_prepend(str(tmp_path))

        def of(code: str, name: str = "modulo_de_prueba") -> str:
            (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
            return code_digest(name)

        return of

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('"""Módulo."""', '"""Otro texto."""'),
            ('"""Módulo."""\n', ""),
            ('    """Clase."""\n\n', ""),
            ('"""Hace."""', '"""Hace otra cosa."""'),
            ("X = 1\n", "X = 1  # una nota\n"),
            ("X = 1\n", "X   =   1\n\n\n"),
            ("return X + 1", "return (X + 1)"),
            ("X = 1\n", "import os\nfrom json import dump\n\nX = 1\n"),
            ("        return X", "        from math import pi\n\n        return X"),
        ],
    )
    def test_la_documentacion_el_formato_y_las_importaciones_no_cuentan(self, measure, old, new):
        assert self.CODE.count(old) == 1
        assert measure(self.CODE) == measure(self.CODE.replace(old, new))

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("X = 1", "X = 2"), ("X = 1", 'X = "a"'), ("X + 1", "X - 1"),
            ("def f", "def g"), ("class A", "class B"),
        ],
    )  # fmt: skip
    def test_las_instrucciones_si(self, measure, old, new):
        assert measure(self.CODE) != measure(self.CODE.replace(old, new))

    @pytest.mark.parametrize(
        ("block", "content"), [("def f()", '"""Nada."""'), ("if X", "import os")]
    )
    def test_un_bloque_que_se_queda_vacio_no_la_rompe(self, measure, block, content):
        assert measure(f"{block}:\n    {content}\n") == measure(f"{block}:\n    pass\n")

    def test_es_la_misma_en_cualquier_version_de_python(self, measure, monkeypatch):
        here = measure(self.CODE)
        parse = ast.parse

        def older(text):
            tree = parse(text)
            for node in ast.walk(tree):
                if hasattr(node, "type_params"):
                    del node.type_params
            return tree

        monkeypatch.setattr(ast, "parse", older)
        assert measure(self.CODE) == here

    def test_depende_de_todos_los_modulos_y_no_los_importa(self, measure):
        one, two = measure("A = 1\n", "prueba_uno"), measure("raise ValueError\n", "prueba_dos")
        both = code_digest("prueba_uno", "prueba_dos")
        assert len({one, two, both, code_digest("prueba_dos", "prueba_uno")}) == 4
        assert not {"prueba_uno", "prueba_dos"} & set(sys.modules)

    @pytest.mark.parametrize("name", ["modulo_que_no_existe", "sys"])
    def test_un_modulo_sin_archivo_no_pasa_en_silencio(self, name):
        with pytest.raises((ModuleNotFoundError, FileNotFoundError)):
            code_digest(name)
