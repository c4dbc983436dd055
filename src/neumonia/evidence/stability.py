"""Parte «estabilidad»: ruido, un píxel de desplazamiento y otra semilla."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from neumonia.evaluation import binary_metrics, bootstrap_by_patient
from neumonia.evidence.exam import FAST, Exam
from neumonia.gradcam import grad_cam
from neumonia.study import Study
from neumonia.study.parts import records
from neumonia.training import sigmoid
from neumonia.trust import between_films, network_agreement, noise_stability, shift_stability
from neumonia.trust.stability import ALL_PAIRS

# (red, semilla) -> estudio.
OpenSeed = Callable[[str, int], Study]

_SHIFTS = ((0, 1), (1, 0))


def run_stability(
    exam: Exam, open_seed: OpenSeed | None = None, seeds: Sequence[int] = ()
) -> dict[str, Any]:
    """Cuánto se parece el mapa de una radiografía al de la misma, apenas cambiada.

    Parameters
    ----------
    open_seed : función (red, semilla) -> Study, optional
        Los estudios de una misma red deben tener la misma prueba.
    seeds : sequence of int
        Sin ``open_seed`` o sin semillas no se comparan redes.

    Returns
    -------
    dict
        ``rows``: ``network``, ``method``, ``change`` («ruido 2»…, «1 píxel», «otra semilla»),
        ``metric``, ``value``, ``low``, ``high`` y ``n_null``. ``between``: el parecido entre
        radiografías de pacientes distintos. ``seeds``: por red, ``size`` (el lado de las
        radiografías) y ``auc`` ([valor, low, high] de cada semilla).
    """
    rows: list[dict[str, Any]] = []
    between: list[dict[str, Any]] = []
    for network in exam.networks:
        chosen = exam.sample(exam.study.rows("test"), few=network.slow)
        films, patients = exam.images(chosen), exam.patients(chosen)
        options = (exam.budget.resamples, exam.seed)
        for method in FAST:
            exam.report(f"Estabilidad: {network.title}, {method}")
            explain, who = network.explain(method), {"network": network.key, "method": method}
            call = (network.model, explain, films, patients)
            noise = noise_stability(*call, n=options[0], seed=options[1])
            noise["change"] = [f"ruido {sigma:g}" for sigma in noise.pop("sigma")]
            shift = shift_stability(*call, shifts=_SHIFTS, n=options[0], seed=options[1])
            shift = _mean_shift(shift)
            rows += records(pd.concat([noise, shift]).assign(**who))
            original = explain(network.model, films)
            between += records(between_films(original, patients, *options).assign(**who))
    found: dict[str, Any] = {"rows": rows, "between": between, "seeds": {}}
    if open_seed is not None and seeds:
        _agreement(exam, open_seed, seeds, found)
    return found


def _mean_shift(table: pd.DataFrame) -> pd.DataFrame:
    """Un píxel hacia un lado y hacia otro, en una sola fila por medida: la peor de las dos."""
    worst = table.sort_values("value", kind="stable").drop_duplicates("metric")
    return worst.drop(columns=["down", "right"]).assign(change="1 píxel")


def _agreement(
    exam: Exam, open_seed: OpenSeed, seeds: Sequence[int], found: dict[str, Any]
) -> None:
    """Añade a ``found`` el acuerdo entre redes que solo se distinguen en la semilla."""
    for key in ("cnn", "vgg16"):
        if key not in exam.study.models:
            continue
        studies = [open_seed(key, seed) for seed in seeds]
        first = studies[0]
        test = first.rows("test")
        chosen = exam.sample(test, few=key == "vgg16")
        films, patients = np.asarray(first.images[chosen]), _patients(first)
        found["seeds"][key] = {
            "size": first.config.size,
            "auc": [_auc(study, key, test, exam) for study in studies],
        }
        models = [study.model(key) for study in studies]
        for method in FAST:
            exam.report(f"Acuerdo entre semillas: {key}, {method}")
            maps = {
                str(seed): grad_cam(model, films, method=method)
                for seed, model in zip(seeds, models, strict=True)
            }
            table = network_agreement(maps, patients[chosen], exam.budget.resamples, exam.seed)
            table = table[table["first"].eq(ALL_PAIRS)].drop(columns=["first", "second"])
            who = {"network": key, "method": method, "change": "otra semilla"}
            found["rows"] += records(table.assign(**who))


def _patients(study: Study) -> np.ndarray:
    return study.dataset.manifest["patient"].to_numpy(dtype=object)


def _auc(study: Study, key: str, test: np.ndarray, exam: Exam) -> list[float]:
    labels, scores = study.labels[test], sigmoid(study.logits(key)[test])
    low, high = bootstrap_by_patient(
        labels, scores, _patients(study)[test], n=exam.budget.resamples, seed=exam.seed
    )
    return [round(v, 6) for v in (binary_metrics(labels, scores)["roc_auc"], low, high)]
