"""Las tablas de la ficha de los modelos, listas para mostrar."""

from typing import TYPE_CHECKING

import pandas as pd

from neumonia.evaluation import METRIC_NAMES, predictive_table
from neumonia.review.sections import CHOSEN, EXAMS, PART_TITLES, TITLES, triple
from neumonia.review.subgroups import NORMAL, SUBGROUPS, subtypes
from neumonia.study.results import PARTS
from neumonia.text import UNKNOWN, integer, percent

if TYPE_CHECKING:
    from neumonia.review.card import ModelCard

METRICS = ("specificity", "sensitivity", "roc_auc")
HIT = "sensibilidad o especificidad"
PREVALENCES = (0.01, 0.05, 0.20)
_PREDICTIVE = (("ppv", "valor predictivo positivo"), ("npv", "valor predictivo negativo"))


def makeup(card: "ModelCard") -> pd.DataFrame:
    """Una fila por dato y una columna por modelo."""
    columns = {"dato": ["red", "entrada", "parámetros", "se entrenan", "época usada",
                        "pesos de partida", "código", "Keras"]}  # fmt: skip
    for model in card.shown:
        facts = _chosen(card) if model == CHOSEN else _trained(card, model)
        columns[TITLES[model]] = [str(value) for value in facts]
    return pd.DataFrame(columns)


def _trained(card: "ModelCard", model: str) -> list[str]:
    studies = [study for study in card.exams.values() if model in study.results["models"]]
    size = studies[0].results["config"]["size"]
    results = [study.results["models"][model] for study in studies]
    epochs = [f"{values['best_epoch']} de {values['epochs_run']}" for values in results]
    stamp = studies[0].provenance
    kinds = {"cnn": "convolucional, desde cero", "vgg16": "VGG16 congelada y cabeza densa"}
    return [
        kinds[model],
        f"{size} × {size} px",
        integer(results[0]["parameters"]),
        integer(results[0]["trainable_parameters"]),
        "; ".join(epochs),
        _weights(stamp) if model == "vgg16" else "al azar",
        *_code(stamp),
    ]


def _chosen(card: "ModelCard") -> list[str]:
    exam, winner = card.exam, card.exam.winner
    recipe = winner.recipe
    alone = exam.networks[exam.networks["network"] == exam.chosen].iloc[0]
    trained = "solo la cabeza" if recipe.network == "congelada" else integer(alone["parameters"])
    return [
        f"{winner.title}; promedio de {exam.rule['seeds'].iloc[0]} semillas y cinco vistas",
        f"{recipe.size} × {recipe.size} px",
        integer(alone["parameters"]),
        trained,
        f"{recipe.epochs} de {recipe.epochs}",
        "al azar" if recipe.network == "cnn" else "ImageNet",
        alone["code"],
        alone["keras"],
    ]


def _weights(stamp: dict) -> str:
    weights = stamp.get("weights")
    return f"ImageNet, {weights['sha256'][:16]}" if weights else UNKNOWN


def _code(stamp: dict) -> list[str]:
    code, packages = stamp.get("code", {}), stamp.get("packages", {})
    return [code.get("source_digest", UNKNOWN), packages.get("keras", UNKNOWN)]


def tested(card: "ModelCard") -> pd.DataFrame:
    """Radiografías y pacientes de prueba por grupo."""
    rows = []
    for exam, study in card.exams.items():
        test = study.predictions[study.predictions["split"] == "test"]
        kinds = subtypes(test["image_id"])
        for key, title in {"normal": NORMAL, **SUBGROUPS}.items():
            mine = test[kinds == key]
            rows.append((EXAMS[exam], title, integer(len(mine)), mine["patient"].nunique()))
    return pd.DataFrame(rows, columns=["examen", "grupo", "radiografías", "pacientes"])


def parts(card: "ModelCard") -> pd.DataFrame:
    """Entrenamiento, validación y prueba de cada examen."""
    rows = []
    for exam, study in card.exams.items():
        for part in PARTS:
            counts = study.results["data"]["balance"][part]
            mine = study.predictions[study.predictions["split"] == part]
            numbers = [counts[key] for key in ("total", "normal", "pneumonia")]
            share = percent(counts["proportion_pneumonia"])
            rows.append(
                (EXAMS[exam], PART_TITLES[part], *numbers, share, mine["patient"].nunique())
            )
    titles = ["examen", "parte", "radiografías", "normales", "neumonías", "%", "pacientes"]
    return pd.DataFrame(rows, columns=titles)


def overall(card: "ModelCard") -> pd.DataFrame:
    """Métricas con su intervalo por modelo y examen; la especificidad, primero."""
    rows = []
    for run in card.runs():
        values = card.triples(run)
        rows.append({**run.label, **{METRIC_NAMES[name]: triple(values[name]) for name in METRICS}})
    return pd.DataFrame(rows)


def by_subgroup(card: "ModelCard") -> pd.DataFrame:
    """Cuánto acierta en cada grupo: sensibilidad por etiología; en las normales, especificidad."""
    rows = []
    for run, table in card.subgroups.items():
        for title, group in table.groupby("subgroup", sort=False):
            found = {row.metric: triple(row[-3:]) for row in group.itertuples(index=False)}
            hit = found.get("sensitivity", found.get("specificity"))
            cells = {"n": int(group["n"].iloc[0]), HIT: hit, "ROC-AUC": found.get("roc_auc")}
            rows.append({**run.label, "grupo": title.split()[-1], **cells})
    return pd.DataFrame(rows)


def low_prevalence(card: "ModelCard") -> pd.DataFrame:
    """Valores predictivos donde hay menos neumonías que en estas radiografías."""
    rows = []
    for run in card.runs():
        test = card.predictions(run)
        values = (test[name] for name in ("label", f"p_{run.model}", "patient"))
        threshold = card.threshold(run)
        found = predictive_table(*values, threshold=threshold, prevalences=PREVALENCES)
        for share, row in found.iterrows():
            cells = {
                title: triple(row[[key, f"{key}_low", f"{key}_high"]]) for key, title in _PREDICTIVE
            }
            rows.append({**run.label, "prevalencia": percent(share, 0), **cells})
    return pd.DataFrame(rows)


def over_seeds(card: "ModelCard") -> dict[str, pd.DataFrame]:
    """Media sobre semillas de cada protocolo; vacía si aún no está publicada.

    Sin tabla si se publicó y ninguno de los modelos de la ficha está en ella.
    """
    found = card.part("protocolos")
    rows = []
    for model in card.shown if found else ():
        for protocol, values in found["models"].get(model, {}).items():
            cells = {METRIC_NAMES[name]: triple(values["mean"][name]) for name in METRICS}
            rows.append({"modelo": TITLES[model], "reparto": protocol, **cells})
    return {} if found and not rows else {"Con varias semillas": pd.DataFrame(rows)}
