"""Parte «localizacion»: ¿cae el calor en la opacidad? Solo en la maqueta, que trae máscaras."""

from typing import Any

import numpy as np
import pandas as pd

from neumonia.datasets.phantoms import phantom_masks
from neumonia.evaluation import binary_metrics, bootstrap_by_patient
from neumonia.evidence.exam import SLOW, Exam, methods_of
from neumonia.evidence.networks import Network
from neumonia.gradcam import INPUT, METHODS, grad_cam
from neumonia.models.layers import walk_layers
from neumonia.study.parts import records
from neumonia.training import sigmoid
from neumonia.trust import baseline_maps, localisation_table, opacity_groups
from neumonia.trust.localisation import ALL

GROUPINGS = ("size", "third")
POINTING = "pointing_game"


def run_localisation(exam: Exam) -> dict[str, Any]:
    """Mide cada método y capa en las positivas de prueba que la red acierta.

    La capa y el método que se proponen para cada red se eligen en la validación; la prueba solo los
    mide.

    Returns
    -------
    dict
        ``networks``: por red, ``title``, ``auc`` ([valor, low, high] en la prueba),
        ``n_positives``, ``n_correct`` y ``grid`` (lado del mapa de cada capa). ``rows``: las de
        ``localisation_table`` con ``network``, ``layer``, ``part`` (val o test) y ``grouping``.
        ``references``: lo mismo para los mapas que no miran la radiografía, medidos en las mismas
        positivas de cada red. ``best``: por red, ``layer``, ``method``, ``val`` y ``test``.

    Raises
    ------
    DataError
        Si los datos no son la maqueta, o una red no acierta ninguna positiva.
    """
    study = exam.study
    positives = np.flatnonzero(study.labels == 1)
    train = positives[np.isin(positives, study.rows("train"))]
    train_masks = phantom_masks(study.dataset, train, study.config.size)
    rows: list[dict[str, Any]] = []
    references: list[dict[str, Any]] = []
    networks, best = {}, {}
    for network in exam.networks:
        exam.report(f"Localización: {network.title}")
        networks[network.key] = _describe(exam, network)
        found = []
        for part in ("val", "test"):
            chosen = exam.correct_positives(network, part)
            masks = phantom_masks(study.dataset, chosen, study.config.size)
            found.append(_measure(exam, network, part, chosen, masks))
            if part == "test":
                blind = baseline_maps(masks.shape, exam.seed, train_masks=train_masks, masks=masks)
                table = _table(exam, blind, masks, chosen)
                references += records(table.assign(network=network.key, part=part))
        table = pd.concat(found, ignore_index=True)
        best[network.key] = _best(table)
        rows += records(table)
    return {"networks": networks, "rows": rows, "references": references, "best": best}


def _describe(exam: Exam, network: Network) -> dict[str, Any]:
    test = exam.study.rows("test")
    labels, scores = exam.study.labels[test], sigmoid(network.logits[test])
    low, high = bootstrap_by_patient(
        labels, scores, exam.patients(test), n=exam.budget.resamples, seed=exam.seed
    )
    layers = dict(walk_layers(network.model))
    return {
        "title": network.title,
        "auc": [binary_metrics(labels, scores)["roc_auc"], low, high],
        "n_positives": int(labels.sum()),
        "n_correct": len(exam.correct_positives(network)),
        "grid": {name: list(layers[name].output.shape[1:3]) for name in network.layers},
    }


def _measure(
    exam: Exam, network: Network, part: str, chosen: np.ndarray, masks: np.ndarray
) -> pd.DataFrame:
    """Todas las capas y métodos de una red en una parte."""
    films = exam.images(chosen)
    quick: dict[tuple[str, str], np.ndarray] = {}
    slow: dict[tuple[str, str], np.ndarray] = {}
    few = np.flatnonzero(np.isin(chosen, exam.sample(chosen, few=True)))
    for layer in network.layers:
        for method in methods_of(network, layer):
            where = layer if METHODS[method].weighs_channels else INPUT
            costly = network.slow and method in SLOW
            if costly and part == "val":
                continue
            subset = films[few] if costly else films
            maps = grad_cam(network.model, subset, layer=layer, method=method)
            (slow if costly else quick)[where, method] = maps
    tables = [_table(exam, quick, masks, chosen)]
    if slow:
        tables.append(_table(exam, slow, masks[few], chosen[few]))
    table = pd.concat(tables, ignore_index=True)
    if part == "val":
        # En la validación solo se elige: los grupos se miden en la prueba.
        table = table[table["group"] == ALL]
    pairs = table.pop("method")
    return table.assign(
        network=network.key,
        part=part,
        layer=[layer for layer, _ in pairs],
        method=[method for _, method in pairs],
    )


def _table(
    exam: Exam, maps: dict[Any, np.ndarray], masks: np.ndarray, chosen: np.ndarray
) -> pd.DataFrame:
    groups = opacity_groups(masks)
    patients, options = exam.patients(chosen), (exam.budget.resamples, exam.seed)
    tables = []
    for grouping in GROUPINGS:
        by = groups[grouping].to_numpy()
        table = localisation_table(maps, masks, patients, *options, by=by)
        tables.append(table.assign(grouping=grouping))
    table = pd.concat(tables, ignore_index=True)
    # Todas juntas salen igual con cada agrupación.
    return table[(table["group"] != ALL) | (table["grouping"] == GROUPINGS[0])]


def _best(table: pd.DataFrame) -> dict[str, Any]:
    """La capa y el método que más apuntan en la validación, y cuánto apuntan en la prueba."""
    pointing = table[(table["metric"] == POINTING) & (table["group"] == ALL)]
    # Un método medido en pocas radiografías no compite: ganaría por azar.
    val = pointing[pointing["part"] == "val"]
    val = val[val["n_films"] == val["n_films"].max()]
    first = val.sort_values("value", ascending=False, kind="stable").iloc[0]
    same = pointing["layer"].eq(first["layer"]) & pointing["method"].eq(first["method"])
    test = pointing[same & pointing["part"].eq("test")].iloc[0]
    ends = ["value", "low", "high"]
    return {
        "layer": first["layer"],
        "method": first["method"],
        "val": [float(first[end]) for end in ends],
        "test": [float(test[end]) for end in ends],
    }
