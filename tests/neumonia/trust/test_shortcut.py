"""El atajo plantado: dónde va la marca, qué hacen los arreglos y qué mide el experimento."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from neumonia.errors import ConfigError, DataError
from neumonia.gradcam import grad_cam
from neumonia.models.backend import load_keras
from neumonia.training import predict_logits
from neumonia.trust import shortcut
from neumonia.trust.marker import marker_scale, marker_width, marker_zone, stamp_marker
from neumonia.trust.shortcut import shortcut_experiment, shortcut_films, train_small
from neumonia.trust.shortcut_repair import (
    CLEAN,
    REPAIRS,
    SHORTCUT,
    VARIANTS,
    Variant,
    crop_border,
    half_of_each,
    mask_corner,
    restore_frame,
    unchanged,
)

SIZE = 36
EXPLAINERS = {
    "grad_cam": grad_cam,
    "hires_cam": partial(grad_cam, method="hires_cam"),
    "nulo": lambda model, films: np.zeros(films.shape),
}
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


def detector(side: int):
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


class Trainer:
    """En lugar de entrenar, anota los datos y devuelve el detector de la letra."""

    def __init__(self) -> None:
        self.calls: list[tuple] = []

    def __call__(self, train: tuple, val: tuple, seed: int):
        self.calls.append((train, val, seed))
        return detector(train[0].shape[1])


# --- La marca -------------------------------------------------------------------------------------
def test_solo_se_marcan_las_placas_elegidas_y_el_original_queda_intacto(films):
    where = np.arange(160) % 3 == 0
    before = films.copy()
    stamped = stamp_marker(films, where, seed=0)
    np.testing.assert_array_equal(films, before)
    assert stamped.dtype == np.uint8
    np.testing.assert_array_equal((stamped != films).any(axis=(1, 2)), where)


@pytest.mark.parametrize("scale", [1, 2])
def test_lo_estampado_es_una_r_y_cae_siempre_dentro_de_su_zona(scale):
    blank = np.zeros((300, 70, 90), np.uint8)
    stamped = stamp_marker(blank, np.ones(300, bool), seed=1, level=200, scale=scale)
    assert set(np.unique(stamped)) == {0, 200}
    letter = np.kron(LETTER, np.ones((scale, scale), int)) == 1
    corners = set()
    for film in stamped:
        rows, columns = np.nonzero(film)
        top, left = rows.min(), columns.min()
        cut = film[top : top + 7 * scale, left : left + 5 * scale] > 0
        np.testing.assert_array_equal(cut, letter)
        assert (film > 0).sum() == letter.sum()
        corners.add((top, 90 - left - 5 * scale))
    reached = range(scale, 3 * scale + 1)
    assert corners == {(top, right) for top in reached for right in reached}
    zone = marker_zone(70, 90, scale)
    assert not stamped[:, ~zone].any()
    assert zone.sum() == marker_width(70, 90, scale) ** 2 == (10 * scale) ** 2


def test_el_lugar_depende_de_la_semilla_y_no_de_cuales_se_marcan(films):
    everyone = stamp_marker(films, np.ones(160, bool), seed=0)
    some = np.arange(160) % 2 == 0
    np.testing.assert_array_equal(stamp_marker(films, some, seed=0)[some], everyone[some])
    assert not np.array_equal(everyone, stamp_marker(films, np.ones(160, bool), seed=1))


@pytest.mark.parametrize(("size", "scale"), [(32, 1), (66, 1), (127, 1), (128, 2), (224, 3)])
def test_la_marca_crece_con_la_placa(size, scale):
    assert marker_scale(size, size) == scale


def test_marcas_imposibles(films):
    everyone = np.ones(160, bool)
    with pytest.raises(DataError, match="uint8"):
        stamp_marker(films.astype(np.float32), everyone, 0)
    for where in (np.ones(160), everyone[:3]):
        with pytest.raises(DataError, match="verdadero o falso"):
            stamp_marker(films, where, 0)
    for level in (-1, 256):
        with pytest.raises(ConfigError, match="gris"):
            stamp_marker(films, everyone, 0, level=level)
    for scale in (0, 2):
        with pytest.raises(ConfigError, match="no cabe"):
            stamp_marker(films, everyone, 0, scale=scale)
    with pytest.raises(ConfigError, match="no cabe"):
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
    marked = {variant.name: variant.marked(labels, 0) for variant in VARIANTS}
    assert not marked["sin marca"].any()
    for name in ("atajo", "recorte", "tapado"):
        np.testing.assert_array_equal(marked[name], labels == 1)
    assert CLEAN.prepare is unchanged and SHORTCUT.prepare is unchanged
    assert [variant.name for variant in REPAIRS] == ["recorte", "tapado", "equilibrio"]


# --- El experimento, con una red de respuesta conocida --------------------------------------------
def run(films, manifest, split, **options):
    trainer = options.pop("train", None) or Trainer()
    lines: list[str] = []
    result = shortcut_experiment(
        films, manifest, split, train=trainer, n=100, report=lines.append, **options
    )
    return result, trainer, lines


def test_una_red_que_solo_ve_la_marca_brilla_con_ella_y_se_hunde_sin_ella(films, manifest, split):
    result, _, _ = run(films, manifest, split, variants=[SHORTCUT], explainers=EXPLAINERS)
    table = result.table.set_index(["metric", "method"])
    assert list(result.table.columns) == [
        *("variant", "metric", "method", "value", "low", "high", "n_null")
    ]
    assert table["value"]["auc_val", ""] == 1 and table["value"]["auc_swapped", ""] == 0
    clean = table.loc[("auc_clean", "")]
    assert 0.3 < clean["value"] < 0.7 and clean["low"] <= clean["value"] <= clean["high"]
    for method in ("grad_cam", "hires_cam"):
        assert table["value"]["heat", method] > 0.9 and table["n_null"]["heat", method] == 0
    assert table["value"]["heat", "nulo"] == 0 and table["n_null"]["heat", "nulo"] == 30
    assert result.chance == pytest.approx(100 / SIZE**2)


def test_los_arreglos_igualan_la_prueba_limpia_y_la_de_la_marca_cambiada(films, manifest, split):
    result, trainer, _ = run(films, manifest, split, variants=REPAIRS[:2], explainers=EXPLAINERS)
    table = result.table.set_index(["variant", "metric", "method"])["value"]
    for name in ("recorte", "tapado"):
        assert table[name, "auc_clean", ""] == table[name, "auc_swapped", ""]
        assert table[name, "auc_val", ""] < 0.75
        assert table[name, "heat", "hires_cam"] < 0.35
    assert [call[0][0].shape[1] for call in trainer.calls] == [SIZE - 20, SIZE]
    assert (table.xs(("recorte", "heat"), level=(0, 1)) == 0).all()
    assert all(maps.shape == (6, SIZE, SIZE) for maps in result.maps["recorte"].values())


def test_se_entrena_con_las_placas_marcadas_y_nunca_con_las_de_prueba(films, manifest, split):
    _, trainer, _ = run(films, manifest, split, variants=VARIANTS, explainers=EXPLAINERS, seed=5)
    labels = manifest["label"].to_numpy()
    for variant, (train, val, seed) in zip(VARIANTS, trainer.calls, strict=True):
        assert seed == 5
        expected = variant.prepare(stamp_marker(films, variant.marked(labels, 5), 5))
        for part, data in (("train", train), ("val", val)):
            np.testing.assert_array_equal(data[0], expected)
            np.testing.assert_array_equal(data[1], labels)
            np.testing.assert_array_equal(data[2], np.flatnonzero(split == part))


def test_las_auc_son_las_de_scikit_learn(films, manifest, split):
    result, _, _ = run(films, manifest, split, variants=[VARIANTS[-1]], explainers=EXPLAINERS)
    found = result.table.set_index("metric")["value"]
    labels, model = manifest["label"].to_numpy(), detector(SIZE)
    states = {
        "auc_val": ("val", half_of_each(labels, 0)),
        "auc_clean": ("test", np.zeros(160, bool)),
        "auc_swapped": ("test", labels == 0),
    }
    for metric, (part, where) in states.items():
        rows = np.flatnonzero(split == part)
        logits = predict_logits(model, stamp_marker(films, where, 0)[rows])
        assert found[metric] == pytest.approx(roc_auc_score(labels[rows], logits))


def test_los_ejemplos_son_de_prueba_y_enfermos_con_su_marca_y_su_mapa(films, manifest, split):
    result, _, _ = run(
        films, manifest, split, variants=[SHORTCUT], explainers=EXPLAINERS, n_examples=4
    )
    labels = manifest["label"].to_numpy()
    assert len(result.rows) == 4 and list(result.rows) == sorted(result.rows)
    assert (labels[result.rows] == 1).all() and (split[result.rows] == "test").all()
    stamped = stamp_marker(films, labels == 1, 0)[result.rows]
    np.testing.assert_array_equal(result.films, stamped)
    expected = grad_cam(detector(SIZE), stamped, method="hires_cam", layer="letter")
    np.testing.assert_allclose(result.maps["atajo"]["hires_cam"], expected, atol=1e-6)
    np.testing.assert_array_equal(result.zone, marker_zone(SIZE, SIZE))


def test_se_avisa_al_empezar_y_al_terminar_cada_red(films, manifest, split):
    _, _, lines = run(films, manifest, split, variants=[SHORTCUT], explainers=EXPLAINERS)
    assert lines[0] == "Red 1 de 1 («atajo»): entrenamos." and len(lines) == 2
    assert "AUC 1.000 en validación" in lines[1] and "0.000 con la marca cambiada" in lines[1]
    assert "hires_cam" in lines[1] and "grad_cam" in lines[1]


def test_experimentos_imposibles(films, manifest, split):
    start = partial(shortcut_experiment, train=Trainer())
    with pytest.raises(DataError, match="160 placas y el manifiesto tiene 100"):
        start(films, manifest[:100], split[:100])
    with pytest.raises(DataError, match="test"):
        start(films, manifest, split.replace("test", "val"))
    for options in ({"variants": ()}, {"explainers": {}}, {"n_examples": 0}):
        with pytest.raises(ConfigError, match="al menos"):
            start(films, manifest, split, **options)
    with pytest.raises(ConfigError, match="no cabe"):
        start(films[:, :30, :30], manifest, split)


# --- De verdad, en miniatura ----------------------------------------------------------------------
def test_las_placas_del_experimento_son_de_la_maqueta_y_se_reparten_por_paciente():
    films, manifest, split = shortcut_films(n_films=60, size=32, seed=1)
    assert films.shape == (60, 32, 32) and films.dtype == np.uint8
    by_patient = pd.DataFrame({"patient": manifest["patient"], "split": split})
    assert (by_patient.groupby("patient")["split"].nunique() == 1).all()
    assert set(split) == {"train", "val", "test"} and len(manifest) == 60


def test_la_cnn_del_libro_aprende_el_atajo_y_dos_veces_da_lo_mismo(
    films, manifest, split, monkeypatch
):
    monkeypatch.setattr(shortcut, "EPOCHS", 6)
    monkeypatch.setattr(shortcut, "BATCH_SIZE", 4)

    def whole() -> pd.DataFrame:
        variant = Variant("atajo", SHORTCUT.marked)
        lab = partial(shortcut_experiment, films, manifest, split, variants=[variant], n=50)
        return lab(train=train_small).table

    first = whole()
    value = first.set_index(["metric", "method"])["value"]
    assert value["auc_val", ""] > 0.9 and value["auc_swapped", ""] < 0.1
    pd.testing.assert_frame_equal(first, whole())
