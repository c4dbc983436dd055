"""El entrenamiento que no depende del equipo: qué ve cada época y qué red queda."""

import numpy as np
import pytest

from neumonia.errors import ConfigError, DataError
from neumonia.models.backend import load_keras
from neumonia.robust import Recipe, build, epoch_order, fit, view_logits
from neumonia.training import HISTORY_COLUMNS, predict_logits

SIZE = 18
QUICK = {"size": SIZE, "epochs": 2, "batch_size": 16}


@pytest.fixture(scope="module")
def films():
    """Cuadros claros y oscuros: se distinguen por el brillo de una esquina."""
    rng = np.random.default_rng(0)
    labels = np.r_[np.zeros(30), np.ones(90)].astype(np.int8)
    images = rng.integers(40, 90, (120, SIZE, SIZE)).astype(np.uint8)
    images[labels == 1, 4:10, 4:10] += 120
    rows = rng.permutation(120)
    return images, labels, rows[:96], rows[96:]


def trained(films, seed=0, **changes):
    images, labels, train, val = films
    recipe = Recipe(**QUICK | changes)
    model = build(recipe, seed)
    return model, fit(model, recipe, images, labels, train, val, seed)


def test_una_epoca_a_la_par_usa_todas_las_de_la_clase_menor():
    labels = np.r_[np.zeros(10), np.ones(50)].astype(int)
    rows = np.arange(60)
    order = epoch_order(labels, rows, seed=1, epoch=0, balanced=True)
    assert len(order) == 60 and labels[order].sum() == 30
    counts = np.bincount(order, minlength=60)
    # Cada normal sale tres veces; ninguna neumonía se repite.
    assert (counts[:10] == 3).all() and counts[10:].max() == 1
    other = epoch_order(labels, rows, seed=1, epoch=1, balanced=True)
    assert set(order) != set(other)
    assert (order == epoch_order(labels, rows, 1, 0, True)).all()


def test_sin_igualar_cada_radiografia_sale_una_vez():
    rows = np.array([3, 5, 8, 9])
    order = epoch_order(np.r_[np.zeros(5), np.ones(5)], rows, 0, 0, balanced=False)
    assert sorted(order) == rows.tolist()


def test_aprende_y_cuenta_lo_que_hizo(films):
    images, labels, _, val = films
    model, history = trained(films, epochs=8, changes=("encuadre",))
    assert list(history.columns) == list(HISTORY_COLUMNS)
    assert history["epoch"].tolist() == list(range(1, 9))
    assert history["learning_rate"].iloc[-1] < history["learning_rate"].max()
    logits = predict_logits(model, images, rows=val)
    assert logits[labels[val] == 1].min() > logits[labels[val] == 0].max()


def test_la_misma_semilla_da_la_misma_red_y_otra_no(films):
    (one, first), (two, second), (three, _) = (trained(films, seed) for seed in (5, 5, 6))
    assert first.equals(second)
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        assert np.array_equal(a, b)
    assert not np.array_equal(one.get_weights()[0], three.get_weights()[0])


def test_quedan_los_pesos_promediados(films):
    """Con la media móvil, los pesos del final son los que midió la última validación."""
    from sklearn.metrics import roc_auc_score

    images, labels, _, val = films
    model, history = trained(films, epochs=3)
    logits = predict_logits(model, images, rows=val)
    # Keras aproxima el área con 200 cortes.
    assert history["val_auc"].iloc[-1] == pytest.approx(
        roc_auc_score(labels[val], logits), abs=0.02
    )
    truth = 0.95 * labels[val] + 0.025
    loss = np.mean(np.logaddexp(0, logits) - truth * logits)
    assert history["val_loss"].iloc[-1] == pytest.approx(loss, rel=1e-4)


def test_sin_promediar_las_etiquetas_no_se_suavizan(films):
    images, labels, _, val = films
    model, history = trained(films, averaged=False, balanced=False, changes=())
    logits = predict_logits(model, images, rows=val)
    loss = np.mean(np.logaddexp(0, logits) - labels[val] * logits)
    assert history["val_loss"].iloc[-1] == pytest.approx(loss, rel=1e-4)


def test_la_red_se_guarda_sin_el_aumento(films, tmp_path):
    images = films[0]
    model, _ = trained(films)
    model.save(tmp_path / "red.keras")
    again = load_keras().saving.load_model(tmp_path / "red.keras", safe_mode=True)
    assert np.array_equal(predict_logits(again, images), predict_logits(model, images))


def test_las_vistas_son_la_radiografia_desplazada(films):
    images = films[0][:6]
    model, _ = trained(films)
    views = view_logits(model, images)
    assert views.shape == (6, 5)
    assert np.array_equal(views[:, 0], predict_logits(model, images))
    down = np.concatenate([images[:, :1], images[:, :-1]], axis=1)
    right = np.concatenate([images[:, :, :1], images[:, :, :-1]], axis=2)
    assert np.array_equal(views[:, 1], predict_logits(model, down))
    assert np.array_equal(views[:, 3], predict_logits(model, right))


def test_lo_que_no_puede_ser_lo_dice(films):
    images, labels, train, val = films
    with pytest.raises(ConfigError, match="resnet"):
        Recipe("resnet")
    with pytest.raises(ConfigError, match="al menos 1"):
        Recipe(epochs=0)
    with pytest.raises(ConfigError, match="pesos"):
        build(Recipe("vgg16", 32), 0)
    recipe = Recipe(**QUICK)
    sick = train[labels[train] == 1]
    for rows in (sick, train[:5]):
        with pytest.raises(DataError, match="dos clases"):
            fit(build(recipe, 0), recipe, images, labels, rows, val, 0)
