"""El estilo de citas del libro: autor y año, en español, en cualquier motor."""

import re

import pytest

from imprenta.tree import run_pandoc

ENTRIES = """
@article{uno, author={Pérez, Ana and Díaz, Luis}, title={Un título Propio}, journal={Revista},
  volume={3}, number={2}, pages={10--12}, year={2020}, doi={10.1/x}}
@article{dos, author={Pérez, Ana and Díaz, Luis}, title={Otro}, journal={Revista}, year={2020}}
@inproceedings{tres, author={A, A. and B, B. and C, C.}, title={Tres}, booktitle={Actas},
  year={2019}, pages={5--6}, url={https://example.org/tres}}
@book{cuatro, author={Soto, Eva}, title={Libro}, edition={2}, publisher={Casa}, address={Quito},
  year={2001}}
@misc{cinco, title={Sin autor}, url={https://example.org}}
"""


def render(root, tmp_path, text: str) -> str:
    (tmp_path / "refs.bib").write_text(ENTRIES, encoding="utf-8")
    # Sin «lang», como hace Quarto en su página de referencias: el idioma sale del estilo.
    return run_pandoc(
        [
            *("-f", "markdown", "-t", "plain", "--wrap=none", "--citeproc"),
            f"--bibliography={tmp_path / 'refs.bib'}",
            f"--csl={root / 'book' / 'estilo' / 'referencias.csl'}",
        ],
        text,
    ).strip()


@pytest.mark.parametrize(
    ("cited", "expected"),
    [
        ("@uno", "Pérez y Díaz (2020)"),
        ("[@tres]", "(A et al. 2019)"),
        ("[@cuatro, p. 3; @tres, pp. 5-6]", "(A et al. 2019, pp. 5-6; Soto 2001, p. 3)"),
        ("@uno y @dos", "Pérez y Díaz (2020b) y Pérez y Díaz (2020a)"),
    ],
)
def test_citas_en_el_texto(root, tmp_path, cited, expected):
    text = render(root, tmp_path, cited).split("\n")[0].replace("–", "-")
    assert text == expected


def test_la_bibliografia_esta_en_espanol(root, tmp_path):
    text = render(root, tmp_path, '---\nnocite: "@*"\n---\n').replace("–", "-")
    assert "«Un título Propio»" in text and " y " in text and " and " not in text
    assert "Soto, Eva (2001). Libro. 2.ª edición. Quito: Casa." in text
    assert (
        "Pérez, Ana y Luis Díaz (2020b). «Un título Propio». Revista 3(2), 10-12. https://doi.org/10.1/x."
        in text
    )
    assert "En Actas, pp. 5-6. https://example.org/tres." in text
    assert "(s. f.)" in text


def test_el_libro_usa_su_estilo(book, root):
    (book.root / "estilo.csl").write_bytes((root / "book/estilo/referencias.csl").read_bytes())
    book.write({"a.qmd": "# A\n\nSegún @perez2018.\n"}, extra="csl: estilo.csl\n")
    book.build()
    text = re.sub(r"<[^>]+>", "", book.page("referencias.html"))
    assert "Pérez, Ana (2018). «Uno». Revista." in text
