"""Con qué frecuencia pasa su comprobación cada clase de mapa: los errores de ``check_place``."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from neumonia.evaluation import mean_interval
from neumonia.explain.place import check_place, move, predictor
from neumonia.gradcam import grad_cam_raw
from neumonia.heat import centre_maps

if TYPE_CHECKING:
    from neumonia.study import Study

MOVED, CENTRE, TRUTH = "moved", "centre", "truth"


def place_rates(
    study: "Study",
    name: str,
    methods: Sequence[str] = ("grad_cam", "hires_cam"),
    n_films: int = 100,
    seed: int = 0,
) -> pd.DataFrame:
    """Qué parte de los mapas pasa, en radiografías de prueba y hacia PNEUMONIA.

    Parameters
    ----------
    study : Study
    name : {"cnn", "vgg16"}
        Una red ya entrenada del estudio.
    methods : de ``neumonia.gradcam.METHODS``, al menos uno
    n_films : int
        Radiografías de prueba que se sortean; todas, si hay menos.
    seed : int

    Returns
    -------
    DataFrame
        Por cada clase de mapa (``map``) y grupo (``films``: ``"all"`` o ``"true_positives"``):
        ``n``, ``null`` (parte de mapas nulos, que no pasan) y ``passed``, con su intervalo del 95 %
        por paciente, ``low`` y ``high``; un grupo vacío da NaN. Además de los métodos:
        ``"moved"``, los del primero en un lugar al azar, que no deben pasar más de 1 vez de cada
        20; ``"centre"``, el mismo mapa centrado en todas, que no mira la radiografía; y, en la
        maqueta y solo en las positivas acertadas, ``"truth"``, la máscara verdadera: lo que le
        falta para 1 es lo que falla un mapa acertado.
    """
    rng = np.random.default_rng(seed)
    test = study.rows("test")
    rows = np.sort(rng.choice(test, min(n_films, len(test)), replace=False))
    films = np.asarray(study.images[rows])
    patients = study.dataset.manifest["patient"].to_numpy(dtype=object)[rows]
    model = study.model(name)
    cams = {method: grad_cam_raw(model, films, method=method) for method in methods}
    maps = {method: cam.heatmaps for method, cam in cams.items()}
    maps[MOVED] = np.stack([move(heat, rng) for heat in maps[methods[0]]])
    maps[CENTRE] = centre_maps(films.shape)
    everyone = np.ones(len(rows), bool)
    hits = (study.labels[rows] == 1) & (cams[methods[0]].logits > 0)
    groups = {kind: {"all": everyone, "true_positives": hits} for kind in maps}
    if study.dataset.name == "maqueta" and hits.any():
        from neumonia.datasets.phantoms import phantom_masks

        masks = phantom_masks(study.dataset, rows, study.config.size)
        maps[TRUTH] = masks.astype(np.float32)
        groups[TRUTH] = {"true_positives": hits}
    predict = predictor(model)
    table = []
    for kind, heatmaps in maps.items():
        checks = check_place(predict, films, heatmaps, seed=seed)
        passed = np.array([check.passed for check in checks], float)
        null = np.array([check.null for check in checks], float)
        for group, chosen in groups[kind].items():
            value, low, high = mean_interval(passed[chosen], patients[chosen], seed=seed)
            share = float(null[chosen].mean()) if chosen.any() else np.nan
            table.append((kind, group, int(chosen.sum()), share, value, low, high))
    return pd.DataFrame(table, columns=["map", "films", "n", "null", "passed", "low", "high"])
