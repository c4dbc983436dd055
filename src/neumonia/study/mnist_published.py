"""Lo publicado de PneumoniaMNIST: la tabla de otros, en qué la superamos y nuestro estudio."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from neumonia.files import project_root
from neumonia.study.published import PublishedFolder
from neumonia.text import interval, number


@dataclass(frozen=True)
class Published:
    """Una fila de la tabla publicada, medida en la misma prueba oficial de 624 radiografías."""

    method: str
    roc_auc: float
    accuracy: float
    source: str = "yang2023medmnist"


PUBLISHED = (
    Published("ResNet-18 (28 px)", 0.944, 0.854),
    Published("ResNet-50 (28 px)", 0.948, 0.854),
    Published("auto-sklearn", 0.942, 0.855),
    Published("AutoKeras", 0.947, 0.878),
    Published("Google AutoML Vision", 0.991, 0.946),
)
"""Las filas a 28 píxeles de la tabla de MedMNIST v2 y las de sus tres métodos automáticos."""


def compare(summary: dict[str, dict[str, float | None]]) -> list[dict[str, Any]]:
    """Nuestra media menos cada fila publicada, y si la supera en las dos cifras."""
    rows = []
    for row in PUBLISHED:
        auc = summary["roc_auc"]["mean"] - row.roc_auc
        accuracy = summary["accuracy"]["mean"] - row.accuracy
        rows.append(
            {
                "method": row.method,
                "source": row.source,
                "roc_auc": row.roc_auc,
                "accuracy": row.accuracy,
                "roc_auc_difference": auc,
                "accuracy_difference": accuracy,
                "beaten": bool(auc > 0 and accuracy > 0),
            }
        )
    return rows


def comparison_table(results: dict[str, Any]) -> pd.DataFrame:
    """Nuestra red y las filas publicadas: ROC-AUC y exactitud, como texto.

    La nuestra es la media de sus semillas, con la menor y la mayor entre paréntesis; lo publicado
    no trae intervalo.
    """
    ours = results["summary"]["test"]
    rows = {
        "nuestra red pequeña": {
            title: f"{number(ours[key]['mean'])} ({interval(ours[key]['min'], ours[key]['max'])})"
            for key, title in (("roc_auc", "ROC-AUC"), ("accuracy", "exactitud"))
        }
    }
    for row in results["comparison"]:
        rows[row["method"]] = {
            "ROC-AUC": number(row["roc_auc"]),
            "exactitud": number(row["accuracy"]),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("método")


class PublishedMnist(PublishedFolder):
    """El estudio de 28 píxeles, publicado. ``provenance["seconds"]``: lo que tardó cada semilla."""

    @cached_property
    def trials(self) -> pd.DataFrame:
        """Todo lo que se probó, con sus cifras fuera de la prueba."""
        return pd.read_csv(self.folder / "trials.csv")


ROUNDS = {1: "28px", 2: "28px-segunda"}
"""Vuelta → carpeta de ``estudio/pneumoniamnist/``; cada una abrió la prueba una vez."""


def published_mnist(root: Path | None = None, round_number: int = 2) -> PublishedMnist:
    """El estudio publicado de una vuelta de la búsqueda.

    Parameters
    ----------
    root : Path, optional
        Raíz del proyecto; por omisión, ``project_root()``.
    round_number : {1, 2}
    """
    folder = (root or project_root()) / "estudio" / "pneumoniamnist"
    return PublishedMnist(folder / ROUNDS[round_number])
