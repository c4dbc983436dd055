"""La pareja figura-texto: bytes repetibles, cuaderno, archivo y utilidades."""

import base64
import io
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.text import Annotation
from PIL import Image

from neumonia.errors import ConfigError, DataError
from neumonia.figures import Illustration, base, roc_curves, strategy_diagram

LABELS = np.tile([0, 1], 20)
SCORES = np.random.default_rng(0).random(40)


def draw() -> Illustration:
    return roc_curves(LABELS, {"CNN": SCORES})


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_dos_dibujos_iguales_tienen_los_mismos_bytes(tmp_path, suffix):
    first = draw().save(tmp_path / f"a{suffix}")
    second = draw().save(tmp_path / f"b{suffix}")
    assert first.read_bytes() == second.read_bytes()
    assert matplotlib.__version__.encode() not in first.read_bytes()


def test_la_configuracion_de_quien_llama_no_cambia_la_figura(tmp_path):
    plain = draw().save(tmp_path / "a.png").read_bytes()
    changed = {"font.size": 20.0, "axes.grid": True, "lines.linewidth": 9.0, "savefig.dpi": 40}
    with matplotlib.rc_context(changed):
        assert draw().save(tmp_path / "b.png").read_bytes() == plain
        assert matplotlib.rcParams["font.size"] == 20.0


def test_el_cuaderno_recibe_imagen_tamano_y_texto_alternativo():
    from IPython.core.formatters import DisplayFormatter

    illustration = draw()
    data, metadata = DisplayFormatter().format(illustration)
    image = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    width, height = illustration.figure.get_size_inches()
    assert image.size == (round(width * 150), round(height * 150))
    assert image.info["Description"] == illustration.alt
    assert "Software" not in image.info
    assert data["text/plain"] == illustration.alt
    assert metadata["image/png"] == {
        "width": round(width * 96),
        "height": round(height * 96),
        "alt": illustration.alt,
    }
    assert illustration._repr_png_() == base64.b64decode(data["image/png"])
    assert repr(illustration) == f"Illustration({illustration.alt!r})"


def test_otra_extension_se_rechaza_sin_dejar_archivos(tmp_path):
    with pytest.raises(ConfigError, match=r"x\.jpg"):
        strategy_diagram().save(tmp_path / "x.jpg")
    assert list(tmp_path.iterdir()) == []


def test_las_figuras_no_cargan_pyplot_ni_keras():
    code = (
        "import sys, numpy as np, neumonia.figures as f;"
        "f.roc_curves(np.array([0, 1]), {'CNN': np.array([.2, .8])})._repr_png_();"
        "print([m for m in ('matplotlib.pyplot', 'tensorflow', 'keras') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_la_revision_ve_los_defectos(faults):
    """Una prueba que no puede fallar no prueba nada: aquí los defectos están puestos."""
    figure = base.new_figure(1.0, 7.0, layout="none")
    figure.text(0.5, 0.5, "uno", fontsize=7)
    figure.text(0.5, 0.5, "dos")
    figure.text(0.99, 0.5, "se sale por la derecha")
    figure.add_axes((0.5, 0.5, 0.7, 0.2))
    found = " | ".join(faults(Illustration(figure, "mal hecha")))
    for fault in ("pulgadas", "letra de 7", "'uno' y 'dos'", "texto cortado", "ejes salen"):
        assert fault in found


def test_la_revision_no_cuenta_lo_que_no_se_dibuja(texts):
    figure = base.new_figure(2.0, 3.0)
    axes = figure.subplots()
    axes.set_xlim(0, 1)
    axes.add_artist(Annotation("lejos", (5, 5), annotation_clip=True))
    drawn = texts(Illustration(figure, "x"))
    assert "lejos" not in drawn
    assert "0.0" in drawn


def test_apartar_rotulos():
    assert base.spread([0.0, 10.0], 1.0) == [0.0, 10.0]
    assert base.spread([5.0, 5.0], 2.0) == [4.0, 6.0]
    assert base.spread([5.2, 5.0], 2.0) == pytest.approx([6.1, 4.1])
    # El tercero se suma al grupo cuando el grupo, al crecer, lo alcanza.
    assert base.spread([0.0, 0.0, 1.2], 1.0) == pytest.approx([-0.6, 0.4, 1.4])
    rng = np.random.default_rng(1)
    values = rng.random(12)
    moved = np.array(base.spread(values, 0.09))
    assert np.all(np.diff(np.sort(moved)) >= 0.09 - 1e-12)
    assert np.array_equal(np.argsort(moved), np.argsort(values))


@pytest.mark.parametrize(("value", "text"), [(1.061, "+1.06"), (-1.061, "−1.06"), (0.001, "0.00")])
def test_numeros_con_signo(value, text):
    assert base.signed(value) == text


def test_listas_y_plurales():
    assert base.listing(["a"]) == "a"
    assert base.listing(["a", "b", "c"]) == "a, b y c"
    assert base.listing(["a", "izquierda"]) == "a e izquierda"
    assert base.count(1, "placa") == "1 placa"
    assert base.count(3, "placa") == "3 placas"
    assert base.count(2, "canal", "canales") == "2 canales"


@pytest.mark.parametrize("shape", [(4, 4), (0, 4, 4)])
def test_un_lote_de_placas_mal_formado_se_rechaza(shape):
    with pytest.raises(DataError, match=r"\(N, H, W\)"):
        base.check_films(np.zeros(shape))
