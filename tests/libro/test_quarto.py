"""El mismo libro con Quarto de verdad: la vía canónica."""

import sys

import pytest

pytestmark = pytest.mark.quarto


def test_quarto_imprime_el_mismo_libro_sin_advertencias(printed, book_copy):
    from dataclasses import replace

    book = replace(printed, root=book_copy)
    done = book.run("imprenta", "libro", "--motor", "quarto", QUARTO_PYTHON=sys.executable)
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    assert (book.site / "index.html").is_file()
    assert len(list(book.site.glob("*.pdf"))) == 1
    names = {path.relative_to(book.site).as_posix() for path in book.site.rglob("*.html")}
    assert names >= {path.relative_to(printed.site).as_posix() for path in printed.pages()}
