"""Libros diminutos, escritos por la prueba y ejecutados de verdad."""

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image

from imprenta.build import build
from imprenta.config import BookConfig, load_config


def png(width: int, height: int) -> bytes:
    """Un PNG gris."""
    stream = io.BytesIO()
    Image.new("L", (width, height), 128).save(stream, "PNG")
    return stream.getvalue()


PIXELS = png(40, 20)

CONFIG = """\
project:
  type: book
  output-dir: _book
lang: es
book:
  title: "Un libro: de prueba"
  subtitle: "Pequeño"
  author: "Ana Ejemplo"
  chapters:
{chapters}
{appendices}  page-footer: "Con fines docentes, **no** para diagnóstico."
bibliography: refs.bib
execute:
  echo: true
  warning: false
format:
  html:
    toc: true
    html-math-method: mathml
  typst:
    papersize: a4
    toc: true
{extra}"""

BIBLIOGRAPHY = """\
@article{perez2018, title={Uno}, author={Pérez, Ana}, journal={Revista}, year={2018}}
@article{perez2018b, title={Dos}, author={Pérez, Ana}, journal={Revista}, year={2018}}
"""

REFERENCES = "# Referencias {.unnumbered}\n\n::: {#refs}\n:::\n"
PREFACE = "# Prefacio {.unnumbered}\n\nHola.\n"


@dataclass
class MiniBook:
    """Un libro en una carpeta temporal. ``files`` son sus capítulos, en orden."""

    root: Path
    said: list[str] = field(default_factory=list)

    def write(
        self,
        files: dict[str, str],
        appendices: dict[str, str] | None = None,
        extra: str = "",
        preface: str = PREFACE,
        references: bool = True,
    ) -> "MiniBook":
        """Escribe los capítulos, el prefacio, la página de referencias y ``_quarto.yml``."""
        chapters = {"index.qmd": preface, **files}
        if references:
            chapters["referencias.qmd"] = REFERENCES
        for name, text in {**chapters, **(appendices or {})}.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        (self.root / "refs.bib").write_text(BIBLIOGRAPHY, encoding="utf-8")
        rows = "\n".join(f"    - {name}" for name in chapters)
        more = "".join(f"    - {name}\n" for name in appendices or {})
        config = CONFIG.format(
            chapters=rows, appendices=f"  appendices:\n{more}" if more else "", extra=extra
        )
        (self.root / "_quarto.yml").write_text(config, encoding="utf-8")
        return self

    def image(self, name: str = "gris.png") -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PIXELS)

    @property
    def config(self) -> BookConfig:
        return load_config(self.root)

    @property
    def output(self) -> Path:
        return self.root / "salida"

    def build(self, use_cache: bool = True) -> Path:
        """Imprime el libro en ``salida`` y devuelve esa carpeta."""
        self.output.mkdir(exist_ok=True)
        build(self.config, self.output, use_cache, self.said.append)
        return self.output

    def page(self, name: str) -> str:
        return (self.output / name).read_text(encoding="utf-8")


@pytest.fixture
def book(tmp_path: Path) -> MiniBook:
    """Un libro vacío, para que cada prueba lo escriba."""
    root = tmp_path / "libro"
    root.mkdir()
    return MiniBook(root)


RICH = r"""# Los datos & más {#sec-datos}

Como muestra @fig-gris y según @perez2018 y [@perez2018b, p. 3], hay `{python} 5000 + 856`
imágenes.[^1]
Véanse @sec-modelo, @sec-partes, @tbl-df, @tbl-mano, @eq-b0, -@fig-gris, [fig. @fig-mano] y
[@fig-gris; @fig-mano].
Literal: `{python} "a_b*c <i>"`. En código no hay citas: `@fig-nada`.

[^1]: Una nota al pie con $x^2$.

## Partes {#sec-partes}

```{python}
#| label: preparar
import base64
class Fija:
    def __repr__(self):
        return type(self).__name__
class Gris(Fija):
    def _repr_png_(self):
        return base64.b64decode("PIXELES")
    def _repr_mimebundle_(self, include=None, exclude=None):
        size = {"image/png": {"width": 48}}
        return {"image/png": self._repr_png_(), "text/plain": "Gris"}, size
class Texto(Fija):
    def __init__(self, text):
        self.text = text
    def _repr_markdown_(self):
        return self.text
print("hola <mundo>", 1)
```

```{python}
#| label: fig-gris
#| fig-cap: "Una **figura** con $\\sin x$, de @perez2018."
#| fig-alt: "Cuadro gris con \"comillas\" & más."
Gris()
```

El sesgo con `{python} f"{1/3:.2f}"` es

$$
b_0 = \log\frac{n_1}{n_0}
$$ {#eq-b0}

donde $n_1$ cuenta.

### Tablas

```{python}
#| label: tbl-df
#| tbl-cap: "Datos."
Texto("|     | n  |\n|:----|---:|\n| uno | 1  |\n| dos | 22 |")
```

| Modelo | AUC  |
|:-------|-----:|
| CNN    | 0,93 |

: Resultados a *mano* {#tbl-mano}

![Un cuadro](img/gris.png){#fig-mano fig-alt="Cuadro a mano." width=40%}

::: {.callout-tip collapse="true"}
## Solución

Con una celda dentro:

```{python}
1 + 1
```
:::

::: {.callout-warning}
## Cuidado con `esto`
No sirve para diagnóstico.
:::

::: {.callout-note}
Sin título.
:::

<!-- esto no se imprime -->

Término
:   Definición.

```python
# no se ejecuta
def f(x: int) -> str: ...
```

## Final

```{python}
#| echo: false
Texto("**Generado** con $\\alpha$.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n")
```

```{python}
#| include: false
secreto = "no debe verse"
secreto
```

Ver [la red](02-modelo.qmd#sec-capas), [el otro](02-modelo.qmd), [el apéndice](ap.qmd) o [la red mundial](https://example.org/).
"""

SECOND = """# El modelo {#sec-modelo}

Volvamos a @sec-datos, a @fig-gris y a @sec-ap.

## Capas {#sec-capas}

```{python}
import sys
print("\\x1b[31mrojo\\x1b[0m")
print("a" * 150)
print("esto no " + "se ve", file=sys.stderr)
{"clave": 1}
```"""

APPENDIX = (
    "# Apéndice técnico {#sec-ap}\n\nVéase @tbl-df.\n\n$$\na^2\n$$ {#eq-pit}\n\nSegún @eq-pit.\n"
)


@pytest.fixture(scope="session")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniBook]:
    """Un libro con todo lo que la imprenta admite, impreso una vez por sesión."""
    root = tmp_path_factory.mktemp("rico")
    book = MiniBook(root)
    text = RICH.replace("PIXELES", base64.b64encode(PIXELS).decode())
    book.write(
        {"book/01-datos.qmd": text, "book/02-modelo.qmd": SECOND},
        {"book/ap.qmd": APPENDIX},
    )
    book.image("book/img/gris.png")
    book.build()
    yield book
