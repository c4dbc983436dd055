"""Publicar por partes: cada una deja su JSON, sus archivos y de dónde salió."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from neumonia.errors import DataError
from neumonia.files import atomic_path, read_json, write_json, write_text
from neumonia.study.provenance import provenance
from neumonia.study.store import STAMP

if TYPE_CHECKING:
    from neumonia.study.pipeline import Study

# Los mapas de dos corridas pueden diferir en el último bit según cuántos hilos sumen.
_DECIMALS = 6


def write_part(
    folder: Path,
    name: str,
    results: Mapping[str, Any],
    files: Mapping[str, str],
    studies: Sequence["Study"],
) -> Path:
    """Escribe ``files`` y ``<name>.json`` en ``folder``, y firma la parte en ``provenance.json``.

    Parameters
    ----------
    results : dict, serializable como JSON
    files : nombre -> texto
    studies : los que hicieron falta, al menos uno; el primero da los datos y los pesos
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in files.items():
        write_text(folder / file, text)
    path = folder / f"{name}.json"
    write_json(path, results)
    _sign(folder / "provenance.json", name, studies)
    return path


def publish_part(product: Path, folder: Path, name: str, studies: Sequence["Study"]) -> Path:
    """Copia a ``folder`` los archivos de un producto y firma la parte; como ``write_part``."""
    for source in sorted(product.rglob("*")):
        place = source.relative_to(product)
        if source.is_file() and place.as_posix() != STAMP:
            with atomic_path(folder / place) as temporary:
                shutil.copyfile(source, temporary)
    _sign(folder / "provenance.json", name, studies)
    return folder / f"{name}.json"


def read_part(folder: Path, name: str, command: str) -> dict[str, Any]:
    """Los resultados de una parte ya escrita; ``DataError`` con la orden que la hace, si falta."""
    path = folder / f"{name}.json"
    if not path.exists():
        raise DataError(
            f"Falta {path.name}: calculemos antes esa parte con "
            f"«neumonia {command} {name} --salida {os.path.relpath(folder)}»."
        )
    return read_json(path)


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Las filas de una tabla, listas para JSON: NaN pasa a ``None`` y quedan seis decimales."""
    rounded = table.round(_DECIMALS).astype(object)
    return rounded.where(rounded.notna(), None).to_dict(orient="records")


def _sign(path: Path, name: str, studies: Sequence["Study"]) -> None:
    """Añade de dónde salió la parte ``name`` y lo que costó, sin tocar las demás."""
    signed = read_json(path) if path.exists() else {}
    stamp = provenance(studies[0])
    # Cada parte recorre varias particiones y semillas: están en sus resultados.
    for single in ("split", "config"):
        stamp.pop(single)
    served = {key: item for study in studies for key, item in study.store.served.items()}
    seconds: dict[str, float] = {}
    for key, item in sorted(served.items()):
        kind = key.rsplit("-", 1)[0]
        seconds[kind] = round(seconds.get(kind, 0.0) + item.seconds, 2)
    write_json(path, {**signed, name: {**stamp, "seconds": seconds}})
