"""Recorrer y leer el árbol de pandoc, comprobado con árboles que escribe el propio pandoc."""

import pytest

from imprenta.errors import ImprentaError
from imprenta.tree import each, plain, read_markdown, run_pandoc, string, text_of, walk


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
    assert text_of(read_markdown(markdown)) == expected


def test_walk_cambia_quita_y_reparte_sin_tocar_el_original():
    tree = read_markdown("uno dos tres\n\n> cita")

    def action(node):
        if node["t"] == "Para":
            return plain(node["c"])
        changes = {"uno": [], "dos": [string("2"), string("bis")]}
        return changes.get(node["c"]) if node["t"] == "Str" else None

    changed = walk(tree, action)
    assert text_of(changed) == "2bis trescita"
    assert text_of(tree) == "uno dos trescita"
    assert [node["t"] for node in each(changed)].count("Plain") == 2


def test_lo_que_pandoc_rechaza_se_cuenta():
    with pytest.raises(ImprentaError, match="Unknown input format"):
        run_pandoc(["-f", "no-existe"], "")
