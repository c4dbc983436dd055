"""Escribir sin dejar restos, resumir contenidos y encontrar las carpetas de trabajo."""

import errno
import hashlib
import json
import os
import stat
from pathlib import Path

import pytest

from neumonia import files
from neumonia.errors import ConfigError, DataError, NeumoniaError
from neumonia.files import (
    atomic_dir,
    atomic_path,
    cache_dir,
    describe_os_error,
    digest,
    explain_os_error,
    project_root,
    read_json,
    sha256_file,
    write_json,
    write_text,
)


def fail_with(code: int):
    def fail(*args, **options):
        raise OSError(code, os.strerror(code))

    return fail


def names(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


class TestCarpetaDeTrabajo:
    def test_manda_neumonia_cache_y_se_crea(self, monkeypatch, tmp_path):
        monkeypatch.setenv("NEUMONIA_CACHE", str(tmp_path / "a" / "b"))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        assert cache_dir() == (tmp_path / "a" / "b").resolve()
        assert (tmp_path / "a" / "b").is_dir() and not (tmp_path / "xdg").exists()

    def test_sin_ella_sigue_la_norma_xdg(self, monkeypatch, tmp_path):
        monkeypatch.delenv("NEUMONIA_CACHE")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        assert cache_dir() == (tmp_path / "xdg" / "neumonia").resolve()

    def test_sin_ninguna_queda_en_la_carpeta_personal(self, monkeypatch, tmp_path):
        monkeypatch.delenv("NEUMONIA_CACHE")
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))
        assert cache_dir() == (tmp_path / ".cache" / "neumonia").resolve()

    def test_si_no_se_puede_crear_dice_que_variable_definir(self, monkeypatch, tmp_path):
        (tmp_path / "ocupado").write_text("soy un archivo")
        monkeypatch.setenv("NEUMONIA_CACHE", str(tmp_path / "ocupado" / "cache"))
        with pytest.raises(NeumoniaError, match=r"no es una carpeta.*NEUMONIA_CACHE"):
            cache_dir()


class TestRutaAtomica:
    def test_el_resultado_aparece_entero_y_el_temporal_desaparece(self, tmp_path):
        target = tmp_path / "nueva" / "modelo.keras"
        with atomic_path(target) as temporary:
            assert temporary.parent == target.parent and temporary.suffix == ".keras"
            temporary.write_text("hola")
            assert not target.exists()
        assert target.read_text() == "hola"
        assert names(target.parent) == ["modelo.keras"]

    def test_los_permisos_son_los_de_un_archivo_comun(self, tmp_path):
        previous = os.umask(0o027)
        try:
            write_text(tmp_path / "a.txt", "a")
        finally:
            os.umask(previous)
        assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, MemoryError])
    def test_si_el_bloque_falla_lo_anterior_queda_y_no_hay_restos(self, tmp_path, error):
        target = tmp_path / "a.txt"
        target.write_text("anterior")
        with pytest.raises(error), atomic_path(target) as temporary:
            temporary.write_text("a medias")
            raise error
        assert target.read_text() == "anterior"
        assert names(tmp_path) == ["a.txt"]

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="el sistema no tiene /dev/full")
    def test_un_disco_lleno_de_verdad_se_explica(self, tmp_path):
        target = tmp_path / "a.txt"
        with (
            pytest.raises(NeumoniaError, match=r"No queda espacio.*NEUMONIA_CACHE"),
            atomic_path(target) as temporary,
        ):
            temporary.write_text("a medias")
            with open("/dev/full", "w", encoding="utf-8") as full:
                full.write("x" * 100_000)
        assert names(tmp_path) == []

    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
    def test_sin_espacio_al_cambiar_de_nombre(self, tmp_path, monkeypatch, code):
        target = tmp_path / "a.txt"
        target.write_text("anterior")
        monkeypatch.setattr(files.os, "replace", fail_with(code))
        with pytest.raises(NeumoniaError, match="No queda espacio"):
            write_text(target, "nuevo")
        assert (target.read_text(), names(tmp_path)) == ("anterior", ["a.txt"])

    def test_numpy_avisa_del_disco_lleno_sin_codigo_y_se_entiende_igual(self, tmp_path):
        with (
            pytest.raises(NeumoniaError, match="No queda espacio"),
            atomic_path(tmp_path / "a.npy"),
        ):
            raise OSError("20000 requested and 12784 written")

    @pytest.mark.parametrize(
        ("code", "reason"),
        [(errno.EACCES, "no tenemos permiso"), (errno.EROFS, "el disco es de solo lectura")],
    )
    def test_sin_permiso_ni_siquiera_empieza(self, tmp_path, monkeypatch, code, reason):
        monkeypatch.setattr(files.tempfile, "mkstemp", fail_with(code))
        entered = False
        with (
            pytest.raises(NeumoniaError, match=rf"No se pudo escribir .*a\.txt: {reason}\."),
            atomic_path(tmp_path / "a.txt"),
        ):
            entered = True
        assert not entered and names(tmp_path) == []

    def test_una_carpeta_en_el_lugar_del_archivo_se_respeta(self, tmp_path):
        (tmp_path / "a.txt").mkdir()
        with pytest.raises(NeumoniaError, match="es una carpeta"):
            write_text(tmp_path / "a.txt", "a")
        assert names(tmp_path) == ["a.txt"] and (tmp_path / "a.txt").is_dir()

    def test_un_archivo_en_mitad_de_la_ruta_se_nombra(self, tmp_path):
        (tmp_path / "ocupado").write_text("x")
        with pytest.raises(NeumoniaError, match=r"no es una carpeta|ya existe"):
            write_text(tmp_path / "ocupado" / "b" / "a.txt", "a")
        assert (tmp_path / "ocupado").read_text() == "x"

    def test_si_falla_leer_otro_archivo_el_error_dice_cual(self, tmp_path):
        other = tmp_path / "entrada" / "pesos.h5"
        with (
            pytest.raises(NeumoniaError, match=r"no existe \(.*pesos\.h5\)"),
            atomic_path(tmp_path / "salida" / "a.txt"),
        ):
            other.read_bytes()

    def test_un_motivo_que_no_conocemos_se_muestra_como_venga(self, tmp_path):
        assert "algo raro" in str(explain_os_error(OSError("algo raro"), tmp_path / "a"))
        busy = OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        assert os.strerror(errno.EBUSY) in str(explain_os_error(busy, tmp_path / "a"))


def test_el_error_del_sistema_se_dice_en_espanol_y_con_su_archivo():
    missing = FileNotFoundError(errno.ENOENT, "No such file", "radiografia.png")
    assert describe_os_error(missing) == "no existe (radiografia.png)"
    assert describe_os_error(OSError(errno.EACCES, "Permission denied")) == "no tenemos permiso"


class TestCarpetaAtomica:
    def fill(self, folder: Path, text: str = "anterior") -> Path:
        folder.mkdir()
        (folder / "a.txt").write_text(text)
        (folder / "viejo.txt").write_text("viejo")
        return folder

    def test_la_carpeta_nueva_sustituye_entera_a_la_anterior(self, tmp_path):
        target = self.fill(tmp_path / "producto")
        with atomic_dir(target) as temporary:
            (temporary / "a.txt").write_text("nuevo")
            assert (target / "a.txt").read_text() == "anterior"
        assert names(target) == ["a.txt"] and (target / "a.txt").read_text() == "nuevo"
        assert names(tmp_path) == ["producto"]

    def test_si_no_existia_se_crea_con_sus_carpetas_y_permisos_comunes(self, tmp_path):
        previous = os.umask(0o022)
        try:
            with atomic_dir(tmp_path / "x" / "y") as temporary:
                (temporary / "a").mkdir()
        finally:
            os.umask(previous)
        assert names(tmp_path / "x" / "y") == ["a"]
        assert stat.S_IMODE((tmp_path / "x" / "y").stat().st_mode) == 0o755

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
    def test_si_el_bloque_falla_queda_la_anterior(self, tmp_path, error):
        target = self.fill(tmp_path / "producto")
        with pytest.raises(error), atomic_dir(target) as temporary:
            (temporary / "a.txt").write_text("a medias")
            raise error
        assert names(target) == ["a.txt", "viejo.txt"]
        assert names(tmp_path) == ["producto"]

    @pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "x"), KeyboardInterrupt()])
    def test_si_falla_el_cambio_de_nombre_vuelve_la_anterior(self, tmp_path, monkeypatch, error):
        target = self.fill(tmp_path / "producto")
        replace = os.replace
        calls = []

        def second_fails(source, destination):
            calls.append(Path(destination).name)
            if len(calls) == 2:
                raise error
            replace(source, destination)

        monkeypatch.setattr(files.os, "replace", second_fails)
        expected = NeumoniaError if isinstance(error, OSError) else KeyboardInterrupt
        with pytest.raises(expected), atomic_dir(target) as temporary:
            (temporary / "a.txt").write_text("nuevo")
        assert len(calls) == 3
        assert (target / "a.txt").read_text() == "anterior"
        assert names(tmp_path) == ["producto"]

    def test_una_interrupcion_tras_el_cambio_deja_la_nueva(self, tmp_path, monkeypatch):
        target = self.fill(tmp_path / "producto")
        replace = os.replace

        def interrupted(source, destination):
            replace(source, destination)
            if Path(destination) == target:
                raise KeyboardInterrupt

        monkeypatch.setattr(files.os, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt), atomic_dir(target) as temporary:
            (temporary / "a.txt").write_text("nuevo")
        assert (target / "a.txt").read_text() == "nuevo"
        assert names(tmp_path) == ["producto"]

    def test_si_ni_siquiera_vuelve_la_anterior_no_se_borra(self, tmp_path, monkeypatch):
        target = self.fill(tmp_path / "producto")
        replace = os.replace
        calls = []

        def only_first_works(source, destination):
            calls.append(destination)
            if len(calls) > 1:
                raise OSError(errno.EIO, "disco averiado")
            replace(source, destination)

        monkeypatch.setattr(files.os, "replace", only_first_works)
        with pytest.raises(NeumoniaError), atomic_dir(target):
            pass
        (kept,) = tmp_path.iterdir()
        assert names(kept) == ["a.txt", "viejo.txt"]

    def test_si_no_se_puede_crear_el_temporal_se_explica(self, tmp_path, monkeypatch):
        monkeypatch.setattr(files.tempfile, "mkdtemp", fail_with(errno.EACCES))
        with pytest.raises(NeumoniaError, match="no tenemos permiso"), atomic_dir(tmp_path / "a"):
            pass

    def test_falta_de_espacio_dentro_del_bloque(self, tmp_path):
        with (
            pytest.raises(NeumoniaError, match="No queda espacio"),
            atomic_dir(tmp_path / "a") as temporary,
        ):
            (temporary / "b").write_text("x")
            raise OSError(errno.ENOSPC, "x")
        assert names(tmp_path) == []


class TestHuellas:
    def test_sha256_de_un_archivo_mayor_que_un_bloque(self, tmp_path):
        content = os.urandom(600_000)
        (tmp_path / "a").write_bytes(content)
        assert sha256_file(tmp_path / "a") == hashlib.sha256(content).hexdigest()

    def test_la_huella_es_la_del_json_canonico(self):
        expected = hashlib.sha256('{"a":[1,"ñ"],"b":null}'.encode()).hexdigest()[:16]
        assert digest({"b": None, "a": [1, "ñ"]}) == expected

    def test_el_orden_de_las_claves_no_importa_y_el_de_las_listas_si(self):
        assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
        assert digest([1, 2]) != digest([2, 1])
        assert digest({"a": 1}) != digest({"a": 2})

    def test_una_ruta_se_resume_como_texto(self):
        assert digest([Path("a/b")]) == digest(["a/b"])


class TestJson:
    def test_ida_y_vuelta_con_tildes_legibles(self, tmp_path):
        value = {"título": "neumonía", "n": [1, 2.5, None]}
        write_json(tmp_path / "a.json", value)
        text = (tmp_path / "a.json").read_bytes()
        assert read_json(tmp_path / "a.json") == value
        assert "neumonía".encode() in text and text.endswith(b"}\n") and b"\r" not in text
        assert list(json.loads(text)) == ["título", "n"]

    def test_un_nan_no_se_escribe_y_lo_anterior_queda(self, tmp_path):
        write_json(tmp_path / "a.json", {"n": 1})
        with pytest.raises(ValueError, match="JSON"):
            write_json(tmp_path / "a.json", {"n": float("nan")})
        assert read_json(tmp_path / "a.json") == {"n": 1}
        assert names(tmp_path) == ["a.json"]

    def test_si_falta_lo_dice(self, tmp_path):
        with pytest.raises(DataError, match=r"Falta el archivo .*a\.json"):
            read_json(tmp_path / "a.json")

    @pytest.mark.parametrize("content", [b"", b'{"a": ', b"\xff\xfe{}"])
    def test_si_esta_danado_lo_dice(self, tmp_path, content):
        (tmp_path / "a.json").write_bytes(content)
        with pytest.raises(DataError, match=r"a\.json está dañado"):
            read_json(tmp_path / "a.json")

    def test_una_carpeta_no_es_un_json(self, tmp_path):
        with pytest.raises(DataError, match="dañado"):
            read_json(tmp_path)


class TestCarpetaDelLibro:
    def test_se_encuentra_desde_una_subcarpeta(self, monkeypatch, tmp_path):
        (tmp_path / "_quarto.yml").touch()
        (tmp_path / "book" / "x").mkdir(parents=True)
        assert project_root(tmp_path / "book" / "x") == tmp_path.resolve()
        monkeypatch.chdir(tmp_path / "book")
        assert project_root() == tmp_path.resolve()

    def test_manda_la_variable(self, monkeypatch, tmp_path):
        (tmp_path / "_quarto.yml").touch()
        monkeypatch.setenv("NEUMONIA_PROYECTO", str(tmp_path / "otro"))
        assert project_root(tmp_path) == (tmp_path / "otro").resolve()

    def test_si_no_hay_libro_dice_que_hacer(self, tmp_path):
        with pytest.raises(ConfigError, match="NEUMONIA_PROYECTO"):
            project_root(tmp_path)
