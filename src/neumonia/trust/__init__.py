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
from neumonia.trust.marker import marker_zone, stamp_marker
from neumonia.trust.outside import (
    find_letters,
    outside_shares,
    outside_table,
    thorax_region,
    worst_films,
)
from neumonia.trust.randomisation import Explain, cascading_randomisation, permuted_labels
from neumonia.trust.sanity import (
    Verdict,
    between_films,
    cascade_table,
    label_randomisation,
    verdict,
)
from neumonia.trust.shortcut import ShortcutResult, shortcut_experiment, shortcut_films
from neumonia.trust.shortcut_repair import REPAIRS, SHORTCUT, VARIANTS, Variant
from neumonia.trust.similarity import similarity_scores, spearman, ssim, top_overlap
from neumonia.trust.stability import network_agreement, noise_stability, shift_stability

__all__ = [
    "RANDOM_ORDER",
    "REPAIRS",
    "SHORTCUT",
    "VARIANTS",
    "Curve",
    "Explain",
    "Faithfulness",
    "Predict",
    "ShortcutResult",
    "Variant",
    "Verdict",
    "baseline_maps",
    "between_films",
    "cascade_table",
    "cascading_randomisation",
    "centre_maps",
    "deletion_curve",
    "energy_inside",
    "faithfulness_curves",
    "faithfulness_table",
    "find_letters",
    "insertion_curve",
    "iou_at_area",
    "label_randomisation",
    "localisation_scores",
    "localisation_table",
    "marker_zone",
    "mean_interval",
    "mean_mask_maps",
    "network_agreement",
    "noise_stability",
    "opacity_groups",
    "outside_shares",
    "outside_table",
    "permuted_labels",
    "pointing_game",
    "random_maps",
    "shift_stability",
    "shortcut_experiment",
    "shortcut_films",
    "similarity_scores",
    "spearman",
    "ssim",
    "stamp_marker",
    "thorax_region",
    "top_overlap",
    "uniform_maps",
    "verdict",
    "worst_films",
]
