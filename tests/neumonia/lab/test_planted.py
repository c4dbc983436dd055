"""El atajo plantado: dónde va la marca, qué hacen los arreglos y qué mide el experimento."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from neumonia.errors import ConfigError, DataError
from neumonia.gradcam import grad_cam
from neumonia.heat import energy_inside
from neumonia.lab import planted as lab
from neumonia.lab.planted import (
    HEADS,
    METHODS,
    VARIANTS,
    Head,
    Planted,
    Variant,
    crop_border,
    half_of_each,
    marker_zone,
    mask_corner,
    restore_frame,
    stamp_marker,
)
from neumonia.models.backend import load_keras
from neumonia.text import one
from neumonia.training import predict_logits

SIZE = 36
BY_NAME = {variant.name: variant for variant in VARIANTS}
LETTER = np.array(
    [
        [1, 1, 1, 1, 0],
        [1, 0, 0, 0, 1],
        [1, 0, 0, 0, 1],
        [1, 1, 1, 1, 0],
        [1, 0, 1, 0, 0],
        [1, 0, 0, 1, 0],
        [1, 0, 0, 0, 1],
    ]
)


@pytest.fixture
def films() -> np.ndarray:
    """Ciento sesenta placas de ruido oscuro: nada en ellas distingue las clases."""
    return np.random.default_rng(0).integers(0, 90, (160, SIZE, SIZE)).astype(np.uint8)


@pytest.fixture
def manifest() -> pd.DataFrame:
    number = np.arange(160) // 2
    return pd.DataFrame({"label": number % 2, "patient": [f"p{item}" for item in number]})


@pytest.fixture
def split() -> pd.Series:
    return pd.Series(np.repeat(["train", "val", "test"], [60, 40, 60]), name="split")


def detector(side: int, *options, **more):
    """Una red hecha a mano que responde a la R y a nada más: más letra, más logit."""
    keras = load_keras()
    template = np.where(LETTER == 1, 1.0, -1.0) / LETTER.sum()
    model = keras.Sequential(
        [
            keras.Input((side, side, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(1, LETTER.shape, activation="relu", padding="same", name="letter"),
            keras.layers.GlobalMaxPooling2D(),
            keras.layers.Dense(1, name="logit"),
        ]
    )
    weights = [template[..., None, None], np.array([-0.5]), np.array([[20.0]]), np.array([-2.0])]
    model.set_weights(weights)
    return model


@pytest.fixture
def planted(films, manifest, split) -> Planted:
    return Planted(films, manifest, split, seed=0, n=100)


@pytest.fixture
def trained(monkeypatch) -> list[tuple]:
    """En lugar de entrenar, se anota con qué; la red ya responde a la letra."""
    calls: list[tuple] = []
    monkeypatch.setattr(
        "neumonia.lab.planted.fit", lambda model, train, val, *options: calls.append((train, val))
    )
    return calls


HAND_MADE = Head(detector, "letter")


def table_of(planted, variant: Variant):
    rows, maps = planted.measure(HAND_MADE, variant)
    table = pd.DataFrame(rows).fillna({"method": ""}).set_index(["metric", "method"])
    return table, maps


# --- La marca -------------------------------------------------------------------------------------
def test_solo_se_marcan_las_placas_elegidas_y_el_original_queda_intacto(films):
    where = np.arange(160) % 3 == 0
    before = films.copy()
    stamped = stamp_marker(films, where, seed=0)
    np.testing.assert_array_equal(films, before)
    assert stamped.dtype == np.uint8
    np.testing.assert_array_equal((stamped != films).any(axis=(1, 2)), where)


@pytest.mark.parametrize(("side", "scale"), [(70, 1), (127, 1), (128, 2), (224, 3)])
def test_lo_estampado_es_una_r_y_cae_siempre_dentro_de_su_zona(side, scale):
    blank = np.zeros((200, side, side + 20), np.uint8)
    stamped = stamp_marker(blank, np.ones(200, bool), seed=1)
    assert set(np.unique(stamped)) == {0, 255}
    letter = np.kron(LETTER, np.ones((scale, scale), int)) == 1
    corners = set()
    for film in stamped:
        rows, columns = np.nonzero(film)
        top, left = rows.min(), columns.min()
        cut = film[top : top + 7 * scale, left : left + 5 * scale] > 0
        np.testing.assert_array_equal(cut, letter)
        assert (film > 0).sum() == letter.sum()
        corners.add((int(top), int(side + 20 - left - 5 * scale)))
    reached = set(range(scale, 3 * scale + 1))
    assert {top for top, _ in corners} == {right for _, right in corners} == reached
    zone = marker_zone(side, side + 20)
    assert not stamped[:, ~zone].any() and zone.sum() == (10 * scale) ** 2


def test_el_lugar_depende_de_la_semilla_y_no_de_cuales_se_marcan(films):
    everyone = stamp_marker(films, np.ones(160, bool), seed=0)
    some = np.arange(160) % 2 == 0
    np.testing.assert_array_equal(stamp_marker(films, some, seed=0)[some], everyone[some])
    assert not np.array_equal(everyone, stamp_marker(films, np.ones(160, bool), seed=1))


def test_marcas_imposibles(films):
    everyone = np.ones(160, bool)
    with pytest.raises(DataError, match="uint8"):
        stamp_marker(films.astype(np.float32), everyone, 0)
    for where in (np.ones(160), everyone[:3]):
        with pytest.raises(DataError, match="verdadero o falso"):
            stamp_marker(films, where, 0)
    with pytest.raises(ConfigError, match="31 x 64"):
        marker_zone(31, 64)


# --- Los arreglos ---------------------------------------------------------------------------------
@pytest.mark.parametrize("repair", [crop_border, mask_corner])
def test_recortar_y_tapar_borran_toda_huella_de_la_marca(films, repair):
    before = films.copy()
    stamped = stamp_marker(films, np.ones(160, bool), seed=0)
    np.testing.assert_array_equal(repair(stamped), repair(films))
    np.testing.assert_array_equal(films, before)


def test_recortar_quita_lo_mismo_de_cada_lado_y_tapar_solo_la_zona(films):
    np.testing.assert_array_equal(crop_border(films), films[:, 10:-10, 10:-10])
    covered, zone = mask_corner(films), marker_zone(SIZE, SIZE)
    assert not covered[:, zone].any()
    np.testing.assert_array_equal(covered[:, ~zone], films[:, ~zone])


def test_los_mapas_de_una_placa_recortada_vuelven_a_su_sitio(films):
    maps = films / 90
    back = restore_frame(crop_border(maps), SIZE, SIZE)
    np.testing.assert_array_equal(back[:, 10:-10, 10:-10], maps[:, 10:-10, 10:-10])
    assert back.sum() == crop_border(maps).sum()
    np.testing.assert_array_equal(restore_frame(maps, SIZE, SIZE), maps)


def test_equilibrar_marca_la_mitad_de_cada_clase():
    labels = np.repeat([0, 1], [21, 60])
    chosen = half_of_each(labels, seed=0)
    assert chosen.dtype == bool and (chosen[:21].sum(), chosen[21:].sum()) == (10, 30)
    np.testing.assert_array_equal(chosen, half_of_each(labels, seed=0))
    assert not np.array_equal(chosen, half_of_each(labels, seed=1))


def test_las_variantes_marcan_lo_que_dicen():
    labels = np.repeat([0, 1], [4, 8])
    assert not BY_NAME["sin marca"].marked(labels, 0).any()
    for name in ("atajo", "recorte", "tapado"):
        np.testing.assert_array_equal(BY_NAME[name].marked(labels, 0), labels == 1)
    assert BY_NAME["equilibrio"].marked is half_of_each


# --- El experimento, con una red de respuesta conocida --------------------------------------------
def test_una_red_que_solo_ve_la_marca_brilla_con_ella_y_se_hunde_sin_ella(planted, trained):
    table, maps = table_of(planted, BY_NAME["atajo"])
    assert table["value"]["auc_val", ""] == 1 and table["value"]["auc_swapped", ""] == 0
    clean = table.loc[("auc_clean", "")]
    assert 0.3 < clean["value"] < 0.7 and clean["low"] <= clean["value"] <= clean["high"]
    assert table["n"]["auc_val", ""] == 40 and table["n"]["auc_clean", ""] == 60
    for method in ("grad_cam", "hires_cam"):
        assert table["value"]["heat", method] > 0.9 and table["n_null"]["heat", method] == 0
    stamped = stamp_marker(planted.clean, planted.labels == 1, 0)[planted.sick]
    expected = grad_cam(detector(SIZE), stamped, method="hires_cam", layer="letter")
    np.testing.assert_allclose(maps["hires_cam"], expected, atol=1e-6)
    zones = np.broadcast_to(planted.zone, expected.shape)
    heat = energy_inside(expected, zones).mean()
    assert table["value"]["heat", "hires_cam"] == pytest.approx(heat)
    assert list(maps) == list(METHODS) and len(planted.sick) == 30


def test_los_arreglos_igualan_la_prueba_limpia_y_la_de_la_marca_cambiada(planted, trained):
    for name in ("recorte", "tapado"):
        table, maps = table_of(planted, BY_NAME[name])
        value = table["value"]
        assert value["auc_clean", ""] == value["auc_swapped", ""] and value["auc_val", ""] < 0.75
        assert value["heat", "hires_cam"] < 0.35
        assert all(heat.shape == (30, SIZE, SIZE) for heat in maps.values())
    assert [call[0][0].shape[1] for call in trained] == [SIZE - 20, SIZE]


def test_se_entrena_con_las_placas_marcadas_y_nunca_con_las_de_prueba(planted, trained, split):
    for variant in VARIANTS:
        table_of(planted, variant)
    for variant, calls in zip(VARIANTS, trained, strict=True):
        marked = stamp_marker(planted.clean, variant.marked(planted.labels, 0), 0)
        for part, data in zip(("train", "val"), calls, strict=True):
            np.testing.assert_array_equal(data[0], variant.prepare(marked))
            np.testing.assert_array_equal(data[1], planted.labels)
            np.testing.assert_array_equal(data[2], np.flatnonzero(split == part))


def test_las_auc_son_las_de_scikit_learn(planted, trained, split):
    found = table_of(planted, BY_NAME["equilibrio"])[0]["value"]
    labels, model = planted.labels, detector(SIZE)
    states = {
        "auc_val": ("val", half_of_each(labels, 0)),
        "auc_clean": ("test", np.zeros(160, bool)),
        "auc_swapped": ("test", labels == 0),
    }
    for metric, (part, where) in states.items():
        rows = np.flatnonzero(split == part)
        logits = predict_logits(model, stamp_marker(planted.clean, where, 0)[rows])
        assert found[metric, ""] == pytest.approx(roc_auc_score(labels[rows], logits))


def test_el_experimento_junta_las_dos_cabezas_y_dibuja_la_cnn(trained, monkeypatch, tmp_path):
    monkeypatch.setattr(lab, "N_FILMS", 60)
    monkeypatch.setattr(lab, "SIZE", SIZE)
    monkeypatch.setattr(lab, "HEADS", {"cnn": HAND_MADE, "cnn_promedio": HAND_MADE})
    monkeypatch.setattr(lab, "VARIANTS", VARIANTS[1:3])
    base = SimpleNamespace(seed=0)
    table = lab.run(SimpleNamespace(base=base, figures=tmp_path, report=lambda text: None))
    keys = table[["network", "variant"]].dropna().drop_duplicates()
    assert len(keys) == 4 and len(table) == 4 * (3 + len(METHODS)) + 1
    chance = one(table, metric="chance")
    assert chance["value"] == pytest.approx(100 / SIZE**2) and chance["n"] == 60
    assert (tmp_path / "atajo-cnn.png").is_file()


# --- De verdad, en miniatura ----------------------------------------------------------------------
def test_la_cnn_del_libro_aprende_el_atajo_y_dos_veces_da_lo_mismo(planted, monkeypatch):
    monkeypatch.setattr("neumonia.lab.planted.BATCH_SIZE", 4)

    def value() -> pd.Series:
        rows, _ = planted.measure(HEADS["cnn"], BY_NAME["atajo"], epochs=5)
        return pd.DataFrame(rows).fillna({"method": ""}).set_index(["metric", "method"])["value"]

    first = value()
    assert first["auc_val", ""] > 0.9 and first["auc_swapped", ""] < 0.1
    pd.testing.assert_series_equal(first, value())


def test_la_cabeza_que_promedia_tambien_se_entrena(planted):
    rows, maps = planted.measure(HEADS["cnn_promedio"], BY_NAME["sin marca"], epochs=1)
    assert len(rows) == 3 + len(METHODS) and maps["grad_cam"].shape == (30, SIZE, SIZE)
