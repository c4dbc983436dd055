"""Qué cambia la receta de cada producto, y qué no debe cambiarla."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from neumonia.study import Config, Study, pipeline

FACTS = {"fingerprint": "datos", "split": "reparto", "weights": "pesos", "key": "cnn-0"}


def pretend(config: Config | None = None, **changes) -> Study:
    """Un estudio del que solo existe lo que las recetas miran."""
    facts, study = FACTS | changes, Study(config or Config(), progress=False)
    study.__dict__ |= {
        "dataset": SimpleNamespace(name="maqueta", fingerprint=facts["fingerprint"]),
        "split_digest": facts["split"],
        "vgg16_weights": SimpleNamespace(sha256=facts["weights"]),
        "product": lambda name: SimpleNamespace(key=f"{name}-{facts['key']}"),
    }
    return study


RECIPES = {
    "images": lambda study: study.images_recipe,
    "cnn": lambda study: study.recipe("cnn"),
    "features": lambda study: study.features_recipe,
    "vgg16": lambda study: study.recipe("vgg16"),
    "robusta": lambda study: study.recipe("robusta"),
    "maps": lambda study: study.maps_recipe("cnn", 4),
}
TRAINED = {"cnn", "vgg16", "robusta"}
ALL = {"images", "features"} | TRAINED


@pytest.fixture(autouse=True)
def edit(monkeypatch):
    """Finge que se cambió un módulo; la huella verdadera se prueba con el almacén."""
    edited: set[str] = set()

    def pretended_digest(*modules: str) -> list[str]:
        return [f"{name} cambiado" if name in edited else name for name in modules]

    monkeypatch.setattr(pipeline, "code_digest", pretended_digest)
    return edited.add


def changed(study: Study) -> set[str]:
    base = pretend()
    return {name for name, recipe in RECIPES.items() if recipe(study) != recipe(base)}


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("size", 96, ALL),
        ("seed", 1, TRAINED),
        ("epochs_cnn", 3, {"cnn"}),
        ("patience_cnn", 3, {"cnn"}),
        ("batch_cnn", 3, {"cnn", "robusta"}),
        ("epochs_head", 3, {"vgg16"}),
        ("patience_head", 3, {"vgg16"}),
        ("batch_head", 3, {"vgg16"}),
        ("epochs_robust", 3, {"robusta"}),
        ("precision", "mixed_bfloat16", TRAINED | {"features"}),
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
        ("fingerprint", ALL),
        ("split", TRAINED),
        ("weights", {"features", "vgg16"}),
        ("key", {"maps"}),
    ],
)
def test_los_datos_la_particion_los_pesos_y_el_modelo(fact, expected):
    assert changed(pretend(**{fact: "otro"})) == expected


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("models.cnn", {"cnn", "robusta"}),
        ("models.vgg16", {"features", "vgg16"}),
        ("models.batches", TRAINED),
        ("models.augmentation", {"robusta"}),
        ("robust", {"robusta"}),
        ("training", {"cnn", "vgg16"}),
        ("gradcam.explain", {"maps"}),
        ("gradcam.network", {"maps"}),
        ("figures.base", set()),
    ],
)
def test_cambiar_un_modulo_recalcula_solo_lo_que_lo_usa(edit, module, expected):
    before = {name: recipe(pretend()) for name, recipe in RECIPES.items()}
    edit(f"neumonia.{module}")
    after = {name: recipe(pretend()) for name, recipe in RECIPES.items()}
    assert {name for name in RECIPES if before[name] != after[name]} == expected


def test_otro_decodificador_lo_recalcula_todo(monkeypatch):
    before = {name: recipe(pretend()) for name, recipe in RECIPES.items()}
    monkeypatch.setattr(pipeline, "DECODER_VERSION", pipeline.DECODER_VERSION + 1)
    assert {name for name, recipe in RECIPES.items() if recipe(pretend()) != before[name]} == ALL


def test_los_mapas_dependen_de_cuantos_y_de_que_red_y_lo_entrenado_del_metodo(monkeypatch):
    study = pretend()
    few, many = (study.maps_recipe("cnn", number) for number in (4, 5))
    assert few != many and few != study.maps_recipe("vgg16", 4)
    before = {name: recipe(study) for name, recipe in RECIPES.items()}
    monkeypatch.setattr(pipeline, "METHOD", pipeline.METHOD + 1)
    after = {name for name, recipe in RECIPES.items() if recipe(study) != before[name]}
    assert after == TRAINED | {"maps"}
