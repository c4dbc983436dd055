"""Qué cambia la receta de cada producto, y qué no debe cambiarla."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest

from neumonia.study import Config, recipes


def pretend(config: Config | None = None, **changes) -> SimpleNamespace:
    """Lo que las recetas miran de un estudio."""
    facts = {"fingerprint": "datos", "split": "reparto", "weights": "pesos", "key": "cnn-0"}
    facts |= changes
    return SimpleNamespace(
        config=config or Config(),
        dataset=SimpleNamespace(name="maqueta", fingerprint=facts["fingerprint"]),
        split_digest=facts["split"],
        vgg16_weights=SimpleNamespace(sha256=facts["weights"]),
        product=lambda name: SimpleNamespace(key=f"{name}-{facts['key']}"),
    )


RECIPES = {
    "images": recipes.images_recipe,
    "cnn": recipes.cnn_recipe,
    "features": recipes.features_recipe,
    "vgg16": recipes.vgg16_recipe,
    "maps": lambda study: recipes.maps_recipe(study, "cnn", 4),
}


@pytest.fixture(autouse=True)
def edit(monkeypatch) -> Callable[[str], None]:
    """Finge que se cambió un módulo; la huella verdadera se prueba con el almacén."""
    edited: set[str] = set()

    def pretended_digest(*modules: str) -> list[str]:
        return [f"{name} cambiado" if name in edited else name for name in modules]

    monkeypatch.setattr(recipes, "code_digest", pretended_digest)
    return edited.add


def changed(study: SimpleNamespace) -> set[str]:
    base = pretend()
    return {name for name, recipe in RECIPES.items() if recipe(study) != recipe(base)}


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("size", 96, {"images", "cnn", "features", "vgg16"}),
        ("seed", 1, {"cnn", "vgg16"}),
        ("epochs_cnn", 3, {"cnn"}),
        ("patience_cnn", 3, {"cnn"}),
        ("batch_cnn", 3, {"cnn"}),
        ("epochs_head", 3, {"vgg16"}),
        ("patience_head", 3, {"vgg16"}),
        ("batch_head", 3, {"vgg16"}),
        ("precision", "mixed_bfloat16", {"cnn", "features", "vgg16"}),
        # Estos dos cambian los datos, y de eso se encarga su huella.
        ("n_films", 3, set()),
        ("difficulty", 0.1, set()),
        ("root", "otra", set()),
    ],
)
def test_cada_opcion_cambia_solo_lo_que_depende_de_ella(field, value, expected):
    assert changed(pretend(replace(Config(), **{field: value}))) == expected


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        ("fingerprint", {"images", "cnn", "features", "vgg16"}),
        ("split", {"cnn", "vgg16"}),
        ("weights", {"features", "vgg16"}),
        ("key", {"maps"}),
    ],
)
def test_los_datos_la_particion_los_pesos_y_el_modelo(fact, expected):
    assert changed(pretend(**{fact: "otro"})) == expected


def test_los_mapas_dependen_de_cuantos_y_de_que_red():
    study = pretend()
    few, many = (recipes.maps_recipe(study, "cnn", number) for number in (4, 5))
    assert few != many and few != recipes.maps_recipe(study, "vgg16", 4)


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("neumonia.datasets.images", {"images", "cnn", "features", "vgg16"}),
        ("neumonia.arrays", {"images", "cnn", "features", "vgg16"}),
        ("neumonia.models.cnn", {"cnn"}),
        ("neumonia.models.vgg16", {"features", "vgg16"}),
        ("neumonia.models.batches", {"cnn", "vgg16"}),
        ("neumonia.training", {"cnn", "vgg16"}),
        ("neumonia.training_state", {"cnn", "vgg16"}),
        ("neumonia.study.build", {"cnn", "vgg16", "maps"}),
        ("neumonia.gradcam.explain", {"maps"}),
        ("neumonia.gradcam.network", {"maps"}),
        ("neumonia.figures.base", set()),
    ],
)
def test_cambiar_un_modulo_recalcula_solo_lo_que_lo_usa(edit, module, expected):
    before = {name: recipe(pretend()) for name, recipe in RECIPES.items()}
    edit(module)
    after = {name: recipe(pretend()) for name, recipe in RECIPES.items()}
    assert {name for name in RECIPES if before[name] != after[name]} == expected


def test_las_recetas_son_las_mismas_en_cada_llamada():
    assert changed(pretend()) == set()
