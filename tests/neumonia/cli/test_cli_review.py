"""``neumonia revision``: las partes que se piden, en orden, y los errores en español."""

import json

import pytest

from neumonia.review.runner import PARTS

SMALL = {"dataset": "maqueta", "n_films": 60, "size": 32}


@pytest.fixture
def parts(monkeypatch, no_vgg16) -> list[tuple]:
    """Cada parte abre un estudio y anota su configuración, sin entrenar nada."""
    monkeypatch.setenv("NEUMONIA_AJUSTES", json.dumps(SMALL))
    done: list[tuple] = []

    def fake(name: str):
        def part(review, open_one):
            done.append((name, open_one(review.base).config))
            review.report(f"avance de {name}")
            return {"parte": name}

        return part

    for name in PARTS:
        monkeypatch.setitem(PARTS, name, fake(name))
    return done


def test_la_ayuda_nombra_las_partes(run):
    result = run("revision", "--ayuda")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("uso: neumonia revision")
    for name in PARTS:
        assert name in result.out
    assert "revision" in run("--help").out


def test_dos_partes_en_el_orden_en_que_se_piden(run, parts, tmp_path):
    folder = tmp_path / "salida"
    result = run("revision", "desbalance", "atajos", "--salida", folder, "--semilla", "3")
    assert result.code == 0, result.err
    assert [name for name, _ in parts] == ["desbalance", "atajos"]
    assert {config.seed for _, config in parts} == {3} and parts[0][1].n_films == 60
    lines = result.out.splitlines()
    assert lines == [f"Resultado: {folder / name}.json" for name in ("desbalance", "atajos")]
    assert result.err.index("Parte «desbalance»") < result.err.index("avance de desbalance")
    assert result.err.index("avance de desbalance") < result.err.index("Parte «atajos»")
    assert json.loads((folder / "atajos.json").read_text()) == {"parte": "atajos"}
    assert set(json.loads((folder / "provenance.json").read_text())) == {"desbalance", "atajos"}


def test_sin_nombres_se_hacen_todas(run, parts, tmp_path):
    assert run("revision", "--salida", tmp_path).code == 0
    assert [name for name, _ in parts] == list(PARTS)


def test_una_parte_mal_escrita_se_avisa_antes_de_empezar(run, parts, tmp_path):
    """También si va después de otra que tardaría horas."""
    result = run("revision", "atajos", "ensayo", "--salida", tmp_path / "salida")
    assert (result.code, result.out) == (1, "")
    assert "no tiene la parte 'ensayo': atajos, protocolos" in result.err
    assert parts == [] and not (tmp_path / "salida").exists()


def test_sin_carpeta_de_salida_no_se_empieza(run, parts):
    result = run("revision", "atajos")
    assert result.code == 2 and "faltan: --salida" in result.err and parts == []
