"""«fuera»: qué parte del calor cae donde no puede haber neumonía, en radiografías reales."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from neumonia.evaluation import mean_interval
from neumonia.heat import REGIONS, outside_shares
from neumonia.lab.networks import FAST, Exam, Network

CLASSES = ("NORMAL", "PNEUMONIA")
# Mapas que se calculan y se olvidan: los de toda la prueba no caben holgados en memoria.
_TOGETHER = 128


def measure(exam: Exam) -> pd.DataFrame:
    """Reparte el calor de cada mapa de la prueba entre marco, esquinas, letras y lo demás.

    Una red lenta se mira solo con Grad-CAM y HiResCAM. Columnas: las comunes, con la región en
    ``metric``, y las de ``class_rows``.
    """
    test = exam.study.rows("test")
    labels, patients = exam.study.labels[test], exam.patients(test)
    rows: list[dict[str, Any]] = []
    for network in exam.networks:
        for method in FAST[:2] if network.slow else FAST:
            exam.report(f"Calor fuera del tórax: {network.title}, {method}")
            shares = heat_outside(exam, network, method, test)
            found = class_rows(shares, labels, patients, exam.draw)
            rows += [{"network": network.key, "method": method, **row} for row in found]
    return pd.DataFrame(rows)


def heat_outside(exam: Exam, network: Network, method: str, rows: np.ndarray) -> pd.DataFrame:
    """``outside_shares`` de los mapas de las posiciones ``rows``, sin tenerlos todos a la vez."""
    explain, parts = network.explain(method), []
    for start in range(0, len(rows), _TOGETHER):
        films = exam.images(rows[start : start + _TOGETHER])
        parts.append(outside_shares(explain(network.model, films), films))
    return pd.concat(parts, ignore_index=True)


def class_rows(
    shares: pd.DataFrame, labels: np.ndarray, patients: ArrayLike, draw: tuple[int, int] = (2000, 0)
) -> list[dict[str, Any]]:
    """La media por clase de cada parte de ``outside_shares``, con su intervalo por paciente.

    ``label``, ``metric`` (la región), ``value``, ``low``, ``high``, ``chance`` (el área media de la
    región, lo que daría un mapa uniforme), ``n`` (las radiografías con calor y, para las letras,
    con letras) y ``n_null``. Sin radiografías que medir, NaN. Una clase ausente no aparece.
    """
    names = np.asarray(patients, dtype=object)
    null = shares["null"].to_numpy()
    rows = []
    for label in np.unique(labels):
        for region in REGIONS:
            values = shares[region].to_numpy()
            films = (labels == label) & ~np.isnan(values)
            value, low, high = mean_interval(values[films], names[films], *draw)
            ends = {"value": value, "low": low, "high": high, "n": int(films.sum())}
            chance = shares.loc[films, f"{region}_area"].mean()
            extra = {"chance": chance, "n_null": int(null[labels == label].sum())}
            rows.append({"label": CLASSES[label], "metric": region, **ends, **extra})
    return rows
