"""Detección de neumonía en radiografías de tórax: de la imagen al número y al mapa.

Paquete docente que acompaña al libro. No sirve para diagnosticar a nadie.
"""

__version__ = "0.1.0"
