"""Secciones de una ficha: texto y tablas que el libro muestra por partes y la orden, enteras."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pandas as pd

from neumonia.errors import DataError
from neumonia.evaluation import to_markdown
from neumonia.study.export import MODEL_TITLES
from neumonia.text import UNKNOWN, interval, number

CHOSEN = "elegido"
TITLES = {**MODEL_TITLES, CHOSEN: "modelo elegido"}
EXAMS = {"paciente": "por paciente", "oficial": "oficial"}
PART_TITLES = {"train": "entrenamiento", "val": "validación", "test": "prueba"}
PENDING = "aún no publicado"
WARNING = (
    "**Para aprender, no para diagnosticar.** Ninguna red de este proyecto debe usarse para "
    "decidir sobre la salud de una persona."
)
REFERENCES = {
    "adebayo2018": (
        "Adebayo et al., 2018",
        "Adebayo J. et al. (2018). Sanity Checks for Saliency Maps. NeurIPS 31.",
    ),
    "gebru2021": (
        "Gebru et al., 2021",
        "Gebru T. et al. (2021). Datasheets for Datasets. Communications of the ACM 64(12), 86-92.",
    ),
    "kermany2018cell": (
        "Kermany et al., 2018",
        "Kermany D. S. et al. (2018). Identifying Medical Diagnoses and Treatable Diseases by "
        "Image-Based Deep Learning. Cell 172(5), 1122-1131.",
    ),
    "kermany2018data": (
        "Kermany, Zhang y Goldbaum, 2018",
        "Kermany D., Zhang K., Goldbaum M. (2018). Labeled Optical Coherence Tomography (OCT) and "
        "Chest X-Ray Images for Classification. Mendeley Data, V2. doi:10.17632/rscbjbr9sj.2",
    ),
    "mitchell2019": (
        "Mitchell et al., 2019",
        "Mitchell M. et al. (2019). Model Cards for Model Reporting. FAT* 2019, 220-229.",
    ),
    "oakdenrayner2020": (
        "Oakden-Rayner et al., 2020",
        "Oakden-Rayner L. et al. (2020). Hidden stratification causes clinically meaningful "
        "failures in machine learning for medical imaging. CHIL 2020, 151-159.",
    ),
    "zech2018": (
        "Zech et al., 2018",
        "Zech J. R. et al. (2018). Variable generalization performance of a deep learning model to "
        "detect pneumonia in chest radiographs. PLOS Medicine 15(11), e1002683.",
    ),
}
"""Clave de ``book/referencias.bib`` → cómo se cita y cómo se lista fuera del libro."""


@dataclass(frozen=True)
class Run:
    """Un modelo en un examen; el elegido solo pasó el oficial."""

    model: str
    exam: str

    @property
    def label(self) -> dict[str, str]:
        """La primera celda de sus filas."""
        return {"red y examen": str(self)}

    def __str__(self) -> str:
        return f"{TITLES[self.model]} ({EXAMS[self.exam]})"


@dataclass(frozen=True, eq=False)
class Section:
    """Una sección de una ficha.

    Parameters
    ----------
    title : str
    text : str
        Párrafos y listas de Markdown, con citas ``[@clave]``.
    tables : dict
        Título → tabla de texto, sin índice.
    """

    title: str
    text: str = ""
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    def table(self, name: str) -> pd.DataFrame:
        """La tabla ``name``; si aún no se puede hacer, una fila que lo dice.

        Raises
        ------
        DataError
            Si la sección no tiene esa tabla.
        """
        if name not in self.tables:
            raise DataError(f"«{self.title}» no tiene la tabla {name!r}: {', '.join(self.tables)}.")
        frame = self.tables[name]
        return frame if len(frame) else pd.DataFrame({"resultado": [PENDING]})


def triple(values: Iterable[float | None]) -> str:
    """``valor (low a high)`` de tres números; una raya si no hay valor."""
    value, low, high = values
    if value is None or value != value:
        return UNKNOWN
    return f"{number(value)} ({interval(low, high)})"


def bullets(items: Iterable[str]) -> str:
    """Lista de Markdown."""
    return "\n".join(f"- {item}" for item in items)


def standalone(title: str, guide: str, sections: Mapping[str, Section]) -> str:
    """La ficha entera como un documento de Markdown que se entiende sin el libro.

    Parameters
    ----------
    title : str
    guide : str
        Clave del artículo cuyas secciones sigue.
    sections : dict
    """
    parts = [f"# {title}", WARNING, f"Las secciones siguen una propuesta publicada [@{guide}]."]
    for section in sections.values():
        parts += [f"## {section.title}"] + ([section.text] if section.text else [])
        for name in section.tables:
            parts += [f"### {name}", to_markdown(section.table(name), index=False)]
    text = "\n\n".join(parts)
    cited = sorted({key for group in _CITATION.findall(text) for key in _KEY.findall(group)})
    listed = bullets(REFERENCES[key][1] for key in cited)
    return f"{_CITATION.sub(_plain, text)}\n\n## Referencias\n\n{listed}\n"


_CITATION = re.compile(r"\[(@[^\]]+)\]")
_KEY = re.compile(r"@(\w+)")


def _plain(match: re.Match) -> str:
    return f"({'; '.join(REFERENCES[key][0] for key in _KEY.findall(match[1]))})"
