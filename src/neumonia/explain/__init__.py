"""Explicar radiografías sueltas: probabilidad, mapa, comprobaciones y un informe para leerlas."""

from neumonia.explain.images import find_images, shrink
from neumonia.explain.place import DRAWS, SHARE, PlaceCheck, check_place
from neumonia.explain.rates import place_rates
from neumonia.explain.report import REPORT, write_report
from neumonia.explain.run import Explained, explain_images
from neumonia.explain.words import NOTICE, UNCHECKED

__all__ = [
    "DRAWS",
    "NOTICE",
    "REPORT",
    "SHARE",
    "UNCHECKED",
    "Explained",
    "PlaceCheck",
    "check_place",
    "explain_images",
    "find_images",
    "place_rates",
    "shrink",
    "write_report",
]
