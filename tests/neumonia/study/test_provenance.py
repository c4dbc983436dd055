"""De dónde sale cada número, sin delatar las carpetas de quien lo calculó."""

import json
import re
import subprocess
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

import neumonia
from neumonia.study import Study
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


def test_sin_vgg16_no_hay_pesos(trained, no_vgg16):
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


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (("abc123\n", ""), "abc123"),
        (("abc123\n", " M src/x.py\n"), "abc123+cambios"),
        ((FileNotFoundError("git"),), None),
        ((subprocess.CalledProcessError(128, "git"),), None),
        ((subprocess.TimeoutExpired("git", 20),), None),
    ],
)
def test_la_confirmacion_y_si_hay_cambios(monkeypatch, answers, expected):
    pending = list(answers)

    def run(command, **options):
        answer = pending.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return subprocess.CompletedProcess(command, 0, stdout=answer)

    monkeypatch.setattr(module.subprocess, "run", run)
    assert git_commit() == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("processor\t: 0\nmodel name\t: Uno: el mejor\nmodel name\t: otro\n", "Uno: el mejor"),
        ("sin modelo\n", "x86_64"),
        (None, "x86_64"),
    ],
)
def test_el_procesador_se_lee_de_cpuinfo_o_se_pregunta(monkeypatch, content, expected):
    def read(self, **options):
        if content is None:
            raise FileNotFoundError
        return content

    monkeypatch.setattr(Path, "read_text", read)
    monkeypatch.setattr(module.platform, "processor", lambda: "")
    monkeypatch.setattr(module.platform, "machine", lambda: "x86_64")
    assert processor() == expected


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
