"""El color de un archivo: una radiografía es gris aunque se guarde con tres canales."""

import io

import numpy as np
from PIL import Image

COLOUR_LIMIT = 4.0
"""Color medio, en niveles de 0 a 255, desde el que un archivo no pasa por radiografía.

No se ajusta con datos: es un límite puesto a mano, muy por encima de lo que ensucia un gris la
compresión JPEG y muy por debajo de una fotografía.
"""
_COLOURED = ("RGB", "RGBA", "RGBa", "P", "PA", "CMYK", "YCbCr", "LAB", "HSV")
# Basta para una media y acota lo que ocupa una imagen enorme.
_SIDE = 64


def colour_level(content: bytes) -> float:
    """La distancia media entre el canal mayor y el menor de cada píxel, en 0..255; 0 si es gris.

    Parameters
    ----------
    content : bytes
        Un archivo que ``neumonia.datasets.images.decode`` ya aceptó.
    """
    with Image.open(io.BytesIO(content)) as image:
        if image.mode not in _COLOURED:
            return 0.0
        # Antes de reducir: al interpolar índices de una paleta saldrían colores inventados.
        small = image.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    channels = np.asarray(small, dtype=np.float64)
    return float((channels.max(axis=2) - channels.min(axis=2)).mean())
