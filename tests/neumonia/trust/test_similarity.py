"""El parecido entre mapas frente a identidades analíticas, a su definición y a otros programas."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from neumonia.errors import ConfigError, DataError
from neumonia.trust.intervals import mean_interval
from neumonia.trust.similarity import (
    MEASURES,
    constant_maps,
    similarity_scores,
    spearman,
    ssim,
    summary_rows,
    top_overlap,
)

MEASURE_FUNCTIONS = [ssim, spearman, top_overlap]


@pytest.fixture
def maps() -> np.ndarray:
    """Ocho mapas de 16 x 20, cuatro de ellos con empates."""
    found = np.random.default_rng(0).random((8, 16, 20))
    found[4:] = np.round(found[4:] * 3) / 3
    return found


def constant(value: float, count: int = 1) -> np.ndarray:
    return np.full((count, 16, 20), value)


def ssim_by_definition(a: np.ndarray, b: np.ndarray) -> float:
    """La ecuación 13 de Wang y otros (2004), ventana por ventana."""
    offset = np.arange(-5, 6)
    weights = np.exp(-(offset[:, None] ** 2 + offset**2) / (2 * 1.5**2))
    weights /= weights.sum()
    c1, c2 = 0.01**2, 0.03**2
    local = []
    for top in range(a.shape[0] - 10):
        for left in range(a.shape[1] - 10):
            x, y = (image[top : top + 11, left : left + 11] for image in (a, b))
            mx, my = (weights * x).sum(), (weights * y).sum()
            vx, vy = (weights * (x - mx) ** 2).sum(), (weights * (y - my) ** 2).sum()
            cov = (weights * (x - mx) * (y - my)).sum()
            above = (2 * mx * my + c1) * (2 * cov + c2)
            local.append(above / ((mx**2 + my**2 + c1) * (vx + vy + c2)))
    return float(np.mean(local))


# --- Identidades de las tres medidas --------------------------------------------------------------


@pytest.mark.parametrize("measure", MEASURE_FUNCTIONS)
def test_un_mapa_es_igual_a_si_mismo(measure, maps):
    np.testing.assert_allclose(measure(maps, maps), 1, rtol=1e-12)


@pytest.mark.parametrize("measure", MEASURE_FUNCTIONS)
def test_el_orden_de_los_dos_mapas_no_importa(measure, maps):
    np.testing.assert_allclose(measure(maps, maps[::-1]), measure(maps[::-1], maps), rtol=1e-12)


@pytest.mark.parametrize("measure", MEASURE_FUNCTIONS)
def test_un_lote_da_lo_mismo_que_mapa_por_mapa(measure, maps):
    other = np.roll(maps, 1, axis=0)
    one_by_one = [measure(a[None], b[None])[0] for a, b in zip(maps, other, strict=True)]
    np.testing.assert_array_equal(measure(maps, other), one_by_one)
    assert measure(maps, other).shape == (8,) and measure(maps, other).dtype == np.float64


@pytest.mark.parametrize("measure", MEASURE_FUNCTIONS)
@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_dos_mapas_constantes_iguales_valen_uno(measure, value):
    np.testing.assert_allclose(measure(constant(value), constant(value)), 1, rtol=1e-12)


@pytest.mark.parametrize("measure", MEASURE_FUNCTIONS)
def test_formas_distintas_o_valores_imposibles_son_un_error(measure, maps):
    with pytest.raises(DataError, match="misma forma"):
        measure(maps, maps[:4])
    with pytest.raises(DataError, match="NaN"):
        measure(maps, np.where(maps > 0.9, np.nan, maps))
    with pytest.raises(DataError, match="entre 0 y 1"):
        measure(maps, 255 * maps)
    with pytest.raises(DataError, match="forma"):
        measure(maps[0], maps[0])
    with pytest.raises(DataError, match="forma"):
        measure(maps[:0], maps[:0])


# --- SSIM -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("a", "b"), [(0.2, 0.8), (0.0, 1.0), (0.5, 0.51)])
def test_entre_constantes_ssim_es_la_formula_de_la_luminancia(a, b):
    expected = (2 * a * b + 1e-4) / (a**2 + b**2 + 1e-4)
    np.testing.assert_allclose(ssim(constant(a), constant(b)), expected, rtol=1e-9)


def test_ssim_es_la_de_su_definicion(maps):
    other = np.clip(maps[::-1] * 0.5 + maps * 0.4, 0, 1)
    expected = [ssim_by_definition(a, b) for a, b in zip(maps, other, strict=True)]
    np.testing.assert_allclose(ssim(maps, other), expected, rtol=1e-9)


def test_ssim_coincide_con_la_de_tensorflow(maps):
    from neumonia.models.backend import load_keras

    load_keras()
    import tensorflow as tf

    other = np.clip(maps + np.random.default_rng(1).normal(0, 0.2, maps.shape), 0, 1)
    tensors = [tf.constant(found[..., None], tf.float32) for found in (maps, other)]
    expected = tf.image.ssim(*tensors, max_val=1.0).numpy()
    np.testing.assert_allclose(ssim(maps, other), expected, atol=2e-5)


def test_un_mapa_y_su_negativo_tienen_ssim_negativa(maps):
    assert (ssim(maps, 1 - maps) < 0).all()


def test_ssim_pide_mapas_donde_quepa_la_ventana():
    assert ssim(np.ones((1, 11, 11)), np.ones((1, 11, 11))) == pytest.approx(1)
    with pytest.raises(DataError, match="11 píxeles"):
        ssim(np.ones((1, 10, 30)), np.ones((1, 10, 30)))


# --- Correlación de rangos ------------------------------------------------------------------------


def test_la_correlacion_de_rangos_es_la_de_scipy(maps):
    other = np.clip(maps[::-1] * 0.5 + maps * 0.4, 0, 1)
    expected = [spearmanr(a.ravel(), b.ravel())[0] for a, b in zip(maps, other, strict=True)]
    np.testing.assert_allclose(spearman(maps, other), expected, atol=1e-12)


def test_solo_cuenta_el_orden(maps):
    np.testing.assert_allclose(spearman(maps, maps**3), 1, rtol=1e-12)
    np.testing.assert_allclose(spearman(maps, 1 - maps), -1, rtol=1e-12)


def test_un_mapa_constante_no_correlaciona_con_uno_que_ordena(maps):
    assert (spearman(maps, np.zeros_like(maps)) == 0).all()
    assert (spearman(np.ones_like(maps), maps) == 0).all()
    assert spearman(constant(0), constant(0.7)) == 1


# --- Lo más caliente ------------------------------------------------------------------------------


def test_la_coincidencia_cuenta_los_pixeles_comunes():
    ramp = np.arange(100.0).reshape(1, 10, 10) / 100
    moved = np.roll(ramp, -4).reshape(1, 10, 10)
    assert top_overlap(ramp, moved)[0] == pytest.approx(0.6)
    assert top_overlap(ramp, 1 - ramp)[0] == 0
    assert top_overlap(ramp, 1 - ramp, share=0.6)[0] == pytest.approx(20 / 60)


def test_los_empates_en_el_corte_se_reparten():
    ramp = np.arange(100.0).reshape(1, 10, 10) / 100
    tied = np.where(ramp >= 0.8, 1.0, 0.0)
    # Veinte empatados para diez puestos: medio puesto cada uno, y diez son los de la rampa.
    assert top_overlap(ramp, tied)[0] == pytest.approx(0.5)
    assert top_overlap(ramp, np.zeros_like(ramp))[0] == pytest.approx(0.1)


def test_dos_mapas_al_azar_coinciden_en_torno_a_la_proporcion():
    first, second = np.random.default_rng(0).random((2, 200, 20, 20))
    assert top_overlap(first, second).mean() == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("share", [0, 1, -0.1])
def test_la_proporcion_debe_estar_entre_cero_y_uno(share, maps):
    with pytest.raises(ConfigError, match="entre 0 y 1"):
        top_overlap(maps, maps, share)


# --- Tablas ---------------------------------------------------------------------------------------


def test_la_tabla_por_placa_reune_las_tres_medidas(maps):
    other = np.roll(maps, 1, axis=0)
    table = similarity_scores(maps, other)
    assert tuple(table.columns) == MEASURES and len(table) == 8
    np.testing.assert_array_equal(table["ssim"], ssim(maps, other))
    np.testing.assert_array_equal(table["spearman"], spearman(maps, other))
    np.testing.assert_array_equal(table["overlap"], top_overlap(maps, other))


def test_el_resumen_es_la_media_con_su_intervalo_por_paciente(maps):
    scores = similarity_scores(maps, np.roll(maps, 1, axis=0))
    patients = ["a", "a", "b", "b", "c", "c", "d", "d"]
    rows = summary_rows(scores, patients, n=200, seed=3)
    assert [row["metric"] for row in rows] == list(MEASURES)
    for row in rows:
        expected = mean_interval(scores[row["metric"]], patients, 200, 3)
        assert (row["value"], row["low"], row["high"]) == expected
        assert row["low"] < row["value"] < row["high"]


def test_constante_es_el_que_no_ordena_nada(maps):
    maps[2], maps[5] = 0, 0.4
    assert list(np.flatnonzero(constant_maps(maps))) == [2, 5]
