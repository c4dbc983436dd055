"""La comprobación del mapa, con redes cuya respuesta se sabe de antemano."""

import numpy as np
import pytest
from scipy.stats import chisquare

from neumonia.errors import ConfigError, DataError
from neumonia.explain import check_place
from neumonia.explain.place import move, predictor
from neumonia.training import predict_logits

SIDE = 20


def patch(row: int, column: int, side: int = 6) -> np.ndarray:
    heat = np.zeros((SIDE, SIDE), np.float32)
    heat[row : row + side, column : column + side] = 1
    return heat


def looks_at(region: np.ndarray):
    """Una red que solo mira ``region``: su logit es el gris medio de esos píxeles."""
    return lambda films: films[:, region > 0].mean(axis=1, dtype=np.float64)


@pytest.fixture
def film() -> np.ndarray:
    """Ruido oscuro con un cuadro brillante en la esquina que mira la red."""
    noise = np.random.default_rng(1).integers(0, 60, (SIDE, SIDE)).astype(np.uint8)
    noise[patch(2, 3) > 0] = 250
    return noise


def test_el_mapa_que_senala_lo_que_la_red_mira_pasa_y_la_bajada_es_la_calculada(film):
    hot = patch(2, 3)
    (check,) = check_place(looks_at(hot), film[None], hot[None])
    assert check.passed and not check.null and check.as_large == 0
    assert check.drop == pytest.approx(250 - film.mean(), rel=1e-5)
    assert check.others.shape == (19,) and check.others.max() < check.drop


def test_el_mapa_que_senala_otro_sitio_no_pasa(film):
    (check,) = check_place(looks_at(patch(2, 3)), film[None], patch(13, 12)[None])
    assert not check.passed and not check.null
    assert check.drop == 0 and check.as_large > 0


def test_hacia_la_otra_clase_la_bajada_cambia_de_signo(film):
    hot = patch(2, 3)
    (ill,) = check_place(looks_at(hot), film[None], hot[None])
    (well,) = check_place(looks_at(hot), film[None], hot[None], target="NORMAL")
    assert well.drop == -ill.drop and np.array_equal(well.others, -ill.others)
    assert ill.passed and not well.passed


def test_un_mapa_nulo_no_pasa_y_ni_se_pregunta_a_la_red(film):
    (check,) = check_place(lambda films: 1 / 0, film[None], np.zeros((1, SIDE, SIDE)))
    assert check.null and not check.passed
    assert np.isnan(check.drop) and check.as_large == 0


def test_si_el_logit_sube_en_todas_partes_no_pasa_aunque_suba_menos(film):
    """Tapar suma siempre 1, y un poco menos en el lugar del mapa: no baja en ninguno."""
    hot = patch(2, 3)

    def grows(films: np.ndarray) -> np.ndarray:
        covered = (films != films[0]).any(axis=(1, 2))
        there = (films[:, hot > 0] != films[0, hot > 0]).all(axis=1)
        return covered - 0.1 * there

    (check,) = check_place(grows, film[None], hot[None])
    assert check.drop == pytest.approx(-0.9) and check.as_large == 0
    assert not check.passed


def test_un_empate_cuenta_en_contra(film):
    (check,) = check_place(lambda films: np.zeros(len(films)), film[None], patch(2, 3)[None])
    assert check.as_large == 19 and not check.passed


def test_si_el_lugar_no_importa_pasa_uno_de_cada_veinte():
    """Mapas puestos al azar ante una red lineal cualquiera: el error declarado, medido."""
    rng = np.random.default_rng(0)
    trials, passed = 800, 0
    for trial in range(trials):
        film = rng.integers(0, 256, (12, 12)).astype(np.uint8)
        weights = rng.normal(size=(12, 12))
        heat = np.zeros((12, 12))
        heat[:3, :5] = rng.uniform(0.2, 1, (3, 5))
        heat = move(heat, rng)
        (check,) = check_place(
            lambda films, weights=weights: (films * weights).sum(axis=(1, 2)),
            film[None], heat[None], seed=trial,
        )  # fmt: skip
        passed += check.passed
    error = 4 * np.sqrt(0.05 * 0.95 / trials)
    assert 0.05 - error < passed / trials < 0.05 + error


class TestLoQueSeTapa:
    def batch(self, film, heat, **options) -> np.ndarray:
        seen = []

        def record(films):
            seen.append(films.copy())
            return np.zeros(len(films))

        check_place(record, film[None], heat[None], **options)
        assert len(seen) == 1, "una sola llamada por radiografía"
        return seen[0]

    def test_se_tapa_con_el_gris_medio_la_misma_cantidad_en_cada_lugar(self, film):
        heat = np.random.default_rng(3).random((SIDE, SIDE)).astype(np.float32)
        batch = self.batch(film, heat)
        assert batch.shape == (21, SIDE, SIDE) and batch.dtype == np.float32
        assert np.array_equal(batch[0], film)
        changed = batch[1:] != film
        grey = np.float32(film.mean())
        # Un píxel que ya valía el gris medio no se ve cambiado: aquí ninguno lo vale.
        assert (changed.sum(axis=(1, 2)) == round(0.1 * SIDE**2)).all()
        assert (batch[1:][changed] == grey).all()
        hottest = heat >= np.sort(heat.ravel())[-40]
        assert np.array_equal(changed[0], hottest)

    def test_no_se_tapa_lo_que_no_tiene_calor(self, film):
        heat = np.zeros((SIDE, SIDE), np.float32)
        heat[4, 5:8] = 0.3
        changed = self.batch(film, heat)[1:] != film
        assert np.array_equal(changed[0], heat > 0)
        assert (changed.sum(axis=(1, 2)) == 3).all()

    def test_en_un_empate_se_sortea_y_no_se_elige_la_primera_fila(self, film):
        changed = (self.batch(film, np.ones((SIDE, SIDE), np.float32))[1:] != film)[0]
        rows, columns = np.nonzero(changed)
        assert len(rows) == 40
        assert rows.max() > SIDE // 2 and columns.max() > SIDE // 2

    def test_la_parte_que_se_tapa_se_puede_elegir(self, film):
        heat = np.random.default_rng(3).random((SIDE, SIDE)).astype(np.float32)
        assert (self.batch(film, heat, share=0.25, draws=3)[1:] != film).sum() == 4 * 100


def test_el_resultado_no_depende_de_las_demas_radiografias_y_la_semilla_decide():
    rng = np.random.default_rng(5)
    films = rng.integers(0, 256, (4, SIDE, SIDE)).astype(np.uint8)
    heats = rng.random((4, SIDE, SIDE)).astype(np.float32)
    weights = rng.normal(size=(SIDE, SIDE))

    def linear(batch):
        return (batch * weights).sum(axis=(1, 2))

    together = check_place(linear, films, heats)
    alone = check_place(linear, films[2:3], heats[2:3])[0]
    assert alone.drop == together[2].drop
    assert np.array_equal(alone.others, together[2].others)
    other = check_place(linear, films[2:3], heats[2:3], seed=1)[0]
    assert other.drop == alone.drop and not np.array_equal(other.others, alone.others)
    assert not np.array_equal(together[0].others, together[1].others)


def test_todos_los_metodos_se_comparan_en_los_mismos_lugares(film):
    """Con la misma radiografía, otro mapa con los mismos píxeles calientes da lo mismo."""
    rng = np.random.default_rng(6)
    heat = rng.random((SIDE, SIDE)).astype(np.float32)
    weights = rng.normal(size=(SIDE, SIDE))

    def linear(batch):
        return (batch * weights).sum(axis=(1, 2))

    (first,) = check_place(linear, film[None], heat[None])
    (second,) = check_place(linear, film[None], heat[None] ** 2)
    assert np.array_equal(first.others, second.others)


def test_cada_radiografia_tiene_sus_lugares():
    """Si todas compartieran el sorteo, un sorteo con mala suerte las haría fallar a la vez."""
    rng = np.random.default_rng(7)
    films = rng.integers(0, 256, (2, SIDE, SIDE)).astype(np.uint8)
    regions = []

    def record(batch):
        regions.append(batch[1:] != batch[0])
        return np.zeros(len(batch))

    check_place(record, films, np.stack([patch(2, 3)] * 2))
    first, second = regions
    assert np.array_equal(first[0], second[0]) and not np.array_equal(first[1:], second[1:])


def test_cada_lugar_es_igual_de_probable():
    """Ocho posturas por dieciséis desplazamientos de una figura sin simetría: 128 lugares."""
    shape = np.zeros((4, 4), bool)
    shape[0, 0] = shape[0, 1] = shape[0, 2] = shape[1, 0] = True
    rng = np.random.default_rng(0)
    places: dict[bytes, int] = {}
    for _ in range(128 * 60):
        moved = move(shape, rng)
        assert moved.sum() == 4
        places[moved.tobytes()] = places.get(moved.tobytes(), 0) + 1
    assert len(places) == 128
    assert chisquare(list(places.values())).pvalue > 1e-4


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"draws": 0}, ConfigError, "al menos un lugar"),
        ({"share": 0.0}, ConfigError, "La parte que se tapa"),
        ({"target": "OTRA"}, ConfigError, "OTRA"),
        ({"predict": lambda films: np.zeros(3)}, DataError, r"forma \(21,\)"),
        ({"predict": lambda films: np.full(len(films), np.nan)}, DataError, "finito"),
        ({"heatmaps": np.ones((1, 5, 6))}, DataError, "del mismo tamaño"),
    ],
)
def test_lo_que_no_sirve_se_rechaza(film, changes, kind, message):
    given = {"predict": lambda films: np.zeros(len(films)), "heatmaps": np.ones((1, SIDE, SIDE))}
    with pytest.raises(kind, match=message):
        check_place(films=film[None], **{**given, **changes})


def test_una_radiografia_que_no_es_cuadrada_se_rechaza():
    with pytest.raises(DataError, match="cuadradas"):
        check_place(lambda films: np.zeros(len(films)), np.zeros((1, 5, 6)), np.ones((1, 5, 6)))


def test_la_red_se_pregunta_por_su_logit_aunque_termine_en_sigmoide():
    import keras

    from neumonia.models.cnn import build_cnn

    model = build_cnn(32, seed=3, augment=False)
    probable = keras.Sequential([*model.layers, keras.layers.Activation("sigmoid")])
    probable.build((None, 32, 32, 1))
    films = np.random.default_rng(0).integers(0, 256, (3, 32, 32)).astype(np.float32)
    expected = predict_logits(model, films)
    assert np.allclose(predictor(model)(films), expected, atol=1e-5)
    assert np.allclose(predictor(probable)(films), expected, atol=1e-5)
