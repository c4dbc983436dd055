"""Las películas como un arreglo uint8 en disco: se decodifican una vez y se abren al instante."""

import sys
from pathlib import Path

import numpy as np

from neumonia.audit import AuditReport, audit
from neumonia.datasets.base import Dataset
from neumonia.datasets.images import DECODER_VERSION, resize
from neumonia.errors import DataError, NeumoniaError
from neumonia.files import atomic_path, cache_dir, describe_os_error, digest, write_json
from neumonia.progress import track

__all__ = ["AuditReport", "audit", "open_arrays", "resize"]

# Acota la memoria (26 MB a 224 px) sin obligar a reabrir la fuente muchas veces.
_CHUNK = 512


def open_arrays(
    dataset: Dataset, size: int, cache: Path | str | None = None, progress: bool = True
) -> np.memmap:
    """Todas las películas de ``dataset`` como uint8 ``(N, size, size)`` de solo lectura.

    La primera vez se decodifican y se guardan en ``cache`` (por omisión, la carpeta de trabajo);
    después el archivo se proyecta en memoria, sin leerlo entero. La fila ``i`` es la película
    ``dataset.manifest.iloc[i]``. El nombre del archivo depende de la huella de los datos, el
    tamaño y la versión del decodificador; si está dañado, se rehace y se avisa.

    Raises
    ------
    DataError
        Si una película no se puede leer o el conjunto está vacío.
    NeumoniaError
        Si no se puede escribir (por ejemplo, disco lleno); no queda nada a medias.
    """
    if len(dataset) == 0:
        raise DataError(f"El conjunto «{dataset.name}» no tiene películas.")
    folder = Path(cache) if cache is not None else cache_dir() / "imagenes"
    facts = {
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint,
        "size": int(size),
        "decoder": DECODER_VERSION,
    }
    shape = (len(dataset), int(size), int(size))
    path = folder / f"{dataset.name}-{size}-{digest(facts)}.npy"
    ready = _open(path, shape)
    if ready is None:
        if path.exists():
            print(f"El archivo {path} está dañado; lo rehacemos.", file=sys.stderr)
        _write(dataset, shape, path, progress)
        write_json(path.with_suffix(".json"), {**facts, "shape": list(shape), "dtype": "uint8"})
        ready = _open(path, shape)
    if ready is None:
        raise NeumoniaError(
            f"Acabamos de escribir {path} y no se puede leer igual. Revisemos el disco."
        )
    return ready


def _open(path: Path, shape: tuple[int, int, int]) -> np.memmap | None:
    """El archivo proyectado en memoria, o ``None`` si falta o no es el esperado."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise NeumoniaError(f"No se puede leer {path}: {describe_os_error(error)}.") from error
    except (OSError, ValueError, EOFError):
        return None
    usable = isinstance(array, np.memmap) and array.shape == shape and array.dtype == np.uint8
    return array if usable else None


def _write(dataset: Dataset, shape: tuple[int, int, int], path: Path, progress: bool) -> None:
    films, size, _ = shape
    starts = range(0, films, _CHUNK)
    title = f"Preparando {dataset.name} a {size} px, por bloques"
    steps = track(starts, title) if progress else starts
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    # Escritura corriente y no un memmap: con el disco lleno, un memmap mata el proceso.
    with atomic_path(path) as temporary, open(temporary, "wb") as handle:
        np.lib.format.write_array_header_1_0(handle, header)
        for start in steps:
            rows = np.arange(start, min(start + _CHUNK, films))
            images = dataset.load(rows, size)
            if images.shape != (len(rows), size, size) or images.dtype != np.uint8:
                raise DataError(
                    f"El conjunto «{dataset.name}» entregó {images.shape} {images.dtype}; "
                    f"esperábamos ({len(rows)}, {size}, {size}) uint8."
                )
            handle.write(np.ascontiguousarray(images).tobytes())
