"""El informe como archivo: qué dice, qué no deja pasar y qué no pide a la red."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from neumonia.errors import NeumoniaError
from neumonia.explain import NOTICE, REPORT, UNCHECKED, Explained, explain_images, write_report
from neumonia.explain import report as report_module
from neumonia.explain.card import shown
from neumonia.explain.words import display, hottest_place
from neumonia.likeness import Screen, fit_likeness

HOSTILE = "<img src=x onerror=alert(1)> \"'&.png"
INFO = {
    "name": "cnn",
    "product": "cnn-<b>12</b>",
    "trained_on": {"dataset": "maqueta", "seed": 0, "epochs_cnn": 15},
}
_VOID = {"meta", "img", "input", "br", "rect", "line", "link"}


class Reader(HTMLParser):
    """Etiquetas bien cerradas, atributos y texto visible."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == [], f"sin cerrar: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"cierre suelto: {tag}"

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [values for name, values in self.tags if name == tag]


@pytest.fixture(scope="module")
def model():
    from neumonia.models.cnn import build_cnn

    return build_cnn(32, seed=3, augment=False)


@pytest.fixture(scope="module")
def screen() -> Screen:
    from neumonia.datasets.phantoms import make_films

    films = make_films(60, 32, seed=1).images
    rates = pd.DataFrame(
        [("radiografía de <prueba>", 119, 0.042, 0.009, 0.081), ("ruido", 100, 1.0, 0.96, 1.0)],
        columns=["title", "n", "flagged", "low", "high"],
    )
    return Screen(fit_likeness(films[:45], films[45:]), rates)


@pytest.fixture(scope="module")
def items(model, screen, tmp_path_factory) -> tuple[Path, list[Explained]]:
    """Una radiografía alta, una de nombre hostil, y dos que no se leen."""
    folder = tmp_path_factory.mktemp("informe")
    inside = folder / "carpeta-de-Juan-Pérez"
    inside.mkdir()
    rng = np.random.default_rng(0)
    shapes = {"alta.png": (90, 40), HOSTILE: (40, 50), "grande.jpeg": (700, 1300)}
    for name, shape in shapes.items():
        Image.fromarray(rng.integers(0, 256, shape).astype(np.uint8)).save(inside / name)
    (inside / "rota.png").write_bytes(b"\x89PNG\r\n\x1a\n123")
    (inside / "vacía \u202e.png").touch()
    sources = sorted(inside.iterdir())
    out = folder / "salida"
    return out, list(explain_images(model, sources, out, INFO, likeness=screen.rule))


@pytest.fixture(scope="module")
def html(items, screen) -> str:
    folder, found = items
    path = write_report(folder, found, INFO, screen)
    assert path == folder / REPORT
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html) -> Reader:
    return Reader(html)


def plain(page: Reader) -> str:
    return " ".join("".join(page.text).split())


def test_es_una_pagina_en_espanol_bien_formada_y_sin_identificadores_repetidos(html, page):
    assert html.startswith("<!DOCTYPE html>")
    assert page.all("html") == [{"lang": "es"}]
    ids = [values["id"] for _, values in page.tags if "id" in values]
    assert len(ids) == len(set(ids)) and {"i1", "i2", "i3"} <= set(ids)
    targets = {values["href"][1:] for values in page.all("a") if values["href"].startswith("#")}
    assert targets == {"i1", "i2", "i3"}
    labelled = {v["aria-labelledby"] for _, v in page.tags if "aria-labelledby" in v}
    assert labelled <= set(ids)


def test_la_advertencia_va_antes_que_ningun_resultado(html):
    assert html.index(NOTICE) < html.index("<table>") < html.index('class="card"')


def test_no_pide_nada_fuera_del_archivo(html, page):
    sources = [values["src"] for values in page.all("img")]
    assert len(sources) == 3 * 3 and all(s.startswith("data:image/jpeg;base64,") for s in sources)
    assert page.all("link") == [] and all("src" not in values for values in page.all("script"))
    assert not re.search(r"https?:|url\(|@import", html)


def test_las_imagenes_incrustadas_son_la_radiografia_y_el_mapa_con_la_misma_forma(items, page):
    import io

    sizes = []
    for values in page.all("img"):
        content = base64.b64decode(values["src"].split(",", 1)[1])
        with Image.open(io.BytesIO(content)) as image:
            sizes.append((image.size, image.mode))
    done = [item for item in items[1] if item.error is None]
    for place, item in enumerate(done):
        film, painted, scale = sizes[3 * place : 3 * place + 3]
        assert film[0] == painted[0] and (film[1], painted[1]) == ("L", "RGB")
        height, width = item.facts["size"]["height"], item.facts["size"]["width"]
        assert max(film[0]) == min(768, max(height, width))
        assert film[0][0] / film[0][1] == pytest.approx(width / height, rel=0.05)
        assert scale[1] == "RGB"


def test_cada_imagen_y_cada_barra_se_nombran(page):
    assert all(len(values["alt"]) > 20 for values in page.all("img"))
    sliders = page.all("input")
    assert len(sliders) == 3
    assert all(v["type"] == "range" and v["aria-label"].startswith("Cuánto") for v in sliders)
    names = {"alta.png", HOSTILE, "grande.jpeg"}
    assert {v["aria-label"].removeprefix("Cuánto mapa se ve sobre ") for v in sliders} == names


def test_un_nombre_hostil_se_muestra_y_no_se_ejecuta(html, page):
    assert HOSTILE in plain(page)
    assert "<img src=x" not in html and "onerror=alert(1)>" not in html
    assert not any("onerror" in values for _, values in page.tags)
    assert "<b>12" not in html and "cnn-<b>12</b>" in plain(page)
    assert "<prueba>" not in html


def test_los_enlaces_llevan_a_los_archivos_escritos(items, page):
    folder, found = items
    links = [v["href"] for v in page.all("a") if not v["href"].startswith("#")]
    assert all(link.startswith("./") for link in links)
    written = {str(p.name) for i in found if i.error is None for p in (i.overlay, i.record)}
    assert {unquote(link)[2:] for link in links} == written
    assert all((folder / name).is_file() for name in written)


def test_lo_que_no_se_pudo_leer_se_nombra_con_su_motivo_y_sin_su_carpeta(html, page):
    text = plain(page)
    assert "3 imágenes explicadas" in text and "2 que no se pudieron leer" in text
    assert "rota.png: no es un JPEG ni un PNG legible" in text
    assert "vacía �.png: el archivo está vacío" in text
    assert "\u202e" not in html and "Juan" not in html


def test_dice_de_cada_una_lo_que_dice_su_json(items, page):
    text = plain(page)
    for item in items[1]:
        if item.error is not None:
            continue
        facts = item.facts
        assert f"Probabilidad de neumonía: {item.probability:.3f}; decidimos en 0.5." in text
        assert facts["decision_at_0.5"] in text
        for sentence in (*item.warnings, *facts["notes"]):
            assert sentence.replace("\u202f", " ") in text.replace("\u202f", " ")
    assert text.count("Aviso. ") == sum(len(item.warnings) for item in items[1])
    warned = sum(bool(item.warnings) for item in items[1])
    assert f"{warned} con avisos" in text
    assert "conv4" in text and "Grad-CAM" in text and "1300 × 700 píxeles" in text


def test_explica_como_se_decide_con_sus_errores(page, screen):
    text = plain(page).replace("\u202f", " ")
    assert "el 10 % más caliente" in text and "1 mapa de cada 20" in text
    assert f"cerca del {100 * screen.rule.rate:.1f} %" in text
    assert "radiografía de <prueba>" in text and "4.2 %" in text and "0.9 % a 8.1 %" in text
    assert UNCHECKED not in text


def test_el_modelo_se_nombra_y_lo_que_no_se_entiende_queda_en_el_json(page):
    text = plain(page)
    assert "radiografías de entrenamiento" in text and "maqueta" in text
    assert "epochs" not in text


def test_sin_regla_se_dice_que_no_se_comprobo(items, tmp_path):
    write_report(tmp_path, items[1], INFO)
    text = plain(Reader((tmp_path / REPORT).read_text(encoding="utf-8")))
    assert text.count(UNCHECKED) == 2


def test_la_politica_solo_admite_su_estilo_y_su_guion(html, page):
    def hashed(tag: str) -> str:
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.S)
        return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()

    (policy,) = [v["content"] for v in page.all("meta") if "http-equiv" in v]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert f"style-src '{hashed('style')}'" in policy
    assert f"script-src '{hashed('script')}'" in policy
    assert not any("style" in values or "onclick" in values for _, values in page.tags)


def test_la_segunda_vez_da_los_mismos_bytes(items, screen, html, tmp_path):
    folder, found = items
    again = write_report(tmp_path / "otra", found, INFO, screen)
    assert again.read_text(encoding="utf-8") == html
    assert str(folder) not in html


def test_si_falla_a_medias_queda_el_anterior(items, screen, tmp_path, monkeypatch):
    path = write_report(tmp_path, items[1], INFO, screen)
    before = path.read_bytes()
    monkeypatch.setattr(report_module, "card", lambda *parts: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_report(tmp_path, items[1], INFO, screen)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [REPORT]


def test_donde_no_se_puede_escribir_se_dice(items, tmp_path):
    (tmp_path / "archivo").touch()
    with pytest.raises(NeumoniaError, match=REPORT):
        write_report(tmp_path / "archivo", items[1], INFO)


def test_una_sola_imagen_no_lleva_indice_y_ninguna_tampoco_tarjetas(items, tmp_path):
    done = [item for item in items[1] if item.error is None]
    failed = [item for item in items[1] if item.error is not None]
    write_report(tmp_path, done[:1], INFO)
    one = Reader((tmp_path / REPORT).read_text(encoding="utf-8"))
    assert one.all("table") == [] and len(one.all("article")) == 1
    assert "1 imagen explicada" in plain(one) and "no se pud" not in plain(one)
    write_report(tmp_path, failed[:1], INFO)
    none = Reader((tmp_path / REPORT).read_text(encoding="utf-8"))
    assert none.all("article") == [] and none.all("input") == []
    assert "1 que no se pudo leer" in plain(none) and NOTICE in plain(none)


def test_un_mapa_nulo_no_tiene_sitio_mas_caliente(items, tmp_path):
    from dataclasses import replace

    item = next(item for item in items[1] if item.error is None)
    null = replace(item, pictures=replace(item.pictures, hottest=""))
    write_report(tmp_path, [null], INFO)
    page = Reader((tmp_path / REPORT).read_text(encoding="utf-8"))
    assert page.all("img")[1]["alt"].endswith("es nulo y no pinta nada.")


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ((0, 0), "arriba, a la izquierda de la imagen"),
        ((4, 4), "a media altura, en el centro de la imagen"),
        ((8, 8), "abajo, a la derecha de la imagen"),
        ((0, 8), "arriba, a la derecha de la imagen"),
    ],
)
def test_el_sitio_mas_caliente_se_dice_con_palabras(place, words):
    heat = np.zeros((9, 9))
    heat[place] = 1
    assert hottest_place(heat) == words


@pytest.mark.parametrize(
    ("probability", "text"),
    [(0.0004, "&lt; 0.001"), (0.0006, "0.001"), (0.5, "0.500"), (0.99951, "&gt; 0.999")],
)
def test_la_probabilidad_nunca_se_redondea_a_cero_ni_a_uno(probability, text):
    assert shown(probability) == text


def test_un_nombre_se_muestra_sin_controles_ni_bytes_sueltos():
    assert display("tórax\u00a01\n\x1b[31m\u202e\udcff.png") == "tórax\u00a01��[31m��.png"
