"""La tabla de resultados de los estudios publicados y su lugar en el README."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from neumonia.errors import DataError
from neumonia.evaluation import to_markdown
from neumonia.files import read_json, write_text
from neumonia.study.export import MODEL_TITLES
from neumonia.study.mnist_published import published_mnist
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
                row[title] = _cell(values["test"][key], *values["test_interval"][key])
            rows.append(row)
    return pd.DataFrame(rows)


def find_studies(root: Path) -> list[Published]:
    """Los estudios de dos redes publicados bajo ``root/estudio``, por partición descendente."""
    folders = [path.parent for path in (root / "estudio").glob("*/*/results.json")]
    studies = [Published(folder) for folder in sorted(folders, reverse=True)]
    # El estudio de 28 píxeles compara una sola red con lo publicado: tiene otra forma.
    return [study for study in studies if "models" in study.results]


def extra_rows(root: Path) -> list[dict[str, str]]:
    """Las filas del segundo elegido de la revisión y de la red de 28 píxeles, si se publicaron."""
    rows = []
    chosen = root / "estudio" / "kermany" / "revision" / "segunda.json"
    if chosen.is_file():
        found = read_json(chosen)
        row = {"datos": "kermany", "partición": "oficial", "modelo": "VGG16 ajustada"}
        row["n"] = str(found["counts"]["n"])
        rows.append(row | {title: _cell(*found["test"][key]) for key, title in _COLUMNS.items()})
    small = published_mnist(root).folder / "results.json"
    if small.is_file():
        found = read_json(small)["ensemble"]
        row = {"datos": "pneumoniamnist", "partición": "oficial", "modelo": "CNN de 28 px"}
        row["n"] = str(found["test"]["n"])
        cells = {
            title: _cell(found["test"][key], *found["intervals"][key])
            for key, title in _COLUMNS.items()
        }
        rows.append(row | cells)
    return rows


def _cell(value: float, low: float, high: float) -> str:
    return f"{number(value)} ({interval(low, high)})"


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
    table = pd.concat([results_table(studies), pd.DataFrame(extra_rows(root))])
    return f"{BEGIN}\n\n{to_markdown(table, index=False)}\n\n{END}"


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
