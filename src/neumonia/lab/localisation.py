"""«localizacion»: ¿cae el calor en la opacidad? Solo en la maqueta, que trae máscaras."""

from typing import Any

import numpy as np
import pandas as pd

from neumonia.datasets.phantoms import phantom_masks
from neumonia.evaluation import mean_interval
from neumonia.gradcam import INPUT, METHODS, grad_cam
from neumonia.heat import blind_maps, energy_inside, iou_at_area, pointing_game
from neumonia.lab.networks import SLOW, Exam, Network, auc_row
from neumonia.models.layers import walk_layers

MEASURES = {"pointing_game": pointing_game, "energy_inside": energy_inside, "iou": iou_at_area}


def measure(exam: Exam) -> pd.DataFrame:
    """Mide cada red, capa y método en las positivas que la red acierta, en validación y en prueba.

    La capa y el método que se proponen para cada red se eligen después en la validación
    (``best_pair``); la prueba solo los mide.

    Returns
    -------
    DataFrame
        ``split`` (val o test), ``layer``, ``n_null`` (mapas nulos) y las columnas comunes. Las
        medidas: las de ``MEASURES``, también de los mapas de ``blind_maps``, sin capa. De cada red,
        además: ``roc_auc`` en la prueba; ``correct``, las positivas de prueba que acierta, de las
        ``n`` que hay; y ``side``, el lado del mapa de cada capa.
    """
    study = exam.study
    train = study.rows("train")
    train_masks = _masks(exam, train[study.labels[train] == 1])
    rows: list[dict[str, Any]] = []
    for network in exam.networks:
        exam.report(f"Localización: {network.title}")
        found = _describe(exam, network)
        for split in ("val", "test"):
            chosen = exam.correct_positives(network, split)
            masks = _masks(exam, chosen)
            mine = _layers(exam, network, split, chosen, masks)
            if split == "test":
                blind = blind_maps(masks, train_masks, exam.seed)
                mine += _rows(
                    exam, {("", name): heat for name, heat in blind.items()}, masks, chosen
                )
            found += [{"split": split, **row} for row in mine]
        rows += [{"network": network.key, **row} for row in found]
    return pd.DataFrame(rows)


def best_pair(table: pd.DataFrame, network: str) -> pd.Series:
    """La fila de prueba de la capa y el método que más apuntan en la validación.

    Un método medido en pocas radiografías no compite: ganaría por azar.
    """
    pointing = table[(table["network"] == network) & (table["metric"] == "pointing_game")]
    val = pointing[pointing["split"] == "val"]
    val = val[val["n"] == val["n"].max()]
    first = val.sort_values("value", ascending=False, kind="stable").iloc[0]
    same = pointing["layer"].eq(first["layer"]) & pointing["method"].eq(first["method"])
    return pointing[same & pointing["split"].eq("test")].iloc[0]


def _masks(exam: Exam, rows: np.ndarray) -> np.ndarray:
    return phantom_masks(exam.study.dataset, rows, exam.study.config.size)


def _describe(exam: Exam, network: Network) -> list[dict[str, Any]]:
    test = exam.study.rows("test")
    labels = exam.study.labels[test]
    auc = auc_row(labels, network.logits[test], exam.patients(test), exam.draw)
    correct = {"value": len(exam.correct_positives(network)), "n": int(labels.sum())}
    layers = dict(walk_layers(network.model))
    sides = [
        {"metric": "side", "layer": name, "value": layers[name].output.shape[1]}
        for name in network.layers
    ]
    return [{"split": "test", **auc}, {"split": "test", "metric": "correct", **correct}, *sides]


def _layers(
    exam: Exam, network: Network, split: str, chosen: np.ndarray, masks: np.ndarray
) -> list[dict[str, Any]]:
    """Todas las capas y métodos de una red en una parte."""
    films = exam.images(chosen)
    quick: dict[tuple[str, str], np.ndarray] = {}
    slow: dict[tuple[str, str], np.ndarray] = {}
    few = np.flatnonzero(np.isin(chosen, exam.sample(chosen, few=True)))
    for layer in network.layers:
        for method in _methods_of(network, layer):
            where = layer if METHODS[method].weighs_channels else INPUT
            costly = network.slow and method in SLOW
            if costly and split == "val":
                continue
            subset = films[few] if costly else films
            maps = grad_cam(network.model, subset, layer=layer, method=method)
            (slow if costly else quick)[where, method] = maps
    rows = _rows(exam, quick, masks, chosen)
    return rows + (_rows(exam, slow, masks[few], chosen[few]) if slow else [])


def _methods_of(network: Network, layer: str) -> list[str]:
    """Los que trabajan sobre los píxeles no miran la capa: van solo con la última.

    Score-CAM en una red lenta, también.
    """
    last = layer == network.layers[-1]
    return [
        name
        for name, method in METHODS.items()
        if last or (method.weighs_channels and not (network.slow and name in SLOW))
    ]


def _rows(
    exam: Exam, maps: dict[tuple[str, str], np.ndarray], masks: np.ndarray, chosen: np.ndarray
) -> list[dict[str, Any]]:
    patients, rows = exam.patients(chosen), []
    for (layer, method), heat in maps.items():
        n_null = int((~heat.any(axis=(1, 2))).sum())
        for metric, score in MEASURES.items():
            value, low, high = mean_interval(score(heat, masks), patients, *exam.draw)
            ends = {"value": value, "low": low, "high": high, "n": len(heat), "n_null": n_null}
            rows.append({"layer": layer, "method": method, "metric": metric, **ends})
    return rows
