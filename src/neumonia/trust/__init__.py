"""¿Se puede confiar en un mapa? Medidas con máscara, sin ella y contra referencias ciegas."""

from neumonia.trust.baselines import (
    baseline_maps,
    centre_maps,
    mean_mask_maps,
    random_maps,
    uniform_maps,
)
from neumonia.trust.faithfulness import (
    RANDOM_ORDER,
    Curve,
    Faithfulness,
    Predict,
    deletion_curve,
    faithfulness_curves,
    faithfulness_table,
    insertion_curve,
)
from neumonia.trust.intervals import mean_interval
from neumonia.trust.localisation import (
    energy_inside,
    iou_at_area,
    localisation_scores,
    localisation_table,
    opacity_groups,
    pointing_game,
)
from neumonia.trust.outside import (
    find_letters,
    outside_shares,
    outside_table,
    thorax_region,
    worst_films,
)

__all__ = [
    "RANDOM_ORDER",
    "Curve",
    "Faithfulness",
    "Predict",
    "baseline_maps",
    "centre_maps",
    "deletion_curve",
    "energy_inside",
    "faithfulness_curves",
    "faithfulness_table",
    "find_letters",
    "insertion_curve",
    "iou_at_area",
    "localisation_scores",
    "localisation_table",
    "mean_interval",
    "mean_mask_maps",
    "opacity_groups",
    "outside_shares",
    "outside_table",
    "pointing_game",
    "random_maps",
    "thorax_region",
    "uniform_maps",
    "worst_films",
]
