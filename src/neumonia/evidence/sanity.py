"""Parte «cordura»: ¿cambia el mapa si la red, o sus etiquetas, dejan de tener sentido?"""

from itertools import chain
from typing import Any

import pandas as pd

from neumonia.evidence.exam import SLOW, Exam
from neumonia.evidence.networks import Network
from neumonia.evidence.permuted import PERMUTABLE, Permuted, open_permuted
from neumonia.gradcam import METHODS
from neumonia.study.parts import records
from neumonia.trust import (
    between_films,
    cascade_table,
    cascading_randomisation,
    label_randomisation,
    verdict,
)
from neumonia.trust.randomisation import run_explainer

WEIGHTS, LABELS = "pesos", "etiquetas"


def run_sanity(exam: Exam) -> dict[str, Any]:
    """La cascada de pesos al azar y las etiquetas permutadas, con cada red y método.

    Returns
    -------
    dict
        ``cascade`` y ``labels``: las filas de ``cascade_table`` y ``label_randomisation`` con
        ``network`` y ``method``. ``between``: el parecido entre radiografías de pacientes
        distintos, que es el nivel del azar. ``verdicts``: ``network``, ``method``, ``test`` (pesos
        o etiquetas), ``changes`` y ``kept``, las medidas que no cambiaron. ``permuted``: por red,
        ``n_train`` y la exactitud con que memorizó las etiquetas permutadas.
    """
    found: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("cascade", "between", "labels", "verdicts")
    }
    permuted = {}
    for network in exam.networks:
        twin = None
        if network.key in PERMUTABLE.get(exam.study.dataset.name, ()):
            exam.report(f"Cordura: {network.title}, etiquetas permutadas")
            twin = open_permuted(exam.study, network.key)
            permuted[network.key] = {"n_train": twin.n_train, "train_accuracy": twin.train_accuracy}
        for method in METHODS:
            costly = method in SLOW
            if network.slow and costly:
                continue
            exam.report(f"Cordura: {network.title}, {METHODS[method].title}")
            _measure(exam, network, method, twin, found)
    return {**found, "permuted": permuted}


def _measure(
    exam: Exam,
    network: Network,
    method: str,
    twin: Permuted | None,
    found: dict[str, list[dict[str, Any]]],
) -> None:
    """Añade a ``found`` las filas de un método de una red."""
    costly = network.slow or method in SLOW
    rows = exam.sample(exam.study.rows("test"), few=costly)
    films, patients = exam.images(rows), exam.patients(rows)
    explain, options = network.explain(method), (exam.budget.resamples, exam.seed)
    original = run_explainer(explain, network.model, films)
    draws = range(exam.budget.few_draws if costly else exam.budget.draws)
    cascade = chain.from_iterable(
        cascading_randomisation(network.model, explain, films, seed) for seed in draws
    )
    tables = {
        "cascade": cascade_table(original, cascade, patients, *options),
        "between": between_films(original, patients, *options),
    }
    judged = {WEIGHTS: tables["cascade"]}
    if twin is not None:
        tables["labels"] = label_randomisation(
            twin.reference, twin.model, explain, films, patients, *options
        )
        judged[LABELS] = tables["labels"]
    who = {"network": network.key, "method": method}
    for name, table in tables.items():
        found[name] += records(table.assign(**who))
    for test, table in judged.items():
        result = _verdict(table)
        found["verdicts"].append({**who, "test": test, **result})


def _verdict(table: pd.DataFrame) -> dict[str, Any]:
    conclusion = verdict(table)
    return {"changes": bool(conclusion.changes), "kept": list(conclusion.kept)}
