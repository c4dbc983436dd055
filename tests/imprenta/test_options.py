"""Las opciones de una celda: se cumplen o se rechazan; nunca se ignoran."""

import pytest

from imprenta.errors import ImprentaError
from imprenta.options import read_options


def test_separa_opciones_y_codigo():
    options, code = read_options(
        ["#| label: fig-a", "#| fig-cap: >", "#|   dos", "#|   líneas", "#| echo: false", "x"],
        "a",
        10,
    )
    assert options.values == {"label": "fig-a", "fig-cap": "dos líneas", "echo": False}
    assert options.lines == {"label": 10, "fig-cap": 11, "echo": 14}
    assert code == ["x"]


def test_sin_opciones():
    options, code = read_options(["# comentario", "x"], "a", 1)
    assert options.values == {} and options.label == "" and code == ["# comentario", "x"]
    assert read_options(["#|", "x"], "a", 1)[0].values == {}


BAD = {
    "desconocida": (["#| color: rojo"], 5, "desconocida"),
    "sin efecto": (["#| fig-width: 6"], 5, "no tiene efecto"),
    "booleana": (["#| echo: a veces"], 5, "true o false"),
    "output": (["#| output: quizá"], 5, "true, false o asis"),
    "code-fold": (["#| code-fold: 3"], 5, "true, false o show"),
    "vacía": (["#| fig-cap: "], 5, "no vacío"),
    "código en la leyenda": (['#| fig-cap: "hay `{python} n`"'], 5, "código en línea"),
    "repetida": (["#| echo: true", "#| echo: false"], 6, "dos veces"),
    "dos puntos": (["#| echo: true", "#| fig-cap: Uno: dos"], 6, "comillas"),
    "sin clave": (["#| hola"], 5, "clave: valor"),
    "etiqueta": (["#| label: fig uno"], 5, "solo lleva letras"),
    "tardía": (["x = 1", "#| echo: false"], 6, "al comienzo"),
}


@pytest.mark.parametrize("name", BAD)
def test_rechaza(name):
    rows, line, message = BAD[name]
    with pytest.raises(ImprentaError, match=message) as caught:
        read_options(rows, "cap.qmd", 5)
    assert caught.value.problem.line == line
