"""Las 5 856 radiografías pediátricas de Kermany y colaboradores (2018): traerlas y abrirlas.

Fuente: Kermany, Zhang y Goldbaum (2018), *Labeled Optical Coherence Tomography (OCT) and Chest
X-Ray Images for Classification*, Mendeley Data, CC BY 4.0; Kermany et al. (2018), *Cell* 172(5),
1122-1131.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neumonia.datasets.archive import Entry, Listing, describe_missing, open_source, printable
from neumonia.datasets.base import CLASSES, INFO, Dataset, ImportReport, Skipped, tidy_manifest
from neumonia.datasets.images import decode, decode_with_mode, resize
from neumonia.errors import DataError, ImageError
from neumonia.files import (
    atomic_dir,
    cache_dir,
    describe_os_error,
    digest,
    read_json,
    write_json,
    write_text,
)
from neumonia.progress import in_threads
from neumonia.text import shortened

MANIFEST = "manifest.csv"
REPORT = "informe.json"
UNPARSED = "archivo:"

_ADVICE = "Volvamos a importar los datos con: neumonia datos importar RUTA"
_NORMAL = re.compile(r"^((?:NORMAL\d*-)?IM)-(\d+)(?:-\d+)*$", re.IGNORECASE)
_PNEUMONIA = re.compile(r"^person(\d+)_(bacteria|virus)(?:_\d+)+$", re.IGNORECASE)


def parse_name(filename: str, folder_class: str) -> tuple[str, str]:
    """Paciente y subtipo según el nombre del archivo y su carpeta.

    En NORMAL el paciente es ``IM-dddd`` o ``NORMAL2-IM-dddd`` (son series distintas: el prefijo
    cuenta). En PNEUMONIA es el par persona y etiología, ``person447_virus``: el mismo número con
    otra etiología es otro niño. Si el nombre no sigue el patrón de su carpeta, el paciente es
    ``archivo:`` seguido del nombre: cada archivo cuenta como un paciente propio.

    Returns
    -------
    tuple of str
        ``(patient, subtype)``; ``subtype`` es ``normal``, ``bacteria``, ``virus`` o ``""``.
    """
    stem = Path(filename).stem
    if folder_class.upper() == CLASSES[0]:
        match = _NORMAL.match(stem)
        patient = f"{match[1].upper()}-{match[2]}" if match else UNPARSED + stem
        return patient, "normal"
    match = _PNEUMONIA.match(stem)
    if match is None:
        return UNPARSED + stem, ""
    etiology = match[2].lower()
    return f"person{int(match[1])}_{etiology}", etiology


def import_kermany(
    source: Path | str, destination: Path | str, progress: bool = True, replace: bool = False
) -> ImportReport:
    """Copia las películas de un zip o carpeta a ``destination``, en ``train/NORMAL`` y demás.

    Cada archivo se decodifica por completo antes de aceptarlo; los dañados se nombran en el
    informe y se sigue. Los bytes se guardan sin cambios, con ``manifest.csv`` e ``informe.json``.
    La carpeta aparece entera al final o no aparece.

    Raises
    ------
    DataError
        Si la fuente no existe o no contiene películas, o si el destino ya tiene algo y
        ``replace`` es falso.
    NeumoniaError
        Si no se puede escribir (por ejemplo, disco lleno).
    """
    source, destination = Path(source), Path(destination)
    check_destination(source, destination, replace)
    with open_source(source) as listing:
        description = "Importando radiografías" if progress else ""
        return _write_record(source, listing, destination, description, copy=True)


def download_kermany(
    destination: Path | str, progress: bool = True, replace: bool = False
) -> ImportReport:
    """Descarga el archivo oficial (1,2 GB) con kagglehub y lo importa, o ``DataError``."""
    record = INFO["kermany"]
    try:
        import kagglehub

        folder = kagglehub.dataset_download(record["handle"])
    # kagglehub deja pasar errores de varias bibliotecas de red; a todos les cabe la misma salida.
    except Exception as error:
        raise DataError(
            f"No se pudo descargar el conjunto de Kaggle ({shortened(error)}). A mano: bajemos el "
            f"zip desde {record['url']} y ejecutemos: neumonia datos importar RUTA_DEL_ZIP"
        ) from error
    return import_kermany(folder, destination, progress, replace)


def open_kermany(root: Path | str, progress: bool = True) -> Dataset:
    """Abre el conjunto desde una carpeta importada, una carpeta cualquiera o el zip oficial.

    Un zip se importa una sola vez a la carpeta de trabajo; de una carpeta sin ``manifest.csv`` se
    guarda allí solo el manifiesto. En ambos casos la segunda vez es inmediata. ``DataError`` si la
    ruta no existe, no contiene películas o su manifiesto está dañado.
    """
    root = Path(root).expanduser()
    if (root / MANIFEST).is_file():
        return _open_record(root, root)
    with open_source(root) as listing:
        loose = root.is_dir()
        key = digest([str(root.resolve()), listing.key]) if loose else listing.key
        record = cache_dir() / "datos" / f"kermany-{key}"
        if not (record / MANIFEST).is_file():
            description = "Leyendo radiografías" if progress else ""
            _write_record(root, listing, record, description, copy=not loose)
    return _open_record(record, root if loose else record)


def examine_all(
    source: Path,
    listing: Listing,
    description: str = "",
    also: Callable[[dict[str, Any], bytes], object] | None = None,
) -> tuple[pd.DataFrame, tuple[Skipped, ...]]:
    """Lee y decodifica las candidatas: una fila por legible, por ``image_id``, y las demás.

    Además de las columnas del manifiesto, la fila lleva ``mode`` (de Pillow), ``format``, ``bytes``
    y ``file`` (su ruta en la fuente). ``also(row, content)`` puede guardar los bytes o medir algo
    más. ``DataError`` si ninguna es legible.
    """
    results = in_threads(partial(_examine, also=also), listing.entries, description)
    rows = [item for item in results if isinstance(item, dict)]
    skipped = (*listing.skipped, *(item for item in results if isinstance(item, Skipped)))
    if not rows:
        raise DataError(describe_missing(source, skipped))
    return pd.DataFrame(rows), skipped


def _examine(
    entry: Entry, also: Callable[[dict[str, Any], bytes], object] | None
) -> dict[str, Any] | Skipped:
    name = printable(entry.source)
    try:
        content = entry.read()
        decoded = decode_with_mode(content, name)
    except ImageError as error:
        return Skipped(name, str(error).removeprefix(f"{name}: "))
    patient, subtype = parse_name(entry.name, CLASSES[entry.label])
    row = {
        "image_id": entry.image_id,
        "label": entry.label,
        "patient": patient,
        "subtype": subtype,
        "official_split": entry.split,
        "height": decoded.pixels.shape[0],
        "width": decoded.pixels.shape[1],
        "sha256": hashlib.sha256(content).hexdigest(),
        "mode": decoded.mode,
        "format": decoded.format,
        "bytes": len(content),
        "file": entry.source,
    }
    if also is not None:
        also(row, content)
    return row


def _write_record(
    source: Path, listing: Listing, destination: Path, description: str, copy: bool
) -> ImportReport:
    """Escribe el manifiesto y el informe y, si ``copy``, también las películas."""
    with atomic_dir(destination) as folder:
        for place in {Path(entry.image_id).parent for entry in listing.entries if copy}:
            (folder / place).mkdir(parents=True)
        save = partial(_save, folder) if copy else None
        films, skipped = examine_all(source, listing, description, save)
        unparsed = films.loc[films["patient"].str.startswith(UNPARSED), "image_id"]
        counts = (listing.repeated, listing.ignored)
        report = ImportReport(len(films), skipped, *counts, tuple(unparsed), str(destination))
        write_text(folder / MANIFEST, films.to_csv(index=False, lineterminator="\n"))
        facts = {"source": source.name, **asdict(report)}
        write_json(folder / REPORT, {key: facts[key] for key in facts if key != "destination"})
    return report


def _save(folder: Path, row: dict[str, Any], content: bytes) -> None:
    (folder / row["image_id"]).write_bytes(content)


def _open_record(record: Path, root: Path) -> Dataset:
    path = record / MANIFEST
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise DataError(f"No se puede leer {path} ({error}). {_ADVICE}") from error
    manifest = tidy_manifest(frame)
    _check_places(manifest, path)
    files = manifest["image_id"]
    if record != root:
        files = frame.set_index("image_id")["file"].reindex(files)
    paths = tuple(root / name for name in files)
    missing = [str(file) for file in paths if not file.is_file()]
    if missing:
        raise DataError(
            f"Faltan {len(missing)} películas que {path} nombra; la primera es {missing[0]}. "
            f"{_ADVICE}"
        )
    skipped: tuple[Skipped, ...] = ()
    if (record / REPORT).is_file():
        rejected = read_json(record / REPORT).get("skipped", [])
        skipped = tuple(Skipped(str(item["name"]), str(item["reason"])) for item in rejected)

    def load(rows: np.ndarray, size: int, progress: bool) -> np.ndarray:
        description = "Leyendo radiografías" if progress else ""
        return np.stack(in_threads(lambda row: resize(decode(paths[row]), size), rows, description))

    return Dataset("kermany", manifest, load, {**INFO["kermany"], "root": str(root)}, skipped)


def _check_places(manifest: pd.DataFrame, path: Path) -> None:
    """El identificador es la ruta dentro del conjunto: no puede salir de él ni contradecirlo."""
    for row in manifest.itertuples(index=False):
        name = str(row.image_id)
        start = f"{row.official_split}/{CLASSES[row.label]}/"
        rest = name.removeprefix(start)
        if rest == name or "/" in rest or "\\" in rest:
            raise DataError(
                f"En {path}, el identificador «{name}» no corresponde a su partición y su clase "
                f"({start}…). {_ADVICE}"
            )


def check_destination(source: Path, destination: Path, replace: bool) -> None:
    """La carpeta de destino se sustituye entera: no puede contener la fuente ni pisar nada."""
    if destination.is_file():
        raise DataError(f"{destination} es un archivo; indiquemos una carpeta de destino.")
    here, there = destination.resolve(), source.resolve()
    if here == there or here in there.parents:
        raise DataError(
            f"El destino {destination} contiene a la fuente {source}. Elijamos otra carpeta."
        )
    try:
        occupied = destination.is_dir() and any(destination.iterdir())
    except OSError as error:
        raise DataError(f"No se puede leer {destination}: {describe_os_error(error)}.") from error
    if occupied and not replace:
        raise DataError(
            f"{destination} ya tiene archivos y no los vamos a pisar. Elijamos otra carpeta, o "
            "pidamos el reemplazo de forma expresa: --reemplazar, o replace=True."
        )
