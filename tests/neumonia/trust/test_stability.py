"""La estabilidad, con «métodos» cuya respuesta al cambio se conoce de antemano."""

import numpy as np
import pytest
from scipy.ndimage import shift as scipy_shift

from neumonia.errors import ConfigError, DataError
from neumonia.trust.intervals import mean_interval
from neumonia.trust.similarity import MEASURES, similarity_scores
from neumonia.trust.stability import (
    ALL_PAIRS,
    SHIFTS,
    network_agreement,
    noise_stability,
    shift_images,
    shift_stability,
)

PATIENTS = np.repeat(["a", "b", "c", "d"], 2)


@pytest.fixture
def films() -> np.ndarray:
    return np.random.default_rng(0).integers(40, 216, (8, 20, 24)).astype(np.uint8)


def itself(model, images: np.ndarray) -> np.ndarray:
    """El mapa es la placa: sigue a la imagen píxel a píxel."""
    return np.asarray(images, np.float64) / 255


def fixed(model, images: np.ndarray) -> np.ndarray:
    """El mismo mapa para cualquier placa."""
    return np.broadcast_to(np.random.default_rng(1).random(images.shape[1:]), images.shape)


def recorder():
    seen = []

    def explain(model, images):
        seen.append(np.array(images))
        return itself(model, images)

    return explain, seen


# --- Ruido ----------------------------------------------------------------------------------------
def test_un_metodo_que_no_mira_la_placa_no_se_entera_del_ruido(films):
    table = noise_stability(None, fixed, films, PATIENTS, n=50)
    assert list(table["sigma"]) == list(np.repeat([2.0, 5.0, 10.0], 3))
    assert list(table["metric"]) == [*MEASURES] * 3
    np.testing.assert_allclose(table[["value", "low", "high"]], 1, rtol=1e-12)


def test_el_ruido_tiene_la_desviacion_pedida_y_es_el_mismo_en_cada_nivel():
    films = np.full((40, 30, 30), 128, np.uint8)
    explain, seen = recorder()
    patients = np.arange(40).astype(str)
    noise_stability(None, explain, films, patients, sigmas=(1.0, 4.0), n=10, seed=3)
    weak, strong = (noisy - 128.0 for noisy in seen[1:])
    np.testing.assert_array_equal(seen[0], films)
    assert weak.std() == pytest.approx(1, rel=0.02) and abs(weak.mean()) < 0.03
    np.testing.assert_allclose(strong, 4 * weak, atol=1e-4)


def test_los_valores_con_ruido_no_salen_de_0_a_255():
    films = np.tile(np.array([0, 255], np.uint8), (2, 20, 10))
    explain, seen = recorder()
    noise_stability(None, explain, films, ["a", "b"], sigmas=(50.0,), n=10)
    assert seen[1].min() == 0 and seen[1].max() == 255


def test_la_tabla_de_ruido_compara_cada_placa_consigo_misma(films):
    explain, seen = recorder()
    table = noise_stability(None, explain, films, PATIENTS, sigmas=(6.0,), n=100, seed=2)
    scores = similarity_scores(seen[0] / 255, seen[1] / 255.0)
    expected = [mean_interval(scores[name], PATIENTS, 100, 2) for name in MEASURES]
    np.testing.assert_allclose(table[["value", "low", "high"]], expected, rtol=1e-6)


def test_a_mas_ruido_menos_parecido_y_la_semilla_lo_decide(films):
    table = noise_stability(None, itself, films, PATIENTS, n=50, seed=1)
    for _, rows in table.groupby("metric"):
        assert rows["value"].is_monotonic_decreasing and rows["value"].iloc[0] < 1
    again = noise_stability(None, itself, films, PATIENTS, n=50, seed=1)
    assert table.equals(again)
    assert not table.equals(noise_stability(None, itself, films, PATIENTS, n=50, seed=2))


def test_se_cuentan_los_mapas_que_el_ruido_apaga(films):
    def fragile(model, images):
        maps = itself(model, images)
        maps[:3] *= images.dtype == np.uint8
        return maps

    table = noise_stability(None, fragile, films, PATIENTS, sigmas=(1.0,), n=10)
    assert (table["n_null"] == 3).all()


@pytest.mark.parametrize("sigmas", [(), (1.0, 0.0), (-2.0,), (np.nan,)])
def test_niveles_de_ruido_imposibles(films, sigmas):
    with pytest.raises(ConfigError, match="ruido"):
        noise_stability(None, itself, films, PATIENTS, sigmas=sigmas)


# --- Desplazamientos ------------------------------------------------------------------------------
@pytest.mark.parametrize(("down", "right"), [(0, 0), (1, 0), (-2, 3), (4, -1)])
def test_desplazar_coincide_con_scipy(films, down, right):
    expected = [scipy_shift(film, (down, right), order=0, mode="nearest") for film in films]
    np.testing.assert_array_equal(shift_images(films, down, right), expected)


def test_un_metodo_que_sigue_a_la_imagen_no_cambia_al_desplazarla(films):
    table = shift_stability(None, itself, films, PATIENTS, [*SHIFTS, (2, -2)], n=50)
    np.testing.assert_allclose(table[["value", "low", "high"]], 1, rtol=1e-12)
    assert list(zip(table["down"], table["right"], strict=True))[::3] == [*SHIFTS, (2, -2)]


def test_un_metodo_atado_al_marco_si_cambia(films):
    table = shift_stability(None, fixed, films, PATIENTS, n=50).set_index("metric")
    assert (table.loc[["ssim", "spearman"], "value"] < 0.2).all()


def test_se_recorta_lo_mismo_en_todas_las_filas_y_lo_que_entra_por_el_borde_no_cuenta(films):
    """Un método que solo se equivoca en el marco de dos píxeles no pierde nada."""

    def wrong_frame(model, images):
        maps = itself(model, images)
        frame = np.ones(images.shape[1:], bool)
        frame[2:-2, 2:-2] = False
        maps[:, frame] = np.random.default_rng(int(images.sum())).random(frame.sum())
        return maps

    alone = shift_stability(None, wrong_frame, films, PATIENTS, [(0, 1)], n=20)
    assert (alone["value"] < 0.999).all()
    # Al pedir también uno de 4, el recorte de todas las filas deja fuera el marco.
    both = shift_stability(None, wrong_frame, films, PATIENTS, [(0, 1), (0, 4)], n=20)
    np.testing.assert_allclose(both["value"][:3], 1, rtol=1e-12)


@pytest.mark.parametrize("shifts", [(), ((0, 0),), ((0, 10),), ((-12, 1),)])
def test_desplazamientos_que_no_sirven(films, shifts):
    with pytest.raises(ConfigError, match="desplazamientos"):
        shift_stability(None, itself, films, PATIENTS, shifts)


def test_un_recorte_que_deja_mapas_diminutos_es_un_error(films):
    with pytest.raises(DataError, match="11 píxeles"):
        shift_stability(None, itself, films, PATIENTS, [(0, 6)])


# --- Acuerdo entre redes --------------------------------------------------------------------------
def test_redes_con_los_mismos_mapas_coinciden_del_todo(films):
    maps = itself(None, films)
    table = network_agreement({"s0": maps, "s1": maps, "s2": maps}, PATIENTS, n=50)
    np.testing.assert_allclose(table[["value", "low", "high"]], 1, rtol=1e-12)
    pairs = list(zip(table["first"], table["second"], strict=True))[::3]
    assert pairs == [("s0", "s1"), ("s0", "s2"), ("s1", "s2"), (ALL_PAIRS, ALL_PAIRS)]


def test_cada_par_por_su_cuenta_y_al_final_la_media_por_placa(films):
    rng = np.random.default_rng(0)
    maps = {name: rng.random(films.shape) for name in ("s0", "s1", "s2")}
    maps["s1"] = np.clip(maps["s0"] + rng.normal(0, 0.1, films.shape), 0, 1)
    maps["s2"][:2], maps["s0"][1:4] = 0, 0
    table = network_agreement(maps, PATIENTS, n=100, seed=4)
    pairs = [("s0", "s1"), ("s0", "s2"), ("s1", "s2")]
    scores = {pair: similarity_scores(maps[pair[0]], maps[pair[1]]) for pair in pairs}
    for pair in pairs:
        rows = table[(table["first"] == pair[0]) & (table["second"] == pair[1])]
        expected = [mean_interval(scores[pair][name], PATIENTS, 100, 4) for name in MEASURES]
        np.testing.assert_allclose(rows[["value", "low", "high"]], expected, rtol=1e-12)
    last = table[table["first"] == ALL_PAIRS]
    for name, low, high in zip(MEASURES, last["low"], last["high"], strict=True):
        by_film = np.mean([scores[pair][name] for pair in pairs], axis=0)
        np.testing.assert_allclose((low, high), mean_interval(by_film, PATIENTS, 100, 4)[1:])
    assert list(table["n_null"])[::3] == [3, 4, 2, 4]


def test_hacen_falta_dos_redes(films):
    with pytest.raises(DataError, match="dos redes"):
        network_agreement({"s0": itself(None, films)}, PATIENTS)
