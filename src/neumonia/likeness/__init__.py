"""¿Parece una radiografía de tórax? Una regla que solo conoce las de entrenamiento."""

from neumonia.likeness.colour import COLOUR_LIMIT, colour_level
from neumonia.likeness.measure import Screen, likeness_of, likeness_report
from neumonia.likeness.rule import ALARM, Judgement, Likeness, fit_likeness

__all__ = [
    "ALARM",
    "COLOUR_LIMIT",
    "Judgement",
    "Likeness",
    "Screen",
    "colour_level",
    "fit_likeness",
    "likeness_of",
    "likeness_report",
]
