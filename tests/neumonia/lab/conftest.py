"""Un estudio diminuto sobre la maqueta y una red hecha a mano, para examinar mapas en segundos."""

import numpy as np
import pytest

from neumonia.lab.networks import Budget, Exam, Network
from neumonia.models.backend import load_keras
from neumonia.study import Config, Study

TINY = Budget(films=6, few=3, draws=2, few_draws=1, resamples=50, steps=4)


def tiny_model(seed: int = 3, size: int = 32):
    """Dos convoluciones, el promedio y un logit; sin entrenar y siempre igual."""
    keras = load_keras()
    layers = keras.layers

    def start(number: int):
        return keras.initializers.GlorotUniform(seed=10 * seed + number)

    def convolution(filters: int, number: int):
        # Con sesgo, también una radiografía lisa deja algo que sumar.
        return layers.Conv2D(
            filters,
            3,
            activation="relu",
            kernel_initializer=start(number),
            bias_initializer=keras.initializers.Constant(0.1),
            name=f"conv{number}",
        )

    return keras.Sequential(
        [
            keras.Input((size, size, 1)),
            layers.Rescaling(1 / 255, name="rescaling"),
            convolution(3, 1),
            layers.MaxPooling2D(2, name="pool1"),
            convolution(4, 2),
            layers.Flatten(name="flatten"),
            layers.Dense(1, kernel_initializer=start(3), name="logit"),
        ]
    )


@pytest.fixture(scope="package")
def study(tmp_path_factory) -> Study:
    with pytest.MonkeyPatch.context() as patch:
        cache = tmp_path_factory.mktemp("confianza")
        patch.setenv("NEUMONIA_CACHE", str(cache))
        small = Config.create("maqueta", n_films=120, size=32, epochs_cnn=1, epochs_head=1)
        found = Study(small, cache=cache, progress=False)
        # Se leen ahora, con esta carpeta de trabajo.
        assert len(found.images) == 120
        yield found


@pytest.fixture(scope="package")
def network(study) -> Network:
    """Acierta todas las positivas menos la primera de la prueba; lo dice su logit, no el modelo."""
    logits = np.where(study.labels == 1, 2.0, -2.0)
    test = study.rows("test")
    logits[test[study.labels[test] == 1][0]] = -1.0
    return Network("cnn", tiny_model(), logits, ("conv1", "conv2"), slow=False)


def exam_of(study, *networks: Network) -> Exam:
    """Un examen con esas redes, sin abrir ninguna otra."""
    found = Exam(study, TINY)
    found.__dict__["networks"] = networks
    return found


@pytest.fixture(scope="package")
def exam(study, network) -> Exam:
    return exam_of(study, network)
