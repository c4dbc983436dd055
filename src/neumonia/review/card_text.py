"""Lo que la ficha de los modelos dice con palabras, y los números que van dentro de ellas."""

from typing import TYPE_CHECKING

from neumonia.acquisition.simulated import CHANGES as SIMULATED
from neumonia.datasets import CLASSES
from neumonia.review.sections import CHOSEN, EXAMS, PENDING, bullets, triple
from neumonia.study.results import THRESHOLD
from neumonia.text import interval, number

if TYPE_CHECKING:
    from neumonia.lab.exam import PublishedExam
    from neumonia.review.card import ModelCard

USE = """**Para qué se hizo.** Para enseñar a entrenar, evaluar y explicar una red con radiografías
reales. Sus lectores son estudiantes, docentes y quien quiera repetir las cuentas.

**Para qué no.** No se hizo para diagnosticar, ni para decidir un tratamiento, ni para ordenar la
fila de una urgencia, ni como segunda opinión. Tampoco sirve fuera de lo que vio: adultos, recién
nacidos, radiografías laterales, otros hospitales, otras enfermedades. Ninguna autoridad sanitaria
la ha revisado."""

_WHO = """**Quiénes son.** Niños de uno a cinco años atendidos en el Centro Médico de Mujeres y
Niños de Guangzhou [@kermany2018cell]. Los archivos no traen edad, sexo ni gravedad: no podemos
medir si la red acierta lo mismo en unos que en otros, y eso ya es una advertencia.

**Lo que sí podemos separar.** La etiología, bacteriana o viral, que está en el nombre del archivo;
y la adquisición, porque la prueba oficial pudo tomarse de otra manera que el resto. Un promedio
bueno puede esconder un grupo mal atendido [@oakdenrayner2020]."""

_DOMAIN = {
    "gradient": "la nitidez sola",
    "sharpness": "tres medidas de nitidez",
    "intensity": "las estadísticas de gris",
    "statistics": "las estadísticas de adquisición",
    "frame": "el marco",
    "pixels": "los píxeles reducidos",
}

EVALUATION = """Cada red pasa dos exámenes. El **examen por paciente** aparta pacientes al azar de
todo el conjunto. El **examen oficial** usa la prueba que separaron los autores; es la que permite
comparar con lo que otros publicaron. En ninguno se eligió nada mirando la prueba."""

ETHICS = """Las radiografías se tomaron en la atención habitual de los niños [@kermany2018cell] y
se publicaron sin sus nombres. Nadie debe intentar averiguar de quiénes son.

Un falso negativo retrasa el tratamiento de un niño enfermo; un falso positivo puede dar
antibióticos y más radiación a uno sano. Quien mueve el umbral no paga ninguno de los dos. Además,
un porcentaje en la pantalla empuja a las personas a darle la razón: mostrarlo no es neutral."""


def details(card: "ModelCard") -> str:
    """De quién es, cómo se eligió y qué falta."""
    config = next(iter(card.exams.values())).results["config"]
    lines = [
        "Las redes son de este libro y su código tiene licencia MIT. Reciben una radiografía de "
        "tórax en gris y devuelven la probabilidad de PNEUMONIA; decidimos PNEUMONIA desde "
        f"{number(THRESHOLD, 1)}. La partición y el entrenamiento usan la semilla {config['seed']}."
    ]
    if card.exam is None:
        lines.append(f"El modelo elegido por su examen de robustez: {PENDING}.")
    elif CHOSEN in card.shown:
        lines.append(_selection(card.exam))
    return "\n\n".join(lines)


def _selection(exam: "PublishedExam") -> str:
    """Con qué se eligió, con qué umbral decide y cuántas veces se había abierto la prueba."""
    best = exam.rule.iloc[0]
    return (
        f"El modelo elegido ganó entre {len(exam.rule)} candidatas por su peor exactitud "
        f"balanceada, {triple(best[['score', 'low', 'high']])}, en radiografías de validación a "
        f"las que se imitó otro equipo de {len(SIMULATED)} maneras. De ahí sale también su umbral, "
        f"{number(exam.threshold)}. La regla y la lista se fijaron antes, pero la prueba oficial "
        f"ya se había abierto en {len(exam.openings)} trabajos anteriores: el resultado no es "
        "virgen."
    )


def factors(card: "ModelCard") -> str:
    """A quiénes describe la ficha, y si la prueba oficial se distingue del resto."""
    part = card.part("atajos")
    if part is None:
        return f"{_WHO} Cuánto se distingue la prueba oficial: {PENDING}."
    found = []
    for name in CLASSES:
        best = max((row for row in part["domain"] if row["class"] == name), key=_auc)
        what = _DOMAIN.get(best["features"], best["features"])
        found.append(f"{name}, {triple(best[key] for key in ('auc', 'low', 'high'))} con {what}")
    return (
        f"{_WHO} Si fueran iguales, la ROC-AUC de adivinar de dónde viene una radiografía sería "
        f"{number(0.5, 1)}. Lo más que logramos: {'; '.join(found)}."
    )


def _auc(row: dict) -> float:
    return row["auc"]


def metrics(card: "ModelCard") -> str:
    """Qué se mide, con qué umbral y cómo se hacen los intervalos."""
    return (
        "La **especificidad** va primero: es la que una red perezosa no puede fingir cuando "
        "abundan los enfermos. La acompañan la sensibilidad, también con umbral "
        f"{number(THRESHOLD, 1)} (el elegido, con el suyo), y la ROC-AUC, que no depende de él. La "
        "exactitud no aparece: "
        "mezcla los dos errores. Los intervalos son del 95 % y remuestrean pacientes, no "
        "radiografías. Los valores predictivos suponen que la sensibilidad y la especificidad no "
        "cambian con la prevalencia."
    )


def training(card: "ModelCard") -> str:
    """De dónde salen y con qué huella se reconocen."""
    lines = []
    for exam, study in card.exams.items():
        data = study.results["data"]
        lines.append(
            f"Examen {EXAMS[exam]}: huella del reparto `{data['split_digest']}`; "
            f"{data['test_films_beside_training_patient']} radiografías de prueba con su paciente "
            "en entrenamiento."
        )
    note = ""
    if CHOSEN in card.shown:
        note = (
            "\n\nEl modelo elegido entrena con el reparto oficial, con tantas normales como "
            "neumonías en cada época y cada radiografía como la habría dado otro equipo."
        )
    return (
        "Las redes aprenden de las radiografías que su examen no apartó. La ficha de los datos "
        "cuenta de dónde vienen.\n\n" + bullets(lines) + note
    )


def analysis(card: "ModelCard") -> str:
    """Cómo leer las tablas, y lo que falta."""
    text = (
        "Cada valor va con su intervalo. Las etiologías se comparan con las mismas normales, así "
        "que la especificidad es una sola por examen."
    )
    if card.part("protocolos") is None:
        text += f" El promedio sobre varias semillas: {PENDING}."
    return text + _perfect(card)


def _perfect(card: "ModelCard") -> str:
    """Los subgrupos sin un solo fallo, con el límite que el remuestreo no puede dar."""
    found = [
        # Clopper y Pearson con todos los aciertos: p tal que p^n = 0.025.
        f"{run}, {row.subgroup}, {number(0.025 ** (1 / row.patients))} ({row.patients} pacientes)"
        for run, table in card.subgroups.items()
        for row in table[table["low"] == 1].itertuples(index=False)
    ]
    if not found:
        return ""
    return (
        f"\n\n**Un intervalo de {interval(1, 1)} no dice que la red sea infalible.** El remuestreo "
        "no inventa fallos que la prueba no tuvo. El límite inferior exacto, con todos los "
        f"pacientes acertados, es: {'; '.join(found)}."
    )
