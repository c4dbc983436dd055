"""El sitio en un navegador de verdad, sin red: se ve, se lee y no se desborda."""

import shutil

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.navegador


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


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_cada_pagina_se_ve_entera_y_sin_errores(printed, browser, width, scheme):
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
    )
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("requestfailed", lambda request: problems.append(f"no cargó {request.url}"))
    page.on(
        "console",
        lambda message: problems.append(message.text) if message.type == "error" else None,
    )
    for path in printed.pages():
        page.goto(path.as_uri())
        page.wait_for_load_state("load")
        broken = page.eval_on_selector_all(
            "img", "all => all.filter(i => i.complete && i.naturalWidth === 0).length"
        )
        overflow = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert broken == 0, path.name
        assert overflow <= 1, f"{path.name} se desborda {overflow} px a {width} px de ancho"
        assert page.locator("main").count() == 1, path.name
        assert page.locator("h1").count() >= 1, path.name
    context.close()
    assert not problems


def test_se_llega_de_la_portada_al_ultimo_capitulo_con_siguiente(printed, browser):
    page = browser.new_page()
    page.goto((printed.site / "index.html").as_uri())
    visited = [page.url]
    while page.locator("a[rel=next]").count():
        page.locator("a[rel=next]").first.click()
        page.wait_for_load_state("load")
        assert page.url not in visited
        visited.append(page.url)
    assert len(visited) == len(printed.pages())
    page.close()
