"""``kermany64``: las radiografías de Kermany a 64 × 64 píxeles, todas en una imagen sin pérdida.

El mosaico es un PNG gris de 61 filas y 96 columnas de radiografías, en el orden de la tabla que lo
acompaña: la de la fila ``i`` de la tabla está en la celda ``(i // 96, i % 96)``. Viaja con el
paquete, así que el libro se construye sobre radiografías reales sin descargar nada. Fuente:
Kermany, Zhang y Goldbaum (2018), Mendeley Data, CC BY 4.0; véase el LEEME junto al mosaico.
"""

import hashlib
import io
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, UnidentifiedImageError

from neumonia.datasets.archive import Entry, describe_missing, open_source, printable
from neumonia.datasets.base import CLASSES, INFO, Dataset, tidy_manifest
from neumonia.datasets.chest_xray import check_destination, parse_name
from neumonia.datasets.images import decode, resize
from neumonia.errors import DataError
from neumonia.files import atomic_dir, describe_os_error, write_text
from neumonia.progress import in_threads, track

SIDE = 64
COLUMNS = 96
MOSAIC, TABLE, README = "mosaico.png", "radiografias.csv", "LEEME.md"
FIELDS = ("file", "official_split", "class", "subtype", "patient")
EMBEDDED = Path(__file__).parent / "kermany64"

_ADVICE = (
    "Volvamos a bajar el libro, o rehagamos la carpeta desde el conjunto completo con: "
    "neumonia datos compactar RUTA"
)


@dataclass(frozen=True)
class Compacted:
    """Lo que dejó ``compact``: la carpeta, cuántas radiografías y los resúmenes de contenido."""

    folder: Path
    films: int
    bytes: int
    pixels_sha256: str
    table_sha256: str

    @property
    def is_embedded(self) -> bool:
        """Si es, píxel por píxel y fila por fila, el ``kermany64`` que acompaña al libro."""
        found = {"pixels_sha256": self.pixels_sha256, "table_sha256": self.table_sha256}
        return found.items() <= INFO["kermany64"].items()


def open_kermany64(root: Path | str | None = None) -> Dataset:
    """Abre el conjunto que viaja con el paquete, o su copia en ``root``, si está entero.

    ``height`` y ``width`` valen 64: el tamaño original no se conserva. ``sha256`` resume los
    píxeles de cada radiografía. ``DataError`` si falta un archivo, está dañado, o su contenido no
    es el de ``kermany64``.
    """
    folder = EMBEDDED if root is None else Path(root).expanduser()
    if root is not None and not (folder / TABLE).is_file():
        raise DataError(
            f"{folder} no es una carpeta de kermany64: no tiene {TABLE}. Sin ruta se usa la que "
            "viaja con el libro; si ahí están las radiografías completas, son --datos kermany "
            "(DATOS=kermany en make)."
        )
    info = INFO["kermany64"]
    table = _read_table(folder / TABLE, info["n_films"])
    _check_digest(folder / TABLE, _table_digest(table), info["table_sha256"])
    images = _read_mosaic(folder / MOSAIC, info["n_films"])
    _check_digest(folder / MOSAIC, _pixels_digest(images), info["pixels_sha256"])
    images.flags.writeable = False
    films = {
        "image_id": table["official_split"] + "/" + table["class"] + "/" + table["file"],
        "label": table["class"].map(CLASSES.index),
        "height": SIDE,
        "width": SIDE,
        "sha256": [hashlib.sha256(film.tobytes()).hexdigest() for film in images],
    }
    manifest = tidy_manifest(table.assign(**films))

    def load(rows: np.ndarray, size: int, progress: bool) -> np.ndarray:
        if size == SIDE:
            return images[rows]
        wanted = track(rows, "Cambiando de tamaño") if progress else rows
        return np.stack([resize(images[row], size) for row in wanted])

    # La carpeta del paquete no se nombra: es otra en cada máquina y no dice nada de los datos.
    origin = {} if root is None else {"root": str(folder)}
    return Dataset("kermany64", manifest, load, {**info, **origin})


def compact(
    source: Path | str, destination: Path | str, progress: bool = True, replace: bool = False
) -> Compacted:
    """Hace ``kermany64`` a partir del zip o la carpeta del conjunto completo.

    Cada radiografía se decodifica a gris y se lleva a 64 × 64 con ``resize``, sin conservar la
    proporción. El contenido no depende del orden de la fuente; los bytes del PNG pueden cambiar con
    la versión de Pillow, y por eso lo que se compara es la huella de los píxeles.

    Raises
    ------
    DataError
        Si la fuente no existe, le faltan radiografías o alguna no se puede leer, o si el destino
        ya tiene algo y ``replace`` es falso.
    NeumoniaError
        Si no se puede escribir (por ejemplo, disco lleno).
    """
    source, destination = Path(source).expanduser(), Path(destination).expanduser()
    check_destination(source, destination, replace)
    with open_source(source) as listing:
        if not listing.entries:
            raise DataError(describe_missing(source, listing.skipped))
        _check_complete(source, listing.entries)
        films = in_threads(_small, listing.entries, "Reduciendo" if progress else "")
        table = _table(listing.entries)
    images = np.stack(films)
    with atomic_dir(destination) as folder:
        Image.fromarray(_tile(images)).save(folder / MOSAIC, optimize=True)
        write_text(folder / TABLE, table.to_csv(index=False, lineterminator="\n"))
        shutil.copyfile(EMBEDDED / README, folder / README)
        size = sum(path.stat().st_size for path in folder.iterdir())
    return Compacted(destination, len(images), size, _pixels_digest(images), _table_digest(table))


def _small(entry: Entry) -> np.ndarray:
    return resize(decode(entry.read(), printable(entry.source)), SIDE)


def _table(entries: tuple[Entry, ...]) -> pd.DataFrame:
    rows = []
    for entry in entries:
        name = CLASSES[entry.label]
        patient, subtype = parse_name(entry.name, name)
        rows.append((entry.name, entry.split, name, subtype, patient))
    return pd.DataFrame(rows, columns=list(FIELDS))


def _check_complete(source: Path, entries: tuple[Entry, ...]) -> None:
    lacking = []
    for split, counts in INFO["kermany"]["n_samples"].items():
        for label, name in enumerate(CLASSES):
            found = sum(entry.split == split and entry.label == label for entry in entries)
            if found != counts[name]:
                lacking.append(f"{split}/{name} tiene {found} y debe tener {counts[name]}")
    if lacking:
        raise DataError(
            f"{source} no es el conjunto completo de Kermany: {'; '.join(lacking)}. "
            "Descarguémoslo de nuevo con: neumonia datos descargar kermany"
        )


def _tile(images: np.ndarray) -> np.ndarray:
    """De (N, S, S) a la imagen única; las celdas que sobran quedan negras."""
    rows = -(-len(images) // COLUMNS)
    cells = np.zeros((rows * COLUMNS, SIDE, SIDE), dtype=np.uint8)
    cells[: len(images)] = images
    return cells.reshape(rows, COLUMNS, SIDE, SIDE).swapaxes(1, 2).reshape(rows * SIDE, -1)


def _read_bytes(path: Path) -> io.BytesIO:
    try:
        return io.BytesIO(path.read_bytes())
    except FileNotFoundError as error:
        raise DataError(f"Falta {path}, que viaja con el libro. {_ADVICE}") from error
    except OSError as error:
        raise DataError(f"No se puede leer {path}: {describe_os_error(error)}.") from error


def _read_mosaic(path: Path, films: int) -> np.ndarray:
    rows = -(-films // COLUMNS)
    expected = (COLUMNS * SIDE, rows * SIDE)
    try:
        with Image.open(_read_bytes(path), formats=("PNG",)) as image:
            if image.size != expected or image.mode != "L":
                raise DataError(
                    f"{path} no es el mosaico de kermany64: mide {image.width} × {image.height} en "
                    f"modo {image.mode}, y debe medir {expected[0]} × {expected[1]} en modo L. "
                    f"{_ADVICE}"
                )
            mosaic = np.asarray(image)
    except UnidentifiedImageError as error:
        raise DataError(f"{path} no es un PNG legible. {_ADVICE}") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} está truncado o dañado ({error}). {_ADVICE}") from error
    cells = mosaic.reshape(rows, SIDE, COLUMNS, SIDE).swapaxes(1, 2)
    return np.ascontiguousarray(cells.reshape(-1, SIDE, SIDE)[:films])


def _read_table(path: Path, films: int) -> pd.DataFrame:
    try:
        table = pd.read_csv(_read_bytes(path), dtype=str, keep_default_na=False, encoding="utf-8")
    except ValueError as error:
        raise DataError(f"{path} no es una tabla legible ({error}). {_ADVICE}") from error
    if tuple(table.columns) != FIELDS or len(table) != films:
        raise DataError(
            f"{path} no es la tabla de kermany64: debe tener {films} filas y las columnas "
            f"{', '.join(FIELDS)}. {_ADVICE}"
        )
    return table


def _check_digest(path: Path, found: str, expected: str) -> None:
    if found != expected:
        raise DataError(
            f"El contenido de {path} no es el de kermany64: su SHA-256 es {found[:16]}… y debe ser "
            f"{expected[:16]}…. {_ADVICE}"
        )


def _pixels_digest(images: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(images).tobytes()).hexdigest()


def _table_digest(table: pd.DataFrame) -> str:
    """De los valores y no de los bytes: git puede cambiar los finales de línea."""
    rows = "\n".join("\t".join(row) for row in table.itertuples(index=False))
    return hashlib.sha256(rows.encode()).hexdigest()
