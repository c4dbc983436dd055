"""La tabla de capas cuenta lo mismo que Keras."""

from neumonia.models import build_cnn, build_head, layer_table
from neumonia.models.backend import load_keras


def test_la_cabeza_a_150_pixeles_tiene_los_parametros_de_su_formula():
    table = layer_table(build_head((4, 4, 512), seed=0))
    assert table.parameters.sum() == 4 * 4 * 512 * 128 + 128 + 128 + 1 == 1_048_833
    assert table.bytes.sum() == 4 * 1_048_833
    assert list(table.trainable) == [False, True, False, True]


def test_un_modelo_anidado_se_abre_y_suma_lo_mismo():
    keras = load_keras()
    inner = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3, name="a")], name="base"
    )
    inner.trainable = False
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), inner, keras.layers.Flatten(name="f"), keras.layers.Dense(1)]
    )
    table = layer_table(model)
    assert list(table.layer)[:2] == ["base/a", "f"]
    assert table.parameters.sum() == model.count_params()
    assert not table.trainable[0] and table.trainable[2]
    assert table.output_shape[0] == "(6, 6, 2)"


def test_los_tipos_son_los_nombres_de_keras():
    table = layer_table(build_cnn(32, seed=0))
    assert set(table.type) >= {"Rescaling", "RandomShear", "Conv2D", "MaxPooling2D", "Dropout"}
    assert "InputLayer" not in set(table.type)
