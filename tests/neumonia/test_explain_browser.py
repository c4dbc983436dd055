"""El informe en un navegador de verdad, desde el disco y sin red."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neumonia.explain import explain_images, write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.navegador

HOSTILE = "<img src=x onerror=alert(1)>.png"
LONG = "radiografía_de_un_nombre_larguísimo_sin_espacios_" + "x" * 60 + ".png"
INFO = {"name": "cnn", "product": "cnn-0123456789abcdef", "sha256": "a" * 64}


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """Un informe con tres radiografías de formas y nombres difíciles, y una que no se lee."""
    from neumonia.datasets.phantoms import make_films
    from neumonia.likeness import Screen, fit_likeness
    from neumonia.likeness.measure import FILM
    from neumonia.models.cnn import build_cnn

    folder = tmp_path_factory.mktemp("navegador")
    films = make_films(60, 64, seed=1).images
    shapes = {HOSTILE: (400, 500), LONG: (800, 300), "chica.png": (20, 30)}
    for place, (name, (height, width)) in enumerate(shapes.items()):
        film = Image.fromarray(films[place]).resize((width, height))
        film.save(folder / name)
    (folder / "rota.png").write_bytes(b"no soy una imagen")
    import pandas as pd

    rates = pd.DataFrame(
        [(FILM, "radiografía de prueba (falsa alarma)", 119, 0.042, 0.009, 0.081)],
        columns=["probe", "title", "n", "flagged", "low", "high"],
    )
    screen = Screen(fit_likeness(films[:45], films[45:]), rates)
    sources = sorted(path for path in folder.iterdir())
    out = folder / "salida"
    model = build_cnn(64, seed=3, augment=False)
    items = list(explain_images(model, sources, out, INFO, likeness=screen.rule))
    return write_report(out, items, INFO, screen)


class Opened:
    """Una pestaña y todo lo que en ella salió mal."""

    def __init__(self, browser, path: Path, width: int = 1280, **options) -> None:
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, offline=True, **options
        )
        self.page = self.context.new_page()
        self.problems: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("dialog", lambda dialog: self.problems.append(dialog.message))
        self.page.on("requestfailed", lambda request: self.problems.append(request.url[:60]))
        self.page.on(
            "console",
            lambda message: (
                self.problems.append(message.text) if message.type in ("error", "warning") else None
            ),
        )
        self.page.goto(path.as_uri())
        self.page.wait_for_load_state("load")

    def __enter__(self) -> "Opened":
        return self

    def __exit__(self, *error) -> None:
        self.context.close()

    def on_top(self, card: str, share: float) -> str:
        """Qué se ve a ``share`` del ancho de la imagen: ``film`` o ``map``."""
        return self.page.evaluate(
            """([card, share]) => {
                const stage = document.querySelector(card + " .stage");
                stage.scrollIntoView({block: "center"});
                const box = stage.getBoundingClientRect();
                const there = document.elementFromPoint(
                    box.left + share * box.width, box.top + box.height / 3);
                return there.closest(".side").classList.contains("map") ? "map" : "film";
            }""",
            [card, share],
        )


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_se_ve_entero_sin_errores_ni_desbordarse(browser, report, width, scheme):
    with Opened(browser, report, width, color_scheme=scheme) as tab:
        page = tab.page
        images = page.eval_on_selector_all("img", "all => all.map(i => i.naturalWidth)")
        assert len(images) == 9 and min(images) > 0
        overflow = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert overflow <= 0
        narrow = page.eval_on_selector_all(".stage", "all => all.map(s => s.clientWidth)")
        assert min(narrow) > 250, "la imagen se ve a buen tamaño"
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        level = int(paper.removeprefix("rgb(").split(",")[0])
        assert (level < 60) == (scheme == "dark")
        assert not tab.problems


def test_la_barra_lleva_de_la_radiografia_al_mapa_con_el_teclado(browser, report):
    with Opened(browser, report) as tab:
        slider = tab.page.get_by_role("slider", name="Cuánto mapa se ve sobre chica.png")
        card = "#" + slider.evaluate("s => s.closest('article').id")
        assert tab.on_top(card, 0.3) == "map" and tab.on_top(card, 0.7) == "film"
        slider.focus()
        tab.page.keyboard.press("Home")
        assert slider.input_value() == "0"
        assert {tab.on_top(card, share) for share in (0.02, 0.5, 0.98)} == {"film"}
        tab.page.keyboard.press("End")
        assert {tab.on_top(card, share) for share in (0.02, 0.5, 0.98)} == {"map"}
        tab.page.keyboard.press("ArrowLeft")
        assert slider.input_value() == "99"
        assert slider.get_attribute("aria-valuetext") == "99 % de la imagen muestra el mapa"
        for _ in range(3):
            tab.page.keyboard.press("PageDown")
        value = int(slider.input_value())
        assert 20 < value < 99
        assert tab.on_top(card, value / 100 - 0.05) == "map"
        assert tab.on_top(card, value / 100 + 0.05) == "film"
        assert not tab.problems


def test_mover_una_no_mueve_las_demas(browser, report):
    with Opened(browser, report) as tab:
        sliders = tab.page.get_by_role("slider")
        assert sliders.count() == 3
        sliders.nth(0).fill("100")
        assert tab.on_top("#i1", 0.9) == "map" and tab.on_top("#i2", 0.9) == "film"
        assert [sliders.nth(n).input_value() for n in range(3)] == ["100", "50", "50"]


def test_tambien_se_arrastra_sobre_la_imagen(browser, report):
    with Opened(browser, report) as tab:
        stage = tab.page.locator("#i2 .stage")
        stage.scroll_into_view_if_needed()
        box = stage.bounding_box()
        middle = box["y"] + min(200, box["height"] / 2)
        tab.page.mouse.move(box["x"] + 0.5 * box["width"], middle)
        tab.page.mouse.down()
        tab.page.mouse.move(box["x"] + 0.8 * box["width"], middle, steps=4)
        tab.page.mouse.up()
        tab.page.mouse.move(box["x"] + 0.1 * box["width"], middle)
        assert abs(int(tab.page.locator("#i2 input").input_value()) - 80) <= 1
        assert tab.on_top("#i2", 0.75) == "map" and tab.on_top("#i2", 0.85) == "film"


@pytest.mark.parametrize("value", [0, 30, 50, 100])
def test_el_tirador_esta_bajo_la_linea_que_separa(browser, report, value):
    """El centro del tirador se busca por su color en una captura."""
    import io

    with Opened(browser, report, color_scheme="light") as tab:
        slider = tab.page.locator("#i1 input")
        slider.fill(str(value))
        slider.blur()
        shot = slider.screenshot()
        box = tab.page.locator("#i1 .stage").bounding_box()
        bar = slider.bounding_box()
        pixels = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)
        # El azul del tirador: #00355c.
        blue = np.abs(pixels - (0x00, 0x35, 0x5C)).max(axis=2) < 40
        thumb = bar["x"] + np.nonzero(blue)[1].mean()
        assert abs(thumb - (box["x"] + value / 100 * box["width"])) < 2.5


def test_al_imprimir_y_sin_guiones_se_ven_las_dos_una_junto_a_otra(browser, report):
    def check(page) -> None:
        film = page.locator("#i1 .film img").bounding_box()
        heat = page.locator("#i1 .map img").bounding_box()
        assert film["x"] + film["width"] <= heat["x"] and film["y"] == heat["y"]
        assert film["width"] == pytest.approx(heat["width"], abs=1)
        clip = page.eval_on_selector("#i1 .map", "map => getComputedStyle(map).clipPath")
        assert clip == "none"
        assert not page.locator("#i1 input").is_visible()

    with Opened(browser, report) as tab:
        tab.page.emulate_media(media="print")
        check(tab.page)
        assert tab.page.get_by_role("note").is_visible()
    with Opened(browser, report, java_script_enabled=False) as tab:
        check(tab.page)
        assert tab.page.locator("html.js").count() == 0


def test_en_papel_cada_tarjeta_cabe_en_su_hoja(browser, report, tmp_path):
    with Opened(browser, report) as tab:
        tab.page.pdf(path=tmp_path / "informe.pdf", format="A4", margin={"top": "1cm"})
        tab.page.emulate_media(media="print")
        tab.page.set_viewport_size({"width": 794, "height": 1123})
        heights = tab.page.eval_on_selector_all(".card", "all => all.map(c => c.offsetHeight)")
        assert max(heights) < 1060
    assert (tmp_path / "informe.pdf").read_bytes().startswith(b"%PDF")


def test_un_nombre_hostil_no_ejecuta_nada_ni_aunque_burlara_el_escape(browser, report):
    with Opened(browser, report) as tab:
        assert tab.page.get_by_role("heading", name=HOSTILE).count() == 1
        assert not tab.problems
        tab.page.evaluate(
            "document.body.insertAdjacentHTML('beforeend', "
            "'<img src=x onerror=\"window.broken = 1\"><script>window.broken = 1</script>')"
        )
        tab.page.wait_for_timeout(200)
        assert tab.page.evaluate("window.broken") is None


def test_comprimido_y_enviado_se_abre_igual(browser, report, tmp_path):
    with zipfile.ZipFile(tmp_path / "mapas.zip", "w") as archive:
        for path in report.parent.iterdir():
            archive.write(path, f"mapas/{path.name}")
    with zipfile.ZipFile(tmp_path / "mapas.zip") as archive:
        archive.extractall(tmp_path / "otra máquina #1")
    there = tmp_path / "otra máquina #1" / "mapas" / report.name
    with Opened(browser, there) as tab:
        widths = tab.page.eval_on_selector_all("img", "all => all.map(i => i.naturalWidth)")
        assert min(widths) > 0
        for kind in ("PNG", "JSON"):
            link = tab.page.locator("#i1").get_by_role("link", name=kind)
            tab.page.goto(there.as_uri())
            href = link.evaluate("a => a.href")
            response = tab.page.goto(href)
            assert response is None or response.ok
            tab.page.goto(there.as_uri())
        assert not tab.problems


def test_solo_con_el_archivo_suelto_tambien_se_ve(browser, report, tmp_path):
    shutil.copy(report, tmp_path / "suelto.html")
    with Opened(browser, tmp_path / "suelto.html") as tab:
        widths = tab.page.eval_on_selector_all("img", "all => all.map(i => i.naturalWidth)")
        assert len(widths) == 9 and min(widths) > 0 and not tab.problems


def test_el_indice_lleva_a_cada_tarjeta(browser, report):
    with Opened(browser, report) as tab:
        tab.page.get_by_role("link", name="chica.png").click()
        target = tab.page.url.rsplit("#", 1)[1]
        top = tab.page.locator(f"#{target}").bounding_box()["y"]
        assert -5 < top < 900
        assert tab.page.locator(f"#{target} h2").inner_text() == "chica.png"
