"""Parte «aspecto»: cuánto se equivocan los dos avisos de ``neumonia explicar``."""

from typing import Any

from neumonia.evidence.exam import FAST, Exam
from neumonia.explain import place_rates
from neumonia.likeness import likeness_of
from neumonia.study.parts import records


def run_screening(exam: Exam) -> dict[str, Any]:
    """Mide el aviso de que una imagen no parece una radiografía y la comprobación de cada mapa.

    Returns
    -------
    dict
        ``rows``: las de ``likeness_report``. ``checks``: las de ``place_rates`` con ``network``,
        en las redes rápidas del estudio.
    """
    study = exam.study
    exam.report("Aviso: ¿parece una radiografía de tórax?")
    found: dict[str, Any] = {"rows": records(likeness_of(study).rates), "checks": []}
    for network in exam.networks:
        if not network.slow and network.key in study.models:
            exam.report(f"Aviso: comprobación de los mapas, {network.title}")
            rates = place_rates(study, network.key, FAST[:2], exam.budget.films, exam.seed)
            found["checks"] += records(rates.assign(network=network.key))
    return found
