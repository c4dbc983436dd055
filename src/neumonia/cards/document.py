"""Una ficha y la de los datos: la prosa está en ``templates/``; aquí, los números y las tablas.

La de los datos sigue las preguntas de Gebru et al. (2021), *Datasheets for Datasets*. El libro
muestra cada ficha por secciones; la orden ``neumonia ficha``, entera.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from neumonia.datasets import INFO, SPLITS, open_dataset
from neumonia.datasets.base import CLASSES
from neumonia.datasets.chest_xray import parse_name
from neumonia.errors import DataError
from neumonia.evaluation import to_markdown
from neumonia.exploration import find_duplicates
from neumonia.study import Published
from neumonia.text import UNKNOWN, integer, interval, number

EXAMS = {"paciente": "por paciente", "oficial": "oficial"}
PART_TITLES = {"train": "entrenamiento", "val": "validación", "test": "prueba"}
SUBGROUPS = {"bacteria": "neumonía bacteriana", "virus": "neumonía viral"}
"""El subtipo del manifiesto y su nombre en las tablas."""
NORMAL = "normales"
WARNING = (
    "**Para aprender, no para diagnosticar.** Ninguna red de este proyecto debe usarse para "
    "decidir sobre la salud de una persona."
)
_FOLDER = Path(__file__).parent.parent / "templates"
_CITATION, _KEY = re.compile(r"\[(@[^\]]+)\]"), re.compile(r"@(\w+)")


@dataclass(frozen=True, eq=False)
class Card:
    """Una ficha: su plantilla, lo que se escribe en ella y sus tablas (título → tabla)."""

    title: str
    guide: str
    template: str
    facts: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]

    def section(self, title: str) -> str:
        """El texto de una sección, en Markdown, sin sus tablas; para mostrarla en el libro."""
        sections = re.split(r"^## (.+)\n", self._render(lambda name: ""), flags=re.M)
        return dict(zip(sections[1::2], sections[2::2], strict=True))[title].strip()

    def standalone(self) -> str:
        """La ficha entera, en un Markdown que se entiende sin el libro."""
        intro = f"# {self.title}\n\n{WARNING}\n\nLas secciones siguen una propuesta publicada "
        body = self._render(self._table)
        text = f"{intro}[@{self.guide}].\n\n{body}"
        names = yaml.safe_load((_FOLDER / "ficha-referencias.yml").read_text(encoding="utf-8"))
        cited = sorted({key for group in _CITATION.findall(text) for key in _KEY.findall(group)})

        def plain(match: re.Match) -> str:
            return f"({'; '.join(names[key][0] for key in _KEY.findall(match[1]))})"

        listed = "\n".join(f"- {names[key][1]}" for key in cited)
        return f"{_CITATION.sub(plain, text)}\n\n## Referencias\n\n{listed}\n"

    def _table(self, name: str) -> str:
        if name not in self.tables:
            return ""
        return f"### {name}\n\n{to_markdown(self.tables[name], index=False)}"

    def _render(self, table: Callable[[str], str]) -> str:
        writer = Environment(
            loader=FileSystemLoader(_FOLDER),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        tools = {
            "integer": integer, "interval": interval, "number": number, "triple": triple,
            "listed": "; ".join, "table": table,
        }  # fmt: skip
        text = writer.get_template(self.template).render(**self.facts, **tools)
        return re.sub(r"\n{3,}", "\n\n", text).strip()


def data_card(studies: Sequence[Published]) -> Card:
    """La ficha de los datos de Kermany, con sus siete secciones.

    Las copias idénticas se cuentan en ``kermany64``.

    Raises
    ------
    DataError
        Si no hay estudios, no son de Kermany o no salen de los mismos archivos.
    """
    check_studies(studies)
    study = studies[0]
    facts = {
        "data": study.results["data"],
        "size": study.results["config"]["size"],
        "skipped": len(study.provenance["data"]["skipped"]),
        "origin": study.provenance["data"],
        "url": INFO["kermany"]["url"],
        "repeated": find_duplicates(open_dataset("kermany64").manifest),
        "splits": {
            EXAMS[one.results["config"]["split"]]: one.results["data"]["split_digest"]
            for one in studies
        },
    }
    title = "Ficha de datos: radiografías de Kermany et al. (2018)"
    tables = {"Carpetas oficiales": _composition(study)}
    return Card(title, "gebru2021", "ficha-datos.md", facts, tables)


def triple(values: Iterable[float | None]) -> str:
    """``valor (low a high)`` de tres números; una raya si no hay valor."""
    value, low, high = values
    if value is None or value != value:
        return UNKNOWN
    return f"{number(value)} ({interval(low, high)})"


def subtypes(image_ids: Iterable[str]) -> np.ndarray:
    """Subtipo de cada radiografía de Kermany: ``normal``, ``bacteria``, ``virus`` o ``""``.

    ``image_ids`` son ``<carpeta oficial>/<clase>/<archivo>``, como en el manifiesto; ``DataError``
    si alguno no nombra su clase.
    """
    found = []
    for image_id in image_ids:
        path = PurePosixPath(image_id)
        if path.parent.name not in CLASSES:
            raise DataError(
                f"El identificador «{image_id}» no dice su clase: esperamos "
                f"carpeta/{CLASSES[0]} o {CLASSES[1]}/archivo."
            )
        found.append(parse_name(path.name, path.parent.name)[1])
    return np.array(found, dtype=object)


def check_studies(studies: Sequence[Published]) -> None:
    if not studies:
        raise DataError("La ficha necesita al menos un estudio publicado.")
    found = {(one.results["data"]["name"], one.results["data"]["fingerprint"]) for one in studies}
    if len(found) > 1 or studies[0].results["data"]["name"] != "kermany":
        described = "; ".join(f"{name}, huella {key}" for name, key in sorted(found))
        raise DataError(
            "La ficha describe un solo conjunto, el de Kermany, y los estudios usan otro o más de "
            f"uno: {described}."
        )


def _composition(study: Published) -> pd.DataFrame:
    """Radiografías y pacientes por carpeta oficial y grupo, con su total."""
    films = study.predictions[["image_id", "patient"]].copy()
    films["part"] = films["image_id"].str.split("/").str[0]
    films["group"] = subtypes(films["image_id"])
    groups = {"normal": NORMAL, **SUBGROUPS, "": "sin etiología"}
    rows = []
    for part in SPLITS:
        for key, title in groups.items():
            mine = films[(films["part"] == part) & (films["group"] == key)]
            if len(mine):
                rows.append((PART_TITLES[part], title, len(mine), mine["patient"].nunique()))
    rows.append(("todas", "todas", len(films), films["patient"].nunique()))
    return pd.DataFrame(rows, columns=["carpeta", "grupo", "radiografías", "pacientes"])
