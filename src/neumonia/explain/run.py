"""De los archivos a los resultados: probabilidad, mapa, comprobaciones, PNG y JSON."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from neumonia.errors import ImageError
from neumonia.explain.images import Film, free_name, grow, read_film, to_jpeg
from neumonia.explain.place import check_place, predictor
from neumonia.explain.verdict import Verdict, pass_verdict
from neumonia.explain.words import NOTICE, hottest_place
from neumonia.files import write_json
from neumonia.gradcam import METHODS, CamResult, explainer
from neumonia.gradcam.overlay import overlay, save_png
from neumonia.likeness import Likeness
from neumonia.training import sigmoid

# Juntas pasan antes por la red; más ocuparían demasiada memoria.
_TOGETHER = 16
# En el informe cada imagen va dentro del HTML: así basta mandar un archivo.
_EMBEDDED_SIDE = 768


@dataclass(frozen=True, eq=False)
class Pictures:
    """Lo que el informe muestra: la radiografía y el mapa en JPEG, y dónde está lo más caliente."""

    film: bytes
    map: bytes
    hottest: str


@dataclass(frozen=True, eq=False)
class Explained:
    """Resultado de una imagen, o el error que la apartó.

    Attributes
    ----------
    source, overlay, record : Path
        La imagen y los archivos escritos.
    probability : float
        De PNEUMONIA.
    facts : dict
        Lo que dice el JSON.
    warnings : tuple of str
        Por qué desconfiar de este resultado.
    error : str
    """

    source: Path
    probability: float | None = None
    overlay: Path | None = None
    record: Path | None = None
    error: str | None = None
    facts: dict[str, Any] = field(default_factory=dict, repr=False)
    pictures: Pictures | None = field(default=None, repr=False)

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(self.facts.get("warnings", ()))


def explain_images(
    model: Any,
    sources: Iterable[Path],
    folder: Path,
    model_info: dict[str, Any],
    target: str = "PNEUMONIA",
    method: str = "grad_cam",
    layer: str | None = None,
    likeness: Likeness | None = None,
    seed: int = 0,
) -> Iterator[Explained]:
    """Explica cada imagen y escribe ``NOMBRE.png`` y ``NOMBRE.json`` en ``folder``.

    Una imagen dañada no detiene a las demás: se devuelve con su error. Dos imágenes con el mismo
    nombre dan ``NOMBRE`` y ``NOMBRE-2``. Cada mapa se comprueba con ``check_place``, que cuesta 21
    pasadas de la red por imagen, y el resultado de una imagen no depende de las demás.

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
    likeness : Likeness, optional
        Con qué se decide si una imagen parece una radiografía; sin ella no se comprueba.
    seed : int
        De los lugares al azar con que se compara cada mapa.

    Raises
    ------
    NeumoniaError
        Si el método o la capa no existen, el modelo no sirve para esto o no se puede escribir.
    """
    taken: set[str] = set()
    size = int(model.inputs[0].shape[1])
    explain: Callable[[np.ndarray], CamResult] | None = None
    remaining = iter(sources)
    while group := [_read(Path(source), size, likeness) for source in islice(remaining, _TOGETHER)]:
        films = [item for item in group if isinstance(item, Film)]
        if films and explain is None:
            # Solo si hay algo que explicar: compilar cuesta más que unos cuantos mapas.
            explain, predict = explainer(model, target, layer, method=method), predictor(model)
        cam = explain(np.stack([film.small for film in films])) if films else None
        position = 0
        for item in group:
            if isinstance(item, Explained):
                yield item
                continue
            base = folder / free_name(item.source.stem, taken)
            heatmap = cam.heatmaps[position]
            (place,) = check_place(predict, item.small[None], heatmap[None], target, seed=seed)
            verdict = pass_verdict(heatmap, place, item.judgement, likeness, target)
            yield _write(base, item, cam, position, verdict, model_info)
            position += 1


def _read(source: Path, size: int, likeness: Likeness | None) -> Film | Explained:
    try:
        return read_film(source, size, likeness)
    except ImageError as error:
        return Explained(source, error=str(error))


def _write(
    base: Path,
    film: Film,
    cam: CamResult,
    position: int,
    verdict: Verdict,
    model_info: dict[str, Any],
) -> Explained:
    # El logit del mapa y no la salida del modelo, que puede ser ya una probabilidad.
    probability = float(sigmoid(cam.logits[position]))
    null = bool(cam.all_negative[position])
    heatmap = grow(cam.heatmaps[position], film.shown.shape)
    painted = save_png(base.with_name(f"{base.name}.png"), film.shown, heatmap)
    record = base.with_name(f"{base.name}.json")
    facts = {
        "image": _text(film.source.name),
        "size": {"height": int(film.height), "width": int(film.width)},
        "probability_pneumonia": probability,
        "decision_at_0.5": "PNEUMONIA" if probability >= 0.5 else "NORMAL",
        "map": {
            "method": METHODS[cam.method].title,
            "target": cam.target,
            "layer": cam.layer,
            "all_negative": null,
            "file": _text(painted.name),
        },
        "checks": verdict.checks,
        "warnings": verdict.warnings,
        "notes": verdict.notes,
        "model": model_info,
        "notice": NOTICE,
    }
    write_json(record, facts)
    pictures = Pictures(
        to_jpeg(film.shown, _EMBEDDED_SIDE),
        to_jpeg(overlay(film.shown, heatmap), _EMBEDDED_SIDE),
        "" if null else hottest_place(heatmap),
    )
    return Explained(film.source, probability, painted, record, None, facts, pictures)


def _text(name: str) -> str:
    """El nombre para el JSON: los bytes que no son UTF-8, que no caben en él, como «?»."""
    return name.encode("utf-8", "replace").decode()
