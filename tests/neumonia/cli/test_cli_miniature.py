"""``neumonia miniatura`` pide lo justo, publica donde se le dice y muestra la tabla."""

from types import SimpleNamespace

import pytest

from neumonia.cli import main, miniature
from neumonia.study import mnist_search, mnist_second
from neumonia.study.mnist_published import comparison_table, published_mnist


@pytest.fixture
def calls(monkeypatch) -> dict:
    """Sustituye lo que tarda: se anota qué se pidió y se devuelve lo ya publicado."""
    seen: dict = {}
    results = published_mnist().results
    monkeypatch.setattr(miniature, "open_dataset", lambda name, root: (name, root))
    monkeypatch.setattr(miniature, "Films", lambda dataset: dataset)
    rounds = {
        number: (lambda *args, number=number, **options: f"lo probado en la {number}", choice)
        for number, (_, choice) in miniature._ROUNDS.items()
    }
    monkeypatch.setattr(miniature, "_ROUNDS", rounds)
    monkeypatch.setattr(
        miniature,
        "run_mnist",
        lambda dataset, store, choice, report: (
            seen.update(dataset=dataset, store=store, choice=choice)
            or SimpleNamespace(results=results)
        ),
    )
    monkeypatch.setattr(
        miniature,
        "export_mnist",
        lambda run, folder, trials: seen.update(folder=folder, trials=trials) or folder,
    )
    return seen


def test_sin_busqueda_no_se_repite_y_con_ella_si(calls, tmp_path, capsys):
    folder = tmp_path / "28px"
    assert main(["miniatura", "--raiz", "datos.npz", "--salida", str(folder)]) == 0
    assert calls["dataset"][0] == "pneumoniamnist" and str(calls["dataset"][1]) == "datos.npz"
    assert calls["folder"] == folder and calls["trials"] is None
    assert f"Resultado: {folder.resolve()}" in capsys.readouterr().out
    assert main(["miniatura", "--busqueda", "--salida", str(folder)]) == 0
    assert calls["trials"] == "lo probado en la 2" and calls["choice"] == mnist_second.CHOSEN
    first = ["miniatura", "--vuelta", "1", "--busqueda", "--salida", str(folder)]
    assert main(first) == 0
    assert calls["trials"] == "lo probado en la 1" and calls["choice"] == mnist_search.CHOSEN


def test_la_tabla_pone_la_nuestra_primero_y_las_publicadas_sin_intervalo(calls, tmp_path, capsys):
    assert main(["miniatura", "--salida", str(tmp_path)]) == 0
    table = comparison_table(published_mnist().results)
    assert table.index[0] == "nuestra red pequeña" and len(table) == 6
    assert table["ROC-AUC"].str.contains(" a ").tolist() == [True] + [False] * 5
    assert "| Google AutoML Vision | 0.991 | 0.946 |" in capsys.readouterr().out


def test_sin_carpeta_de_salida_es_un_error_de_uso(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["miniatura"])
    assert stop.value.code == 2
    assert "faltan: --salida" in capsys.readouterr().err


def test_unos_datos_que_no_estan_se_explican(tmp_path, capsys):
    missing = str(tmp_path / "no.npz")
    assert main(["miniatura", "--raiz", missing, "--salida", str(tmp_path)]) == 1
    assert "no.npz" in capsys.readouterr().err
