"""Mapas que muestran en qué se fija una red: Grad-CAM y dos parientes."""

from neumonia.gradcam.explain import CamResult, cam_steps, grad_cam, grad_cam_raw
from neumonia.gradcam.methods import METHODS
from neumonia.gradcam.network import TARGETS, conv_layers

__all__ = [
    "METHODS",
    "TARGETS",
    "CamResult",
    "cam_steps",
    "conv_layers",
    "grad_cam",
    "grad_cam_raw",
]
