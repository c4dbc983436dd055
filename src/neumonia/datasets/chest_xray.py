"""Las 5 856 radiografías pediátricas de Kermany y colaboradores (2018): importarlas y abrirlas.

Fuente: Kermany, Zhang y Goldbaum (2018), *Labeled Optical Coherence Tomography (OCT) and Chest
X-Ray Images for Classification*, Mendeley Data, CC BY 4.0; Kermany et al. (2018), *Cell* 172(5),
1122-1131.
"""

import hashlib
import re
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from neumonia.datasets.archive import (
    Entry,
    Listing,
    describe_missing,
    open_source,
    printable,
)
from neumonia.datasets.base import CLASSES, INFO, Dataset, ImportReport, Skipped, tidy_manifest
from neumonia.datasets.images import decode, decode_with_mode, resize
from neumonia.datasets.parallel import ordered_map
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
from neumonia.progress import track

MANIFEST = "manifest.csv"
REPORT = "informe.json"
UNPARSED = "archivo:"

_NORMAL = re.compile(r"^((?:NORMAL\d*-)?IM)-(\d+)(?:-\d+)*$", re.IGNORECASE)
_PNEUMONIA = re.compile(r"^person(\d+)_(bacteria|virus)(?:_\d+)+$", re.IGNORECASE)


@dataclass(frozen=True)
class Film:
    """Lo que medimos de un archivo al leerlo: sus columnas del manifiesto, modo, formato y peso."""

    image_id: str
    label: int
    patient: str
    subtype: str
    official_split: str
    height: int
    width: int
    sha256: str
    mode: str
    format: str
    bytes: int
    file: str


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
    _check_destination(source, destination, replace)
    with open_source(source) as listing:
        if not listing.entries:
            raise DataError(describe_missing(source, listing.skipped))
        with atomic_dir(destination) as folder:
            films, damaged = examine_all(listing, "Importando radiografías", progress, folder)
            skipped = (*listing.skipped, *damaged)
            if not films:
                raise DataError(describe_missing(source, skipped))
            report = _report(listing, films, skipped, destination)
            _write_record(folder, films, report, source)
    return report


def open_kermany(root: Path | str, progress: bool = True) -> Dataset:
    """Abre el conjunto desde una carpeta importada, una carpeta cualquiera o el zip oficial.

    Un zip se importa una sola vez a la carpeta de trabajo; de una carpeta sin ``manifest.csv`` se
    guarda allí solo el manifiesto. En ambos casos la segunda vez es inmediata.

    Raises
    ------
    DataError
        Si la ruta no existe, no contiene películas o su manifiesto está dañado.
    """
    root = Path(root).expanduser()
    if root.is_dir() and (root / MANIFEST).is_file():
        return _open_record(root, root)
    with open_source(root) as listing:
        if not listing.entries:
            raise DataError(describe_missing(root, listing.skipped))
        library = cache_dir() / "datos"
        if root.is_dir():
            record = library / f"kermany-{digest([str(root.resolve()), listing.key])}"
            if not (record / MANIFEST).is_file():
                _index(root, listing, record, progress)
            return _open_record(record, root)
        record = library / f"kermany-{listing.key}"
    if not (record / MANIFEST).is_file():
        import_kermany(root, record, progress, replace=True)
    return _open_record(record, record)


def _index(root: Path, listing: Listing, record: Path, progress: bool) -> None:
    films, damaged = examine_all(listing, "Leyendo radiografías", progress)
    skipped = (*listing.skipped, *damaged)
    if not films:
        raise DataError(describe_missing(root, skipped))
    with atomic_dir(record) as folder:
        _write_record(folder, films, _report(listing, films, skipped, root), root)


def examine(entry: Entry, folder: Path | None = None) -> Film | Skipped:
    """Lee y decodifica una película; si ``folder`` no es ``None``, guarda allí sus bytes."""
    name = printable(entry.source)
    try:
        content = entry.read()
        decoded = decode_with_mode(content, name)
    except ImageError as error:
        return Skipped(name, str(error).removeprefix(f"{name}: "))
    patient, subtype = parse_name(entry.name, CLASSES[entry.label])
    film = Film(
        image_id=entry.image_id,
        label=entry.label,
        patient=patient,
        subtype=subtype,
        official_split=entry.split,
        height=decoded.pixels.shape[0],
        width=decoded.pixels.shape[1],
        sha256=hashlib.sha256(content).hexdigest(),
        mode=decoded.mode,
        format=decoded.format,
        bytes=len(content),
        file=entry.source if folder is None else entry.image_id,
    )
    if folder is not None:
        (folder / entry.image_id).write_bytes(content)
    return film


def examine_all(
    listing: Listing, description: str, progress: bool, folder: Path | None = None
) -> tuple[list[Film], list[Skipped]]:
    """``examine`` sobre todas las candidatas, en hilos: las legibles y las dañadas, en orden."""
    if folder is not None:
        for place in {Path(entry.image_id).parent for entry in listing.entries}:
            (folder / place).mkdir(parents=True, exist_ok=True)
    films: list[Film] = []
    damaged: list[Skipped] = []
    results = ordered_map(lambda entry: examine(entry, folder), listing.entries)
    # Ante una interrupción, los hilos deben parar antes de que se borre la carpeta temporal.
    with closing(results):
        shown = track(results, description, len(listing.entries)) if progress else results
        for result in shown:
            (films if isinstance(result, Film) else damaged).append(result)
    return films, damaged


def _report(
    listing: Listing, films: list[Film], skipped: tuple[Skipped, ...], destination: Path
) -> ImportReport:
    return ImportReport(
        imported=len(films),
        skipped=skipped,
        repeated=listing.repeated,
        ignored=listing.ignored,
        unparsed=tuple(film.image_id for film in films if film.patient.startswith(UNPARSED)),
        destination=str(destination),
    )


def _write_record(folder: Path, films: list[Film], report: ImportReport, source: Path) -> None:
    frame = pd.DataFrame([asdict(film) for film in films]).sort_values("image_id")
    write_text(folder / MANIFEST, frame.to_csv(index=False, lineterminator="\n"))
    facts = asdict(report)
    facts.pop("destination")
    write_json(folder / REPORT, {"source": source.name, **facts})


def _open_record(record: Path, root: Path) -> Dataset:
    path = record / MANIFEST
    advice = "Volvamos a importar los datos con: neumonia datos importar RUTA"
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise DataError(f"No se puede leer {path} ({error}). {advice}") from error
    manifest = tidy_manifest(frame)
    _check_places(manifest, path, advice)
    if "file" in frame.columns and record != root:
        files = frame.set_index("image_id")["file"].reindex(manifest["image_id"]).tolist()
    else:
        files = manifest["image_id"].tolist()
    paths = tuple(root / name for name in files)
    missing = [str(file) for file in paths if not file.is_file()]
    if missing:
        raise DataError(
            f"Faltan {len(missing)} películas que {path} nombra; la primera es {missing[0]}. "
            f"{advice}"
        )
    skipped: tuple[Skipped, ...] = ()
    if (record / REPORT).is_file():
        rejected = read_json(record / REPORT).get("skipped", [])
        skipped = tuple(Skipped(str(item["name"]), str(item["reason"])) for item in rejected)
    info = {**INFO["kermany"], "root": str(root)}
    return Dataset("kermany", manifest, _loader(paths), info, skipped)


def _check_places(manifest: pd.DataFrame, path: Path, advice: str) -> None:
    """El identificador es la ruta dentro del conjunto: no puede salir de él ni contradecirlo."""
    for row in manifest.itertuples(index=False):
        name = str(row.image_id)
        start = f"{row.official_split}/{CLASSES[row.label]}/"
        rest = name.removeprefix(start)
        if rest == name or "/" in rest or "\\" in rest:
            raise DataError(
                f"En {path}, el identificador «{name}» no corresponde a su partición y su clase "
                f"({start}…). {advice}"
            )


def _loader(paths: tuple[Path, ...]):
    def load(rows: np.ndarray, size: int, progress: bool) -> np.ndarray:
        images = np.empty((len(rows), size, size), dtype=np.uint8)
        results = ordered_map(lambda row: resize(decode(paths[row]), size), rows)
        if progress:
            results = track(results, "Leyendo radiografías", len(rows))
        for position, image in enumerate(results):
            images[position] = image
        return images

    return load


def _check_destination(source: Path, destination: Path, replace: bool) -> None:
    if destination.is_file():
        raise DataError(f"{destination} es un archivo; indiquemos una carpeta de destino.")
    inside = destination.resolve()
    if source.is_dir() and (inside == source.resolve() or inside in source.resolve().parents):
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
