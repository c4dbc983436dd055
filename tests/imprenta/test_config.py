"""``_quarto.yml`` se lee con rigor: lo que la imprenta no interpreta se dice, con su línea."""

from pathlib import Path

import pytest
import yaml

from imprenta.config import find_root, load_config
from imprenta.errors import ImprentaError


def test_lee_titulo_capitulos_y_pdf(book):
    book.write({"a.qmd": "# A\n"}, {"ap.qmd": "# B\n"})
    config = book.config
    assert config.title == "Un libro: de prueba"
    assert config.chapters == ("index.qmd", "a.qmd", "referencias.qmd")
    assert config.appendices == ("ap.qmd",)
    assert config.pdf_name == "Un-libro--de-prueba.pdf"
    assert config.footer == "Con fines docentes, **no** para diagnóstico."
    assert (config.timeout, config.workers, config.toc_depth) == (1800, 2, 3)


def test_encuentra_la_raiz_desde_una_carpeta_interior(book):
    book.write({"book/a.qmd": "# A\n"})
    assert find_root(book.root / "book") == book.root
    with pytest.raises(ImprentaError, match=r"No encontramos _quarto\.yml"):
        find_root(Path("/"))


def change(book, action) -> None:
    """Cambia ``_quarto.yml`` como datos, sin depender de su texto."""
    path = book.root / "_quarto.yml"
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    action(data)
    path.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), encoding="utf-8")


CASES = {
    "clave de primer nivel": (lambda d: d.update(website={}), "website"),
    "clave del libro": (lambda d: d["book"].update(cover="x.png"), "cover"),
    "clave de la imprenta": (lambda d: d.update(imprenta={"nube": 1}), "nube"),
    "bloque que no lo es": (lambda d: d.update(execute="sí"), "execute"),
    "tipo de proyecto": (lambda d: d["project"].update(type="website"), "type: book"),
    "sin título": (lambda d: d["book"].pop("title"), "title"),
    "sin idioma": (lambda d: d.pop("lang"), "lang"),
    "sin bibliografía": (lambda d: d.pop("bibliography"), "bibliography"),
    "sin typst": (lambda d: d["format"].pop("typst"), "html y typst"),
    "caché de Quarto": (lambda d: d["execute"].update(freeze="auto"), "freeze"),
    "echo apagado": (lambda d: d["execute"].update(echo=False), "echo"),
    "capítulo con ./": (lambda d: d["book"]["chapters"].append("./a.qmd"), "ruta simple"),
    "capítulo con ..": (lambda d: d["book"]["chapters"].append("x/../a.qmd"), "ruta simple"),
    "capítulo que no es qmd": (lambda d: d["book"]["chapters"].append("refs.bib"), "refs.bib"),
    "capítulo que falta": (lambda d: d["book"]["chapters"].append("z.qmd"), "z.qmd"),
    "capítulo repetido": (lambda d: d["book"]["chapters"].append("a.qmd"), "dos veces"),
    "parte": (lambda d: d["book"]["chapters"].append({"part": "Uno"}), "partes"),
    "lista que no lo es": (lambda d: d["book"].update(chapters="a.qmd"), "debe ser una lista"),
    "sin index": (lambda d: d["book"]["chapters"].pop(0), "index.qmd"),
    "bibliografía que falta": (lambda d: d.update(bibliography="z.bib"), "z.bib"),
    "dos bibliografías": (lambda d: d.update(bibliography=["a", "b"]), "No existe"),
    "estilo de citas que falta": (lambda d: d.update(csl="z.csl"), "z.csl"),
    "hoja de estilo que falta": (lambda d: d["format"]["html"].update(css="z.css"), "z.css"),
    "espera inválida": (lambda d: d.update(imprenta={"espera": 0}), "espera"),
}


@pytest.mark.parametrize("name", CASES)
def test_rechaza_lo_que_no_interpreta(book, name):
    action, message = CASES[name]
    book.write({"a.qmd": "# A\n"})
    change(book, action)
    with pytest.raises(ImprentaError, match=message) as caught:
        load_config(book.root)
    assert caught.value.problem.file == "_quarto.yml"
    assert caught.value.problem.line > 0


def test_un_yaml_roto_senala_su_linea(book):
    (book.root / "_quarto.yml").write_text("project:\n  type: [book\nlang: es\n")
    with pytest.raises(ImprentaError, match="mal formado") as caught:
        load_config(book.root)
    assert caught.value.problem.line == 3


def test_un_yaml_ilegible_se_explica(book):
    (book.root / "_quarto.yml").mkdir()
    with pytest.raises(ImprentaError, match="No se puede leer"):
        load_config(book.root)


def test_el_pie_al_centro_y_lo_que_solo_usa_la_imprenta(book):
    book.write({"a.qmd": "# A\n"})

    def action(data):
        data["book"]["page-footer"] = {"center": "dos", "border": True}
        data["imprenta"] = {"dependencias": ["src"], "entorno": ["A_*"], "procesos": 1}
        data["format"]["html"] = "default"

    change(book, action)
    config = book.config
    assert config.footer == "dos"
    assert (config.dependencies, config.environment) == (("src",), ("A_*",))
    assert (config.workers, config.css) == (1, "")


def test_el_quarto_yml_del_proyecto_es_valido(root):
    text = (root / "_quarto.yml").read_text(encoding="utf-8")
    data = yaml.safe_load(text)
    missing = [name for name in data["book"]["chapters"] if not (root / name).is_file()]
    assert missing == []
    config = load_config(root)
    assert config.lang == "es"
    assert "no sirve para diagnosticar" in config.footer
    assert config.pdf_name.isascii()
