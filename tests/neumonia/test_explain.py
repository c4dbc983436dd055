"""Explicar imágenes sueltas: lo que se escribe, lo que se rechaza y lo que no se pisa."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neumonia.datasets.images import decode, resize
from neumonia.errors import ConfigError, NeumoniaError
from neumonia.explain import NOTICE, check_place, explain_images, find_images, shrink
from neumonia.explain.place import PlaceCheck, predictor
from neumonia.explain.verdict import pass_verdict
from neumonia.explain.words import _UNDONE, film_sentence
from neumonia.gradcam import METHODS, grad_cam
from neumonia.gradcam.overlay import overlay
from neumonia.heat import outside_shares, thorax_region
from neumonia.likeness import COLOUR_LIMIT, Judgement, fit_likeness
from neumonia.likeness.rule import UNDO
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
        "checks": record(item)["checks"],
        "warnings": list(item.warnings),
        "notes": record(item)["notes"],
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


@pytest.mark.parametrize("target", ["PNEUMONIA", "NORMAL"])
def test_la_comprobacion_del_mapa_es_la_hecha_a_mano(model, save, tmp_path, target):
    paths = [save(f"{number}.png", seed=number) for number in range(4)]
    films = np.stack([resize(decode(path), 32) for path in paths])
    maps = grad_cam(model, films, target=target)
    expected = check_place(predictor(model), films, maps, target)
    shares = outside_shares(maps)
    for place, item in enumerate(explain(model, paths, tmp_path / "salida", target=target)):
        found, check = record(item)["checks"]["map"], expected[place]
        assert (found["passed"], found["null"]) == (check.passed, check.null)
        assert found["places_tried"] == len(check.others)
        assert found["places_with_as_large_a_drop"] == check.as_large
        if check.null:
            continue
        assert found["logit_drop"] == pytest.approx(check.drop, abs=1e-3)
        assert found["largest_drop_elsewhere"] == pytest.approx(check.others.max(), abs=1e-3)
        assert found["false_pass_rate"] == pytest.approx(0.05) and found["covered_share"] == 0.1
        assert found["heat_outside_thorax"] == pytest.approx(shares["outside"][place], abs=1e-3)
        assert found["area_outside_thorax"] == pytest.approx(shares["outside_area"][0], abs=1e-3)


def test_la_semilla_cambia_los_lugares_y_nada_mas(model, save, tmp_path):
    path = save("a.png")
    first, again, other = (
        record(explain(model, [path], tmp_path / f"{n}", seed=seed)[0])
        for n, seed in enumerate((0, 0, 7))
    )
    assert first == again
    assert first["checks"] != other["checks"]
    assert first["probability_pneumonia"] == other["probability_pneumonia"]


@pytest.fixture(scope="module")
def constant():
    """Una red con una convolución nula: su logit no depende de la imagen y su mapa es nulo."""
    import keras

    still = keras.Sequential(
        [
            keras.Input((32, 32, 1)),
            keras.layers.Conv2D(2, 3, kernel_initializer="zeros"),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
        ]
    )
    return still


def test_un_mapa_nulo_avisa_y_no_tiene_cifras(constant, save, tmp_path):
    (item,) = explain(constant, [save("a.png")], tmp_path / "salida")
    (text,) = item.warnings
    assert "nulo" in text and "PNEUMONIA" in text
    found = record(item)
    assert found["map"]["all_negative"] and found["checks"]["map"]["null"]
    assert not found["checks"]["map"]["passed"] and found["notes"] == []
    for name in ("logit_drop", "largest_drop_elsewhere", "false_pass_rate", "heat_outside_thorax"):
        assert found["checks"]["map"][name] is None


@pytest.fixture(scope="module")
def left_corner():
    """Una red cuyo logit es el gris medio de la esquina superior izquierda, y su mapa, ese gris."""
    import keras

    net = keras.Sequential(
        [
            keras.Input((32, 32, 1)),
            keras.layers.Conv2D(1, 1, use_bias=False, kernel_initializer="ones"),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
        ]
    )
    weights = np.zeros((32, 32))
    weights[:10, :10] = 0.01
    net.layers[-1].set_weights([weights.reshape(-1, 1), np.array([-20.0])])
    return net


def test_pasa_el_mapa_que_senala_lo_que_la_red_usa_y_se_avisa_del_que_no(left_corner, tmp_path):
    """Grad-CAM de una capa de un canal es la propia imagen: acierta si lo claro está donde mira."""
    film = np.full((32, 32), 20, np.uint8)
    good, bad = film.copy(), film.copy()
    good[1:10, 1:10] = 250
    bad[20:29, 20:29] = 250
    paths = [tmp_path / "bien.png", tmp_path / "mal.png"]
    for pixels, path in zip((good, bad), paths, strict=True):
        Image.fromarray(pixels).save(path)
    right, wrong = explain(left_corner, paths, tmp_path / "salida")
    assert right.warnings == ()
    notes = record(right)["notes"]
    assert notes[0].startswith("El mapa pasa su comprobación") and "19 lugares" in notes[0]
    drop = (250 - good.mean()) * 81 * 0.01
    assert record(right)["checks"]["map"]["logit_drop"] == pytest.approx(drop, rel=0.2)
    (text,) = wrong.warnings
    assert text.startswith("El mapa no pasa su comprobación") and "lugares al azar" in text
    assert not record(wrong)["checks"]["map"]["passed"]


def test_si_cae_mas_calor_fuera_que_en_un_mapa_uniforme_se_anota_pero_no_se_avisa(
    left_corner, tmp_path
):
    corner, middle = np.full((2, 32, 32), 0, np.uint8)
    corner[:4, :4] = 250
    middle[12:20, 12:20] = 250
    paths = [tmp_path / "esquina.png", tmp_path / "centro.png"]
    for pixels, path in zip((corner, middle), paths, strict=True):
        Image.fromarray(pixels).save(path)
    outside, inside = explain(left_corner, paths, tmp_path / "salida")
    assert any("fuera del trapecio" in note for note in record(outside)["notes"])
    assert not any("fuera del trapecio" in text for text in outside.warnings)
    assert not any("fuera del trapecio" in note for note in record(inside)["notes"])


@pytest.mark.parametrize("extra", [-0.01, 0.01])
def test_la_nota_sobre_lo_de_fuera_empieza_en_lo_que_daria_un_mapa_uniforme(extra):
    inside = thorax_region(60, 60)
    area = 1 - inside.mean()
    share = area + extra
    heat = np.where(inside, (1 - share) / inside.sum(), share / (~inside).sum())
    check = PlaceCheck(1.0, np.zeros(19))
    found = pass_verdict(heat / heat.max(), check, None, None, "PNEUMONIA")
    assert any("fuera del trapecio" in note for note in found.notes) == (extra > 0)
    assert found.checks["map"]["heat_outside_thorax"] == pytest.approx(share, abs=1e-4)


class TestParecido:
    @pytest.fixture(scope="class")
    def rule(self):
        from neumonia.datasets.phantoms import make_films

        films = make_films(200, 48, seed=1).images
        return fit_likeness(films[:150], films[150:], alarm=0.02)

    @pytest.fixture(scope="class")
    def film(self, rule):
        from neumonia.datasets.phantoms import make_films

        found = make_films(40, 96, seed=5).images
        return next(film for film in found if rule.judge(film).is_film)

    def explain(self, model, rule, pixels, folder: Path, mode: str = "L"):
        folder.mkdir()
        path = folder / "a.png"
        Image.fromarray(pixels).convert(mode).save(path)
        return explain(model, [path], folder / "salida", likeness=rule)[0]

    def test_una_radiografia_se_acepta_y_el_json_dice_con_que_limites(
        self, model, rule, film, tmp_path
    ):
        item = self.explain(model, rule, film, tmp_path / "x")
        found, judged = record(item)["checks"]["film"], rule.judge(film)
        assert found["passed"] and found["reasons"] == []
        assert found["novelty"] == pytest.approx(judged.novelty, abs=1e-4)
        assert found["orientation"] == pytest.approx(judged.orientation, abs=1e-4)
        assert found["novelty_limit"] == pytest.approx(rule.novelty.value, abs=1e-4)
        assert found["orientation_limit"] == pytest.approx(rule.orientation.value, abs=1e-4)
        assert (found["colour"], found["colour_limit"]) == (0, COLOUR_LIMIT)
        assert found["false_alarm_rate"] == rule.rate
        assert any("Parece una radiografía de tórax" in note for note in record(item)["notes"])

    @pytest.mark.parametrize(
        ("turn", "words"),
        [
            (lambda film: film[::-1], "volcada, con lo de arriba abajo"),
            (lambda film: film[::-1, ::-1], "girada media vuelta"),
            (lambda film: np.rot90(film), "girada un cuarto de vuelta a la izquierda"),
            (lambda film: np.rot90(film, -1), "girada un cuarto de vuelta a la derecha"),
            (lambda film: 255 - film, "en negativo"),
        ],
    )
    def test_dada_la_vuelta_avisa_y_dice_como_esta(self, model, rule, film, tmp_path, turn, words):
        item = self.explain(model, rule, np.ascontiguousarray(turn(film)), tmp_path / "x")
        assert item.warnings[0] == f"Parece una radiografía {words}."
        assert not record(item)["checks"]["film"]["passed"]

    def test_ruido_y_color_avisan_por_separado(self, model, rule, film, tmp_path):
        noise = np.random.default_rng(0).integers(0, 256, (60, 60)).astype(np.uint8)
        strange = self.explain(model, rule, noise, tmp_path / "x")
        assert strange.warnings[0] == "No se parece a las radiografías de entrenamiento."
        tinted = np.stack([film, film // 2, film // 3], axis=2)
        grey = np.asarray(Image.fromarray(tinted).convert("L"))
        coloured = self.explain(model, rule, tinted, tmp_path / "y", mode="RGB")
        expected = ("colour",) if rule.judge(grey).is_film else ()
        assert coloured.warnings[0].endswith("Tiene color, y una radiografía es gris.")
        assert set(expected) <= set(record(coloured)["checks"]["film"]["reasons"])

    def test_sin_regla_no_se_juzga(self, model, save, tmp_path):
        (item,) = explain(model, [save("a.png")], tmp_path / "salida")
        assert record(item)["checks"]["film"] is None
        assert not any("Parece" in text for text in (*item.warnings, *record(item)["notes"]))


def test_hay_palabras_para_cada_cosa_que_se_puede_deshacer():
    assert set(_UNDONE) == set(UNDO)
    text = film_sentence(Judgement(9.0, 9.0, 0.0, ("novelty", "orientation"), "mirrored"))
    assert text == "Parece una radiografía reflejada, con la izquierda y la derecha cambiadas."
    text = film_sentence(Judgement(0.0, 9.0, 0.0, ("orientation",)))
    assert text == "No parece estar derecha, como las radiografías de entrenamiento."
    text = film_sentence(Judgement(0.0, 0.0, 9.0, ("colour",)))
    assert text == "Tiene color, y una radiografía es gris."


def test_un_nombre_que_no_es_texto_no_rompe_el_json(model, save, tmp_path):
    import os

    path = save("a.png")
    strange = path.with_name(os.fsdecode(b"mal\xff.png"))
    try:
        path.rename(strange)
    except OSError:
        pytest.skip("este disco no admite nombres que no sean UTF-8")
    (item,) = explain(model, [strange], tmp_path / "salida")
    assert record(item)["image"] == "mal?.png" and item.overlay.is_file()


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
