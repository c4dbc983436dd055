"""La forma común de los conjuntos: una tabla de películas y una función que las carga."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from neumonia.errors import ConfigError, DataError
from neumonia.files import digest

CLASSES = ("NORMAL", "PNEUMONIA")
SPLITS = ("train", "val", "test")
COLUMNS = (
    "image_id",
    "label",
    "patient",
    "subtype",
    "official_split",
    "height",
    "width",
    "sha256",
)
_TEXT = ("image_id", "patient", "subtype", "official_split", "sha256")

Loader = Callable[[np.ndarray, int, bool], np.ndarray]


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
    pretenden ser películas (``__MACOSX``, ``._*``, ``.DS_Store`` y demás); ``unparsed``, los
    nombres de los que no se pudo leer el paciente.
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
        lines += _listing("Archivos rechazados", [str(item) for item in self.skipped])
        lines += _listing(
            "Nombres sin paciente reconocible (cada uno cuenta como un paciente propio)",
            list(self.unparsed),
        )
        return "\n".join(lines)


def _listing(title: str, names: list[str], limit: int = 20) -> list[str]:
    if not names:
        return []
    rest = [f"  … y {len(names) - limit} más"] if len(names) > limit else []
    return [f"{title}: {len(names)}", *(f"  - {name}" for name in names[:limit]), *rest]


def tidy_manifest(frame: pd.DataFrame) -> pd.DataFrame:
    """Devuelve la tabla en su forma única, o explica qué le falta.

    Deja exactamente las columnas ``COLUMNS``, ordena por ``image_id`` y reinicia el índice.
    Tipos: texto en ``image_id``, ``patient``, ``subtype``, ``official_split`` y ``sha256``;
    ``label`` int8 (0 = NORMAL, 1 = PNEUMONIA); ``height`` y ``width`` int64, en píxeles.

    Raises
    ------
    DataError
        Si faltan columnas, hay identificadores repetidos o valores fuera de su dominio.
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
        wrong = numbers.isna() | (numbers % 1 != 0)
        if wrong.any():
            raise DataError(_bad_value(tidy, wrong, name, "un número entero"))
        tidy[name] = numbers.astype("int64")
    _require(tidy, ~tidy["label"].isin((0, 1)), "label", "0 (NORMAL) o 1 (PNEUMONIA)")
    _require(tidy, ~tidy["official_split"].isin(SPLITS), "official_split", "train, val o test")
    _require(tidy, tidy["height"] < 1, "height", "un número positivo")
    _require(tidy, tidy["width"] < 1, "width", "un número positivo")
    _require(tidy, tidy["image_id"] == "", "image_id", "un texto no vacío")
    _require(tidy, tidy["image_id"].duplicated(), "image_id", "un identificador sin repetir")
    tidy["label"] = tidy["label"].astype("int8")
    return tidy.sort_values("image_id", ignore_index=True)


def _require(frame: pd.DataFrame, wrong: pd.Series, column: str, expected: str) -> None:
    if wrong.any():
        raise DataError(_bad_value(frame, wrong, column, expected))


def _bad_value(frame: pd.DataFrame, wrong: pd.Series, column: str, expected: str) -> str:
    first = frame.loc[wrong].iloc[0]
    return (
        f"En la tabla de películas, {int(wrong.sum())} fila(s) tienen un valor impropio en "
        f"«{column}»: la primera es «{first['image_id']}», con {first[column]!r}; "
        f"se esperaba {expected}."
    )


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Un conjunto de radiografías: qué hay (``manifest``) y cómo se lee (``load``).

    Attributes
    ----------
    name : str
        ``kermany64``, ``kermany``, ``pneumoniamnist`` o ``maqueta``.
    manifest : pandas.DataFrame
        Una fila por película, con las columnas ``COLUMNS`` y ordenada por ``image_id``.
    loader : callable
        ``loader(rows, size, progress)`` devuelve uint8 ``(len(rows), size, size)``; ``rows`` son
        posiciones en ``manifest`` (int64).
    info : dict
        Título, licencia, cita y origen.
    skipped : tuple of Skipped
        Los archivos que no entraron, con su motivo.
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
        """Carga películas como uint8 ``(N, size, size)``, en el orden pedido.

        Parameters
        ----------
        rows : array de enteros (N,), optional
            Posiciones en ``manifest``; ``None`` pide todas.
        size : int
            Lado en píxeles, de 8 a 1024.
        progress : bool
            Muestra el avance si la carga pasa de dos segundos.

        Raises
        ------
        ConfigError
            Si una posición no existe o el lado está fuera de rango.
        DataError
            Si un archivo desapareció o ya no es legible.
        """
        if not 8 <= size <= 1024:
            raise ConfigError(f"El lado de las imágenes va de 8 a 1024 píxeles; recibimos {size}.")
        total = len(self.manifest)
        wanted = np.arange(total) if rows is None else np.asarray(rows)
        if wanted.size == 0:
            return np.empty((0, size, size), dtype=np.uint8)
        if wanted.ndim != 1 or not np.issubdtype(wanted.dtype, np.integer):
            raise ConfigError(
                "Las películas se piden por su posición: un arreglo de enteros de una dimensión; "
                f"recibimos forma {wanted.shape} y tipo {wanted.dtype}."
            )
        if wanted.min() < 0 or wanted.max() >= total:
            raise ConfigError(
                f"Las posiciones van de 0 a {total - 1}; recibimos de {wanted.min()} "
                f"a {wanted.max()}."
            )
        return self.loader(wanted.astype(np.int64), int(size), bool(progress))

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
