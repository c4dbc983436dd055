"""La ficha de los datos de Kermany, escrita desde lo publicado.

Sigue las preguntas de Gebru et al. (2021), *Datasheets for Datasets*. Las cuentas salen de las
predicciones y la procedencia; lo que otros dijeron de los datos va con su cita.
"""

from collections.abc import Sequence

import pandas as pd

from neumonia.audit import find_duplicates
from neumonia.datasets import INFO, SPLITS, open_dataset
from neumonia.errors import DataError
from neumonia.evaluation.tables import format_number
from neumonia.review.sections import EXAMS, PART_TITLES, Section, bullets, standalone
from neumonia.review.subgroups import NORMAL, SUBGROUPS, subtypes
from neumonia.study import Published
from neumonia.text import integer

_MOTIVATION = """**¿Para qué se creó?** Para enseñar a una red a separar radiografías normales de
neumonías, y bacterianas de virales, dentro de un trabajo sobre diagnóstico con imágenes
[@kermany2018cell]. **¿Quién?** Sus autores, que lo publicaron con el artículo [@kermany2018data].
Este libro no participó: lo describe desde afuera."""

_COLLECTION = """**¿De quiénes son?** De niños de uno a cinco años atendidos en el Centro Médico de
Mujeres y Niños de Guangzhou. Son radiografías anteroposteriores, tomadas en la atención habitual y
reunidas después: es una cohorte retrospectiva [@kermany2018cell].

**¿Quién puso las etiquetas?** Se descartaron las de mala calidad, dos médicos calificaron las demás
y un tercero revisó las de evaluación [@kermany2018cell]. La etiqueta es la lectura de una imagen.

**¿Qué no sabemos?** Las fechas, los equipos, el sexo, la edad de cada niño, ni cuántas radiografías
se descartaron. Sobre la aprobación ética y el permiso de las familias hay que leer el artículo: los
archivos no lo dicen."""

_USES = """**¿Para qué sirve?** Para enseñar y para comparar métodos sobre una prueba conocida.

**¿Para qué no?** Para diagnosticar; para estimar cuántos niños tienen neumonía en alguna parte,
porque la proporción la eligió quien reunió los archivos; para hablar de adultos o de otros
hospitales; y para afirmar que una red distingue bacterias de virus en la clínica.

**¿Qué puede salir mal?** La forma de guardar y de tomar la radiografía va de la mano con la clase:
una red puede aprender eso. Repartir por archivo deja al mismo niño a ambos lados."""

_UPKEEP = """**¿Quién lo mantiene?** Los autores, en Mendeley Data [@kermany2018data]; hay copias en
otros sitios que no controlan. No conocemos un registro de correcciones.

**¿Cómo notamos un cambio?** Por la huella: la de las copias se comprueba cada vez que se abren, y
si al importar el conjunto completo sale otra, los datos no son los mismos y los números tampoco
tienen por qué serlo. Los errores que encontremos se cuentan aquí y no se corrigen en secreto."""


def data_sections(studies: Sequence[Published]) -> dict[str, Section]:
    """Las siete secciones, en orden, por su clave.

    Parameters
    ----------
    studies : sequence of Published
        Los estudios de Kermany que haya. Las copias idénticas se cuentan en ``kermany64``.

    Raises
    ------
    DataError
        Si no hay estudios, no son de Kermany o no salen de los mismos archivos.
    """
    _check(studies)
    study = studies[0]
    counts = {"Carpetas oficiales": composition(study)}
    return {
        "motivacion": Section("Motivación", _MOTIVATION),
        "composicion": Section("Composición", _contents(study), counts),
        "recoleccion": Section("Recolección", _COLLECTION),
        "preprocesamiento": Section("Preprocesamiento y limpieza", _processing(studies)),
        "usos": Section("Usos", _USES),
        "distribucion": Section("Distribución", _distribution(study)),
        "mantenimiento": Section("Mantenimiento", _UPKEEP),
    }


def data_sheet(studies: Sequence[Published]) -> str:
    """La ficha completa, en un Markdown que se lee sin el libro; véase ``data_sections``."""
    sections = data_sections(studies)
    title = "Ficha de datos: radiografías de Kermany et al. (2018)"
    return standalone(title, "gebru2021", sections)


def composition(study: Published) -> pd.DataFrame:
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


def _check(studies: Sequence[Published]) -> None:
    if not studies:
        raise DataError("La ficha de los datos necesita al menos un estudio publicado.")
    found = {(one.results["data"]["name"], one.results["data"]["fingerprint"]) for one in studies}
    if len(found) > 1 or studies[0].results["data"]["name"] != "kermany":
        described = "; ".join(f"{name}, huella {key}" for name, key in sorted(found))
        raise DataError(
            "La ficha describe un solo conjunto, el de Kermany, y los estudios usan otro o más de "
            f"uno: {described}."
        )


def _contents(study: Published) -> str:
    data = study.results["data"]
    skipped = study.provenance["data"]["skipped"]
    lines = [
        f"**¿Qué hay?** {integer(data['films'])} radiografías de tórax en JPEG, de "
        f"{integer(data['patients'])} pacientes según el nombre de los archivos. El artículo habla "
        "de 5856 pacientes para entrenar y 624 para la prueba [@kermany2018cell], que son números "
        "de radiografías: por eso contamos los nuestros.",
        "**¿Qué dice cada una?** Su clase, en la carpeta; su paciente y, si es neumonía, su "
        "etiología, en el nombre. Nada más.",
        f"**¿Faltan archivos?** Al importar se rechazaron {len(skipped)}.",
        _duplicates(),
        f"**¿Cómo se reconoce?** Por su huella, `{data['fingerprint']}`, que cambia si cambia un "
        "archivo o una etiqueta.",
    ]
    return "\n\n".join(lines)


def _duplicates() -> str:
    groups = find_duplicates(open_dataset("kermany64").manifest)
    surplus = sum(len(group) - 1 for group in groups)
    return (
        f"**¿Hay repetidas?** {len(groups)} grupos de radiografías idénticas, con {surplus} de "
        "sobra; el reparto por paciente los mantiene juntos."
    )


def _processing(studies: Sequence[Published]) -> str:
    lines = [
        f"examen {EXAMS.get(kind, kind)}, `{study.results['data']['split_digest']}`"
        for study in studies
        for kind in [study.results["config"]["split"]]
    ]
    size = studies[0].results["config"]["size"]
    auc = format_number(studies[0].results["data"]["metadata_baseline_auc"])
    return (
        "**¿Qué hicieron los autores?** Guardaron las radiografías en JPEG, de distintos tamaños y "
        "con distinta compresión.\n\n"
        "**¿Qué hacemos nosotros?** Leemos cada archivo entero, lo pasamos a gris de 8 bits y lo "
        f"llevamos a {size} × {size} píxeles con interpolación bilineal, sin recortar ni conservar "
        "la proporción. No cambiamos ninguna etiqueta ni borramos ningún archivo legible. Una "
        "regresión que solo ve el alto y el ancho de los archivos que usó el estudio logra una "
        f"ROC-AUC de {auc}.\n\n"
        "**¿Cómo lo repartimos?** Por paciente, o con la prueba de los autores. Huellas de los "
        "repartos:\n\n" + bullets(lines)
    )


def _distribution(study: Published) -> str:
    data, info = study.provenance["data"], INFO["kermany"]
    return (
        f"**¿Con qué licencia?** {data['license']}: se puede usar y adaptar si se cita a los "
        f"autores. **¿Cómo se cita?** {data['citation']}\n\n"
        f"**¿De dónde se obtiene?** De Mendeley Data [@kermany2018data] o de su copia en "
        f"<{info['url']}>. «neumonia datos descargar kermany» la trae e importa.\n\n"
        "**¿Qué lleva este libro?** Copias en gris de 64 × 64 píxeles, con la misma licencia y su "
        "atribución: es una adaptación. Con ellas entrena sus redes quien construye el libro; los "
        "estudios publicados usaron imágenes mayores."
    )
