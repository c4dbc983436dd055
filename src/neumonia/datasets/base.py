"""La forma común de los conjuntos: una tabla de películas, una función que las carga y su ficha."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from neumonia.errors import ConfigError, DataError
from neumonia.files import digest

CLASSES = ("NORMAL", "PNEUMONIA")
SPLITS = ("train", "val", "test")
_TEXT = ("image_id", "patient", "subtype", "official_split", "sha256")
COLUMNS = ("image_id", "label", "patient", "subtype", "official_split", "height", "width", "sha256")

Loader = Callable[[np.ndarray, int, bool], np.ndarray]

_ZENODO = "https://zenodo.org/records/10519652/files/"

_KERMANY = {
    "title": "Radiografías de tórax pediátricas (neumonía), Kermany et al. 2018",
    "licence": "CC BY 4.0",
    "citation": (
        "Kermany D, Zhang K, Goldbaum M (2018). Labeled Optical Coherence Tomography (OCT) and "
        "Chest X-Ray Images for Classification. Mendeley Data. "
        "Kermany et al. (2018). Cell 172(5):1122-1131."
    ),
    "url": "https://www.kaggle.com/datasets/paultimothymooney/chest-xray-pneumonia",
    "handle": "paultimothymooney/chest-xray-pneumonia",
    "n_films": 5856,
    "n_patients": 4097,
    "n_samples": {
        "train": {"NORMAL": 1341, "PNEUMONIA": 3875},
        "val": {"NORMAL": 8, "PNEUMONIA": 8},
        "test": {"NORMAL": 234, "PNEUMONIA": 390},
    },
}

_KERMANY64 = {
    **_KERMANY,
    "title": "Radiografías de tórax pediátricas a 64 píxeles, Kermany et al. 2018",
    # De los valores uint8 en el orden de la tabla, y de las filas de la tabla.
    "pixels_sha256": "b8e520e47b717ddc7c192bdbcd9ad24d60228686140d72c7986dcf3db443151e",
    "table_sha256": "144d277b68b4f6e14f54e52d53e983ea50042bb4c7b72be629f3b728a7f50289",
}

_PNEUMONIAMNIST = {
    "title": "PneumoniaMNIST (MedMNIST v2), Yang et al. 2023",
    "licence": "CC BY 4.0",
    "citation": (
        "Yang J et al. (2023). MedMNIST v2: A large-scale lightweight benchmark for 2D and 3D "
        "biomedical image classification. Scientific Data 10:41. "
        "Imágenes: Kermany et al. (2018). Cell 172(5):1122-1131."
    ),
    "url": "https://medmnist.com",
    # MD5 publicados por el propio proyecto MedMNIST (versión 3.0.2) para cada tamaño.
    "files": {
        28: (f"{_ZENODO}pneumoniamnist.npz?download=1", "28209eda62fecd6e6a2d98b1501bb15f"),
        64: (f"{_ZENODO}pneumoniamnist_64.npz?download=1", "8f4eceb4ccffa70c672198ea285246c6"),
        128: (f"{_ZENODO}pneumoniamnist_128.npz?download=1", "05b46931834c231683c68f40c47b2971"),
        224: (f"{_ZENODO}pneumoniamnist_224.npz?download=1", "d6a3c71de1b945ea11211b03746c1fe1"),
    },
    "n_films": 5856,
    "n_samples": {"train": 4708, "val": 524, "test": 624},
}

_MAQUETA = {
    "title": "Maqueta: radiografías sintéticas con la lesión conocida",
    "licence": "La del código de este proyecto",
    "citation": "Generada por el paquete neumonia; no procede de ningún paciente.",
    "url": "",
}

INFO: MappingProxyType[str, dict[str, Any]] = MappingProxyType(
    {
        "kermany64": _KERMANY64,
        "kermany": _KERMANY,
        "pneumoniamnist": _PNEUMONIAMNIST,
        "maqueta": _MAQUETA,
    }
)


@dataclass(frozen=True)
class Skipped:
    """Un archivo que se dejó fuera: su nombre y el motivo, en español."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


@dataclass(frozen=True)
class ImportReport:
    """Resultado de importar un conjunto.

    ``imported`` cuenta las películas guardadas en ``destination``; ``skipped`` nombra las que se
    rechazaron; ``repeated``, las copias del árbol duplicado; ``ignored``, los archivos que no
    pretenden ser películas; ``unparsed``, los nombres de los que no se pudo leer el paciente.
    """

    imported: int
    skipped: tuple[Skipped, ...] = ()
    repeated: int = 0
    ignored: int = 0
    unparsed: tuple[str, ...] = ()
    destination: str = ""

    def __str__(self) -> str:
        lines = [f"Películas importadas: {self.imported:,}".replace(",", " ")]
        if self.destination:
            lines.append(f"Carpeta: {self.destination}")
        if self.repeated:
            lines.append(f"Copias repetidas que no se guardaron: {self.repeated}")
        if self.ignored:
            lines.append(f"Archivos ajenos a las películas: {self.ignored}")
        if self.skipped:
            lines += enumerated("Archivos rechazados", self.skipped)
        if self.unparsed:
            title = "Nombres sin paciente reconocible (cada uno cuenta como un paciente propio)"
            lines += enumerated(title, self.unparsed)
        return "\n".join(lines)


def enumerated(title: str, items: Iterable[object], indent: str = "", limit: int = 20) -> list[str]:
    """Renglones con ``title``, cuántos son y los primeros ``limit``."""
    names = [f"{indent}  - {item}" for item in items]
    rest = [f"{indent}  … y {len(names) - limit} más"] if len(names) > limit else []
    return [f"{indent}{title}: {len(names)}", *names[:limit], *rest]


def tidy_manifest(frame: pd.DataFrame) -> pd.DataFrame:
    """Deja la tabla en su forma única, o ``DataError`` con lo que le falta.

    Quedan las columnas ``COLUMNS``, en orden de ``image_id``: texto, salvo ``label`` int8
    (0 = NORMAL, 1 = PNEUMONIA) y ``height`` y ``width`` int64, en píxeles.
    """
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise DataError(
            f"A la tabla de películas le faltan las columnas {', '.join(missing)}. "
            "Volvamos a importar los datos."
        )
    tidy = frame.loc[:, list(COLUMNS)].copy()
    for name in _TEXT:
        tidy[name] = tidy[name].fillna("").astype(str)
    for name in ("label", "height", "width"):
        numbers = pd.to_numeric(tidy[name], errors="coerce")
        _require(tidy, numbers % 1 == 0, name, "un número entero")
        tidy[name] = numbers.astype("int64")
    _require(tidy, tidy["label"].isin((0, 1)), "label", "0 (NORMAL) o 1 (PNEUMONIA)")
    _require(tidy, tidy["official_split"].isin(SPLITS), "official_split", "train, val o test")
    _require(tidy, tidy["height"] > 0, "height", "un número positivo")
    _require(tidy, tidy["width"] > 0, "width", "un número positivo")
    _require(tidy, tidy["image_id"] != "", "image_id", "un texto no vacío")
    _require(tidy, ~tidy["image_id"].duplicated(), "image_id", "un identificador sin repetir")
    tidy["label"] = tidy["label"].astype("int8")
    return tidy.sort_values("image_id", ignore_index=True)


def _require(frame: pd.DataFrame, right: pd.Series, column: str, expected: str) -> None:
    if not right.all():
        first = frame.loc[~right].iloc[0]
        raise DataError(
            f"En la tabla de películas, {int((~right).sum())} fila(s) tienen un valor impropio en "
            f"«{column}»: la primera es «{first['image_id']}», con {first[column]!r}; "
            f"se esperaba {expected}."
        )


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Un conjunto de radiografías: qué hay (``manifest``) y cómo se lee (``load``).

    ``manifest`` tiene una fila por película, con las columnas ``COLUMNS`` y en orden de
    ``image_id``; ``loader(rows, size, progress)`` devuelve uint8 ``(len(rows), size, size)`` de
    esas posiciones; ``info`` trae título, licencia, cita y origen; ``skipped``, los archivos que
    no entraron, con su motivo.
    """

    name: str
    manifest: pd.DataFrame
    loader: Loader
    info: dict[str, Any]
    skipped: tuple[Skipped, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.manifest)

    def load(
        self, rows: np.ndarray | None = None, size: int = 150, progress: bool = False
    ) -> np.ndarray:
        """Películas uint8 ``(N, size, size)``, en el orden de ``rows`` (``None`` pide todas).

        ``progress`` muestra el avance si la carga pasa de dos segundos.

        Raises
        ------
        ConfigError
            Si una posición no existe o el lado no va de 8 a 1024.
        DataError
            Si un archivo desapareció o ya no es legible.
        """
        wanted = self.check_rows(rows, size)
        if wanted.size == 0:
            return np.empty((0, size, size), dtype=np.uint8)
        return self.loader(wanted, int(size), bool(progress))

    def check_rows(self, rows: np.ndarray | None, size: int) -> np.ndarray:
        """Las posiciones pedidas, int64 ``(N,)``; ``ConfigError`` si ellas o el lado no valen."""
        if not 8 <= size <= 1024:
            raise ConfigError(f"El lado de las imágenes va de 8 a 1024 píxeles; recibimos {size}.")
        total = len(self.manifest)
        wanted = np.arange(total) if rows is None else np.asarray(rows)
        if wanted.size and (wanted.ndim != 1 or not np.issubdtype(wanted.dtype, np.integer)):
            raise ConfigError(
                "Las posiciones de las películas son un arreglo de enteros de una dimensión; "
                f"recibimos forma {wanted.shape} y tipo {wanted.dtype}."
            )
        if wanted.size and not (wanted.min() >= 0 and wanted.max() < total):
            raise ConfigError(
                f"Las posiciones van de 0 a {total - 1}; recibimos de {wanted.min()} "
                f"a {wanted.max()}."
            )
        return wanted.astype(np.int64)

    @property
    def fingerprint(self) -> str:
        """16 dígitos que cambian si cambia una película, su etiqueta o su nombre."""
        rows = self.manifest[["image_id", "sha256", "label"]]
        return digest([list(row) for row in rows.astype(str).itertuples(index=False)])

    def __repr__(self) -> str:
        frame = self.manifest
        known = frame.loc[frame["patient"] != "", "patient"].nunique()
        counts = pd.crosstab(frame["official_split"], frame["label"]).reindex(
            index=list(SPLITS), columns=[0, 1], fill_value=0
        )
        lines = [
            f"Conjunto «{self.name}»: {self.info.get('title', 'sin título')}",
            f"  películas     : {len(frame)}",
            f"  pacientes     : {known if known else 'no constan'}",
            *(
                f"  {split:<14}: {counts.loc[split, 0]} NORMAL, {counts.loc[split, 1]} PNEUMONIA"
                for split in SPLITS
            ),
            f"  tamaño (px)   : alto {_span(frame['height'])}, ancho {_span(frame['width'])}",
            f"  huella        : {self.fingerprint}",
        ]
        for key, label in (("root", "origen"), ("licence", "licencia"), ("citation", "cita")):
            if self.info.get(key):
                lines.append(f"  {label:<14}: {self.info[key]}")
        if self.skipped:
            lines.append(f"  apartadas     : {len(self.skipped)} (véase .skipped)")
        return "\n".join(lines)


def _span(values: pd.Series) -> str:
    if values.empty:
        return "—"
    low, high = int(values.min()), int(values.max())
    return str(low) if low == high else f"de {low} a {high}"
