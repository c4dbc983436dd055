"""Explicar radiografías sueltas: probabilidad, mapa superpuesto y un JSON que dice cómo se hizo."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from neumonia.datasets.images import decode, resize
from neumonia.errors import ImageError, NeumoniaError
from neumonia.files import write_json
from neumonia.gradcam import METHODS, CamResult, grad_cam_raw
from neumonia.gradcam.overlay import save_png
from neumonia.training import sigmoid

NOTICE = (
    "Este resultado es material docente. No es un diagnóstico ni sirve para decidir sobre la "
    "salud de nadie."
)
_LONGEST_SIDE = 1024
# Compilar el cálculo del mapa cuesta más que hacerlo: se comparte entre unas cuantas imágenes.
_TOGETHER = 16
_EXTENSIONS = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True, eq=False)
class _Film:
    """Una imagen lista: para mostrar (lado de 1024 o menos), para la red, y su tamaño original."""

    source: Path
    shown: np.ndarray
    small: np.ndarray
    height: int
    width: int


@dataclass(frozen=True)
class Explained:
    """Resultado de una imagen: sus archivos y su probabilidad, o el error que la apartó."""

    source: Path
    probability: float | None = None
    overlay: Path | None = None
    record: Path | None = None
    error: str | None = None


def explain_images(
    model: Any,
    sources: Iterable[Path],
    folder: Path,
    model_info: dict[str, Any],
    target: str = "PNEUMONIA",
    method: str = "grad_cam",
    layer: str | None = None,
) -> Iterator[Explained]:
    """Explica cada imagen y escribe ``NOMBRE.png`` y ``NOMBRE.json`` en ``folder``.

    Una imagen dañada no detiene a las demás: se devuelve con su error. Dos imágenes con el mismo
    nombre dan ``NOMBRE`` y ``NOMBRE-2``.

    Parameters
    ----------
    model : keras.Model
        De ``(N, S, S, 1)`` con valores 0..255 al logit de PNEUMONIA, o a su sigmoide.
    sources : rutas
        PNG o JPEG de cualquier tamaño.
    folder : Path
        Carpeta de salida; se crea.
    model_info : dict
        Qué modelo es y con qué se entrenó; pasa al JSON tal cual.
    target : {"PNEUMONIA", "NORMAL"}
    method : str
        De ``neumonia.gradcam.METHODS``.
    layer : str, optional
        Una de ``conv_layers(model)``; por omisión, la última.

    Raises
    ------
    NeumoniaError
        Si el método o la capa no existen, el modelo no sirve para esto o no se puede escribir.
    """
    taken: set[str] = set()
    size = int(model.inputs[0].shape[1])
    remaining = iter(sources)
    while group := [_read(Path(source), size) for source in islice(remaining, _TOGETHER)]:
        films = [item for item in group if isinstance(item, _Film)]
        cam = None
        if films:
            small = np.stack([film.small for film in films])
            cam = grad_cam_raw(model, small, target=target, layer=layer, method=method)
        position = 0
        for item in group:
            if isinstance(item, Explained):
                yield item
                continue
            base = _free_name(item.source.stem, taken)
            yield _write(folder / base, item, cam, position, model_info)
            position += 1


def _read(source: Path, size: int) -> _Film | Explained:
    try:
        film = decode(source, name=str(source))
    except ImageError as error:
        return Explained(source, error=str(error))
    return _Film(source, shrink(film), resize(film, size), *film.shape)


def _write(
    base: Path, film: _Film, cam: CamResult, position: int, model_info: dict[str, Any]
) -> Explained:
    # El logit del mapa y no la salida del modelo, que puede ser ya una probabilidad.
    probability = float(sigmoid(cam.logits[position]))
    heatmap = _grow(cam.heatmaps[position], film.shown.shape)
    overlay = save_png(base.with_name(f"{base.name}.png"), film.shown, heatmap)
    record = base.with_name(f"{base.name}.json")
    write_json(
        record,
        {
            "image": film.source.name,
            "size": {"height": int(film.height), "width": int(film.width)},
            "probability_pneumonia": probability,
            "decision_at_0.5": "PNEUMONIA" if probability >= 0.5 else "NORMAL",
            "map": {
                "method": METHODS[cam.method].title,
                "target": cam.target,
                "layer": cam.layer,
                "all_negative": bool(cam.all_negative[position]),
                "file": overlay.name,
            },
            "model": model_info,
            "notice": NOTICE,
        },
    )
    return Explained(film.source, probability, overlay, record)


def shrink(film: np.ndarray, longest: int = _LONGEST_SIDE) -> np.ndarray:
    """La radiografía uint8 (H, W) con su proporción y, si hace falta, un lado de ``longest``."""
    height, width = film.shape
    scale = longest / max(height, width)
    if scale >= 1:
        return film
    shape = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(film).resize(shape, Image.Resampling.BILINEAR))


def find_images(paths: Iterable[Path], output: Path | None = None) -> list[Path]:
    """Las rutas dadas, con cada carpeta sustituida por sus PNG y JPEG, en orden.

    Parameters
    ----------
    paths : rutas
    output : Path, optional
        Dónde se escribirán los mapas. De las carpetas se omite lo que está en ella, que son mapas
        de otra vez.

    Raises
    ------
    NeumoniaError
        Si una ruta no existe, una carpeta no tiene imágenes, o una imagen está en ``output`` y se
        podría pisar.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = [item for item in sorted(path.rglob("*")) if _is_image(item)]
            ours = [item for item in inside if not _within(item, output)]
            if not ours:
                hint = " fuera de la carpeta de salida" if inside else ""
                raise NeumoniaError(f"En la carpeta {path} no hay imágenes PNG ni JPEG{hint}.")
            found.extend(ours)
        elif path.is_file():
            if _within(path, output):
                raise NeumoniaError(
                    f"La imagen {path} está en la carpeta de salida, y un mapa podría pisarla. "
                    "Elijamos otra carpeta con --salida."
                )
            found.append(path)
        else:
            raise NeumoniaError(f"No existe {path}. Revisemos la ruta de la imagen.")
    return found


def _is_image(path: Path) -> bool:
    visible = not path.name.startswith("._")
    return visible and path.suffix.lower() in _EXTENSIONS and path.is_file()


def _within(path: Path, folder: Path | None) -> bool:
    return folder is not None and path.resolve().is_relative_to(folder.resolve())


def _free_name(stem: str, taken: set[str]) -> str:
    """``stem``, o ``stem-2``, ``stem-3``…: el primero sin usar, sin distinguir mayúsculas."""
    name, number = stem, 1
    while name.casefold() in taken:
        number += 1
        name = f"{stem}-{number}"
    taken.add(name.casefold())
    return name


def _grow(heatmap: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    grown = Image.fromarray(heatmap.astype(np.float32)).resize(
        (shape[1], shape[0]), Image.Resampling.BILINEAR
    )
    return np.clip(np.asarray(grown), 0.0, 1.0)
