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
    reencoded_properties,
)
from neumonia.baselines.features import (
    frame_mask,
    frame_pixels,
    intensity_statistics,
    sharpness,
    small_pixels,
)
from neumonia.baselines.share import Share, shortcut_share

__all__ = [
    "BASELINES",
    "PROPERTIES",
    "Baseline",
    "FileReport",
    "Share",
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
    "reencoded_properties",
    "sharpness",
    "shortcut_share",
    "small_pixels",
]
