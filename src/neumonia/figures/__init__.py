"""Las figuras del libro: una paleta, y junto a cada dibujo su texto alternativo."""

from neumonia.figures.base import Illustration
from neumonia.figures.curves import cascade_lines, faithfulness_lines
from neumonia.figures.decision import (
    decision_curves,
    predictive_values_curve,
    threshold_tradeoff,
)
from neumonia.figures.drift import acquisition_drift
from neumonia.figures.explanation import gradcam_grid, gradcam_steps
from neumonia.figures.exploration import class_balance, intensity_histograms, mean_images
from neumonia.figures.films import augmentation_examples, example_films, phantom_masks
from neumonia.figures.forest import (
    likeness_dots,
    localisation_dots,
    outside_dots,
    shortcut_dots,
    stability_dots,
)
from neumonia.figures.layers import layers_diagram
from neumonia.figures.maps import method_maps, outcome_maps, shortcut_maps, worst_maps
from neumonia.figures.performance import (
    confusion_matrices,
    pr_curves,
    probability_histograms,
    reliability_diagram,
    roc_curves,
)
from neumonia.figures.review import protocol_means, published_comparison, robust_networks
from neumonia.figures.shortcuts import baseline_scores, frame_only
from neumonia.figures.strategy import strategy_diagram
from neumonia.figures.training import initial_bias_curve, training_curves

__all__ = [
    "Illustration",
    "acquisition_drift",
    "augmentation_examples",
    "baseline_scores",
    "cascade_lines",
    "class_balance",
    "confusion_matrices",
    "decision_curves",
    "example_films",
    "faithfulness_lines",
    "frame_only",
    "gradcam_grid",
    "gradcam_steps",
    "initial_bias_curve",
    "intensity_histograms",
    "layers_diagram",
    "likeness_dots",
    "localisation_dots",
    "mean_images",
    "method_maps",
    "outcome_maps",
    "outside_dots",
    "phantom_masks",
    "pr_curves",
    "predictive_values_curve",
    "probability_histograms",
    "protocol_means",
    "published_comparison",
    "reliability_diagram",
    "robust_networks",
    "roc_curves",
    "shortcut_dots",
    "shortcut_maps",
    "stability_dots",
    "strategy_diagram",
    "threshold_tradeoff",
    "training_curves",
    "worst_maps",
]
