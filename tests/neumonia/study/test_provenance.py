"""De dónde sale cada número, sin delatar las carpetas de quien lo calculó."""

import json
import re
import subprocess
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

import neumonia
from neumonia.study import provenance as module
from neumonia.study.provenance import (
    git_commit,
    package_versions,
    processor,
    provenance,
    source_digest,
)


def texts(value) -> list[str]:
    if isinstance(value, dict):
        return [text for item in (*value, *value.values()) for text in texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    return [value] if isinstance(value, str) else []


def test_dice_datos_particion_pesos_codigo_versiones_maquina_y_segundos(trained):
    study = trained.study
    record = provenance(study)
    assert record["data"]["fingerprint"] == study.dataset.fingerprint
    assert record["data"]["license"] == study.dataset.info["licence"]
    assert record["data"]["citation"] and record["data"]["films"] == 120
    assert record["split"] == {"kind": "paciente", "digest": study.split_digest}
    assert record["config"] == study.config.identity()
    assert record["weights"] == {"origin": "pesos de prueba", "sha256": "0" * 64}
    assert record["code"]["version"] == neumonia.__version__
    assert set(record["seconds"]) == {
        "caracteristicas", "cnn", "mapas-cnn", "mapas-vgg16", "vgg16",
    }  # fmt: skip
    assert all(seconds > 0 for seconds in record["seconds"].values())
    assert record["machine"]["cores"] >= 1


def test_no_lleva_rutas_de_esta_maquina(trained):
    record = provenance(trained.study)
    places = (str(trained.cache), str(Path.home()), str(Path(neumonia.__file__).parents[2]))
    for text in texts(record):
        assert not re.match(r"(/|~|[A-Za-z]:\\)", text), text
        assert not any(place in text for place in places), text
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_sin_vgg16_no_hay_pesos(trained, no_vgg16, monkeypatch):
    from neumonia.study import Study

    monkeypatch.setenv("NEUMONIA_CACHE", str(trained.cache))
    study = Study(trained.study.config, cache=trained.cache, progress=False)
    assert provenance(study)["weights"] is None
    assert "no-esta.h5" not in json.dumps(provenance(study))


def test_la_version_de_cada_paquete_o_que_no_esta(monkeypatch):
    import numpy

    assert package_versions()["numpy"] == numpy.__version__

    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(module, "version", missing)
    assert set(package_versions().values()) == {"no instalado"}


class TestGit:
    @pytest.fixture
    def answers(self, monkeypatch):
        """Hace que git responda lo dado a «rev-parse» y a «status»."""

        def use(*outputs):
            pending = list(outputs)

            def run(command, **options):
                answer = pending.pop(0)
                if isinstance(answer, Exception):
                    raise answer
                return subprocess.CompletedProcess(command, 0, stdout=answer)

            monkeypatch.setattr(module.subprocess, "run", run)

        return use

    def test_la_confirmacion_y_si_hay_cambios(self, answers):
        answers("abc123\n", "")
        assert git_commit() == "abc123"
        answers("abc123\n", " M src/x.py\n")
        assert git_commit() == "abc123+cambios"

    @pytest.mark.parametrize(
        "error",
        [
            FileNotFoundError("git"),
            subprocess.CalledProcessError(128, "git"),
            subprocess.TimeoutExpired("git", 20),
        ],
    )
    def test_sin_git_o_fuera_de_un_repositorio_no_hay_confirmacion(self, answers, error):
        answers(error)
        assert git_commit() is None


class TestProcesador:
    def test_se_lee_de_cpuinfo(self, monkeypatch):
        text = "processor\t: 0\nmodel name\t: Procesador: el mejor\nmodel name\t: otro\n"
        monkeypatch.setattr(Path, "read_text", lambda self, **options: text)
        assert processor() == "Procesador: el mejor"

    @pytest.mark.parametrize("content", ["sin modelo\n", None])
    def test_si_no_consta_se_pregunta_al_sistema(self, monkeypatch, content):
        def read(self, **options):
            if content is None:
                raise FileNotFoundError
            return content

        monkeypatch.setattr(Path, "read_text", read)
        monkeypatch.setattr(module.platform, "processor", lambda: "")
        monkeypatch.setattr(module.platform, "machine", lambda: "x86_64")
        assert processor() == "x86_64"


def test_la_huella_del_codigo_cambia_con_cualquier_archivo(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    (tmp_path / "__init__.py").write_text("")
    (tmp_path / "sub" / "a.py").write_text("X = 1\n")
    monkeypatch.setattr(neumonia, "__file__", str(tmp_path / "__init__.py"))
    first = source_digest()
    assert source_digest() == first
    (tmp_path / "notas.txt").write_text("no es código")
    assert source_digest() == first
    (tmp_path / "sub" / "a.py").write_text("X = 2\n")
    second = source_digest()
    (tmp_path / "sub" / "a.py").rename(tmp_path / "sub" / "b.py")
    assert len({first, second, source_digest()}) == 3
