"""Mide lo que tarda cada pieza, como cocientes dentro de una misma pasada.

    .venv/bin/python bench/medir.py [--repeticiones 3] [--lado 150]

Las máquinas compartidas varían mucho de un minuto a otro; por eso cada comparación alterna A y B
y se resume con la mediana del cociente. No es una prueba: nada falla por ser lento.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np


def seconds(action: Callable[[], object]) -> float:
    """Segundos de reloj que tarda ``action``."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def compare(name: str, a: tuple[str, Callable], b: tuple[str, Callable], repeats: int) -> None:
    """Ejecuta A y B por turnos y escribe las medianas y el cociente A/B."""
    a[1]()
    b[1]()
    pairs = [(seconds(a[1]), seconds(b[1])) for _ in range(repeats)]
    first, second = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratios = sorted(x / y for x, y in pairs)
    print(
        f"{name}\n  {a[0]:<34}{first:8.3f} s\n  {b[0]:<34}{second:8.3f} s\n"
        f"  cociente {statistics.median(ratios):.2f} (de {ratios[0]:.2f} a {ratios[-1]:.2f})"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeticiones", type=int, default=3)
    parser.add_argument("--lado", type=int, default=150)
    options = parser.parse_args()

    from neumonia.datasets import open_dataset
    from neumonia.datasets.images import open_arrays
    from neumonia.datasets.phantoms import make_films
    from neumonia.gradcam import grad_cam
    from neumonia.models.cnn import build_cnn
    from neumonia.models.vgg16 import build_backbone, compute_features
    from neumonia.training import fit, predict_logits

    repeats, size = options.repeticiones, options.lado
    films = np.random.default_rng(0).integers(0, 256, (64, size, size), dtype=np.uint8)
    labels = np.arange(64) % 2

    compare(
        "Maqueta: 300 radiografías",
        ("a 128 px", lambda: make_films(300, 128, seed=0)),
        ("a 64 px", lambda: make_films(300, 64, seed=0)),
        repeats,
    )
    dataset = open_dataset("maqueta", n_films=300, size=size)
    with tempfile.TemporaryDirectory() as cache:
        compare(
            "Arreglos: 300 radiografías",
            ("leer y redimensionar", lambda: dataset.load(size=size)),
            ("abrir lo guardado", lambda: open_arrays(dataset, size, Path(cache)).sum()),
            repeats,
        )
    single, mixed = build_backbone(size), build_backbone(size, "mixed_bfloat16")
    compare(
        "VGG16: características de 64 radiografías",
        ("float32", lambda: compute_features(single, films)),
        ("mixed_bfloat16", lambda: compute_features(mixed, films)),
        repeats,
    )
    plain, augmented = build_cnn(size, 0, augment=False), build_cnn(size, 0)
    train = (films, labels)
    compare(
        "CNN: una época con 64 radiografías",
        ("con aumento", lambda: fit(augmented, train, train, 1)),
        ("sin aumento", lambda: fit(plain, train, train, 1)),
        repeats,
    )
    compare(
        "CNN: 64 radiografías",
        ("Grad-CAM", lambda: grad_cam(plain, films)),
        ("solo el logit", lambda: predict_logits(plain, films)),
        repeats,
    )
    compare(
        "Grad-CAM: 64 radiografías",
        ("de una en una", lambda: [grad_cam(plain, film[None]) for film in films]),
        ("en lotes de 32", lambda: grad_cam(plain, films)),
        repeats,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
