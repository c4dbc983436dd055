"""Las pruebas de cordura: qué se borra, en qué orden, sobre qué copia, y qué se concluye."""

from itertools import chain

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_gradient_magnitude
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation import hierarchical_interval, mean_distribution, mean_interval
from neumonia.gradcam import grad_cam
from neumonia.lab.sanity import (
    between_films,
    cascade_rows,
    cascading_randomisation,
    constant_maps,
    permuted_labels,
    run_explainer,
    spearman,
    ssim,
    top_overlap,
    verdicts,
)
from neumonia.models import assemble, build_backbone, build_head
from neumonia.models.backend import load_keras
from neumonia.models.layers import walk_layers
from neumonia.training import fit, predict_logits

SIZE = 24
PATIENTS = np.repeat([f"p{number}" for number in range(12)], 2)


def network(seed: int = 0, normalised: bool = False):
    keras = load_keras()
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 1), name="film"),
            keras.layers.Rescaling(1 / 255, name="rescaling"),
            keras.layers.RandomRotation(0.01, name="rotation"),
            keras.layers.Conv2D(6, 3, activation="relu", padding="same", name="conv1"),
            *([keras.layers.BatchNormalization(name="normal")] if normalised else []),
            keras.layers.MaxPooling2D(2, name="pool1"),
            keras.layers.Conv2D(8, 3, activation="relu", padding="same", name="conv2"),
            keras.layers.Flatten(name="flatten"),
            keras.layers.Dropout(0.2, name="dropout"),
            keras.layers.Dense(1, name="logit"),
        ]
    )
    rng = np.random.default_rng(seed)
    # Sesgos distintos de cero, como los de una red entrenada.
    shake = [rng.normal(0, 0.05, w.shape) if w.ndim == 1 else 0 for w in model.get_weights()]
    model.set_weights([w + noise for w, noise in zip(model.get_weights(), shake, strict=True)])
    return model


def blobs(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Placas de ruido y, en las positivas, una mancha clara en un lugar al azar."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    films = rng.normal(90, 15, (count, SIZE, SIZE))
    grid = np.arange(SIZE)
    for film, label, centre in zip(films, labels, rng.uniform(6, 18, (count, 2)), strict=True):
        distance = (grid[:, None] - centre[0]) ** 2 + (grid - centre[1]) ** 2
        film += label * 130 * np.exp(-distance / 14)
    return np.clip(films, 0, 255).astype(np.uint8), labels


@pytest.fixture(scope="module")
def trained():
    """Una red pequeña que distingue las manchas, y 24 positivas que no vio."""
    model = network()
    fit(model, blobs(240, 0), blobs(80, 1), epochs=8, batch_size=16, learning_rate=5e-3)
    films, labels = blobs(48, 2)
    assert roc_auc_score(labels, predict_logits(model, films)) > 0.95
    return model, films[labels == 1]


def edges(model, films: np.ndarray) -> np.ndarray:
    """Un «método» que solo mira la placa."""
    found = gaussian_gradient_magnitude(np.asarray(films, float), (0, 1, 1))
    return found / found.max(axis=(1, 2), keepdims=True)


def flat(model, films: np.ndarray) -> np.ndarray:
    return np.zeros(films.shape, np.float32)


def copies_of(weights: list[np.ndarray]) -> list[np.ndarray]:
    return [np.array(tensor) for tensor in weights]


def watch(model, seed: int = 0) -> tuple[list[str], list[dict]]:
    """Los nombres en el orden del recorrido y, en cada paso, los pesos de la copia por capa."""
    states = []

    def explain(copy, films):
        states.append({name: layer.get_weights() for name, layer in walk_layers(copy)})
        return flat(copy, films)

    films = np.zeros((2, *model.input_shape[1:3]), np.uint8)
    names = [name for name, _ in cascading_randomisation(model, explain, films, seed)]
    return names, states


def same(first: list[np.ndarray], second: list[np.ndarray]) -> list[bool]:
    return [np.array_equal(a, b) for a, b in zip(first, second, strict=True)]


# --- El borrado en cascada ------------------------------------------------------------------------


def test_se_borra_de_la_ultima_capa_a_la_primera_y_solo_las_que_tienen_pesos():
    assert watch(network())[0] == ["logit", "conv2", "conv1"]


def test_el_borrado_se_acumula_y_cada_capa_se_sortea_una_sola_vez():
    model = network()
    names, states = watch(model)
    before = {name: layer.get_weights() for name, layer in walk_layers(model)}
    for step, state in enumerate(states):
        for position, name in enumerate(names):
            assert same(state[name], before[name]) == [position > step] * len(before[name])
        if step:
            for name in names[:step]:
                assert all(same(state[name], states[step - 1][name]))


def test_la_red_que_nos_dan_no_se_toca_ni_a_medias():
    model = network()
    before = copies_of(model.get_weights())
    cascade = cascading_randomisation(model, flat, np.zeros((1, SIZE, SIZE), np.uint8), 0)
    assert next(cascade)[0] == "logit"
    assert all(same(model.get_weights(), before))
    cascade.close()

    def broken(copy, films):
        raise RuntimeError("interrumpido")

    with pytest.raises(RuntimeError):
        next(cascading_randomisation(model, broken, np.zeros((1, SIZE, SIZE), np.uint8), 0))
    assert all(same(model.get_weights(), before))


def test_la_copia_calcula_lo_mismo_que_la_red_hasta_que_se_borra():
    """Si al borrar no se sorteara nada, los mapas serían los de la red original."""
    model = network()
    model.get_layer("logit").set_weights([np.full((1152, 1), 0.25), np.zeros(1)])
    films = blobs(3, 0)[0]
    logits = []

    def explain(copy, images):
        logits.append(predict_logits(copy, images))
        return flat(copy, images)

    # La capa del logit es constante: borrarla no cambia nada, y el primer paso es la red entera.
    next(cascading_randomisation(model, explain, films, 0))
    np.testing.assert_array_equal(logits[0], predict_logits(model, films))


def test_lo_sorteado_conserva_la_media_y_la_desviacion_de_cada_tensor():
    keras = load_keras()
    model = keras.Sequential([keras.Input((40, 40, 1)), keras.layers.Conv2D(400, 5, name="c")])
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0.3, 0.02, (5, 5, 1, 400)), rng.normal(-2, 5, 400)])
    _, states = watch(model)
    for drawn, tensor in zip(states[0]["c"], model.get_weights(), strict=True):
        error = tensor.std() / np.sqrt(tensor.size)
        assert abs(drawn.mean() - tensor.mean()) < 5 * error
        assert abs(drawn.std() - tensor.std()) < 5 * error
        assert abs(np.corrcoef(drawn.ravel(), tensor.ravel())[0, 1]) < 5 / np.sqrt(tensor.size)


def test_la_semilla_decide_el_sorteo():
    def final(seed: int) -> list[np.ndarray]:
        return list(chain.from_iterable(watch(network(), seed)[1][-1].values()))

    assert all(same(final(1), final(1)))
    assert not any(same(final(1), final(2)))


def test_una_varianza_sigue_siendo_positiva_y_un_sesgo_en_cero_sigue_en_cero():
    model = network(normalised=True)
    gamma, beta, mean, _ = model.get_layer("normal").get_weights()
    variance = np.array([1e-4, 2e-4, 1e-4, 9, 3, 1e-4], np.float32)
    model.get_layer("normal").set_weights([gamma, np.zeros_like(beta), mean, variance])
    for seed in range(10):
        _, states = watch(model, seed)
        _, drawn_beta, _, drawn_variance = states[-1]["normal"]
        assert (drawn_beta == 0).all() and (drawn_variance >= 0).all()
        assert not np.array_equal(drawn_variance, variance)


def test_los_modelos_anidados_se_abren_y_una_base_congelada_tambien_se_borra():
    backbone = build_backbone(32)
    backbone.trainable = False
    model = assemble(backbone, build_head(backbone.output_shape[1:], 0), 32)
    before = copies_of(model.get_weights())
    convs = [f"vgg16/{name}" for name, layer in walk_layers(backbone) if layer.weights]
    seen = []

    def explain(copy, films):
        seen.append(copies_of(copy.get_layer("vgg16").get_layer("block1_conv1").get_weights()))
        return flat(copy, films)

    cascade = cascading_randomisation(model, explain, np.zeros((1, 32, 32), np.uint8), 0)
    names = [name for name, _ in cascade]
    assert len(convs) == 13 and names == ["head/logit", "head/dense", *convs[::-1]]
    first = backbone.get_layer("block1_conv1").get_weights()
    assert same(seen[-2], first) == [True, True]
    assert not same(seen[-1], first)[0]
    assert all(same(model.get_weights(), before))


def test_una_mala_semilla_se_rechaza_antes_de_empezar():
    with pytest.raises(ConfigError, match="semilla"):
        cascading_randomisation(network(), flat, np.zeros((1, SIZE, SIZE), np.uint8), -1)


def test_los_mapas_deben_medir_lo_que_las_placas():
    films = np.zeros((2, SIZE, SIZE), np.uint8)
    with pytest.raises(DataError, match="de su tamaño"):
        run_explainer(lambda m, x: np.zeros((2, 6, 6)), None, films)


# --- Las tablas -----------------------------------------------------------------------------------
def random_maps(seed: int, count: int = 24) -> np.ndarray:
    return np.random.default_rng(seed).random((count, 16, 16))


def table_of(original, cascade, patients=PATIENTS, n=50, seed=0) -> pd.DataFrame:
    return pd.DataFrame(cascade_rows(original, cascade, patients, (n, seed)))


def passes(table: pd.DataFrame) -> bool:
    judged = verdicts(table.assign(network="cnn", method="m", test="pesos"))
    return len(judged["kept"].iloc[0]) == 0


def test_cada_paso_de_la_tabla_es_la_media_con_intervalo_de_su_capa():
    original, steps = random_maps(0), [("logit", random_maps(1)), ("conv", random_maps(2))]
    table = table_of(original, steps, n=300, seed=5)
    assert list(table["step"]) == [1, 1, 2, 2]
    assert list(table["layer"]) == ["logit", "logit", "conv", "conv"]
    assert list(table["metric"]) == ["ssim", "spearman_abs"] * 2
    for (_, maps), (_, rows) in zip(steps, table.groupby("step"), strict=True):
        values = [ssim(original, maps), np.abs(spearman(original, maps))]
        expected = [mean_interval(numbers, PATIENTS, 300, 5) for numbers in values]
        np.testing.assert_array_equal(rows[["value", "low", "high"]], expected)
    assert (table["draws"] == 1).all() and (table["n_null"] == 0).all()


def test_un_mapa_invertido_cuenta_como_el_mismo_en_la_correlacion():
    original = random_maps(0)
    value = table_of(original, [("logit", 1 - original)]).set_index("metric")["value"]
    assert value["spearman_abs"] == pytest.approx(1) and value["ssim"] < 0


def test_varios_sorteos_de_una_capa_se_promedian_y_el_intervalo_los_varia():
    original, draws = random_maps(0), [random_maps(seed) for seed in (1, 2, 3)]
    draws[2][:4] = 0
    row = table_of(original, [("conv", maps) for maps in draws], n=200).iloc[0]
    by_film = np.array([ssim(original, maps) for maps in draws])
    assert (row["step"], row["draws"], row["n"], row["n_null"]) == (1, 3, 24, 4)
    means = by_film.mean(axis=1)
    found = row[["value", "draw_min", "draw_max"]].astype(float)
    np.testing.assert_allclose(found, [means.mean(), means.min(), means.max()])
    spread = [mean_distribution(values, PATIENTS, 200) for values in by_film]
    assert (row["low"], row["high"]) == hierarchical_interval(spread, n=200)


def test_no_cuentan_las_placas_cuyo_mapa_original_no_senalaba_nada():
    original, changed = random_maps(0), random_maps(1)
    original[::3], changed[:5] = 0, 0.5
    kept = np.arange(24) % 3 > 0
    table = table_of(original, [("conv", changed)])
    pd.testing.assert_frame_equal(
        table, table_of(original[kept], [("conv", changed[kept])], PATIENTS[kept])
    )
    assert (table["n"] == 16).all() and (table["n_null"] == 3).all()
    assert between_films(original, PATIENTS) == between_films(original[kept], PATIENTS[kept])
    with pytest.raises(DataError, match="constantes"):
        table_of(np.zeros_like(original), [("conv", changed)])


def test_una_cascada_vacia_o_de_otras_placas_es_un_error():
    with pytest.raises(DataError, match="24 mapas originales y 20 tras borrar 'conv'"):
        table_of(random_maps(0), [("conv", random_maps(1, 20))])
    with pytest.raises(DataError, match="vacía"):
        table_of(random_maps(0), [])


def test_entre_placas_se_compara_siempre_con_otro_paciente():
    patterns = random_maps(0, 2)
    patients = np.repeat(["a", "b"], [3, 9])
    maps = patterns[(patients == "b").astype(int)]
    rows = between_films(maps, patients, (50, 0))
    expected = [ssim(*patterns[:, None])[0], abs(spearman(*patterns[:, None])[0])]
    np.testing.assert_allclose([row["value"] for row in rows], expected, rtol=1e-12)


# --- El veredicto ---------------------------------------------------------------------------------
def cascades(model, explain, films, seeds=range(3)):
    return chain.from_iterable(
        cascading_randomisation(model, explain, films, seed) for seed in seeds
    )


def test_un_detector_de_bordes_no_cambia_y_un_metodo_de_gradientes_si(trained):
    model, films = trained
    table = table_of(edges(model, films), cascades(model, edges, films, [0]))
    np.testing.assert_allclose(table[["value", "low", "high"]], 1, rtol=1e-9)
    assert not passes(table)

    def hires(network, images):
        return grad_cam(network, images, layer="conv2", method="hires_cam")

    original = hires(model, films)
    table = table_of(original, cascades(model, hires, films), n=200)
    assert list(dict.fromkeys(table["layer"])) == ["logit", "conv2", "conv1"]
    assert passes(table)
    # El mismo método, atado a la red original, no cambia.
    stuck = cascades(model, lambda network, images: original, films, [0])
    assert not passes(table_of(original, stuck))


def hand_table(lows: dict[str, float]) -> pd.DataFrame:
    rows = [(1, metric, 0.99) for metric in lows] + [(2, *item) for item in lows.items()]
    return pd.DataFrame(rows, columns=["step", "metric", "low"])


def test_decide_el_limite_inferior_del_ultimo_paso_y_basta_una_medida():
    assert passes(hand_table({"ssim": 0.5, "spearman_abs": 0.49}))
    assert not passes(hand_table({"ssim": 0.51, "spearman_abs": 0.1}))
    with pytest.raises(DataError, match="pacientes"):
        passes(hand_table({"ssim": np.nan, "spearman_abs": 0.1}))


# --- Las etiquetas permutadas ---------------------------------------------------------------------


def test_las_etiquetas_se_reparten_entre_pacientes_enteros():
    patients = np.repeat([f"p{number}" for number in range(60)], np.arange(60) % 3 + 1)
    truth = (np.arange(60) < 40).astype(int)[[int(name[1:]) for name in patients]]
    permuted = permuted_labels(truth, patients, seed=0)
    assert permuted.dtype == np.int8 and permuted.shape == truth.shape
    frame = pd.DataFrame({"patient": patients, "label": permuted})
    by_patient = frame.groupby("patient")["label"]
    assert (by_patient.nunique() == 1).all() and by_patient.first().sum() == 40
    assert abs(np.corrcoef(truth, permuted)[0, 1]) < 0.3
    np.testing.assert_array_equal(permuted, permuted_labels(truth, patients, seed=0))
    assert not np.array_equal(permuted, permuted_labels(truth, patients, seed=1))


def test_sin_paciente_conocido_cada_placa_va_por_su_cuenta():
    truth = np.arange(400) % 2
    permuted = permuted_labels(truth, [""] * 400, seed=0)
    assert permuted.sum() == 200
    assert abs(np.corrcoef(truth, permuted)[0, 1]) < 0.2


def test_etiquetas_que_no_se_pueden_permutar():
    with pytest.raises(DataError, match="'a' tiene placas de las dos clases"):
        permuted_labels([0, 1, 1], ["a", "a", "b"], 0)
    with pytest.raises(DataError, match="permutación"):
        permuted_labels([1, 1, 1], ["a", "b", "c"], 0)


# --- El parecido entre dos mapas ------------------------------------------------------------------
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
    for other in (maps[:4], np.where(maps > 0.9, np.nan, maps), 255 * maps):
        with pytest.raises(DataError, match=r"forma|NaN|entre 0 y 1"):
            measure(maps, other)


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


def test_los_empates_en_el_corte_se_reparten():
    ramp = np.arange(100.0).reshape(1, 10, 10) / 100
    tied = np.where(ramp >= 0.8, 1.0, 0.0)
    # Veinte empatados para diez puestos: medio puesto cada uno, y diez son los de la rampa.
    assert top_overlap(ramp, tied)[0] == pytest.approx(0.5)
    assert top_overlap(ramp, np.zeros_like(ramp))[0] == pytest.approx(0.1)


def test_constante_es_el_que_no_ordena_nada(maps):
    maps[2], maps[5] = 0, 0.4
    assert list(np.flatnonzero(constant_maps(maps))) == [2, 5]
