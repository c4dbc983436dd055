"""Las figuras del libro: una paleta, y junto a cada dibujo su texto alternativo."""

from neumonia.figures.balance import class_balance
from neumonia.figures.base import Illustration
from neumonia.figures.confusion import confusion_matrices
from neumonia.figures.evaluation import pr_curves, probability_histograms, roc_curves
from neumonia.figures.explanation import gradcam_grid, gradcam_steps
from neumonia.figures.exploration import intensity_histograms, mean_images
from neumonia.figures.films import augmentation_examples, example_films, phantom_masks
from neumonia.figures.layers import layers_diagram
from neumonia.figures.strategy import strategy_diagram
from neumonia.figures.training import initial_bias_curve, training_curves

__all__ = [
    "Illustration",
    "augmentation_examples",
    "class_balance",
    "confusion_matrices",
    "example_films",
    "gradcam_grid",
    "gradcam_steps",
    "initial_bias_curve",
    "intensity_histograms",
    "layers_diagram",
    "mean_images",
    "phantom_masks",
    "pr_curves",
    "probability_histograms",
    "roc_curves",
    "strategy_diagram",
    "training_curves",
]
