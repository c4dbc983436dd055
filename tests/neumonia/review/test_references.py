"""Lo publicado por otros: medidas posibles y con su fuente."""

from neumonia.review.references import OFFICIAL

MEASURES = {"roc_auc", "accuracy", "sensitivity", "specificity"}


def test_cada_referencia_tiene_titulo_unico_y_esta_en_la_bibliografia(root):
    titles = [one["title"] for one in OFFICIAL]
    assert len(set(titles)) == len(titles)
    bibliography = (root / "book" / "referencias.bib").read_text(encoding="utf-8")
    for one in OFFICIAL:
        assert f"{{{one['source']}," in bibliography, one["source"]


def test_las_medidas_son_proporciones_y_la_exactitud_es_coherente():
    """En la prueba oficial hay 390 neumonías y 234 normales."""
    for one in OFFICIAL:
        measured = {key: value for key, value in one.items() if key in MEASURES}
        assert set(one) - set(measured) == {"title", "source"}
        assert measured and all(0.5 < value < 1 for value in measured.values())
        if {"sensitivity", "specificity"} <= set(one):
            expected = (390 * one["sensitivity"] + 234 * one["specificity"]) / 624
            assert abs(one["accuracy"] - expected) < 0.01
