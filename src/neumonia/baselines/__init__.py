"""Referencias simples y atajos: lo que se acierta sin mirar la neumonía."""

from neumonia.baselines.classify import (
    BASELINES,
    Baseline,
    baseline_features,
    evaluate_baselines,
    fit_baseline,
    fit_baselines,
    logistic_pipeline,
    majority_baseline,
)
from neumonia.baselines.compression import (
    PROPERTIES,
    FileReport,
    blockiness,
    file_properties,
)
from neumonia.baselines.features import (
    frame_mask,
    frame_pixels,
    intensity_statistics,
    sharpness,
    small_pixels,
)

__all__ = [
    "BASELINES",
    "PROPERTIES",
    "Baseline",
    "FileReport",
    "baseline_features",
    "blockiness",
    "evaluate_baselines",
    "file_properties",
    "fit_baseline",
    "fit_baselines",
    "frame_mask",
    "frame_pixels",
    "intensity_statistics",
    "logistic_pipeline",
    "majority_baseline",
    "sharpness",
    "small_pixels",
]
