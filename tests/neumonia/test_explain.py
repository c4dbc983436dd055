"""Explicar imágenes sueltas: lo que se escribe, lo que se rechaza y lo que no se pisa."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neumonia.datasets.images import decode, resize
from neumonia.errors import ConfigError, NeumoniaError
from neumonia.explain import NOTICE, explain_images, find_images, shrink
from neumonia.gradcam import METHODS, grad_cam
from neumonia.gradcam.overlay import overlay
from neumonia.training import predict_logits

INFO = {"name": "cnn"}


@pytest.fixture(scope="module")
def model():
    from neumonia.models.cnn import build_cnn

    return build_cnn(32, seed=3, augment=False)


@pytest.fixture
def save(tmp_path):
    """Guarda una imagen de ruido distinta para cada ``seed``."""

    def make(name: str, size=(50, 40), mode: str = "L", seed: int = 0) -> Path:
        width, height = size
        path = tmp_path / "entrada" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(seed).integers(0, 256, (height, width))
        if mode == "I;16":
            image = Image.fromarray((noise * 257).astype(np.uint16))
        else:
            image = Image.fromarray(noise.astype(np.uint8)).convert(mode)
        image.save(path)
        return path

    return make


def explain(model, sources, folder: Path, **options) -> list:
    return list(explain_images(model, sources, folder, INFO, **options))


def record(item) -> dict:
    return json.loads(item.record.read_text(encoding="utf-8"))


def test_la_probabilidad_es_la_del_modelo_y_el_json_dice_como_se_hizo(model, save, tmp_path):
    path = save("torax.png")
    (item,) = explain(model, [path], tmp_path / "salida")
    logit = predict_logits(model, resize(decode(path), 32)[None])[0]
    assert item.probability == pytest.approx(1 / (1 + np.exp(-logit)), rel=1e-5)
    assert (item.source, item.error) == (path, None)
    assert sorted(p.name for p in (tmp_path / "salida").iterdir()) == ["torax.json", "torax.png"]
    assert record(item) == {
        "image": "torax.png",
        "size": {"height": 40, "width": 50},
        "probability_pneumonia": item.probability,
        "decision_at_0.5": "PNEUMONIA" if item.probability >= 0.5 else "NORMAL",
        "map": {
            "method": "Grad-CAM",
            "target": "PNEUMONIA",
            "layer": "conv4",
            "all_negative": record(item)["map"]["all_negative"],
            "file": "torax.png",
        },
        "model": INFO,
        "notice": NOTICE,
    }
    assert "No es un diagnóstico" in NOTICE
    with Image.open(item.overlay) as image:
        assert (image.size, image.mode) == ((50, 40), "RGB")


def test_un_modelo_que_termina_en_sigmoide_da_la_misma_probabilidad(model, save, tmp_path):
    import keras

    probable = keras.Sequential([*model.layers, keras.layers.Activation("sigmoid")])
    probable.build((None, 32, 32, 1))
    path = save("a.png")
    (logit,) = explain(model, [path], tmp_path / "uno")
    (sigmoid,) = explain(probable, [path], tmp_path / "dos")
    assert sigmoid.probability == pytest.approx(logit.probability, rel=1e-5)


def test_la_clase_del_mapa_no_cambia_la_probabilidad(model, save, tmp_path):
    path = save("a.png")
    (ill,) = explain(model, [path], tmp_path / "uno")
    (well,) = explain(model, [path], tmp_path / "dos", target="NORMAL")
    assert well.probability == pytest.approx(ill.probability, rel=1e-6)
    assert record(well)["map"]["target"] == "NORMAL"
    assert ill.overlay.read_bytes() != well.overlay.read_bytes()


@pytest.mark.parametrize("method", METHODS)
def test_cada_metodo_deja_su_nombre_y_su_capa_y_el_mismo_mapa_que_a_mano(
    model, save, tmp_path, method
):
    path = save("a.png")
    (item,) = explain(model, [path], tmp_path / "salida", method=method, layer="conv2")
    found = record(item)["map"]
    assert found["method"] == METHODS[method].title
    assert found["layer"] == ("conv2" if METHODS[method].weighs_channels else "entrada")
    small = resize(decode(path), 32)[None]
    heatmap = grad_cam(model, small, layer="conv2", method=method)[0]
    grown = Image.fromarray(heatmap).resize((50, 40), Image.Resampling.BILINEAR)
    expected = overlay(decode(path), np.clip(np.asarray(grown), 0, 1)).astype(int)
    with Image.open(item.overlay) as image:
        assert np.array_equal(np.asarray(image), expected)


def test_una_capa_que_no_existe_se_rechaza_con_la_lista(model, save, tmp_path):
    with pytest.raises(ConfigError, match=r"'conv9' no existe.*conv4"):
        explain(model, [save("a.png")], tmp_path / "salida", layer="conv9")


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "I;16"])
def test_cualquier_modo_de_color_da_la_misma_respuesta_que_en_gris(model, save, tmp_path, mode):
    (grey,) = explain(model, [save("gris.png", seed=4)], tmp_path / "uno")
    (item,) = explain(model, [save("otro.png", mode=mode, seed=4)], tmp_path / "dos")
    assert item.probability == pytest.approx(grey.probability, rel=1e-4)


def test_una_imagen_grande_se_muestra_con_lado_de_1024_y_su_proporcion(model, save, tmp_path):
    (item,) = explain(model, [save("grande.png", size=(1500, 700))], tmp_path / "salida")
    assert record(item)["size"] == {"height": 700, "width": 1500}
    with Image.open(item.overlay) as image:
        assert image.size == (1024, 478)


def test_una_imagen_danada_no_detiene_a_las_demas_ni_cambia_el_orden(model, save, tmp_path):
    good = [save("a.png", seed=1), save("c.png", seed=3)]
    broken = tmp_path / "entrada" / "b.png"
    broken.write_bytes(good[0].read_bytes()[:200])
    empty = tmp_path / "entrada" / "vacia.jpeg"
    empty.touch()
    found = explain(model, [good[0], broken, good[1], empty], tmp_path / "salida")
    assert [item.source.name for item in found] == ["a.png", "b.png", "c.png", "vacia.jpeg"]
    assert [item.error is None for item in found] == [True, False, True, False]
    assert "b.png" in found[1].error and "dañado" in found[1].error
    assert "vacía" in found[3].error or "vacío" in found[3].error
    written = sorted(path.name for path in (tmp_path / "salida").iterdir())
    assert written == ["a.json", "a.png", "c.json", "c.png"]
    alone = explain(model, [good[1]], tmp_path / "sola")[0]
    assert found[2].probability == pytest.approx(alone.probability, rel=1e-5)


def test_si_ninguna_se_puede_leer_no_se_escribe_nada(model, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no soy una imagen")
    (item,) = explain(model, [tmp_path / "a.png"], tmp_path / "salida")
    assert item.error and not (tmp_path / "salida").exists()


def test_mas_imagenes_que_un_grupo_dan_lo_mismo_que_una_a_una(model, save, tmp_path):
    sources = [save(f"{number:02}.png", seed=number) for number in range(18)]
    together = explain(model, sources, tmp_path / "juntas")
    assert [item.source for item in together] == sources
    logits = predict_logits(model, np.stack([resize(decode(path), 32) for path in sources]))
    expected = 1 / (1 + np.exp(-logits))
    assert np.allclose([item.probability for item in together], expected, rtol=1e-5)
    assert len({round(item.probability, 7) for item in together}) > 9


def test_dos_imagenes_con_el_mismo_nombre_no_se_pisan(model, save, tmp_path):
    names = ["a/Torax.png", "b/torax.png", "c/TORAX.png", "torax-2.png"]
    sources = [save(name, seed=number) for number, name in enumerate(names)]
    found = explain(model, sources, tmp_path / "salida")
    assert [item.overlay.name for item in found] == [
        "Torax.png", "torax-2.png", "TORAX-3.png", "torax-2-2.png",
    ]  # fmt: skip
    assert [record(item)["map"]["file"] for item in found] == [i.overlay.name for i in found]
    assert len(list((tmp_path / "salida").iterdir())) == 8


def test_sin_espacio_se_explica_y_no_queda_una_imagen_a_medias(model, save, tmp_path, monkeypatch):
    def full(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = save("a.png")
    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(NeumoniaError, match="No queda espacio"):
        explain(model, [path], tmp_path / "salida")
    assert list((tmp_path / "salida").iterdir()) == []


def test_una_red_sin_convoluciones_se_rechaza(save, tmp_path):
    import keras

    flat = keras.Sequential(
        [keras.Input((32, 32, 1)), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    with pytest.raises(NeumoniaError, match="convolucional"):
        explain(flat, [save("a.png")], tmp_path / "salida")
    assert not (tmp_path / "salida").exists()


class TestReducir:
    def test_una_imagen_pequena_queda_como_esta(self):
        film = np.zeros((30, 40), np.uint8)
        assert shrink(film) is film

    def test_una_tira_muy_fina_conserva_al_menos_un_pixel(self):
        assert shrink(np.zeros((5000, 2), np.uint8)).shape == (1024, 1)
        assert shrink(np.zeros((2, 5000), np.uint8)).shape == (1, 1024)


class TestBuscarImagenes:
    def test_una_carpeta_da_sus_imagenes_en_orden_y_nada_mas(self, tmp_path):
        names = ["b.PNG", "a.jpeg", "sub/c.jpg", "._a.jpeg", "notas.txt", "carpeta.png/d.png"]
        for name in names:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        found = [path.relative_to(tmp_path).as_posix() for path in find_images([tmp_path])]
        assert found == ["a.jpeg", "b.PNG", "carpeta.png/d.png", "sub/c.jpg"]

    def test_un_archivo_suelto_se_acepta_con_cualquier_nombre(self, tmp_path):
        path = tmp_path / "radiografia.dat"
        path.touch()
        assert find_images([str(path), path]) == [path, path]

    def test_lo_que_no_existe_o_no_tiene_imagenes_se_nombra(self, tmp_path):
        with pytest.raises(NeumoniaError, match=r"No existe .*nada\.png"):
            find_images([tmp_path / "nada.png"])
        with pytest.raises(NeumoniaError, match="no hay imágenes PNG ni JPEG\\."):
            find_images([tmp_path])

    def test_los_mapas_de_otra_vez_no_se_explican(self, tmp_path):
        (tmp_path / "mapas").mkdir()
        (tmp_path / "mapas" / "a.png").touch()
        (tmp_path / "a.jpeg").touch()
        assert find_images([tmp_path], tmp_path / "mapas") == [tmp_path / "a.jpeg"]

    def test_no_se_escribe_donde_estan_las_imagenes(self, tmp_path):
        (tmp_path / "a.png").touch()
        with pytest.raises(NeumoniaError, match=r"a\.png está en la carpeta de salida"):
            find_images([tmp_path / "a.png"], tmp_path)
        with pytest.raises(NeumoniaError, match="fuera de la carpeta de salida"):
            find_images([tmp_path], tmp_path)
