"""La ficha de los modelos, escrita desde los resultados publicados.

Sigue las secciones de Mitchell et al. (2019), *Model Cards for Model Reporting*. Ningún resultado
está escrito aquí: si cambia lo publicado, cambia la ficha.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from neumonia.errors import DataError
from neumonia.lab.exam import EXAM, TOGETHER, PublishedExam, published_exam
from neumonia.review import card_tables, card_text
from neumonia.review.card_caveats import caveats
from neumonia.review.card_tables import METRICS
from neumonia.review.published import PublishedReview, published_review
from neumonia.review.sections import (
    CHOSEN,
    EXAMS,
    TITLES,
    Run,
    Section,
    standalone,
)
from neumonia.review.subgroups import subgroup_table
from neumonia.study import Published, published
from neumonia.study.export import MODEL_TITLES
from neumonia.study.results import THRESHOLD


@dataclass(frozen=True, eq=False)
class ModelCard:
    """La ficha de uno o varios modelos.

    Parameters
    ----------
    studies : tuple of Published
        Los estudios de Kermany, uno por examen.
    review : PublishedReview or None
        Lo que aún no publique se anuncia como pendiente.
    models : tuple of str
        ``"cnn"``, ``"vgg16"`` o ``"elegido"``; vacía, todos los publicados.
    exam : PublishedExam or None
        El examen de robustez, de donde sale el elegido.
    """

    studies: tuple[Published, ...]
    review: PublishedReview | None = None
    models: tuple[str, ...] = ()
    exam: PublishedExam | None = None

    def __post_init__(self) -> None:
        if not self.studies:
            raise DataError("La ficha necesita al menos un estudio publicado.")
        for study in self.studies:
            config = study.results["config"]
            if config["dataset"] != "kermany" or config["split"] not in EXAMS:
                raise DataError(
                    "La ficha describe modelos de las radiografías de Kermany por paciente u "
                    f"oficial, y el estudio es de {config['dataset']!r}, {config['split']!r}."
                )
        missing = [name for name in self.models if name not in self.available]
        if missing:
            raise DataError(
                f"No hay resultados publicados de {', '.join(map(repr, missing))}. "
                f"Los que hay: {', '.join(self.available)}."
            )

    @cached_property
    def exams(self) -> dict[str, Published]:
        """Examen → su estudio, primero el de por paciente."""
        found = {study.results["config"]["split"]: study for study in self.studies}
        return {exam: found[exam] for exam in EXAMS if exam in found}

    @cached_property
    def available(self) -> tuple[str, ...]:
        """Los modelos con resultados publicados."""
        trained = {name for study in self.studies for name in study.results["models"]}
        found = [name for name in MODEL_TITLES if name in trained]
        return tuple(found + ([CHOSEN] if self.exam else []))

    @cached_property
    def shown(self) -> tuple[str, ...]:
        """Los modelos de esta ficha."""
        return tuple(name for name in self.available if name in (self.models or self.available))

    def part(self, name: str) -> dict[str, Any] | None:
        """La parte ``name`` de la revisión; None si aún no está publicada."""
        return self.review.part(name) if self.review and self.review.has(name) else None

    def threshold(self, run: Run) -> float:
        """Desde qué probabilidad se decide PNEUMONIA: 0.5, o el del examen para el elegido."""
        return self.exam.threshold if run.model == CHOSEN else THRESHOLD

    def runs(self) -> Iterator[Run]:
        """Cada modelo de la ficha en cada examen que pasó."""
        for model in self.shown:
            for exam, study in self.exams.items():
                if model in study.results["models"]:
                    yield Run(model, exam)
            if model == CHOSEN:
                yield Run(CHOSEN, "oficial")

    def triples(self, run: Run) -> dict[str, list[float | None]]:
        """Métrica → ``[valor, low, high]`` en la prueba."""
        if run.model == CHOSEN:
            where = {"seed": TOGETHER, "views": 5, "threshold": EXAM}
            return {
                name: list(self.exam.value(self.exam.chosen, name, **where)) for name in METRICS
            }
        values = self.exams[run.exam].results["models"][run.model]
        return {name: [values["test"][name], *values["test_interval"][name]] for name in METRICS}

    def predictions(self, run: Run) -> pd.DataFrame:
        """Las predicciones de prueba, con la columna ``p_<modelo>``."""
        if run.model == CHOSEN:
            table = self.exam.predictions.rename(columns={"p": f"p_{CHOSEN}"})
        else:
            table = self.exams[run.exam].predictions
        return table[table["split"] == "test"]

    @cached_property
    def subgroups(self) -> dict[Run, pd.DataFrame]:
        """La tabla por subgrupo de cada modelo y examen."""
        return {
            run: subgroup_table(self.predictions(run), run.model, threshold=self.threshold(run))
            for run in self.runs()
        }

    def sections(self) -> dict[str, Section]:
        """Las nueve secciones, en orden, por su clave."""
        return {
            "detalles": Section(
                "Detalles del modelo",
                card_text.details(self),
                {"Cómo es cada red": card_tables.makeup(self)},
            ),
            "uso": Section("Uso previsto", card_text.USE),
            "factores": Section("Factores", card_text.factors(self)),
            "metricas": Section("Métricas", card_text.metrics(self)),
            "evaluacion": Section(
                "Datos de evaluación",
                card_text.EVALUATION,
                {"Quién está en cada prueba": card_tables.tested(self)},
            ),
            "entrenamiento": Section(
                "Datos de entrenamiento",
                card_text.training(self),
                {"Cómo se repartió": card_tables.parts(self)},
            ),
            "analisis": Section(
                "Análisis cuantitativos",
                card_text.analysis(self),
                {
                    "Por examen": card_tables.overall(self),
                    "Por subgrupo": card_tables.by_subgroup(self),
                    "A baja prevalencia": card_tables.low_prevalence(self),
                    **card_tables.over_seeds(self),
                },
            ),
            "etica": Section("Consideraciones éticas", card_text.ETHICS),
            "advertencias": Section("Advertencias y fallos conocidos", caveats(self)),
        }


def open_card(models: Sequence[str] = (), root: Path | None = None) -> ModelCard:
    """La ficha de los modelos publicados en ``estudio/kermany`` del proyecto.

    Raises
    ------
    DataError
        Si no hay ningún estudio publicado o falta algún modelo pedido.
    """
    review = published_review("kermany", root)
    folders = [exam for exam in EXAMS if (review.folder.parent / exam / "results.json").is_file()]
    studies = [published("kermany", exam, root) for exam in folders or EXAMS]
    return ModelCard(tuple(studies), review, tuple(models), published_exam("kermany", root))


def model_card(
    studies: Sequence[Published],
    review: PublishedReview | None,
    model: str,
    exam: PublishedExam | None = None,
) -> str:
    """La ficha completa de un modelo, en un Markdown que se lee sin el libro.

    Parameters
    ----------
    studies : sequence of Published
        Los exámenes de Kermany que haya.
    review : PublishedReview or None
    model : {"cnn", "vgg16", "elegido"}
    exam : PublishedExam or None
        Hace falta para el elegido.

    Raises
    ------
    DataError
        Si el modelo no está publicado o los estudios no son de Kermany.
    """
    card = ModelCard(tuple(studies), review, (model,), exam)
    return standalone(f"Ficha de modelo: {TITLES[model]}", "mitchell2019", card.sections())
