"""Figuras de la evaluación: los números dibujados son los medidos."""

import numpy as np
import pytest
from scipy.special import expit

from neumonia.errors import ConfigError, DataError
from neumonia.evaluation import binary_metrics
from neumonia.figures import confusion_matrices, pr_curves, probability_histograms, roc_curves


@pytest.fixture
def labels() -> np.ndarray:
    return np.r_[np.zeros(60, int), np.ones(100, int)]


@pytest.fixture
def models(labels) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    return {
        "CNN": expit(rng.normal(np.where(labels, 2.5, -0.3), 1.5)),
        "VGG16": expit(rng.normal(np.where(labels, 3.0, -2.0), 1.5)),
    }


@pytest.fixture
def many(labels, models) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    return {
        **models,
        "regresión logística": rng.random(labels.size),
        "VGG16 con ajuste fino": np.clip(labels * 0.8 + 0.1 * rng.random(labels.size), 0, 1),
    }


def measured(labels, models):
    return {name: binary_metrics(labels, scores) for name, scores in models.items()}


def test_la_confusion_lleva_conteos_y_porcentaje_por_fila(labels, models, faults, texts):
    results = measured(labels, models)
    drawn = confusion_matrices(results)
    assert faults(drawn) == []
    shown = texts(drawn)
    for name, found in results.items():
        assert name in shown
        assert str(found["tp"]) in shown
        assert f"{100 * found['tn'] / 60:.1f} %" in shown
        assert f"{100 * found['fn'] / 100:.1f} %" in shown
        assert f"{name}: de 60 NORMAL acierta {found['tn']}" in drawn.alt


@pytest.mark.parametrize("number", [1, 3, 4, 5])
def test_caben_de_una_a_cinco_matrices(number, faults):
    counts = {"tn": 12345, "fp": 1, "fn": 0, "tp": 54321}
    drawn = confusion_matrices({f"modelo {i}": counts for i in range(number)})
    assert faults(drawn) == []
    assert "1 falsa alarma y 0 neumonías no vistas" in drawn.alt
    assert "12\u202f345" in drawn.alt


def test_el_texto_de_cada_celda_contrasta_con_su_fondo():
    """WCAG: 4.5:1 en cualquier proporción, medido sobre el color pintado."""
    for share in np.linspace(0, 1, 21):
        counts = {"tn": 1000 * share, "fp": 1000 - 1000 * share, "fn": 1, "tp": 1}
        axes = confusion_matrices({"m": counts}).figure.axes[0]
        image = axes.images[0]
        ground = image.cmap(image.norm(image.get_array()[0, 0]))[:3]
        ink = next(t for t in axes.texts if t.get_position()[0] == 0).get_color()
        assert contrast(ground, ink) >= 4.5


def contrast(ground, ink) -> float:
    from matplotlib.colors import to_rgb

    def luminance(rgb) -> float:
        c = np.array(rgb)
        linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    a, b = sorted([luminance(ground), luminance(to_rgb(ink))])
    return (b + 0.05) / (a + 0.05)


def test_una_fila_sin_casos_no_divide_por_cero(faults, texts):
    drawn = confusion_matrices({"CNN": {"tn": 0, "fp": 0, "fn": 1, "tp": 3}})
    assert faults(drawn) == []
    assert texts(drawn).count("0.0 %") == 2


def test_una_confusion_incompleta_se_rechaza():
    with pytest.raises(DataError, match="al menos uno"):
        confusion_matrices({})
    with pytest.raises(DataError, match="CNN"):
        confusion_matrices({"CNN": {"tn": 1}})


def test_la_roc_lleva_el_auc_y_el_punto_de_trabajo(labels, models, faults, texts):
    drawn = roc_curves(labels, models, threshold=0.6)
    assert faults(drawn) == []
    for name, scores in models.items():
        found = binary_metrics(labels, scores, 0.6)
        assert f"{name} · AUC {found['roc_auc']:.3f}" in texts(drawn)
        assert f"sensibilidad {found['sensitivity']:.3f} y especificidad" in drawn.alt
    assert "60 NORMAL y 100 PNEUMONIA" in drawn.alt
    assert "azar" in texts(drawn)
    whole = drawn.figure.axes[0]
    marks = [line.get_data() for line in whole.lines if line.get_marker() in ("o", "s")]
    expected = [binary_metrics(labels, scores, 0.6) for scores in models.values()]
    assert np.allclose(
        [(x[0], y[0]) for x, y in marks],
        [(1 - e["specificity"], e["sensitivity"]) for e in expected],
    )


def test_con_cuatro_modelos_los_rotulos_siguen_enteros(labels, many, faults, texts):
    for drawn in (roc_curves(labels, many), pr_curves(labels, many)):
        assert faults(drawn) == []
        assert all(any(name in text for text in texts(drawn)) for name in many)


def test_un_punto_de_trabajo_lejano_no_se_marca_en_la_ampliacion(labels, faults):
    drawn = roc_curves(labels, {"CNN": np.full(labels.size, 0.9)})
    assert faults(drawn) == []
    whole, corner = drawn.figure.axes
    assert len(whole.lines) == 3
    assert len(corner.lines) == 1


def test_una_roc_perfecta_tambien_se_dibuja(labels, faults):
    drawn = roc_curves(labels, {"CNN": labels * 0.8 + 0.1})
    assert faults(drawn) == []
    assert "AUC 1.000" in drawn.alt


def test_la_curva_pr_lleva_la_prevalencia(labels, models, faults, texts):
    drawn = pr_curves(labels, models)
    assert faults(drawn) == []
    assert "azar: prevalencia 0.625" in texts(drawn)
    for name, scores in models.items():
        average = binary_metrics(labels, scores)["average_precision"]
        assert f"{name}, precisión media {average:.3f}" in drawn.alt


def test_sin_nada_positivo_la_curva_pr_no_marca_punto(labels, models, faults):
    drawn = pr_curves(labels, {"CNN": 0.4 * models["CNN"]})
    assert faults(drawn) == []
    assert "umbral 0.5" not in drawn.alt
    assert len(drawn.figure.axes[0].lines) == 2


def test_los_histogramas_suman_cien_y_dicen_quien_supera_el_umbral(labels, models, faults, texts):
    drawn = probability_histograms(labels, models, 0.7)
    assert faults(drawn) == []
    for axes, (name, scores) in zip(drawn.figure.axes, models.items(), strict=True):
        heights = np.array([patch.get_height() for patch in axes.patches])
        assert heights[heights > 0].sum() == pytest.approx(100)
        assert heights[heights < 0].sum() == pytest.approx(-100)
        share = 100 * np.mean(scores[labels == 1] >= 0.7)
        assert f"{name}: superan el umbral el {share:.1f} % de las PNEUMONIA" in drawn.alt
    assert "umbral 0.7" in texts(drawn)


def test_con_una_sola_clase_el_histograma_lo_dice(faults):
    drawn = probability_histograms([1, 1, 1], {"CNN": [0.2, 0.6, 0.9]})
    assert faults(drawn) == []
    assert "ninguna de las NORMAL" in drawn.alt


@pytest.mark.parametrize("curve", [roc_curves, pr_curves, probability_histograms])
def test_sin_modelos_o_con_datos_malos_se_rechaza(curve, labels):
    with pytest.raises(DataError, match="al menos uno"):
        curve(labels, {})
    with pytest.raises(DataError, match="una probabilidad por radiografía"):
        curve(labels, {"CNN": [0.5]})


def test_un_umbral_imposible_se_rechaza(labels, models):
    with pytest.raises(ConfigError, match="umbral"):
        probability_histograms(labels, models, 2.0)
