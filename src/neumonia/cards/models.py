"""La ficha de los modelos, escrita desde lo publicado.

Sigue las secciones de Mitchell et al. (2019), *Model Cards for Model Reporting*. Ningún resultado
está escrito aquí: si cambia lo publicado, cambia la ficha.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from neumonia.acquisition.simulated import CHANGES as SIMULATED
from neumonia.cards.document import (
    EXAMS,
    NORMAL,
    PART_TITLES,
    SUBGROUPS,
    Card,
    check_studies,
    subtypes,
    triple,
)
from neumonia.datasets.base import CLASSES
from neumonia.errors import DataError
from neumonia.evaluation import METRIC_NAMES, metrics_with_intervals, predictive_table
from neumonia.lab.exam import EXAM, TOGETHER, PublishedExam, published_exam
from neumonia.review.published import PublishedReview, published_review
from neumonia.study import Published, published
from neumonia.study.export import MODEL_TITLES
from neumonia.study.results import PARTS, THRESHOLD
from neumonia.text import integer, interval, number, percent

CHOSEN = "elegido"
TITLES = {name: MODEL_TITLES[name] for name in ("cnn", "vgg16")} | {CHOSEN: "modelo elegido"}
METRICS = ("specificity", "sensitivity", "roc_auc")
PREVALENCES = (0.01, 0.05, 0.20)
HIT = "sensibilidad o especificidad"
_KINDS = {"cnn": "convolucional, desde cero", "vgg16": "VGG16 congelada y cabeza densa"}
_PREDICTIVE = (("ppv", "valor predictivo positivo"), ("npv", "valor predictivo negativo"))
_DOMAIN = {
    "gradient": "la nitidez sola",
    "sharpness": "tres medidas de nitidez",
    "intensity": "las estadísticas de gris",
    "statistics": "las estadísticas de adquisición",
    "frame": "el marco",
    "pixels": "los píxeles reducidos",
}


@dataclass(frozen=True)
class Run:
    """Un modelo en un examen; el elegido solo pasó el oficial."""

    model: str
    exam: str

    def __str__(self) -> str:
        return f"{TITLES[self.model]} ({EXAMS[self.exam]})"


@dataclass(frozen=True, eq=False)
class Models:
    """Lo publicado de unos modelos, con que se escribe su ficha.

    Parameters
    ----------
    studies : tuple of Published
        Los estudios de Kermany, uno por examen.
    review : PublishedReview
    exam : PublishedExam
        El examen de robustez, de donde sale el elegido.
    models : tuple of str
        ``"cnn"``, ``"vgg16"`` o ``"elegido"``; vacía, todos los publicados.

    Raises
    ------
    DataError
        Si no hay estudios, no son de Kermany o falta alguno de los modelos.
    """

    studies: tuple[Published, ...]
    review: PublishedReview
    exam: PublishedExam
    models: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_studies(self.studies)
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
        return tuple(name for name in TITLES if name in trained or name == CHOSEN)

    @cached_property
    def shown(self) -> tuple[str, ...]:
        """Los modelos de esta ficha."""
        return tuple(name for name in self.available if name in (self.models or self.available))

    def runs(self) -> Iterator[Run]:
        """Cada modelo de la ficha en cada examen que pasó."""
        for model in self.shown:
            for exam, study in self.exams.items():
                if model in study.results["models"]:
                    yield Run(model, exam)
            if model == CHOSEN:
                yield Run(CHOSEN, "oficial")

    def threshold(self, run: Run) -> float:
        """Desde qué probabilidad se decide PNEUMONIA: 0.5, o el del examen para el elegido."""
        return self.exam.threshold if run.model == CHOSEN else THRESHOLD

    def triples(self, run: Run) -> dict[str, list[float | None]]:
        """Métrica → ``[valor, low, high]`` en la prueba."""
        if run.model == CHOSEN:
            where = {"seed": TOGETHER, "views": 5, "threshold": EXAM}
            chosen = self.exam.chosen
            return {name: list(self.exam.value(chosen, name, **where)) for name in METRICS}
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

    def card(self) -> Card:
        """La ficha, con sus nueve secciones."""
        tables = {
            "Cómo es cada red": _makeup(self),
            "Quién está en cada prueba": _tested(self),
            "Cómo se repartió": _parts(self),
            "Por examen": _overall(self),
            "Por subgrupo": _by_subgroup(self),
            "A baja prevalencia": _low_prevalence(self),
        }
        seeds = _over_seeds(self)
        tables |= {"Con varias semillas": seeds} if len(seeds) else {}
        title = f"Ficha de modelo: {', '.join(TITLES[name] for name in self.shown)}"
        return Card(title, "mitchell2019", "ficha-modelo.md", _facts(self), tables)


def open_models(models: Sequence[str] = (), root: Path | None = None) -> Models:
    """Lo publicado de ``models`` en ``estudio/kermany`` del proyecto.

    Raises
    ------
    DataError
        Si no hay ningún estudio publicado o falta algún modelo pedido.
    """
    review, exam = published_review("kermany", root), published_exam("kermany", root)
    folders = [name for name in EXAMS if (review.folder.parent / name / "results.json").is_file()]
    studies = [published("kermany", name, root) for name in folders or EXAMS]
    if exam is None:
        raise DataError(
            "Falta el examen de robustez: se hace con «neumonia robustez --datos kermany --salida "
            "estudio/kermany/robustez»."
        )
    return Models(tuple(studies), review, exam, tuple(models))


def subgroup_table(
    predictions: pd.DataFrame, model: str, seed: int = 0, n: int = 2000, threshold: float = 0.5
) -> pd.DataFrame:
    """Sensibilidad y ROC-AUC por etiología, y especificidad, en la prueba.

    La neumonía de cada etiología se compara con las mismas radiografías normales. Los intervalos,
    del 95 %, remuestrean pacientes.

    Parameters
    ----------
    predictions : DataFrame
        ``image_id``, ``patient``, ``label``, ``split`` y ``p_<model>``; si trae ``subtype``, no se
        deduce del nombre.

    Returns
    -------
    DataFrame
        Una fila por subgrupo y medida: ``subgroup``, ``metric``, ``n`` (radiografías del
        subgrupo), ``patients``, ``value``, ``low`` y ``high``. Una etiología sin radiografías no
        aparece.
    """
    column = f"p_{model}"
    test = predictions[predictions["split"] == "test"]
    known = "subtype" in test.columns
    subtype = test["subtype"].to_numpy() if known else subtypes(test["image_id"])
    healthy = test["label"].to_numpy() == 0
    groups = {
        title: (subtype == key, ("sensitivity", "roc_auc")) for key, title in SUBGROUPS.items()
    }
    groups[NORMAL] = (healthy, ("specificity",))
    rows = []
    for title, (mine, metrics) in groups.items():
        if not mine.any():
            continue
        part = test[mine | healthy] if title != NORMAL else test
        values = (part[name].to_numpy() for name in ("label", column, "patient"))
        found = metrics_with_intervals(*values, threshold=threshold, n=n, seed=seed)
        counts = (int(mine.sum()), test.loc[mine, "patient"].nunique())
        rows += [(title, metric, *counts, *found.loc[metric]) for metric in metrics]
    columns = ["subgroup", "metric", "n", "patients", "value", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def _facts(models: Models) -> dict[str, Any]:
    """Los números que la plantilla escribe dentro de sus frases."""
    exam, review, runs = models.exam, models.review, list(models.runs())
    baselines, protocols = review.part("atajos"), review.part("protocolos")
    imbalance = review.part("desbalance")

    def best(rows: Iterable[dict], key: str) -> dict:
        return max(rows, key=lambda row: row[key])

    domain = []
    for name in CLASSES:
        row = best((row for row in baselines["domain"] if row["class"] == name), "auc")
        what = _DOMAIN.get(row["features"], row["features"])
        domain.append(f"{name}, {triple(row[key] for key in ('auc', 'low', 'high'))} con {what}")
    shortcuts = []
    for split, rows in baselines["baselines"].items():
        # Ni la que no ve nada ni la que ve la radiografía entera son un atajo.
        row = best(
            (row for row in rows if row["baseline"] not in ("majority", "pixels")), "roc_auc"
        )
        values = triple(row[key] for key in ("roc_auc", "roc_auc_low", "roc_auc_high"))
        shortcuts.append(f"{row['name']}, {values} en el examen {EXAMS[split]}")
    sensitivity = []
    for run, table in models.subgroups.items():
        rows = table[table["metric"] == "sensitivity"].itertuples(index=False)
        each = [f"{row.subgroup.split()[-1]} {triple(row[-3:])}" for row in rows]
        sensitivity.append(f"{run} {', '.join(each)}")
    means = {
        imbalance["titles"][key]: row["specificity"]
        for key, row in imbalance["splits"]["oficial"].items()
    }
    ends = [pick(means, key=lambda title: means[title][0]) for pick in (min, max)]
    return {
        "threshold": THRESHOLD,
        "seed": next(iter(models.exams.values())).results["config"]["seed"],
        "chosen": CHOSEN in models.shown,
        "card": models,
        "rule": exam.rule,
        "simulated": len(SIMULATED),
        "openings": len(exam.openings),
        "domain": domain,
        "splits": {EXAMS[name]: study.results["data"] for name, study in models.exams.items()},
        "perfect": [
            # Clopper y Pearson con todos los aciertos: p tal que p^n = 0.025.
            f"{run}, {row.subgroup}, {number(0.025 ** (1 / row.patients))} "
            f"({row.patients} pacientes)"
            for run, table in models.subgroups.items()
            for row in table[table["low"] == 1].itertuples(index=False)
        ],
        "specificity": [f"{run} {triple(models.triples(run)['specificity'])}" for run in runs],
        "sensitivity": sensitivity,
        "shortcuts": shortcuts,
        "shift": [
            f"{TITLES[model]}, {triple(contrasts['adquisicion']['roc_auc'])} entre el examen por "
            f"paciente y el oficial, y {triple(contrasts['fuga']['roc_auc'])} entre repartir por "
            "archivo y por paciente"
            for model, contrasts in protocols["contrasts"].items()
            if model in models.shown
        ],
        "imbalance": [f"{triple(means[title])} ({title})" for title in ends],
        "seeds": _seed_ranges(models, protocols),
    }


def _seed_ranges(models: Models, protocols: dict[str, Any]) -> list[str]:
    found = []
    if CHOSEN in models.shown:
        where = {"views": 5, "threshold": EXAM}
        alone = models.exam.all_seeds(models.exam.chosen, "specificity", **where)
        found.append((CHOSEN, min(alone), max(alone)))
    for model, by_protocol in protocols["models"].items():
        if model in models.shown:
            ends = by_protocol["oficial"]["spread"]["specificity"]
            found.append((model, ends["minimum"], ends["maximum"]))
    return [f"{TITLES[model]}, de {interval(low, high)}" for model, low, high in found]


def _makeup(models: Models) -> pd.DataFrame:
    """Una fila por dato y una columna por modelo."""
    columns = {"dato": ["red", "entrada", "parámetros", "se entrenan", "época usada",
                        "pesos de partida", "código", "Keras"]}  # fmt: skip
    for model in models.shown:
        columns[TITLES[model]] = _chosen(models) if model == CHOSEN else _trained(models, model)
    return pd.DataFrame(columns)


def _trained(models: Models, model: str) -> list[str]:
    studies = [study for study in models.exams.values() if model in study.results["models"]]
    size, stamp = studies[0].results["config"]["size"], studies[0].provenance
    results = [study.results["models"][model] for study in studies]
    imagenet = f"ImageNet, {stamp['weights']['sha256'][:16]}" if model == "vgg16" else "al azar"
    return [
        _KINDS[model],
        f"{size} × {size} px",
        integer(results[0]["parameters"]),
        integer(results[0]["trainable_parameters"]),
        "; ".join(f"{values['best_epoch']} de {values['epochs_run']}" for values in results),
        imagenet,
        stamp["code"]["source_digest"],
        stamp["packages"]["keras"],
    ]


def _chosen(models: Models) -> list[str]:
    exam, winner = models.exam, models.exam.winner
    recipe = winner.recipe
    alone = exam.networks[exam.networks["network"] == exam.chosen].iloc[0]
    return [
        f"{winner.title}; promedio de {exam.rule['seeds'].iloc[0]} semillas y cinco vistas",
        f"{recipe.size} × {recipe.size} px",
        integer(alone["parameters"]),
        "solo la cabeza" if recipe.network == "congelada" else integer(alone["parameters"]),
        f"{recipe.epochs} de {recipe.epochs}",
        "al azar" if recipe.network == "cnn" else "ImageNet",
        str(alone["code"]),
        str(alone["keras"]),
    ]


def _tested(models: Models) -> pd.DataFrame:
    """Radiografías y pacientes de prueba por grupo."""
    rows = []
    for exam, study in models.exams.items():
        test = study.predictions[study.predictions["split"] == "test"]
        kinds = subtypes(test["image_id"])
        for key, title in {"normal": NORMAL, **SUBGROUPS}.items():
            mine = test[kinds == key]
            rows.append((EXAMS[exam], title, integer(len(mine)), mine["patient"].nunique()))
    return pd.DataFrame(rows, columns=["examen", "grupo", "radiografías", "pacientes"])


def _parts(models: Models) -> pd.DataFrame:
    """Entrenamiento, validación y prueba de cada examen."""
    rows = []
    for exam, study in models.exams.items():
        for part in PARTS:
            counts = study.results["data"]["balance"][part]
            patients = study.predictions.loc[study.predictions["split"] == part, "patient"]
            numbers = [counts[key] for key in ("total", "normal", "pneumonia")]
            share = percent(counts["proportion_pneumonia"])
            rows.append((EXAMS[exam], PART_TITLES[part], *numbers, share, patients.nunique()))
    titles = ["examen", "parte", "radiografías", "normales", "neumonías", "%", "pacientes"]
    return pd.DataFrame(rows, columns=titles)


def _overall(models: Models) -> pd.DataFrame:
    """Métricas con su intervalo por modelo y examen; la especificidad, primero."""
    rows = []
    for run in models.runs():
        cells = {METRIC_NAMES[name]: triple(ends) for name, ends in models.triples(run).items()}
        rows.append({"red y examen": str(run), **cells})
    return pd.DataFrame(rows)


def _by_subgroup(models: Models) -> pd.DataFrame:
    """Cuánto acierta en cada grupo: sensibilidad por etiología; en las normales, especificidad."""
    rows = []
    for run, table in models.subgroups.items():
        for title, group in table.groupby("subgroup", sort=False):
            found = {row.metric: triple(row[-3:]) for row in group.itertuples(index=False)}
            hit = found.get("sensitivity", found.get("specificity"))
            cells = {"n": int(group["n"].iloc[0]), HIT: hit, "ROC-AUC": found.get("roc_auc")}
            rows.append({"red y examen": str(run), "grupo": title.split()[-1], **cells})
    return pd.DataFrame(rows)


def _low_prevalence(models: Models) -> pd.DataFrame:
    """Valores predictivos donde hay menos neumonías que en estas radiografías."""
    rows = []
    for run in models.runs():
        test = models.predictions(run)
        values = (test[name] for name in ("label", f"p_{run.model}", "patient"))
        threshold = models.threshold(run)
        found = predictive_table(*values, threshold=threshold, prevalences=PREVALENCES)
        for share, row in found.iterrows():
            cells = {
                title: triple(row[[key, f"{key}_low", f"{key}_high"]]) for key, title in _PREDICTIVE
            }
            rows.append({"red y examen": str(run), "prevalencia": percent(share, 0), **cells})
    return pd.DataFrame(rows)


def _over_seeds(models: Models) -> pd.DataFrame:
    """Media sobre semillas de cada protocolo, de los modelos que los pasaron."""
    rows = []
    for model, protocols in models.review.part("protocolos")["models"].items():
        for protocol, values in protocols.items() if model in models.shown else ():
            cells = {METRIC_NAMES[name]: triple(values["mean"][name]) for name in METRICS}
            rows.append({"modelo": TITLES[model], "reparto": protocol, **cells})
    return pd.DataFrame(rows)
