"""Los fallos conocidos de los modelos: los que medimos y los que no podemos medir."""

from typing import TYPE_CHECKING

from neumonia.lab.exam import EXAM
from neumonia.review.sections import CHOSEN, EXAMS, PENDING, TITLES, bullets, triple
from neumonia.review.subgroups import SUBGROUPS
from neumonia.text import interval

if TYPE_CHECKING:
    from neumonia.review.card import ModelCard

_FIXED = (
    "**Un solo lugar.** No se probó fuera de él. En radiografías de tórax, el rendimiento en otro "
    "hospital suele ser menor [@zech2018].",
    "**Solo dos respuestas.** Asma, cardiopatía, cuerpo extraño o una radiografía mal tomada salen "
    "como PNEUMONIA o como NORMAL.",
    "**Las etiquetas son lecturas de médicos.** Dos calificaron cada radiografía y un tercero "
    "revisó las de evaluación [@kermany2018cell]. No hay cultivo ni seguimiento que las confirme.",
    "**El paciente se dedujo del nombre del archivo.** Si un niño aparece con dos nombres, puede "
    "estar a ambos lados del reparto.",
    "**Los mapas de Grad-CAM no son una prueba.** Un mapa convincente no garantiza que la red use "
    "lo que señala [@adebayo2018].",
)


def caveats(card: "ModelCard") -> str:
    """Los fallos que medimos, con su número, y los que no podemos medir."""
    return bullets([_exam(card), _subgroups(card), _shortcuts(card), _shift(card),
                    _imbalance(card), _seeds(card), *_FIXED])  # fmt: skip


def _exam(card: "ModelCard") -> str:
    found = [f"{run} {triple(card.triples(run)['specificity'])}" for run in card.runs()]
    return f"**El número depende del examen.** Especificidad: {'; '.join(found)}."


def _subgroups(card: "ModelCard") -> str:
    found = []
    for run, table in card.subgroups.items():
        rows = table[table["metric"] == "sensitivity"].set_index("subgroup")
        each = [
            f"{title.split()[-1]} {triple(rows.loc[title, ['value', 'low', 'high']])}"
            for title in SUBGROUPS.values()
            if title in rows.index
        ]
        found.append(f"{run} {', '.join(each)}")
    return f"**Un promedio puede esconder un subgrupo.** Sensibilidad: {'; '.join(found)}."


def _shortcuts(card: "ModelCard") -> str:
    start = "**Puede haber atajos.** "
    part = card.part("atajos")
    if part is None:
        return f"{start}Lo que se logra sin ninguna red: {PENDING}."
    found = []
    for split, rows in part["baselines"].items():
        # Ni la que no ve nada ni la que ve la radiografía entera son un atajo.
        known = [row for row in rows if row["baseline"] not in ("majority", "pixels")]
        best = max(known, key=lambda row: row["roc_auc"])
        values = triple(best[key] for key in ("roc_auc", "roc_auc_low", "roc_auc_high"))
        found.append(f"{best['name']}, {values} en el examen {EXAMS[split]}")
    return (
        f"{start}La mejor regresión logística que no ve la radiografía entera logra una ROC-AUC "
        f"de: {'; '.join(found)}."
    )


def _shift(card: "ModelCard") -> str:
    start = "**Cómo se reparte también decide.** "
    part = card.part("protocolos")
    if part is None:
        return f"{start}Cuánto, con varias semillas: {PENDING}."
    found = [
        f"{TITLES[model]}, {triple(contrasts['adquisicion']['roc_auc'])} entre el examen por "
        f"paciente y el oficial, y {triple(contrasts['fuga']['roc_auc'])} entre repartir por "
        "archivo y por paciente"
        for model, contrasts in part["contrasts"].items()
        if model in card.shown
    ]
    if not found:
        return f"{start}Con este modelo no se midió."
    return f"{start}Diferencia de ROC-AUC: {'; '.join(found)}."


def _imbalance(card: "ModelCard") -> str:
    start = "**El desbalance se trata de varias maneras.** "
    part = card.part("desbalance")
    if part is None:
        return f"{start}Cuánto cambia el resultado: {PENDING}."
    means = {
        part["titles"][key]: row["specificity"] for key, row in part["splits"]["oficial"].items()
    }
    ends = [pick(means, key=lambda title: means[title][0]) for pick in (min, max)]
    low, high = (f"{triple(means[title])} ({title})" for title in ends)
    return (
        f"{start}Con la misma cabeza de VGG16, la especificidad oficial media va de {low} a {high}."
    )


def _seeds(card: "ModelCard") -> str:
    start = "**Otra semilla, otro número.** "
    found = []
    protocols = card.part("protocolos") or {"models": {}}
    if card.exam and CHOSEN in card.shown:
        alone = card.exam.all_seeds(card.exam.chosen, "specificity", views=5, threshold=EXAM)
        found.append((TITLES[CHOSEN], min(alone), max(alone)))
    for model, by_protocol in protocols["models"].items():
        if model in card.shown:
            ends = by_protocol["oficial"]["spread"]["specificity"]
            found.append((TITLES[model], ends["minimum"], ends["maximum"]))
    each = [f"{title}, de {interval(low, high)}" for title, low, high in found]
    if not each:
        return f"{start}Cuánto: {PENDING}."
    return f"{start}Especificidad oficial entre semillas: {'; '.join(each)}."
