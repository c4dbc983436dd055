"""Explicar radiografías sueltas: probabilidad, mapa superpuesto y un JSON que dice cómo se hizo."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from neumonia.datasets.images import decode, resize
from neumonia.errors import ImageError, NeumoniaError
from neumonia.files import write_json
from neumonia.gradcam import grad_cam_raw
from neumonia.gradcam.overlay import save_png
from neumonia.training import predict_logits, sigmoid

NOTICE = (
    "Este resultado es material docente. No es un diagnóstico ni sirve para decidir sobre la "
    "salud de nadie."
)
_LONGEST_SIDE = 1024


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
) -> Iterator[Explained]:
    """Explica cada imagen y escribe ``NOMBRE.png`` y ``NOMBRE.json`` en ``folder``.

    Una imagen dañada no detiene a las demás: se devuelve con su error.

    Parameters
    ----------
    model : keras.Model
        De ``(N, S, S, 1)`` con valores 0..255 al logit de PNEUMONIA.
    sources : rutas
        PNG o JPEG de cualquier tamaño.
    folder : Path
        Carpeta de salida; se crea.
    model_info : dict
        Qué modelo es y con qué se entrenó; pasa al JSON tal cual.
    target : {"PNEUMONIA", "NORMAL"}
    """
    names: dict[str, int] = {}
    size = int(model.inputs[0].shape[1])
    for source in sources:
        try:
            film = decode(source, name=str(source))
        except ImageError as error:
            yield Explained(Path(source), error=str(error))
            continue
        base = _free_name(Path(source).stem, names)
        small = resize(film, size)[None]
        probability = float(sigmoid(predict_logits(model, small))[0])
        cam = grad_cam_raw(model, small, target=target)
        shown = shrink(film)
        overlay = save_png(folder / f"{base}.png", shown, _grow(cam.heatmaps[0], shown.shape))
        record = folder / f"{base}.json"
        write_json(
            record,
            {
                "image": Path(source).name,
                "size": {"height": int(film.shape[0]), "width": int(film.shape[1])},
                "probability_pneumonia": probability,
                "decision_at_0.5": "PNEUMONIA" if probability >= 0.5 else "NORMAL",
                "map": {
                    "method": "Grad-CAM",
                    "target": target,
                    "layer": cam.layer,
                    "all_negative": bool(cam.all_negative[0]),
                    "file": overlay.name,
                },
                "model": model_info,
                "notice": NOTICE,
            },
        )
        yield Explained(Path(source), probability, overlay, record)


def shrink(film: np.ndarray, longest: int = _LONGEST_SIDE) -> np.ndarray:
    """La radiografía uint8 (H, W) con su proporción y, si hace falta, un lado de ``longest``."""
    height, width = film.shape
    scale = longest / max(height, width)
    if scale >= 1:
        return film
    shape = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(film).resize(shape, Image.Resampling.BILINEAR))


def find_images(paths: Iterable[Path]) -> list[Path]:
    """Las rutas dadas, con cada carpeta sustituida por sus PNG y JPEG, en orden.

    Raises
    ------
    NeumoniaError
        Si una ruta no existe o una carpeta no tiene imágenes.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(
                item
                for item in path.rglob("*")
                if item.suffix.lower() in (".png", ".jpg", ".jpeg")
                and not item.name.startswith("._")
            )
            if not inside:
                raise NeumoniaError(f"En la carpeta {path} no hay imágenes PNG ni JPEG.")
            found.extend(inside)
        elif path.is_file():
            found.append(path)
        else:
            raise NeumoniaError(f"No existe {path}. Revisemos la ruta de la imagen.")
    return found


def _free_name(stem: str, names: dict[str, int]) -> str:
    names[stem] = names.get(stem, 0) + 1
    return stem if names[stem] == 1 else f"{stem}-{names[stem]}"


def _grow(heatmap: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    grown = Image.fromarray(heatmap.astype(np.float32)).resize(
        (shape[1], shape[0]), Image.Resampling.BILINEAR
    )
    return np.clip(np.asarray(grown), 0.0, 1.0)
