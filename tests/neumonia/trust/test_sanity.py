"""Las pruebas de cordura: qué se borra, en qué orden, sobre qué copia, y qué se concluye."""

from itertools import chain

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_gradient_magnitude
from sklearn.metrics import roc_auc_score

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation import hierarchical_interval, mean_distribution
from neumonia.gradcam import grad_cam
from neumonia.models import assemble, build_backbone, build_head
from neumonia.models.backend import load_keras
from neumonia.models.layers import walk_layers
from neumonia.training import fit, predict_logits
from neumonia.trust.intervals import mean_interval
from neumonia.trust.sanity import (
    between_films,
    cascade_table,
    cascading_randomisation,
    label_randomisation,
    permuted_labels,
    verdict,
)
from neumonia.trust.similarity import spearman, ssim

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


def test_al_final_han_cambiado_todos_los_tensores():
    model = network()
    _, states = watch(model)
    for name, layer in walk_layers(model):
        assert not any(same(states[-1][name], layer.get_weights()))


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


def test_cambiar_la_red_despues_de_empezar_no_altera_el_recorrido():
    model = network()
    seen = []

    def explain(copy, films):
        seen.append(copies_of(copy.get_weights()))
        return flat(copy, films)

    films = np.zeros((1, SIZE, SIZE), np.uint8)
    next(cascading_randomisation(model, explain, films, 0))
    cascade = cascading_randomisation(model, explain, films, 0)
    model.set_weights([0 * tensor for tensor in model.get_weights()])
    next(cascade)
    assert all(same(*seen))


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


def test_sin_pesos_sin_copia_posible_o_con_mala_semilla_lo_decimos():
    keras = load_keras()
    films = np.zeros((1, SIZE, SIZE), np.uint8)
    empty = keras.Sequential([keras.Input((SIZE, SIZE, 1)), keras.layers.Flatten()])
    with pytest.raises(ConfigError, match="ninguna capa con pesos"):
        cascading_randomisation(empty, flat, films, 0)
    with pytest.raises(ConfigError, match="semilla"):
        cascading_randomisation(network(), flat, films, -1)

    class Custom(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, inputs):
            return self.dense(inputs)

    custom = Custom()
    custom(np.zeros((1, 4)))
    with pytest.raises(ConfigError, match="secuencial o funcional"):
        cascading_randomisation(custom, flat, films, 0)


def test_los_mapas_deben_medir_lo_que_las_placas():
    films = np.zeros((2, SIZE, SIZE), np.uint8)
    with pytest.raises(DataError, match="de su tamaño"):
        next(cascading_randomisation(network(), lambda m, x: np.zeros((2, 6, 6)), films, 0))


# --- Las tablas -----------------------------------------------------------------------------------


def random_maps(seed: int, count: int = 24) -> np.ndarray:
    return np.random.default_rng(seed).random((count, 16, 16))


def test_cada_paso_de_la_tabla_es_la_media_con_intervalo_de_su_capa():
    original, steps = random_maps(0), [("logit", random_maps(1)), ("conv", random_maps(2))]
    table = cascade_table(original, steps, PATIENTS, n=300, seed=5)
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
    table = cascade_table(original, [("logit", 1 - original)], PATIENTS, n=50)
    value = table.set_index("metric")["value"]
    assert value["spearman_abs"] == pytest.approx(1) and value["ssim"] < 0


def test_varios_sorteos_de_una_capa_se_promedian_y_el_intervalo_los_varia():
    original, draws = random_maps(0), [random_maps(seed) for seed in (1, 2, 3)]
    draws[2][:4] = 0
    table = cascade_table(original, [("conv", maps) for maps in draws], PATIENTS, n=200)
    by_film = np.array([ssim(original, maps) for maps in draws])
    row = table.iloc[0]
    assert (row["step"], row["draws"], row["n_films"], row["n_null"]) == (1, 3, 24, 4)
    means = by_film.mean(axis=1)
    np.testing.assert_allclose(
        row[["value", "draw_min", "draw_max"]].astype(float),
        [means.mean(), means.min(), means.max()],
    )
    spread = [mean_distribution(values, PATIENTS, 200) for values in by_film]
    assert (row["low"], row["high"]) == hierarchical_interval(spread, n=200)


def test_si_los_sorteos_no_se_parecen_el_intervalo_se_ensancha():
    original = random_maps(0)
    draws = [("conv", original), ("conv", random_maps(1)), ("conv", 1 - original)]
    table = cascade_table(original, draws, PATIENTS, n=400).set_index("metric")
    low, value, high = table.loc["spearman_abs", ["low", "value", "high"]]
    assert value == pytest.approx(2 / 3, abs=0.05) and low < 0.4 and high > 0.95
    alone = cascade_table(original, draws, ["p"] * 24, n=50)
    assert alone[["low", "high"]].isna().all(axis=None)


def test_no_cuentan_las_placas_cuyo_mapa_original_no_senalaba_nada():
    original, changed = random_maps(0), random_maps(1)
    original[::3] = 0
    changed[:5] = 0.5
    kept = np.arange(24) % 3 > 0
    table = cascade_table(original, [("conv", changed)], PATIENTS, n=50)
    alone = cascade_table(original[kept], [("conv", changed[kept])], PATIENTS[kept], n=50)
    pd.testing.assert_frame_equal(table, alone)
    assert (table["n_films"] == 16).all() and (table["n_null"] == 3).all()
    chance, few = between_films(original, PATIENTS), between_films(original[kept], PATIENTS[kept])
    pd.testing.assert_frame_equal(chance, few)
    with pytest.raises(DataError, match="no señalan nada"):
        cascade_table(np.zeros_like(original), [("conv", changed)], PATIENTS)


def test_un_mapa_que_se_apaga_ha_cambiado():
    table = cascade_table(random_maps(0), [("conv", np.zeros((24, 16, 16)))], PATIENTS, n=50)
    assert (table["n_null"] == 24).all() and str(verdict(table)) == "cambia"
    assert (table.set_index("metric").loc["spearman_abs", ["value", "low", "high"]] == 0).all()


def test_una_cascada_vacia_o_de_otras_placas_es_un_error():
    with pytest.raises(DataError, match="24 mapas originales y 20 tras borrar 'conv'"):
        cascade_table(random_maps(0), [("conv", random_maps(1, 20))], PATIENTS)
    with pytest.raises(DataError, match="vacía"):
        cascade_table(random_maps(0), [], PATIENTS)


def test_entre_placas_se_compara_siempre_con_otro_paciente():
    patterns = random_maps(0, 2)
    patients = np.repeat(["a", "b"], [3, 9])
    maps = patterns[(patients == "b").astype(int)]
    table = between_films(maps, patients, n=50)
    assert list(table["step"]) == [0, 0] and set(table["layer"]) == {"(otra placa)"}
    expected = [ssim(*patterns[:, None])[0], abs(spearman(*patterns[:, None])[0])]
    np.testing.assert_allclose(table["value"], expected, rtol=1e-12)
    pd.testing.assert_frame_equal(table, between_films(maps, patients, n=50))


# --- El veredicto ---------------------------------------------------------------------------------


def cascades(model, explain, films, seeds=range(3)):
    return chain.from_iterable(
        cascading_randomisation(model, explain, films, seed) for seed in seeds
    )


def test_un_detector_de_bordes_no_cambia_en_ningun_paso(trained):
    model, films = trained
    original = edges(model, films)
    table = cascade_table(original, cascades(model, edges, films, [0]), PATIENTS, n=200)
    np.testing.assert_allclose(table[["value", "low", "high"]], 1, rtol=1e-9)
    found = verdict(table)
    assert str(found) == "no cambia" and found.kept == ("ssim", "spearman_abs")


def test_un_metodo_de_gradientes_en_una_red_entrenada_cambia(trained):
    model, films = trained

    def explain(network, images):
        return grad_cam(network, images, layer="conv2", method="hires_cam")

    original = explain(model, films)
    table = cascade_table(original, cascades(model, explain, films), PATIENTS, n=200)
    assert list(dict.fromkeys(table["layer"])) == ["logit", "conv2", "conv1"]
    found = verdict(table)
    assert str(found) == "cambia" and found.changes and found.kept == ()


def test_el_mismo_metodo_atado_a_la_red_original_no_cambia(trained):
    model, films = trained

    def stuck(network, images):
        return grad_cam(model, images, layer="conv2", method="hires_cam")

    table = cascade_table(stuck(model, films), cascades(model, stuck, films, [0]), PATIENTS, n=50)
    assert str(verdict(table)) == "no cambia"


def hand_table(last_low: dict[str, float]) -> pd.DataFrame:
    rows = [(1, metric, 0.99) for metric in last_low] + [(2, *item) for item in last_low.items()]
    return pd.DataFrame(rows, columns=["step", "metric", "low"])


def test_decide_el_limite_inferior_del_ultimo_paso_y_basta_una_medida():
    assert verdict(hand_table({"ssim": 0.5, "spearman_abs": 0.49})).changes
    found = verdict(hand_table({"ssim": 0.51, "spearman_abs": 0.1}))
    assert not found.changes and found.kept == ("ssim",)
    assert verdict(hand_table({"ssim": 0.51, "spearman_abs": 0.1}), cut=0.6).changes


def test_el_corte_puede_ser_otro_en_cada_medida():
    table = hand_table({"ssim": 0.3, "spearman_abs": 0.4})
    assert verdict(table, {"ssim": 0.35, "spearman_abs": 0.35}).kept == ("spearman_abs",)
    chance = between_films(random_maps(0), PATIENTS, n=50).set_index("metric")["value"]
    assert verdict(table, chance.to_dict()).kept == ("ssim", "spearman_abs")
    with pytest.raises(ConfigError, match="spearman_abs"):
        verdict(table, {"ssim": 0.5})


def test_sin_intervalo_no_hay_veredicto():
    with pytest.raises(DataError, match="varios pacientes"):
        verdict(hand_table({"ssim": np.nan, "spearman_abs": 0.1}))


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


def test_dos_redes_se_comparan_por_sus_mapas():
    first, second = network(0), network(1)
    films = np.random.default_rng(0).integers(0, 256, (24, SIZE, SIZE)).astype(np.uint8)
    alike = label_randomisation(first, second, edges, films, PATIENTS, n=50)
    assert str(verdict(alike)) == "no cambia"
    assert set(alike["layer"]) == {"(etiquetas permutadas)"}

    def explain(model, images):
        return random_maps(0 if model is first else 1)

    with pytest.raises(DataError, match="de su tamaño"):
        label_randomisation(first, second, explain, films, PATIENTS)
    different = label_randomisation(first, second, explain, films[:, :16, :16], PATIENTS, n=50)
    expected = [ssim(random_maps(0), random_maps(1)).mean()]
    np.testing.assert_allclose(different["value"][:1], expected)
    assert str(verdict(different)) == "cambia"
