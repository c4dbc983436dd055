"""Errores que el paquete muestra a las personas: dicen qué pasó, dónde y qué hacer."""


class NeumoniaError(Exception):
    """Base de todo error previsto. Su texto se muestra tal cual, sin rastro de pila."""


class ConfigError(NeumoniaError):
    """Una opción o un argumento fuera de su dominio."""


class DataError(NeumoniaError):
    """Los datos faltan, están incompletos o no permiten lo que se pide."""


class ImageError(DataError):
    """Un archivo que debía ser una imagen no se puede leer como tal."""


class WeightsError(NeumoniaError):
    """Los pesos de la red no se encuentran o no son los que deben ser."""
