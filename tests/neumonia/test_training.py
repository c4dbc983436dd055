"""Entrenar: aprende, se detiene, se repite igual, se interrumpe y se retoma."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from neumonia import progress, training
from neumonia.errors import ConfigError, DataError, NeumoniaError
from neumonia.models import build_cnn, build_head, initial_bias, initial_loss
from neumonia.models.backend import load_keras
from neumonia.progress import EpochReport
from neumonia.training import (
    HISTORY_COLUMNS,
    TrainingState,
    best_epoch,
    fit,
    predict_logits,
    scheduled_rate,
    sigmoid,
)

SIZE = 20


def blobs(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Ruido; los positivos llevan una mancha clara. Se distinguen sin duda."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 90, (count, SIZE, SIZE)).astype(np.uint8)
    labels = (np.arange(count) % 3 > 0).astype(np.int8)
    images[labels == 1, 6:14, 6:14] += 130
    return images, labels


TRAIN, VAL = blobs(50, 1), blobs(21, 2)
OPTIONS = {"epochs": 3, "batch_size": 16, "patience": 3, "seed": 3}


def train_cnn(workdir=None, **options) -> tuple:
    model = build_cnn(SIZE, seed=3)
    return model, fit(model, TRAIN, VAL, workdir=workdir, **(OPTIONS | options))


@pytest.fixture(scope="module")
def reference() -> tuple:
    """Un entrenamiento sin interrupciones ni disco."""
    return train_cnn()


def same(a, b) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a.get_weights(), b.get_weights(), strict=True))


def test_el_historial_tiene_una_fila_por_epoca_y_las_columnas_del_libro(reference):
    _, history = reference
    assert list(history.columns) == list(HISTORY_COLUMNS)
    assert history.epoch.tolist() == [1, 2, 3]
    assert np.isfinite(history.to_numpy()).all()
    assert (history.learning_rate == np.float32(1e-3)).all()
    assert history[["accuracy", "auc", "val_accuracy", "val_auc"]].stack().between(0, 1).all()


def test_dos_veces_lo_mismo_da_pesos_e_historial_identicos_bit_a_bit(reference):
    model, history = reference
    again, second = train_cnn()
    assert same(model, again)
    pd.testing.assert_frame_equal(history, second, check_exact=True)


def test_interrumpir_y_retomar_da_lo_mismo_que_no_haber_parado(
    reference, tmp_path, monkeypatch, started
):
    save = training.save_state

    def save_then_stop(path, model, identity, state):
        save(path, model, identity, state)
        if len(state.history) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "save_state", save_then_stop)
    with pytest.raises(KeyboardInterrupt):
        train_cnn(tmp_path)
    monkeypatch.setattr(training, "save_state", save)
    started.clear()
    model, history = train_cnn(tmp_path)
    assert started == [3], "solo se hace la época que faltaba"
    assert same(model, reference[0])
    pd.testing.assert_frame_equal(history, reference[1], check_exact=True)
    assert [path.name for path in tmp_path.iterdir()] == ["entrenamiento.npz"]


@pytest.fixture
def started(monkeypatch) -> list[int]:
    """Las épocas que de verdad se entrenan."""
    epochs = []
    start = EpochReport.start

    def spy(self, epoch):
        epochs.append(epoch)
        start(self, epoch)

    monkeypatch.setattr(EpochReport, "start", spy)
    return epochs


def features(count: int = 12) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).normal(size=(count, 2, 2, 3)).astype(np.float32)
    return x, np.arange(count) % 2


def train_head(data=None, workdir=None, head_seed=0, **options) -> tuple:
    data = data or features()
    model = build_head((2, 2, 3), seed=head_seed)
    options = {"epochs": 2, "batch_size": 4, "seed": 0} | options
    return model, fit(model, data, features(), workdir=workdir, **options)


def test_lo_terminado_se_lee_sin_volver_a_entrenar(tmp_path, started):
    first, history = train_head(workdir=tmp_path)
    assert started == [1, 2]
    again, second = train_head(workdir=tmp_path)
    assert started == [1, 2] and same(first, again)
    pd.testing.assert_frame_equal(history, second, check_exact=True)


def test_un_avance_danado_se_descarta(tmp_path, started):
    first, _ = train_head(workdir=tmp_path)
    path = tmp_path / "entrenamiento.npz"
    for content in (b"PK\x03\x04 cortado", path.read_bytes()[:-200]):
        path.write_bytes(content)
        started.clear()
        again, _ = train_head(workdir=tmp_path)
        assert started == [1, 2] and same(first, again)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Carpeta con un entrenamiento terminado."""
    folder = tmp_path_factory.mktemp("terminado")
    train_head(workdir=folder)
    return folder


def changed_image() -> tuple[np.ndarray, np.ndarray]:
    x, y = features()
    x[-1, 0, 0, 0] += 1e-3
    return x, y


@pytest.mark.parametrize(
    "change",
    [
        {"data": changed_image()},
        {"data": (*features(), np.arange(11))},
        {"head_seed": 1},
        {"seed": 1},
        {"epochs": 1},
        {"class_weight": {0: 2.0, 1: 1.0}},
    ],
    ids=["una imagen", "las filas", "los pesos iniciales", "la semilla", "las épocas", "el peso"],
)
def test_si_algo_cambia_es_otro_entrenamiento(finished, monkeypatch, change):
    class Trains(Exception):
        pass

    def stop(self, epoch):
        assert epoch == 1
        raise Trains

    monkeypatch.setattr(EpochReport, "start", stop)
    train_head(workdir=finished)  # Sin cambios no llega a entrenar.
    with pytest.raises(Trains):
        train_head(workdir=finished, **change)


def test_otra_semilla_da_otro_resultado():
    assert not same(train_head(seed=0)[0], train_head(seed=1)[0])


def test_quedan_los_pesos_de_la_mejor_epoca(monkeypatch):
    """Con una tasa enorme la pérdida de validación sube: la mejor época no es la última."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 1, 1, 8)).astype(np.float32)
    y = (x[:, 0, 0, 0] + rng.normal(size=60) > 0).astype(np.int8)
    x_val = rng.normal(size=(200, 1, 1, 8)).astype(np.float32)
    y_val = (x_val[:, 0, 0, 0] > 0).astype(np.int8)
    model = build_head((1, 1, 8), seed=0)
    history = fit(model, (x, y), (x_val, y_val), 30, 16, patience=3, seed=0, learning_rate=0.05)
    best = history.val_loss.idxmin()
    assert len(history) == best + 1 + 3 < 30, "se detiene a las tres épocas sin mejorar"
    logits = predict_logits(model, x_val)
    loss = np.mean(np.logaddexp(0, logits) - y_val * logits)
    assert loss == pytest.approx(history.val_loss[best], rel=1e-5)
    accuracy = np.mean((logits > 0) == y_val)
    assert accuracy == pytest.approx(history.val_accuracy[best], abs=1e-6)


def test_la_cabeza_aprende_y_empieza_en_la_perdida_inicial():
    keras = load_keras()
    rng = np.random.default_rng(5)
    y = (np.arange(400) % 4 > 0).astype(np.int8)
    x = rng.normal(size=(400, 2, 2, 4)).astype(np.float32) * 0.1
    x[..., 0] += y[:, None, None]
    head = build_head((2, 2, 4), seed=0, output_bias=initial_bias(y))
    # Con características nulas la red solo tiene su sesgo.
    training.compile_model(head)
    zero = head.evaluate(np.zeros_like(x), y[:, None], verbose=0, return_dict=True)
    assert zero["loss"] == pytest.approx(initial_loss(y), abs=1e-5)
    history = fit(head, (x, y), (x, y), 6, 16, 6, seed=0)
    assert (
        history.val_auc.iloc[-1] > 0.99
        and history.val_loss.iloc[-1] < history.val_loss.iloc[0] / 1.5
    )
    assert isinstance(head.optimizer, keras.optimizers.Nadam)


def test_las_filas_equivalen_a_recortar_el_arreglo(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 2, 2, 3)).astype(np.float32), np.arange(30) % 2
    np.save(tmp_path / "x.npy", x)
    disk = np.load(tmp_path / "x.npy", mmap_mode="r")
    rows, rest = np.arange(0, 30, 2) + np.arange(15) % 2, np.arange(5)
    a, b = build_head((2, 2, 3), seed=0), build_head((2, 2, 3), seed=0)
    first = fit(a, (disk, y, rows), (disk, y, rest), 2, 4, seed=1)
    second = fit(b, (x[rows], y[rows]), (x[rest], y[rest]), 2, 4, seed=1)
    assert same(a, b)
    pd.testing.assert_frame_equal(first, second, check_exact=True)


def test_el_peso_de_clase_inclina_la_prediccion():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 1, 1, 2)).astype(np.float32)
    y = rng.integers(0, 2, 200)
    means = []
    for weight in ({0: 1.0, 1: 1.0}, {0: 5.0, 1: 1.0}):
        head = build_head((1, 1, 2), seed=0)
        fit(head, (x, y), (x, y), 4, 20, seed=0, class_weight=weight, learning_rate=0.01)
        means.append(predict_logits(head, x).mean())
    assert means[1] < means[0] - 0.5


def test_cada_epoca_ve_todas_las_imagenes_en_otro_orden(monkeypatch):
    orders = []
    stream = training._stream

    def spy(source, model, order, batch_size):
        orders.append(order)
        return stream(source, model, order, batch_size)

    monkeypatch.setattr(training, "_stream", spy)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 1, 1, 2)).astype(np.float32), np.arange(20) % 2
    fit(build_head((1, 1, 2), seed=0), (x, y), (x[:5], y[:5]), 2, 8, seed=0)
    _, first, second = orders
    assert sorted(first) == sorted(second) == list(range(20))
    assert not np.array_equal(first, second)


def test_una_perdida_no_finita_se_detiene_con_explicacion(tmp_path):
    with pytest.raises(NeumoniaError, match=r"pérdida de entrenamiento.*época 1.*tasa"):
        train_head(workdir=tmp_path, learning_rate=1e30)
    assert not list(tmp_path.iterdir()), "no se guarda un estado dañado"
    x, y = np.full((8, 2, 2, 3), 3e38, np.float32), np.arange(8) % 2
    with pytest.raises(NeumoniaError, match="pérdida de validación"):
        fit(build_head((2, 2, 3), seed=0), features(), (x, y), 2, 4, seed=0)


def test_los_lotes_llevan_cada_imagen_con_su_etiqueta():
    images = np.arange(10, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 2), np.uint8)
    source = training._Source(images, np.arange(10) % 2, np.array([9, 4, 7, 2]))
    batches = list(training._batches(source, np.array([2, 0, 3, 1]), 3, 4))
    x, y = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    assert [len(part) for part, _ in batches] == [3, 1]
    assert (x.dtype, x.shape, y.dtype, y.shape) == (np.float32, (4, 2, 2, 1), np.float32, (4, 1))
    assert x[:, 0, 0, 0].tolist() == [7, 9, 2, 4] and y[:, 0].tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "épocas debe ser al menos 1"),
        ({"patience": 0}, "paciencia"),
        ({"batch_size": 0}, "lote"),
        ({"learning_rate": 0.0}, "positiva"),
        ({"learning_rate": math.nan}, "positiva"),
    ],
)
def test_las_opciones_imposibles_se_explican(options, message):
    with pytest.raises(ConfigError, match=message):
        train_cnn(**options)


X, Y = np.zeros((4, SIZE, SIZE), np.uint8), np.array([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("train", "val", "message"),
    [
        ((X,), (X, Y), r"\(x, y\) o \(x, y, rows\)"),
        ((X, Y[:3]), (X, Y), "4 imágenes y 3 etiquetas"),
        ((X, Y), (X, Y, []), "No hay imágenes de validación"),
        ((X, Y, [0, 4]), (X, Y), "entre 0 y 3"),
        ((X, Y, [-1]), (X, Y), "entre 0 y 3"),
        ((X[:, :10], Y), (X, Y), r"recibió \(4, 10, 20\)"),
        ((X, Y + 1), (X, Y), r"\[1, 2\]"),
        ((X, Y, [0, 2]), (X, Y), "solo hay una clase"),
    ],
)
def test_los_datos_imposibles_se_explican(train, val, message):
    with pytest.raises(DataError, match=message):
        fit(build_cnn(SIZE, seed=0), train, val, 1)


# --- Predecir ------------------------------------------------------------------------------------


def test_predecir_no_depende_del_lote_ni_de_las_filas(reference, capfd):
    model, _ = reference
    images = VAL[0]
    logits = predict_logits(model, images, batch_size=21)
    assert logits.dtype == np.float64 and logits.shape == (21,)
    assert np.allclose(
        predict_logits(model, images, batch_size=4, progress=True), logits, atol=1e-5
    )
    rows = np.array([7, 2])
    assert np.allclose(predict_logits(model, images, rows=rows, progress=True), logits[rows])
    direct = model(images[..., None].astype(np.float32), training=False)
    assert np.allclose(logits, np.asarray(direct)[:, 0], atol=1e-5)
    assert predict_logits(model, images[:0]).shape == (0,)


def test_predecir_pide_un_logit_y_la_forma_de_la_red(reference):
    keras = load_keras()
    with pytest.raises(DataError, match="recibió"):
        predict_logits(reference[0], np.zeros((2, 5, 5)))
    two = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(ConfigError, match="una salida"):
        predict_logits(two, np.zeros((1, 3)))


def test_la_sigmoide_es_la_de_scipy_y_no_se_desborda():
    logits = np.array([-800.0, -40.0, -1.0, 0.0, 1e-3, 40.0, 800.0])
    with np.errstate(over="raise", invalid="raise"):
        ours = sigmoid(logits)
    assert np.allclose(ours, expit(logits), rtol=1e-12, atol=0)
    assert ours[0] == 0 or ours[0] < 1e-300
    assert sigmoid(np.float32(0)) == 0.5


# --- Estado y avance -----------------------------------------------------------------------------


def test_la_mejor_epoca_es_la_primera_de_las_iguales_y_la_paciencia_cuenta_desde_ella():
    history = [[0, 0, 0, 0, loss] for loss in (3.0, 1.0, 1.0, 2.0)]
    assert best_epoch(history) == 1
    assert not TrainingState(history).finished(epochs=10, patience=3)
    assert TrainingState(history).finished(epochs=10, patience=2)
    assert TrainingState(history).finished(epochs=4, patience=9)
    assert not TrainingState().finished(epochs=1, patience=1)


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([], 8.0),
        ([3.0, 2.0, 1.0], 8.0),
        ([1.0, 1.0], 8.0),
        ([1.0, 1.0, 2.0], 4.0),
        ([1.0, 2.0, 2.0, 2.0, 2.0], 2.0),
        ([1.0, 2.0, 0.5, 2.0], 8.0),
        ([1.0, 2.0, 2.0, 0.5, 2.0], 4.0),
    ],
)
def test_la_tasa_baja_a_la_mitad_cada_dos_epocas_sin_mejora(losses, expected):
    assert scheduled_rate([[0, 0, 0, 0, loss] for loss in losses], 8.0) == expected


def test_el_historial_muestra_la_tasa_con_la_que_se_entreno_cada_epoca():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(16, 2, 2, 3)).astype(np.float32), np.arange(16) % 2
    model = build_head((2, 2, 3), seed=0)
    # Validar con las etiquetas al revés: aprender empeora siempre la validación.
    history = fit(model, (x, y), (x, 1 - y), 6, 8, patience=5, seed=0, learning_rate=0.008)
    assert history.val_loss.idxmin() == 0
    assert np.allclose(history.learning_rate, [0.008] * 3 + [0.004] * 2 + [0.002])


LOGS = {"loss": 0.5, "auc": 0.75, "val_loss": 0.25, "val_auc": 1.0}


@pytest.fixture
def slow(monkeypatch):
    monkeypatch.setattr(progress, "_PATIENCE", -1.0)


def run_report(enabled: bool = True) -> None:
    with EpochReport(2, 3, enabled) as report:
        for epoch in (1, 2):
            report.start(epoch)
            for _ in range(3):
                report.advance(LOGS)
            report.finish(LOGS)


def test_en_un_registro_hay_una_linea_en_espanol_por_epoca(slow, capfd):
    run_report()
    assert capfd.readouterr().err.splitlines() == [
        f"Época {epoch}/2: pérdida 0.5000, AUC 0.7500; validación: pérdida 0.2500, AUC 1.0000"
        for epoch in (1, 2)
    ]


def test_en_una_terminal_hay_una_barra_que_se_cierra(slow, monkeypatch, capsys):
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    run_report()
    shown = capsys.readouterr().err
    assert "3/3" in shown and "Época 2/2" in shown and "validación: pérdida 0.2500" in shown


def test_lo_breve_o_silenciado_no_escribe_nada(slow, monkeypatch, capfd):
    run_report(enabled=False)
    monkeypatch.setattr(progress, "_PATIENCE", 60.0)
    run_report()
    assert capfd.readouterr().err == ""
