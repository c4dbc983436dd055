"""Recorrer y leer el árbol de pandoc, comprobado con árboles que escribe el propio pandoc."""

import pytest

from imprenta.errors import ImprentaError
from imprenta.nodes import each, span, string, text_of, walk
from imprenta.pandoc import read_html_fragments, read_markdown, run_pandoc


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("Dijo \"hola\" y 'adiós'", "Dijo “hola” y ‘adiós’"),
        ("a *b* `c` $d$ ~~e~~", "a b c d e"),
        ("uno\ndos[^1]\n\n[^1]: nota", "uno dos"),
        ("[enlace](x) ![alt](y)", "enlace alt"),
    ],
)
def test_texto_llano(markdown, expected):
    assert text_of(read_markdown(markdown)["blocks"]) == expected


def test_walk_cambia_quita_y_reparte_sin_tocar_el_original():
    tree = read_markdown("uno dos tres")["blocks"]

    def action(node):
        if node["t"] == "Str" and node["c"] == "uno":
            return []
        if node["t"] == "Str" and node["c"] == "dos":
            return [string("2"), string("bis")]
        if node["t"] == "Str":
            return span([node], "x")
        return None

    assert text_of(walk(tree, action)) == "2bis tres"
    assert text_of(tree) == "uno dos tres"
    assert [node["t"] for node in each(walk(tree, action))].count("Span") == 1


def test_varias_tablas_html_se_leen_de_una_vez():
    assert read_html_fragments([]) == []
    found = read_html_fragments(
        [
            "<style>x</style><table><tr><td>uno</td><td>-1,5</td></tr></table>",
            "<div><p>dos</p></div>",
        ]
    )
    assert [text_of(blocks) for blocks in found] == ["uno-1,5", "dos"]
    aligns = [column[0]["t"] for column in found[0][0]["c"][2]]
    assert aligns == ["AlignDefault", "AlignRight"]


def test_lo_que_pandoc_rechaza_se_cuenta():
    with pytest.raises(ImprentaError, match="pandoc dice"):
        run_pandoc(["-f", "no-existe"], "")
