"""El sitio en un navegador de verdad, abierto como archivo y sin red."""

import shutil

import pytest

pytestmark = pytest.mark.navegador


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, rich):
    """Abre una página del libro; al terminar, comprueba que nada falló ni se pidió a la red."""
    contexts, problems = [], []

    def go(name: str, width: int = 1400, **options):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, offline=True, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("requestfailed", lambda request: problems.append(request.url))
        page.goto(f"file://{rich.output / name}")
        return page

    yield go
    for context in contexts:
        context.close()
    assert problems == []


PAGES = ("index.html", "book/01-datos.html", "book/02-modelo.html", "referencias.html")


@pytest.mark.parametrize("width", [340, 800, 1400])
def test_ninguna_pagina_se_desborda(visit, width):
    for name in PAGES:
        page = visit(name, width)
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, name


def test_las_imagenes_cargan_y_caben(visit):
    page = visit("book/01-datos.html", 340)
    for image in page.locator("main img").all():
        image.scroll_into_view_if_needed()
        assert image.evaluate("i => i.decode().then(() => i.naturalWidth)") > 0
        assert image.bounding_box()["width"] <= 340


def test_claro_y_oscuro_segun_la_preferencia(visit):
    def brightness(scheme):
        page = visit("index.html", color_scheme=scheme)
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in colour[4:-1].split(","))

    assert brightness("light") > 700 and brightness("dark") < 120


def test_la_busqueda_encuentra_sin_acentos_y_lleva_a_la_seccion(visit):
    page = visit("book/02-modelo.html")
    page.get_by_label("Buscar en el libro").fill("pequeno xyz")
    assert page.locator("#resultados").inner_text() == "No hay resultados"
    page.get_by_label("Buscar en el libro").fill("apendice tecnico")
    page.locator("#resultados a").first.click()
    page.wait_for_url("**/book/ap.html")
    page.get_by_label("Buscar en el libro").fill("partes")
    page.locator("#resultados a").first.click()
    page.wait_for_url("**/book/01-datos.html#sec-partes")


def test_en_pantalla_pequena_los_capitulos_se_abren_con_un_boton(visit):
    page = visit("book/01-datos.html", 380)
    chapters = page.locator("#capitulos")
    assert not chapters.is_visible()
    button = page.get_by_role("button", name="Capítulos")
    button.click()
    assert chapters.is_visible() and button.get_attribute("aria-expanded") == "true"


def test_el_salto_al_contenido_es_lo_primero_del_teclado(visit):
    page = visit("book/01-datos.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Saltar al contenido"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "contenido"


def test_la_solucion_se_pliega_y_se_abre(visit):
    page = visit("book/01-datos.html")
    inside = page.get_by_text("Con una celda dentro:")
    assert not inside.is_visible()
    page.get_by_text("Solución").click()
    assert inside.is_visible()


def test_sin_javascript_el_libro_se_lee_igual(visit):
    page = visit("book/01-datos.html", java_script_enabled=False)
    assert page.get_by_role("heading", level=1).inner_text() == "1 Los datos & más"
    assert page.get_by_role("navigation", name="Capítulos", exact=True).is_visible()


def test_las_formulas_se_dibujan(visit):
    page = visit("book/01-datos.html")
    box = page.locator(".ecuacion math").first.bounding_box()
    assert box["height"] > 20 and box["width"] > 50
