"""«aspecto»: cuánto se equivocan los dos avisos de ``neumonia explicar``."""

import pandas as pd

from neumonia.explain import place_rates
from neumonia.lab.networks import FAST, Exam
from neumonia.likeness import likeness_of


def measure(exam: Exam) -> pd.DataFrame:
    """Mide el aviso de que una imagen no parece una radiografía y la comprobación de cada mapa.

    Returns
    -------
    DataFrame
        Las columnas comunes y ``films``. ``flagged``, ``novelty`` y ``orientation``, de la regla
        del aspecto, llevan en ``method`` la clase de imagen; ``passed`` y ``null``, de la
        comprobación de las redes rápidas, la clase de mapa, y en ``films`` cuáles (``all`` o
        ``true_positives``).
    """
    exam.report("Aviso: ¿parece una radiografía de tórax?")
    rates = likeness_of(exam.study).rates.rename(columns={"probe": "method"})
    found = [tidy(rates, "flagged", ("novelty", "orientation"))]
    for network in exam.networks:
        if not network.slow and network.key in exam.study.models:
            exam.report(f"Aviso: comprobación de los mapas, {network.title}")
            checks = place_rates(exam.study, network.key, FAST[:2], exam.budget.films, exam.seed)
            checks = checks.rename(columns={"map": "method"}).assign(network=network.key)
            found.append(tidy(checks, "passed", ("null",)))
    return pd.concat(found, ignore_index=True)


def tidy(table: pd.DataFrame, measured: str, alone: tuple[str, ...]) -> pd.DataFrame:
    """Una fila por medida: ``measured`` lleva el intervalo y las de ``alone`` van sin él."""
    keys = [name for name in ("network", "method", "films", "n") if name in table]
    first = table[[*keys, "low", "high"]].assign(metric=measured, value=table[measured])
    rest = [table[keys].assign(metric=name, value=table[name]) for name in alone]
    return pd.concat([first, *rest], ignore_index=True)
