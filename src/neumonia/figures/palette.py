"""Una sola paleta: se distingue sin color, con daltonismo y sobre blanco.

En cada pareja que se compara (clases, modelos, entrenamiento y validación) la luminosidad CIE L*
difiere en 20 o más, todos los colores contrastan 4.5:1 con el blanco —sirven también para texto— y
además cambian el trazo, la marca y la trama. Tonos cercanos a los de Okabe e Ito (2008), *Color
Universal Design*, oscurecidos para poder escribir con ellos.
"""

from dataclasses import dataclass

TEXT = "#222222"
MUTED = "#5F5F5F"
GRID = "#DDDDDD"
BACKGROUND = "#FFFFFF"


@dataclass(frozen=True)
class Style:
    """Cómo se dibuja una serie: color, trazo, marca y trama de relleno."""

    color: str
    line: str | tuple[float, tuple[float, ...]]
    marker: str
    hatch: str

    def stroke(self, width: float = 1.8) -> dict[str, object]:
        """Argumentos de línea para Matplotlib."""
        return {"color": self.color, "linestyle": self.line, "linewidth": width}


_SOLID = "-"
_DASHED = (0.0, (5.0, 1.8))

NORMAL = Style("#00355C", _SOLID, "o", "")
PNEUMONIA = Style("#C44E00", _DASHED, "^", "////")
CLASSES = {0: NORMAL, 1: PNEUMONIA}
CLASS_NAMES = {0: "NORMAL", 1: "PNEUMONIA"}

CNN = Style("#00825F", _SOLID, "o", "")
VGG16 = Style("#4B1D5E", _DASHED, "s", "////")

TRAINING = Style("#737373", _DASHED, "o", "")
VALIDATION = Style("#6B1038", _SOLID, "s", "")

PAIRS = ((NORMAL, PNEUMONIA), (CNN, VGG16), (TRAINING, VALIDATION))
"""Las parejas que aparecen juntas en una figura."""

_OTHERS = (
    Style("#8A5A00", (0.0, (1.2, 1.2)), "D", "...."),
    Style("#0B4F8A", (0.0, (6.0, 1.5, 1.2, 1.5)), "v", "\\\\\\\\"),
    Style("#333333", (0.0, (3.0, 1.2, 1.2, 1.2, 1.2, 1.2)), "P", "xxxx"),
    Style("#B0306A", (0.0, (9.0, 2.0)), "X", "++++"),
)


def model_styles(names: list[str]) -> dict[str, Style]:
    """Un estilo por modelo: CNN y VGG16 tienen siempre el suyo; los demás, uno libre en orden."""
    fixed = {"cnn": CNN, "vgg16": VGG16}
    styles: dict[str, Style] = {}
    others = 0
    for name in names:
        style = fixed.pop(name.strip().lower(), None)
        if style is None:
            style = _OTHERS[others % len(_OTHERS)]
            others += 1
        styles[name] = style
    return styles
