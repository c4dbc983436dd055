"""La comparación con los pares compara lo mismo, y lo publicado se sostiene."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import pearsonr

from neumonia.errors import NeumoniaError
from neumonia.gradcam import grad_cam, grad_cam_raw

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def pares(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "bench")
    import pares

    return pares


@pytest.fixture
def pares_metodos(pares):
    import pares_metodos

    return pares_metodos


@pytest.fixture(scope="module")
def films() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 24, 24), dtype=np.uint8)


@pytest.fixture(scope="module")
def network():
    import keras

    keras.utils.set_random_seed(3)
    film = keras.Input((24, 24, 1))
    hidden = keras.layers.Rescaling(1 / 255)(film)
    hidden = keras.layers.Conv2D(6, 3, activation="relu", name="uno")(hidden)
    hidden = keras.layers.MaxPooling2D()(hidden)
    hidden = keras.layers.Conv2D(8, 3, activation="relu", name="dos")(hidden)
    return keras.Model(film, keras.layers.Dense(1)(keras.layers.Flatten()(hidden)))


def test_la_receta_de_keras_da_nuestro_mapa(pares_metodos, network, films):
    raw = grad_cam_raw(network, films)
    assert not raw.all_negative.all()
    small = np.maximum(raw.maps, 0)
    peaks = small.max(axis=(1, 2), keepdims=True)
    expected = np.divide(small, peaks, out=np.zeros_like(small), where=peaks > 0)
    recipe = pares_metodos.keras_recipe(network, "dos")
    found = recipe.small(films[..., None].astype(np.float32))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_la_red_ya_compilada_da_nuestro_mapa(pares_metodos, network, films):
    maps = pares_metodos.compiled_once(network, "dos")
    found = maps.full(films[..., None].astype(np.float32))
    np.testing.assert_allclose(found, grad_cam(network, films), atol=1e-6)


def test_la_vgg16_plana_responde_como_la_anidada(pares, films):
    import pares_redes

    from neumonia.models import assemble, build_backbone, build_head

    backbone, big = build_backbone(32), np.pad(films, ((0, 0), (4, 4), (4, 4)))
    head = build_head(backbone.output_shape[1:], 0)
    batch = big[..., None].astype(np.float32)
    nested, flat = assemble(backbone, head, 32), pares_redes.flat_copy(backbone, head)
    np.testing.assert_allclose(flat(batch), nested(batch), rtol=1e-5, atol=1e-6)


def test_la_correlacion_es_la_de_scipy_y_no_cuenta_mapas_constantes(pares):
    rng = np.random.default_rng(1)
    theirs, ours = rng.random((3, 7, 7)), rng.random((3, 7, 7))
    theirs[1] = 0
    found = pares.correlations(theirs, ours)
    assert len(found) == 2
    for (pearson, _), row in zip(found, (0, 2), strict=True):
        assert pearson == pytest.approx(pearsonr(theirs[row].ravel(), ours[row].ravel()).statistic)
    assert pares.correlations(theirs**3, theirs)[0][1] == pytest.approx(1)


def test_los_turnos_se_alternan_y_el_calentamiento_no_cuenta(pares):
    calls = []
    times = pares.time_pairs(lambda: calls.append("n"), lambda: calls.append("p"), 3)
    assert "".join(calls) == "np" + "np" + "pn" + "np"
    assert times.shape == (3, 2, 2)


def test_el_cociente_es_el_tiempo_del_par_entre_el_nuestro(pares, network, films, monkeypatch):
    times = np.zeros((3, 2, 2))
    times[:, 0], times[:, 1] = 1.0, np.array([2.0, 4.0, 3.0])[:, None]
    monkeypatch.setattr(pares, "time_pairs", lambda *_: times)
    case = pares.Case("keras.io", "grad_cam", None)
    row = pares.speed(case, None, network, films, 3)
    assert (row["ratio_low"], row["ratio_to_ours"], row["ratio_high"]) == (2, 3, 4)
    assert row["seconds_per_film"] == pytest.approx(3 / 5)
    assert row["our_seconds_per_film"] == pytest.approx(1 / 5)


def test_un_par_que_falla_deja_su_error_en_la_fila(pares, network, films):
    def broken(model, layer):
        raise ValueError("no está conectada\ncon más detalles")

    row = pares.run_case(pares.Case("keras.io", "grad_cam", broken), "cnn", network, films, 1)
    assert row["runs"] is False
    assert row["error"] == "ValueError: no está conectada"
    assert tuple(row) == pares.FIELDS
    assert "no está conectada" in pares.table([row])


def test_un_par_ausente_se_salta_en_voz_alta(pares, monkeypatch, capsys):
    monkeypatch.setattr(pares, "peer_version", lambda peer: "1" if peer == "keras.io" else None)
    chosen = pares.chosen_cases(["keras.io", "xplique"], ["grad_cam"])
    assert [case.peer for case in chosen] == ["keras.io"]
    said = capsys.readouterr().out
    assert "Falta xplique" in said and "requirements-pares.txt" in said
    assert "tf-keras-vis" not in said


def test_agregar_reemplaza_la_misma_fila_y_rechaza_otra_maquina(pares, tmp_path):
    def row(peer, value):
        key = {"network": "cnn", "method": "grad_cam", "peer": peer, "reused": False}
        return key | {"ratio_to_ours": value}

    origin = {"packages": {}, "machine": {"cores": 2}, "peers": {}, "films": {}, "weights": None}
    path = tmp_path / "pares.json"
    merged = pares.merge([row("xplique", 1.0), row("keras.io", 2.0)], [row("xplique", 3.0)])
    assert {r["peer"]: r["ratio_to_ours"] for r in merged} == {"keras.io": 2, "xplique": 3}
    path.write_text(json.dumps({"peers": [], "provenance": origin}), encoding="utf-8")
    assert pares.previous(path, dict(origin))["peers"] == []
    with pytest.raises(NeumoniaError, match="machine"):
        pares.previous(path, origin | {"machine": {"cores": 64}})


def test_los_pares_estan_fijados_y_no_son_dependencias():
    lines = (ROOT / "bench" / "requirements-pares.txt").read_text(encoding="utf-8").splitlines()
    pinned = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in pinned)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").lower()
    for line in pinned:
        name = line.split("==")[0].lower()
        assert f"\n{name}==" not in lock and name not in project.lower()


def test_lo_publicado_tiene_todas_sus_filas_y_ningun_cociente_fuera_de_su_recorrido(pares):
    found = json.loads((ROOT / "estudio/laboratorio/pares.json").read_text(encoding="utf-8"))
    rows = found["peers"]
    expected = {
        (network, case.method, case.peer, case.reused)
        for network in pares.NETWORKS
        for case in pares.cases()
    }
    assert {tuple(row[name] for name in pares.KEY) for row in rows} == expected
    assert len(rows) == len(expected)
    for row in rows:
        assert tuple(row) == pares.FIELDS
        assert row["runs"] is (row["error"] is None)
        for name in ("ratio", "cpu_ratio"):
            low, middle, high = (row[f"{name}_{part}"] for part in ("low", "to_ours", "high"))
            assert (middle is None) is (row["n_pairs"] == 0)
            assert middle is None or 0 < low <= middle <= high
    assert "/" not in json.dumps(found["provenance"]["films"])
    pinned = (ROOT / "bench" / "requirements-pares.txt").read_text(encoding="utf-8")
    for peer in ("tf-keras-vis", "xplique"):
        assert f"\n{peer}=={found['provenance']['peers'][peer]}\n" in pinned
