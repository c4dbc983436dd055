"""Resultados publicados sobre la misma prueba oficial de 624 radiografías, con su fuente."""

from typing import Any

OFFICIAL: tuple[dict[str, Any], ...] = (
    {
        "title": "Kermany et al. (2018), Inception-V3 congelada",
        "source": "kermany2018cell",
        "roc_auc": 0.968,
        "accuracy": 0.928,
        "sensitivity": 0.932,
        "specificity": 0.901,
    },
    {
        "title": "MedMNIST v2, ResNet-50 a 224 px",
        "source": "yang2023medmnist",
        "roc_auc": 0.962,
        "accuracy": 0.884,
    },
    {
        "title": "MedMNIST v2, Google AutoML Vision",
        "source": "yang2023medmnist",
        "roc_auc": 0.991,
        "accuracy": 0.946,
    },
    {
        "title": "MedMNIST+, VGG16 congelada a 224 px",
        "source": "doerrich2025",
        "roc_auc": 0.968,
        "accuracy": 0.862,
    },
    {
        "title": "MedMNIST+, VGG16 ajustada entera a 64 px",
        "source": "doerrich2025",
        "roc_auc": 0.987,
        "accuracy": 0.893,
    },
)
"""``source`` es la clave en ``book/referencias.bib``; una medida que falta no se publicó."""

MINIATURE: tuple[dict[str, Any], ...] = tuple(
    {"title": title, "source": "yang2023medmnist", "roc_auc": area, "accuracy": accuracy}
    for title, area, accuracy in (
        ("MedMNIST v2, ResNet-18 a 28 px", 0.944, 0.854),
        ("MedMNIST v2, ResNet-50 a 28 px", 0.948, 0.854),
        ("MedMNIST v2, ResNet-50 a 224 px", 0.962, 0.884),
        ("MedMNIST v2, auto-sklearn", 0.942, 0.855),
        ("MedMNIST v2, AutoKeras", 0.947, 0.878),
        ("MedMNIST v2, Google AutoML Vision", 0.991, 0.946),
    )
)
"""Lo publicado sobre PneumoniaMNIST, con la misma prueba en miniatura."""
