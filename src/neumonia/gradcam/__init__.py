"""Mapas que muestran en qué se fija una red: seis métodos con una misma llamada."""

from neumonia.gradcam.explain import (
    INPUT,
    CamResult,
    cam_steps,
    explainer,
    grad_cam,
    grad_cam_raw,
)
from neumonia.gradcam.methods import METHODS
from neumonia.gradcam.network import TARGETS, conv_layers

__all__ = [
    "INPUT",
    "METHODS",
    "TARGETS",
    "CamResult",
    "cam_steps",
    "conv_layers",
    "explainer",
    "grad_cam",
    "grad_cam_raw",
]
