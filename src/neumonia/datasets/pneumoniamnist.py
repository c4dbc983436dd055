"""PneumoniaMNIST: las mismas películas en cuadrados de 28, 64, 128 o 224 píxeles, en un .npz.

Fuente: Yang et al. (2023), *MedMNIST v2*, Scientific Data 10:41, CC BY 4.0. El archivo no dice de
qué paciente es cada película; por eso solo admite la partición oficial.
"""

import hashlib
import re
import shutil
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from neumonia.datasets.base import INFO, SPLITS, Dataset, ImportReport, tidy_manifest
from neumonia.datasets.images import resize
from neumonia.errors import ConfigError, DataError
from neumonia.files import atomic_path, explain_os_error
from neumonia.progress import track
from neumonia.text import shortened

MAX_BYTES = 2 * 2**30
_TIMEOUT = 60

_NAME = re.compile(r"pneumoniamnist(?:_(\d+))?\.npz", re.IGNORECASE)


def file_name(size: int) -> str:
    """El nombre oficial del archivo de lado ``size``: sin sufijo solo el de 28 píxeles."""
    return "pneumoniamnist.npz" if size == 28 else f"pneumoniamnist_{size}.npz"


def import_npz(path: Path | str, destination: Path | str) -> ImportReport:
    """Comprueba un .npz de PneumoniaMNIST y lo copia a ``destination`` con su nombre oficial.

    ``DataError`` si no es legible o no tiene las seis matrices; ``NeumoniaError`` si no se puede
    escribir.
    """
    path, destination = Path(path), Path(destination)
    sides, total = {}, 0
    for split in SPLITS:
        images, _ = _part(path, split)
        sides[split] = images.shape[1]
        total += len(images)
    target = destination / file_name(_check_sides(path, sides))
    if not (target.exists() and target.samefile(path)):
        with atomic_path(target) as temporary:
            shutil.copyfile(path, temporary)
    return ImportReport(imported=total, destination=str(target))


def download_pneumoniamnist(
    destination: Path | str, size: int = 28, progress: bool = True
) -> ImportReport:
    """Descarga PneumoniaMNIST de lado ``size`` (28, 64, 128 o 224) y comprueba su MD5.

    ``ConfigError`` si no existe ese tamaño; ``DataError`` si no llega o la suma no coincide.
    """
    files = INFO["pneumoniamnist"]["files"]
    if size not in files:
        sizes = ", ".join(str(side) for side in files)
        raise ConfigError(f"PneumoniaMNIST se publica en {sizes} píxeles; recibimos {size}.")
    url, md5 = files[size]
    bar = progress and sys.stderr.isatty()
    destination = Path(destination)
    try:
        destination.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, destination) from error
    with tempfile.TemporaryDirectory(prefix=".tmp-descarga-", dir=destination) as folder:
        try:
            import pooch

            # Sus avisos son en inglés y no agregan nada: los errores llegan igual.
            pooch.get_logger().setLevel("ERROR")
            path = pooch.retrieve(
                url,
                known_hash=f"md5:{md5}",
                fname=file_name(size),
                path=folder,
                downloader=pooch.HTTPDownloader(timeout=_TIMEOUT, progressbar=bar),
            )
        # pooch anuncia una suma distinta con ValueError; la red, con las clases de requests.
        except Exception as error:
            raise DataError(
                f"No se pudo descargar {file_name(size)} ({shortened(error)}). A mano: bajémoslo "
                f"de {url} , comprobemos que su MD5 sea {md5} y ejecutemos: "
                "neumonia datos importar RUTA_DEL_NPZ"
            ) from error
        return import_npz(path, destination)


def open_pneumoniamnist(root: Path | str, size: int | None = None) -> Dataset:
    """Abre un .npz, o el más conveniente de una carpeta.

    De una carpeta con varios tamaños se toma el menor que alcance ``size``; si ninguno alcanza, o
    si ``size`` es ``None``, el mayor. ``image_id`` es la partición y la posición en su matriz desde
    cero (``train-00000``); ``patient`` queda vacío; ``subtype`` es ``normal`` en la clase 0 y vacío
    en la 1. ``DataError`` si no hay archivo, está dañado o no tiene la forma de PneumoniaMNIST.
    """
    path = _choose(Path(root).expanduser(), size)
    parts, sides = [], {}
    for split in SPLITS:
        images, labels = _part(path, split)
        sides[split] = images.shape[1]
        parts.append(_rows(split, images, labels))
    _check_sides(path, sides)
    manifest = tidy_manifest(pd.concat(parts, ignore_index=True))
    info = {**INFO["pneumoniamnist"], "root": str(path)}
    return Dataset("pneumoniamnist", manifest, _loader(path, manifest), info)


def _choose(root: Path, size: int | None) -> Path:
    if root.is_file():
        return root
    found = {}
    for path in sorted(root.glob("*.npz")) if root.is_dir() else ():
        match = _NAME.fullmatch(path.name)
        if match:
            found[int(match[1] or 28)] = path
    if not found:
        raise DataError(
            f"En {root} no hay ningún pneumoniamnist.npz. Lo traemos con «neumonia datos "
            "descargar pneumoniamnist», o con «neumonia datos importar ARCHIVO.npz» si ya lo "
            "tenemos."
        )
    enough = [side for side in found if size is not None and side >= size]
    return found[min(enough) if enough else max(found)]


def _part(path: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Películas uint8 ``(N, L, L)`` y etiquetas ``(N,)`` de una partición, ya comprobadas."""
    images, labels = _read(path, f"{split}_images"), _read(path, f"{split}_labels")
    square = images.ndim == 3 and images.shape[1] == images.shape[2]
    if images.dtype != np.uint8 or not square or not 28 <= images.shape[1] <= 224:
        raise _unlike(
            path,
            f"{split}_images tiene forma {images.shape} y tipo {images.dtype}; "
            "esperábamos uint8 (N, L, L) con L de 28 a 224",
        )
    if len(images) == 0:
        raise _unlike(path, f"{split}_images está vacía")
    if labels.shape not in ((len(images), 1), (len(images),)):
        raise _unlike(
            path, f"{split}_labels tiene forma {labels.shape} para {len(images)} películas"
        )
    if not np.issubdtype(labels.dtype, np.integer) or not np.isin(labels, (0, 1)).all():
        raise _unlike(path, f"{split}_labels debe contener solo los enteros 0 y 1")
    return images, labels.reshape(-1)


def _check_sides(path: Path, sides: dict[str, int]) -> int:
    if len(set(sides.values())) != 1:
        raise _unlike(path, f"sus particiones tienen lados distintos: {sides}")
    return sides["train"]


def _read(path: Path, key: str) -> np.ndarray:
    if not path.is_file():
        raise DataError(f"No existe el archivo {path}. Revisemos la ruta.")
    try:
        with zipfile.ZipFile(path) as archive:
            declared = sum(info.file_size for info in archive.infolist())
        if declared > MAX_BYTES:
            raise _unlike(path, f"declara {declared / 2**30:.1f} GiB")
        with np.load(path, allow_pickle=False) as arrays:
            if key not in arrays.files:
                raise _unlike(path, f"le falta la matriz «{key}»")
            return arrays[key]
    except (
        OSError,
        ValueError,
        EOFError,
        RuntimeError,
        MemoryError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise DataError(
            f"{path} no es un .npz legible: está truncado o dañado ({error}). "
            "Descarguémoslo de nuevo."
        ) from error


def _unlike(path: Path, detail: str) -> DataError:
    return DataError(
        f"{path} no tiene la forma de PneumoniaMNIST: {detail}. "
        "Usemos el archivo que publica MedMNIST."
    )


def _rows(split: str, images: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "image_id": [f"{split}-{row:05d}" for row in range(len(images))],
            "label": labels.astype("int8"),
            "patient": "",
            "subtype": np.where(labels == 0, "normal", ""),
            "official_split": split,
            "height": images.shape[1],
            "width": images.shape[2],
            "sha256": [hashlib.sha256(image.tobytes()).hexdigest() for image in images],
        }
    )


def _loader(path: Path, manifest: pd.DataFrame):
    splits = manifest["official_split"].to_numpy()
    places = manifest["image_id"].str.rsplit("-", n=1).str[1].astype(int).to_numpy()

    def load(rows: np.ndarray, size: int, progress: bool) -> np.ndarray:
        images = np.empty((len(rows), size, size), dtype=np.uint8)
        for split in SPLITS:
            wanted = np.flatnonzero(splits[rows] == split)
            if wanted.size == 0:
                continue
            source = _read(path, f"{split}_images")
            for row in track(wanted, f"Leyendo {split}") if progress else wanted:
                images[row] = resize(source[places[rows[row]]], size)
        return images

    return load
