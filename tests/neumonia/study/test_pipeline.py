"""El estudio de principio a fin: qué se calcula, qué se reutiliza y si sale siempre lo mismo."""

import json
import os
import shutil
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neumonia.datasets import open_dataset
from neumonia.errors import ConfigError, DataError, NeumoniaError, WeightsError
from neumonia.splits import make_split
from neumonia.study import Config, Study, open_study
from neumonia.study.export import _stacked_csv, predictions_csv

CONFIG = Config.create("maqueta", n_films=120, size=32, epochs_cnn=2, epochs_head=2)


@pytest.fixture
def work(monkeypatch) -> Counter:
    """Cuenta los entrenamientos, los pasos por VGG16 y los cálculos de mapas."""
    from neumonia import gradcam, training
    from neumonia.models import vgg16

    done: Counter = Counter()

    def count(module, name, label):
        original = getattr(module, name)

        def counted(first, *args, **options):
            done[label(first)] += 1
            return original(first, *args, **options)

        monkeypatch.setattr(module, name, counted)

    count(training, "fit", lambda model: f"entrenar {model.name}")
    count(vgg16, "compute_features", lambda _: "características")
    count(gradcam, "grad_cam_raw", lambda _: "mapas")
    return done


@pytest.fixture
def copied(trained, tmp_path, random_vgg16, monkeypatch) -> Path:
    """Una copia de los productos del estudio de la sesión, para estropearla o ampliarla."""
    cache = tmp_path / "copia"
    for part in ("productos", "arreglos", "maqueta"):
        # Enlaces duros: nadie escribe dentro de un archivo guardado, siempre lo sustituye.
        shutil.copytree(trained.cache / part, cache / part, copy_function=os.link)
    monkeypatch.setenv("NEUMONIA_CACHE", str(cache))
    return cache


def compute(study: Study) -> dict:
    for name in study.models:
        study.maps(name)
    return study.results


def small(cache: Path | None = None, **changes) -> Study:
    return Study(CONFIG.with_changes(**changes), cache=cache, progress=False)


class TestLoQueHay:
    def test_las_partes_cubren_todo_sin_repetir_y_ningun_paciente_esta_en_dos(self, trained):
        study = trained.study
        rows = np.concatenate([study.rows(part) for part in ("train", "val", "test")])
        assert sorted(rows) == list(range(120)) == list(range(len(study.images)))
        assert study.images.shape == (120, 32, 32) and study.images.dtype == np.uint8
        assert study.predictions.groupby("patient")["split"].nunique().max() == 1
        with pytest.raises(ConfigError, match="'prueba'"):
            study.rows("prueba")

    def test_las_predicciones_son_la_sigmoide_de_los_logits_guardados(self, trained):
        study = trained.study
        for name in study.models:
            expected = 1 / (1 + np.exp(-study.logits(name)))
            assert np.allclose(study.predictions[f"p_{name}"], expected, rtol=1e-12)

    def test_los_historiales_y_las_capas(self, trained):
        for name in trained.study.models:
            assert list(trained.study.history(name)["epoch"]) == [1, 2]
        layers = trained.study.layers("vgg16")
        frozen = layers["layer"].str.startswith("vgg16/")
        assert layers.loc[frozen, "parameters"].sum() == 14_714_688
        assert not layers.loc[frozen, "trainable"].any()

    def test_los_ejemplos_salen_de_la_prueba_y_sus_mapas_los_siguen(self, trained):
        study = trained.study
        for name in study.models:
            maps = study.maps(name)
            assert set(maps["row"]) <= set(study.rows("test"))
            probability = study.predictions.loc[maps["row"], f"p_{name}"]
            assert np.array_equal(maps["probability"], probability)
            for target in ("PNEUMONIA", "NORMAL"):
                assert maps[target].shape == (len(maps["row"]), 32, 32)
                assert maps[target].min() >= 0 and maps[target].max() <= 1
                empty = maps[target].max(axis=(1, 2)) == 0
                assert np.array_equal(empty, maps[f"all_negative_{target}"])

    def test_un_modelo_que_no_existe(self, trained):
        for name in ("resnet", "caracteristicas"):
            with pytest.raises(ConfigError, match=rf"{name}.*cnn, vgg16"):
                trained.study.product(name)

    def test_saber_si_esta_entrenado_no_entrena(self, trained, copied, work):
        study = small(copied)
        assert study.is_trained("cnn") and study.is_trained("vgg16")
        for change in ({"batch_cnn": 8, "batch_head": 8}, {"seed": 5}):
            other = small(copied, **change)
            assert not other.is_trained("cnn") and not other.is_trained("vgg16")
        assert other.dataset.fingerprint != study.dataset.fingerprint
        assert other.split_digest != study.split_digest
        assert not work


class TestLoQueNoSeRepite:
    def test_el_mismo_estudio_no_calcula_nada_dos_veces(self, trained, copied, work):
        again = small(copied)
        assert compute(again) == trained.study.results
        assert not work
        assert not any(product.fresh for product in again.used.values())
        assert again.used.keys() == trained.study.used.keys() == {
            "caracteristicas", "cnn", "vgg16", "mapas-cnn", "mapas-vgg16",
        }  # fmt: skip
        assert {k: p.seconds for k, p in again.used.items()} == {
            k: p.seconds for k, p in trained.study.used.items()
        }

    def test_sin_las_caracteristicas_los_modelos_siguen_valiendo(self, copied, work):
        study = small(copied)
        study.product("vgg16")
        shutil.rmtree(study.used["caracteristicas"].folder)
        again = small(copied)
        assert again.product("vgg16").folder.is_dir() and not work
        assert "caracteristicas" not in again.used

    @pytest.mark.parametrize("change", [{"epochs_head": 3}, {"split": "archivo"}])
    def test_otra_cabeza_u_otra_particion_reutilizan_las_caracteristicas(
        self, copied, work, change
    ):
        study = small(copied, **{"epochs_head": 1, **change})
        assert study.product("vgg16").fresh and work == {"entrenar head": 1}
        assert len(study.history("vgg16")) == study.config.epochs_head

    def test_un_modelo_borrado_deja_de_estar_entrenado(self, copied):
        small(copied).model_path("cnn").unlink()
        assert not small(copied).is_trained("cnn") and small(copied).is_trained("vgg16")

    def test_tras_una_interrupcion_sigue_y_da_lo_mismo(self, copied, trained, monkeypatch):
        from neumonia import training

        shutil.rmtree(copied / "productos")
        save = training.save_state

        def save_and_stop(*args):
            save(*args)
            raise KeyboardInterrupt

        monkeypatch.setattr(training, "save_state", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            small(copied).product("cnn")
        assert list((copied / "productos").iterdir()) == []
        (partial,) = (copied / "en-curso").iterdir()
        assert partial.name.startswith("cnn-") and any(partial.iterdir())

        epochs = []
        monkeypatch.setattr(
            training, "save_state", lambda *args: (epochs.append(len(args[3].history)), save(*args))
        )
        study = small(copied)
        assert np.array_equal(study.logits("cnn"), trained.study.logits("cnn"))
        assert epochs == [2], "la primera época no se repite"
        assert not partial.exists()


class TestSiempreLoMismo:
    def test_dos_estudios_en_carpetas_distintas_dan_los_mismos_bytes(
        self, tmp_path, trained, random_vgg16, work
    ):
        def written(study: Study) -> list[str]:
            histories = {name: study.history(name) for name in study.models}
            return [
                json.dumps(study.results),
                predictions_csv(study.predictions),
                _stacked_csv(histories),
            ]

        other = small(tmp_path)
        assert written(other) == written(trained.study)
        for name in other.models:
            maps, expected = other.maps(name), trained.study.maps(name)
            assert all(np.array_equal(maps[key], expected[key]) for key in expected)
        # No es el mismo estudio leído otra vez: aquí se entrenó todo, y una sola vez.
        assert all(product.fresh for product in other.used.values())
        assert work == {"entrenar cnn": 1, "entrenar head": 1, "características": 1, "mapas": 4}
        assert list((tmp_path / "en-curso").iterdir()) == []


class TestSinVgg16:
    @pytest.fixture
    def offline(self, monkeypatch) -> list[str]:
        """Nadie tiene los pesos; anota cada búsqueda que llega a la red."""
        asked: list[str] = []

        def resolve(path=None, download=True):
            if download:
                asked.append("red")
            raise WeightsError("Intentamos: /carpeta/de/esta/máquina")

        monkeypatch.setattr("neumonia.models.weights.resolve_weights", resolve)
        return asked

    def test_el_estudio_sigue_solo_con_la_cnn(self, copied, offline, work):
        study = small(copied)
        results = compute(study)
        assert "máquina" in study.vgg16_missing
        assert "máquina" not in json.dumps(results, ensure_ascii=False)
        assert study.models == ("cnn",) and list(results["models"]) == ["cnn"]
        assert results["vgg16_missing"] is True
        assert study.predictions["p_vgg16"].isna().all()
        assert "p_vgg16" in study.predictions and not work
        assert not study.is_trained("vgg16")
        with pytest.raises(WeightsError, match="Intentamos"):
            study.product("vgg16")

    def test_no_haberlos_encontrado_se_recuerda_y_se_puede_olvidar(self, copied, offline):
        for _ in range(3):
            assert small(copied).vgg16_missing
        assert offline == ["red"]
        study = small(copied)
        assert study.vgg16_missing
        study.forget_missing_weights()
        assert study.vgg16_missing
        assert offline == ["red", "red"]


class TestLoQueNoSePuede:
    def test_demasiado_pocas_radiografias(self):
        with pytest.raises(DataError, match=r"clase|paciente"):
            _ = small(n_films=4).split

    def test_un_disco_lleno_al_entrenar_no_deja_producto(self, copied, monkeypatch):
        shutil.rmtree(copied / "productos")

        def full(*args, **options):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("neumonia.training.fit", full)
        with pytest.raises(NeumoniaError, match="No queda espacio"):
            small(copied).product("cnn")
        assert list((copied / "productos").iterdir()) == []


class TestAbrir:
    def test_sin_argumentos_se_abre_el_del_entorno(self, monkeypatch, tmp_path):
        monkeypatch.setenv("NEUMONIA_SEMILLA", "3")
        monkeypatch.setenv("NEUMONIA_CACHE", str(tmp_path))
        study = open_study()
        assert study.config == Config.create(seed=3)
        assert study.cache == tmp_path.resolve()

    def test_con_cambios(self):
        assert open_study(CONFIG).config is CONFIG
        assert open_study(CONFIG, split="archivo").config == CONFIG.with_changes(split="archivo")
        with pytest.raises(ConfigError, match="opción epocas"):
            open_study(epocas=3)


@pytest.mark.real
def test_con_radiografias_y_pesos_reales(shared, tmp_path, monkeypatch):
    """Sesenta radiografías y la VGG16 verdadera, de punta a punta."""
    from neumonia.models.weights import VGG16_TENSORS_SHA256

    with zipfile.ZipFile(shared / "datos" / "chest_xray_224.zip") as archive:
        for kind in ("train", "test"):
            for label in ("NORMAL", "PNEUMONIA"):
                inside = [
                    name
                    for name in sorted(archive.namelist())
                    if f"{kind}/{label}/" in name and name.endswith("jpeg")
                ]
                target = tmp_path / "reales" / kind / label
                target.mkdir(parents=True)
                for name in inside[:: max(1, len(inside) // 15)][:15]:
                    (target / Path(name).name).write_bytes(archive.read(name))
    monkeypatch.setenv("NEUMONIA_VGG16", str(shared / "pesos" / "vgg16_imagenet_notop.h5"))
    config = Config.create(
        "kermany", root=tmp_path / "reales", split="oficial", size=32, epochs_cnn=1, epochs_head=3
    )
    study = Study(config, cache=tmp_path / "cache", progress=False)
    results = compute(study)

    assert results["data"]["films"] == 60 and results["data"]["balance"]["test"]["total"] == 30
    assert study.models == ("cnn", "vgg16")
    assert study.vgg16_weights.sha256 == VGG16_TENSORS_SHA256
    assert study.layers("vgg16")["parameters"].sum() > 14_714_688
    images = np.asarray(study.images, dtype=np.float32)[..., None]
    predicted = study.model("vgg16").predict(images, verbose=0)[:, 0]
    assert np.allclose(predicted, study.logits("vgg16"), rtol=1e-3, atol=1e-3)
    learned = study.history("vgg16")["loss"]
    assert learned.iloc[-1] < learned.iloc[0]


def test_la_robusta_es_la_de_la_receta_y_solo_existe_si_se_pide(tmp_path, no_vgg16):
    from neumonia.robust import Recipe, build, fit
    from neumonia.training import predict_logits

    options = {"n_films": 80, "size": 32, "epochs_cnn": 1, "batch_cnn": 16}
    without = Study(Config.create("maqueta", **options), cache=tmp_path, progress=False)
    assert "robusta" not in without.networks and "p_robusta" not in without.predictions
    with pytest.raises(ConfigError, match="epochs_robust"):
        without.product("robusta")

    config = Config.create("maqueta", epochs_robust=2, **options)
    study = Study(config, cache=tmp_path, progress=False)
    assert study.networks[-1] == "robusta" and not study.is_trained("robusta")
    recipe = Recipe(size=32, epochs=2, batch_size=16)
    model = build(recipe, 0)
    rows = study.rows("train"), study.rows("val")
    history = fit(model, recipe, np.asarray(study.images), study.labels, *rows, 0)
    assert np.array_equal(study.logits("robusta"), predict_logits(model, study.images))
    pd.testing.assert_frame_equal(study.history("robusta"), history)
    assert study.results["robust"]["epochs_run"] == 2
    assert study.is_trained("robusta")
    # Pedirla no cambia las otras redes.
    assert study.product("cnn").key == without.product("cnn").key


@pytest.mark.real
@pytest.mark.parametrize("kind", ["paciente", "oficial"])
def test_ningun_paciente_ni_archivo_repetido_cruza_la_particion_real(shared, kind):
    manifest = open_dataset("kermany", root=shared / "datos" / "chest_xray_224.zip").manifest
    assert manifest["sha256"].duplicated().sum() == 32
    for seed in range(5):
        split = make_split(manifest, kind, seed)
        assert len(np.unique(split)) == 3
        for column in ("patient", "sha256"):
            assert split.groupby(manifest[column].to_numpy()).nunique().max() == 1
