"""La tabla de resultados de los estudios publicados y su lugar en el README."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from neumonia.errors import DataError
from neumonia.evaluation import to_markdown
from neumonia.files import write_text
from neumonia.study.export import MODEL_TITLES
from neumonia.study.published import Published
from neumonia.text import interval, number

BEGIN = "<!-- tabla de resultados: la escribe `neumonia tabla README.md` -->"
END = "<!-- fin de la tabla de resultados -->"
_COLUMNS = {
    "specificity": "especificidad",
    "sensitivity": "sensibilidad",
    "accuracy": "exactitud",
    "roc_auc": "ROC-AUC",
}


def results_table(studies: Iterable[Published]) -> pd.DataFrame:
    """Una fila por estudio y modelo: métricas de prueba con su intervalo de 95 %.

    La especificidad va primero porque es el punto débil de todos los modelos sobre estas
    radiografías.
    """
    rows = []
    for study in studies:
        config = study.results["config"]
        for name, values in study.results["models"].items():
            row = {
                "datos": config["dataset"],
                "partición": config["split"],
                "modelo": MODEL_TITLES[name],
                "n": str(values["test"]["n"]),
            }
            for key, title in _COLUMNS.items():
                low_high = values["test_interval"][key]
                row[title] = f"{number(values['test'][key])} ({interval(*low_high)})"
            rows.append(row)
    return pd.DataFrame(rows)


def find_studies(root: Path) -> list[Published]:
    """Los estudios publicados bajo ``root/estudio``, en orden alfabético inverso de partición."""
    folders = [path.parent for path in (root / "estudio").glob("*/*/results.json")]
    return [Published(folder) for folder in sorted(folders, reverse=True)]


def table_block(root: Path) -> str:
    """El bloque del README: marcas, tabla y una línea de cómo se leen los intervalos.

    Raises
    ------
    DataError
        Si no hay estudios publicados.
    """
    studies = find_studies(root)
    if not studies:
        raise DataError(f"No hay estudios publicados en {root / 'estudio'}.")
    return f"{BEGIN}\n\n{to_markdown(results_table(studies), index=False)}\n\n{END}"


def update_readme(path: Path) -> None:
    """Sustituye la tabla de ``path`` por la de los estudios publicados junto a él.

    Raises
    ------
    DataError
        Si faltan el archivo, las marcas o los estudios.
    """
    if not path.is_file():
        raise DataError(f"No existe {path}.")
    text = path.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise DataError(
            f"En {path} deben estar, una vez y en este orden, las líneas «{BEGIN}» y «{END}»."
        )
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    write_text(path, before + table_block(path.resolve().parent) + after)
