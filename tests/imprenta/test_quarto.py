"""El mismo libro con Quarto y con la imprenta: los mismos números en las dos páginas."""

import base64
import re

import pytest

from imprenta.engine import choose_engine, run_quarto
from imprenta.errors import ImprentaError
from imprenta.tree import run_pandoc

pytestmark = pytest.mark.quarto

CHAPTER = """# Los datos {#sec-datos}

Como muestra @fig-a, según @perez2018, hay `{python} 2 + 3` y `{python} "a_b*c"`.
Véanse @sec-partes, @tbl-a, @eq-a, -@fig-a, [fig. @fig-b], [@fig-a; @fig-b] y @sec-otro.

## Partes {#sec-partes}

```{python}
#| label: fig-a
#| fig-cap: "Una figura."
#| fig-alt: "Un cuadro."
import base64
class Gris:
    def _repr_png_(self):
        return base64.b64decode("PIXELES")
Gris()
```

$$
x^2
$$ {#eq-a}

| a |
|---|
| 1 |

: Una tabla {#tbl-a}

![Otra figura](gris.png){#fig-b fig-alt="Gris."}
"""


@pytest.fixture
def quarto():
    chosen = choose_engine("auto")
    if chosen.quarto is None:
        pytest.skip(f"no hay un Quarto que sirva: {chosen.reason}")
    return chosen.quarto


def paragraph(text: str, start: str) -> str:
    plain = run_pandoc(
        ["-f", "html", "-t", "plain", "--wrap=none"],
        re.sub(r"<(script|style|math)\b.*?</\1>", "", text, flags=re.S),
    )
    rows = [re.sub(r"\s+", " ", row).strip() for row in plain.split("\n\n")]
    return next(row for row in rows if row.startswith(start))


def test_los_dos_motores_escriben_los_mismos_numeros(book, quarto):
    book.image("book/gris.png")
    text = CHAPTER.replace(
        "PIXELES", base64.b64encode((book.root / "book/gris.png").read_bytes()).decode()
    )
    book.write(
        {"book/01-a.qmd": text, "book/02-b.qmd": "# Otro {#sec-otro}\n\nVéase @sec-datos.\n"}
    )
    book.build()
    target = book.root / "de-quarto"
    target.mkdir()
    run_quarto(quarto, book.config, target, book.said.append)
    for name, start in (("book/01-a.html", "Como muestra"), ("book/02-b.html", "Véase")):
        ours = paragraph(book.page(name), start)
        theirs = paragraph((target / name).read_text(encoding="utf-8"), start)
        assert ours == theirs
    assert (target / book.config.pdf_name).stat().st_size > 10_000
    assert 'alt="Un cuadro."' in (target / "book/01-a.html").read_text(encoding="utf-8")


def test_quarto_avisa_y_la_imprenta_falla(book, quarto):
    book.write({"a.qmd": "# A\n\nVéase @fig-nada.\n"})
    with pytest.raises(ImprentaError, match="fig-nada"):
        run_quarto(quarto, book.config, book.root / "de-quarto", book.said.append)
