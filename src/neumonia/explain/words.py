"""Lo que se dice de cada imagen: avisos, notas y dónde está lo caliente, en frases."""

import unicodedata

import numpy as np

from neumonia.explain.place import PlaceCheck
from neumonia.likeness import Judgement
from neumonia.text import percent

NOTICE = (
    "Este resultado es material docente. No es un diagnóstico ni sirve para decidir sobre la "
    "salud de nadie."
)

UNCHECKED = (
    "No comprobamos si las imágenes parecen radiografías de tórax, porque un archivo de modelo no "
    "dice con cuáles se entrenó. Con --datos se comparan con las de ese estudio."
)

_UNDONE = {
    "mirrored": "reflejada, con la izquierda y la derecha cambiadas",
    "upside_down": "volcada, con lo de arriba abajo",
    "half_turn": "girada media vuelta",
    "quarter_left": "girada un cuarto de vuelta a la izquierda",
    "quarter_right": "girada un cuarto de vuelta a la derecha",
    "negative": "en negativo",
}


def display(name: str) -> str:
    """Un nombre de archivo que se puede mostrar: sin controles ni bytes que no sean texto."""
    return "".join(
        char if char.isprintable() or unicodedata.category(char) == "Zs" else "�" for char in name
    )


def place_sentence(check: PlaceCheck, target: str) -> str:
    """El resultado de la comprobación de un mapa, en una frase."""
    if check.null:
        return f"El mapa es nulo: nada en esta capa apoya a {target}, así que no señala nada."
    change = f"baja {check.drop:.2f}" if check.drop > 0 else f"no baja (cambia {-check.drop:+.2f})"
    total = len(check.others)
    start = f"al tapar lo más caliente, el logit de {target} {change}"
    if check.passed:
        return f"El mapa pasa su comprobación: {start}, más que en {total} lugares al azar."
    return (
        f"El mapa no pasa su comprobación: {start}, y en {check.as_large} de {total} lugares al "
        "azar bajó tanto o más."
    )


def film_sentence(judgement: Judgement) -> str:
    """El veredicto sobre la imagen, en una frase."""
    if judgement.is_film:
        return "Parece una radiografía de tórax como las de entrenamiento."
    parts = []
    if judgement.undo is not None:
        parts.append(f"Parece una radiografía {_UNDONE[judgement.undo]}.")
    elif "novelty" in judgement.reasons:
        parts.append("No se parece a las radiografías de entrenamiento.")
    elif "orientation" in judgement.reasons:
        parts.append("No parece estar derecha, como las radiografías de entrenamiento.")
    if "colour" in judgement.reasons:
        parts.append("Tiene color, y una radiografía es gris.")
    return " ".join(parts)


def outside_sentence(share: float, area: float) -> str:
    """Cuánto calor cae fuera del tórax, y cuánto daría un mapa uniforme."""
    return (
        f"El {percent(share, 0)} del calor cae fuera del trapecio donde suponemos el tórax; un "
        f"mapa uniforme dejaría fuera el {percent(area, 0)}."
    )


def hottest_place(heatmap: np.ndarray) -> str:
    """Dónde está el máximo de un mapa (H, W), visto en la imagen; para el texto alternativo."""
    row, column = np.unravel_index(int(heatmap.argmax()), heatmap.shape)
    vertical = ("arriba", "a media altura", "abajo")[min(2, 3 * row // heatmap.shape[0])]
    sides = ("a la izquierda", "en el centro", "a la derecha")
    return f"{vertical}, {sides[min(2, 3 * column // heatmap.shape[1])]} de la imagen"
