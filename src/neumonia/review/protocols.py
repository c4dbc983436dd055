"""Tres protocolos, las mismas semillas: cuánto cambia el resultado según cómo se separa la prueba.

Cada semilla vuelve a repartir los datos (salvo la prueba oficial, que es fija) y vuelve a entrenar.
La dispersión entre semillas y el remuestreo de pacientes entran juntos en cada intervalo.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from neumonia.evaluation import METRIC_NAMES, binary_metrics, metric_distributions
from neumonia.evaluation.intervals import hierarchical_interval, seed_spread
from neumonia.splits import patient_groups
from neumonia.study import Config, Study
from neumonia.training import sigmoid

PROTOCOLS = ("archivo", "paciente", "oficial")
# Fuga: lo que el reparto por archivo regala. Cambio de equipo: lo que la prueba oficial quita.
CONTRASTS = {"fuga": ("archivo", "paciente"), "adquisicion": ("paciente", "oficial")}
SHARED_METRICS = ("roc_auc", "accuracy")
RESAMPLES = 2000


def run_protocols(
    configs: dict[str, Config],
    seeds: Sequence[int],
    open_one: Callable[[Config], Study] = Study,
    report: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Entrena y evalúa cada modelo con cada protocolo y cada semilla.

    Parameters
    ----------
    configs : dict
        Modelo (``"cnn"`` o ``"vgg16"``) → configuración de partida; la partición y la semilla se
        cambian aquí.
    seeds : sequence of int
    open_one : callable
        Cómo se abre un estudio.
    report : callable
        Recibe una línea por entrenamiento.

    Returns
    -------
    dict
        ``models[modelo][protocolo]``: ``seeds`` (una medida por semilla), ``mean`` (métrica →
        ``[media, low, high]``) y ``spread`` (métrica → media, desviación, mínimo y máximo entre
        semillas). ``contrasts[modelo][contraste]``: métrica → ``[diferencia, low, high]``.
        ``leak[semilla]``: qué parte de la prueba por archivo tiene a su paciente en train.
        ``shared[modelo]``: ``seeds``, métricas de esa parte (``con``) y del resto (``sin``) dentro
        de la misma prueba, y ``mean``, su media y la de la diferencia, ``[media, low, high]``.
    """
    models: dict[str, Any] = {}
    contrasts: dict[str, Any] = {}
    shared: dict[str, Any] = {}
    leak: dict[str, float] = {}
    for name, base in configs.items():
        draws: dict[str, list[dict[str, np.ndarray]]] = {}
        models[name] = {}
        apart: list[tuple[dict[str, Any], dict[str, Any]]] = []
        for protocol in PROTOCOLS:
            measured, draws[protocol] = [], []
            for seed in seeds:
                study = open_one(base.with_changes(split=protocol, seed=seed))
                values, drawn = measure(study, name)
                measured.append({"seed": seed, **values})
                draws[protocol].append(drawn)
                report(f"{name} · {protocol} · semilla {seed}: {values['roc_auc']:.3f}")
                if protocol == "archivo":
                    beside = films_beside_training(study)
                    leak[str(seed)] = float(beside.mean())
                    apart.append(compare_shared(study, name, beside))
            models[name][protocol] = summarize_seeds(measured, draws[protocol])
        shared[name] = summarize_shared(apart)
        contrasts[name] = {
            title: contrast(models[name], draws, *pair) for title, pair in CONTRASTS.items()
        }
    return {
        "seeds": list(seeds),
        "configs": {name: base.identity() for name, base in configs.items()},
        "models": models,
        "contrasts": contrasts,
        "leak": leak,
        "shared": shared,
    }


def measure(study: Study, name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Métricas de prueba del modelo ``name`` y sus remuestreos por paciente."""
    rows = study.rows("test")
    labels = study.labels[rows]
    probabilities = sigmoid(study.logits(name)[rows])
    # Sin paciente conocido, cada grupo de archivos idénticos cuenta como uno.
    patients = patient_groups(study.dataset.manifest)[rows].astype(str)
    # La prueba oficial es la misma en todas las semillas: también lo son sus remuestreos.
    seed = 0 if study.config.split == "oficial" else study.config.seed
    drawn = metric_distributions(labels, probabilities, patients, n=RESAMPLES, seed=seed)
    return binary_metrics(labels, probabilities), drawn


def summarize_seeds(
    measured: list[dict[str, Any]], draws: list[dict[str, np.ndarray]]
) -> dict[str, Any]:
    """Media sobre semillas con su intervalo, y dispersión entre semillas."""
    mean, spread = {}, {}
    for metric in METRIC_NAMES:
        values = [one[metric] for one in measured]
        if None in values:
            # La precisión no existe si un modelo no llama PNEUMONIA a ninguna radiografía.
            mean[metric], spread[metric] = [None, None, None], None
            continue
        low, high = hierarchical_interval([one[metric] for one in draws])
        mean[metric] = [float(np.mean(values)), low, high]
        found = seed_spread(values)
        spread[metric] = {
            "mean": found.mean,
            "std": found.std,
            "minimum": found.minimum,
            "maximum": found.maximum,
        }
    return {"seeds": measured, "mean": mean, "spread": spread}


def contrast(
    protocols: dict[str, Any],
    draws: dict[str, list[dict[str, np.ndarray]]],
    first: str,
    second: str,
) -> dict[str, list[float | None]]:
    """Diferencia ``first - second`` de cada métrica, con su intervalo.

    Cada semilla aporta la resta de dos remuestreos independientes: las pruebas son distintas.
    """
    found = {}
    for metric in METRIC_NAMES:
        means = [protocols[name]["mean"][metric][0] for name in (first, second)]
        if None in means:
            found[metric] = [None, None, None]
            continue
        differences = [
            one[metric] - _shuffled(other[metric])
            for one, other in zip(draws[first], draws[second], strict=True)
        ]
        low, high = hierarchical_interval(differences)
        found[metric] = [means[0] - means[1], low, high]
    return found


def _shuffled(values: np.ndarray) -> np.ndarray:
    """Rompe el emparejamiento que dejaría una misma semilla de remuestreo."""
    return np.random.default_rng(0).permutation(values)


def films_beside_training(study: Study) -> np.ndarray:
    """bool por radiografía de prueba: si su paciente también está en entrenamiento."""
    groups = patient_groups(study.dataset.manifest)
    return np.isin(groups[study.rows("test")], np.unique(groups[study.rows("train")]))


def compare_shared(
    study: Study, name: str, beside: np.ndarray
) -> tuple[dict[str, Any], dict[str, Any]]:
    """ROC-AUC y exactitud de las radiografías con y sin su paciente en entrenamiento.

    Returns
    -------
    found, draws
        ``found[parte]``: ``n`` y cada métrica, o ``None`` si no está definida. ``draws[parte]``:
        métrica → sus remuestreos por paciente; vacío si en la parte falta una clase.
    """
    rows = study.rows("test")
    labels, probabilities = study.labels[rows], sigmoid(study.logits(name)[rows])
    patients = patient_groups(study.dataset.manifest)[rows].astype(str)
    found: dict[str, Any] = {"seed": study.config.seed}
    draws: dict[str, Any] = {}
    for title, mask in (("con", beside), ("sin", ~beside)):
        found[title] = {"n": int(mask.sum()), **dict.fromkeys(SHARED_METRICS)}
        draws[title] = {}
        if len(np.unique(labels[mask])) == 2:
            metrics = binary_metrics(labels[mask], probabilities[mask])
            found[title] |= {key: metrics[key] for key in SHARED_METRICS}
            draws[title] = metric_distributions(
                labels[mask],
                probabilities[mask],
                patients[mask],
                SHARED_METRICS,
                RESAMPLES,
                study.config.seed,
            )
    return found, draws


def summarize_shared(apart: list[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, Any]:
    """Las semillas y la media de cada parte y de su diferencia, con su intervalo.

    Ningún paciente está en las dos partes: sus remuestreos son independientes.
    """
    mean: dict[str, Any] = {"con": {}, "sin": {}, "diferencia": {}}
    for metric in SHARED_METRICS:
        # Una semilla sin la métrica en alguna parte no entra en ninguna.
        whole = [(found, draws) for found, draws in apart if draws["con"] and draws["sin"]]
        values = {
            title: np.array([found[title][metric] for found, _ in whole])
            for title in ("con", "sin")
        }
        drawn = {title: [draws[title][metric] for _, draws in whole] for title in values}
        values["diferencia"] = values["con"] - values["sin"]
        drawn["diferencia"] = [
            one - _shuffled(other) for one, other in zip(drawn["con"], drawn["sin"], strict=True)
        ]
        for title, found in values.items():
            if len(found):
                interval = hierarchical_interval(drawn[title])
                mean[title][metric] = [float(found.mean()), *interval]
            else:
                mean[title][metric] = [None, None, None]
    return {"seeds": [found for found, _ in apart], "mean": mean}
