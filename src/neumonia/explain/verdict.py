"""Las comprobaciones de una imagen, reunidas: qué se midió, qué hay que avisar y qué anotar."""

from typing import Any, NamedTuple

import numpy as np

from neumonia.explain.place import SHARE, PlaceCheck
from neumonia.explain.words import film_sentence, outside_sentence, place_sentence
from neumonia.heat import outside_shares
from neumonia.likeness import COLOUR_LIMIT, Judgement, Likeness

# Más cifras dependerían del procesador y del tamaño del lote.
_DECIMALS = 4


class Verdict(NamedTuple):
    """``checks``, los números para el JSON; ``warnings`` y ``notes``, frases."""

    checks: dict[str, Any]
    warnings: list[str]
    notes: list[str]


def pass_verdict(
    heatmap: np.ndarray,
    place: PlaceCheck,
    judgement: Judgement | None,
    likeness: Likeness | None,
    target: str,
) -> Verdict:
    """El veredicto sobre una imagen y su mapa (S, S); sin ``likeness`` la imagen no se juzga."""
    warnings: list[str] = []
    notes: list[str] = []
    if judgement is not None:
        (notes if judgement.is_film else warnings).append(film_sentence(judgement))
    (notes if place.passed else warnings).append(place_sentence(place, target))
    shares = outside_shares(heatmap[None]).iloc[0]
    outside, area = float(shares["outside"]), float(shares["outside_area"])
    if outside > area:
        notes.append(outside_sentence(outside, area))
    checks = {
        "map": {
            "passed": place.passed,
            "null": place.null,
            "covered_share": SHARE,
            "places_tried": len(place.others),
            "places_with_as_large_a_drop": place.as_large,
            "logit_drop": None if place.null else round(place.drop, _DECIMALS),
            "largest_drop_elsewhere": None if place.null else _rounded(place.others.max()),
            "false_pass_rate": None if place.null else 1 / (len(place.others) + 1),
            "heat_outside_thorax": None if place.null else round(outside, _DECIMALS),
            "area_outside_thorax": round(area, _DECIMALS),
        },
        "film": None if judgement is None else _film_check(judgement, likeness),
    }
    return Verdict(checks, warnings, notes)


def _film_check(judgement: Judgement, likeness: Likeness) -> dict[str, Any]:
    return {
        "passed": judgement.is_film,
        "reasons": list(judgement.reasons),
        "looks_like_a_film_that_is": judgement.undo,
        "novelty": _rounded(judgement.novelty),
        "novelty_limit": _rounded(likeness.novelty.value),
        "orientation": _rounded(judgement.orientation),
        "orientation_limit": _rounded(likeness.orientation.value),
        "colour": _rounded(judgement.colour),
        "colour_limit": COLOUR_LIMIT,
        "false_alarm_rate": likeness.rate,
    }


def _rounded(value: float) -> float:
    return round(float(value), _DECIMALS)
