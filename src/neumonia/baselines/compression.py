"""La trampa del archivo: qué delata un JPEG original y qué queda de ello en los píxeles.

Un archivo dice con qué calidad se comprimió (su tabla de cuantización), cuánto pesa y cuánto mide.
Si las dos clases se guardaron de manera distinta, basta con eso para separarlas, sin mirar ningún
pulmón.

Fuente: ITU-T T.81 (1992), tablas de cuantización y bloques de 8 x 8 de JPEG.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from neumonia.baselines.features import check_images, chunks
from neumonia.datasets.archive import open_source
from neumonia.datasets.base import Skipped
from neumonia.datasets.chest_xray import examine_all
from neumonia.errors import ConfigError

BLOCK = 8.0
PROPERTIES = (
    "bytes_per_pixel",
    "luminance_table",
    "chroma_table",
    "width",
    "height",
    "area",
    "aspect",
    "rgb",
)
"""Las propiedades de un archivo que no dependen de ningún píxel en particular."""


@dataclass(frozen=True, eq=False)
class FileReport:
    """``table``: una fila por archivo legible; ``skipped``: los que no, con su motivo."""

    table: pd.DataFrame
    skipped: tuple[Skipped, ...]


def file_properties(source: Path | str, progress: bool = False) -> FileReport:
    """Propiedades de los archivos originales de una carpeta o un zip, sin usar sus píxeles.

    Cada archivo se decodifica por completo, con los mismos límites que al importar: los dañados,
    los enormes y los de nombre hostil se apartan y se nombran, y se sigue con los demás.

    Parameters
    ----------
    source : ruta
        Carpeta o zip con ``train``, ``val`` o ``test``, y dentro ``NORMAL`` y ``PNEUMONIA``.
    progress : bool

    Returns
    -------
    FileReport
        ``table`` está ordenada por ``image_id`` y tiene además ``label`` (int8), ``patient`` y
        ``official_split``. ``bytes_per_pixel`` es el peso entre el área; ``luminance_table``, la
        suma de la tabla de cuantización de luminancia (mayor es más compresión; NaN en un PNG);
        ``chroma_table``, si hay una segunda tabla; ``width``, ``height`` y ``area`` en píxeles;
        ``aspect``, ancho entre alto; ``rgb``, si el archivo guarda color.

    Raises
    ------
    DataError
        Si la fuente no existe, no es zip ni carpeta, o no tiene ninguna radiografía legible.
    """
    source = Path(source).expanduser()
    with open_source(source) as listing:
        description = "Midiendo archivos" if progress else ""
        films, skipped = examine_all(source, listing, description, _add_tables)
    width, height = films["width"], films["height"]
    films["area"] = width * height
    films["aspect"] = width / height
    films["bytes_per_pixel"] = films["bytes"] / films["area"]
    films["rgb"] = ~films["mode"].isin(("L", "1", "I", "I;16", "I;16B", "LA"))
    known = ["image_id", "label", "patient", "official_split"]
    return FileReport(films[[*known, *PROPERTIES]].astype({"label": np.int8}), skipped)


def _add_tables(row: dict[str, object], content: bytes) -> None:
    # Ya se decodificó entero: aquí solo se vuelve a leer la cabecera.
    with Image.open(io.BytesIO(content)) as image:
        tables = getattr(image, "quantization", None) or {}
    row["luminance_table"] = float(sum(tables[0])) if 0 in tables else float("nan")
    row["chroma_table"] = len(tables) > 1


def blockiness(images: np.ndarray, period: float = BLOCK) -> np.ndarray:
    """Cuánto se repite un escalón cada ``period`` píxeles: la rejilla de bloques de JPEG.

    Promediamos el valor absoluto de las diferencias entre columnas vecinas, y entre filas, y
    medimos qué parte de ese perfil oscila con ese período, con una ventana de Hann para que una
    tendencia suave no cuente. No depende de dónde empieza la rejilla.

    Parameters
    ----------
    images : uint8 (N, H, W)
    period : float, mayor que 2 y hasta la mitad del lado
        Si un archivo de lado L se redujo a S, su rejilla mide ahora 8·S/L, y con menos de 2
        píxeles ya no se puede ver.

    Returns
    -------
    float64 (N,)
        Cerca de 0 sin rejilla; 1 si todo cambio de gris está en ella. Una imagen lisa vale 0.

    Raises
    ------
    ConfigError
        Imágenes de otra forma o tipo, o un período que no cabe en ellas.
    """
    images = check_images(images)
    limit = min(images.shape[1:]) / 2
    if not 2 < period <= limit:
        raise ConfigError(
            f"El período de la rejilla debe pasar de 2 píxeles y no de {limit:g}, y es {period:g}."
        )
    parts = []
    for chunk in chunks(images):
        wide = chunk.astype(np.int16)
        columns = np.abs(np.diff(wide, axis=2)).mean(axis=1, dtype=np.float64)
        rows = np.abs(np.diff(wide, axis=1)).mean(axis=2, dtype=np.float64)
        parts.append((_periodic(columns, period) + _periodic(rows, period)) / 2)
    return np.concatenate(parts)


def _periodic(profile: np.ndarray, period: float) -> np.ndarray:
    weighted = profile * np.hanning(profile.shape[1] + 2)[1:-1]
    wave = np.exp(-2j * np.pi * np.arange(profile.shape[1]) / period)
    total = weighted.sum(axis=1)
    return np.divide(np.abs(weighted @ wave), total, out=np.zeros_like(total), where=total > 0)
