"""La tabla de resultados de los estudios publicados y su lugar en el README."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from neumonia.errors import DataError
from neumonia.evaluation import to_markdown
from neumonia.files import write_text
from neumonia.lab.exam import EXAM, TOGETHER, PublishedExam, published_exam
from neumonia.lab.robustness import MINIATURE, OFFICIAL, SMALL, candidate
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
                row[title] = _cell(values["test"][key], *values["test_interval"][key])
            rows.append(row)
    return pd.DataFrame(rows)


def find_studies(root: Path) -> list[Published]:
    """Los estudios de dos redes publicados bajo ``root/estudio``, por partición descendente."""
    folders = [path.parent for path in (root / "estudio").glob("*/*/results.json")]
    return [Published(folder) for folder in sorted(folders, reverse=True)]


def extra_rows(root: Path) -> list[dict[str, str]]:
    """Las filas de los exámenes de robustez: la elegida y las CNN pequeñas, si se publicaron.

    De la elegida, la red que promedia semillas y vistas, con el umbral del examen; de las pequeñas,
    la media de sus semillas, con 0.5.
    """
    rows = []
    for dataset, alone in (("kermany", SMALL), ("pneumoniamnist", MINIATURE)):
        exam = published_exam(dataset, root)
        if exam is None:
            continue
        if dataset == "kermany":
            winner = exam.winner
            title = f"{winner.title}, {winner.recipe.size} px (elegida)"
            where = {"seed": TOGETHER, "views": 5, "threshold": EXAM}
            rows.append(_exam_row(exam, dataset, title, exam.chosen, where))
        if alone in set(exam.measures["network"]):
            size = candidate(alone).recipe.size
            rows.append(_exam_row(exam, dataset, f"CNN robusta, {size} px", alone, {}))
    return rows


def _exam_row(
    exam: PublishedExam, dataset: str, title: str, network: str, where: dict[str, str | int]
) -> dict[str, str]:
    row = {"datos": dataset, "partición": OFFICIAL, "modelo": title}
    row["n"] = str(exam.measures.query("part == 'test' and split == @OFFICIAL")["n"].iloc[0])
    return row | {name: _cell(*exam.value(network, key, **where)) for key, name in _COLUMNS.items()}


def _cell(value: float, low: float, high: float) -> str:
    return f"{number(value)} ({interval(low, high)})"


def table_block(root: Path) -> str:
    """El bloque del README, con sus marcas; ``DataError`` si no hay estudios publicados."""
    studies = find_studies(root)
    if not studies:
        raise DataError(f"No hay estudios publicados en {root / 'estudio'}.")
    table = pd.concat([results_table(studies), pd.DataFrame(extra_rows(root))])
    return f"{BEGIN}\n\n{to_markdown(table, index=False)}\n\n{END}"


def update_readme(path: Path) -> None:
    """Sustituye la tabla de ``path`` por la de los estudios publicados junto a él.

    ``DataError`` si faltan el archivo, las marcas o los estudios.
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
