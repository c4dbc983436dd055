"""Las tablas de fidelidad, cordura y estabilidad del capítulo de confianza, como ``tables``."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pandas as pd

from neumonia.evidence.cells import one, told, versus
from neumonia.evidence.networks import TITLES
from neumonia.figures.base import listing
from neumonia.figures.trust_common import METRIC_TITLES, in_order, title_of

NOT_MEASURED = "no se midió"
_ABOVE = "por encima de"
REPLACEMENTS = MappingProxyType({"blur": "desenfoque", "mean": "gris medio"})
"""Lo que se pone en lugar de lo borrado."""


def fidelity_table(
    parts: Mapping[str, pd.DataFrame], network: str, replacement: str
) -> pd.DataFrame:
    """Cuánto mejora cada método al orden al azar, con una pareja de columnas por conjunto.

    Parameters
    ----------
    parts : {nombre del conjunto: filas de ``fidelidad``}
    network : clave de la red
    replacement : {"blur", "mean"}
    """
    kinds = {"deletion": "borrado", "insertion": "inserción"}
    mine = {
        title: rows[(rows["network"] == network) & (rows["replacement"] == replacement)]
        for title, rows in parts.items()
    }
    names = in_order(name for rows in mine.values() for name in rows["method"])
    return pd.DataFrame(
        {
            "método": title_of(name),
            **{
                f"{title}: {kind}": _difference(rows, name, metric)
                for title, rows in mine.items()
                for metric, kind in kinds.items()
            },
        }
        for name in names
        if name != "random_order"
    ).set_index("método")


def _difference(rows: pd.DataFrame, method: str, metric: str) -> str:
    found = rows[(rows["method"] == method) & (rows["metric"] == metric)]
    return told(found.iloc[0], "difference") if len(found) else NOT_MEASURED


def better_than_chance(
    rows: pd.DataFrame, network: str, metric: str, replacement: str
) -> list[str]:
    """Los métodos que ganan al orden al azar sin que el intervalo de la diferencia toque el cero.

    Se mira con los tres decimales que se imprimen: ganar por menos no es ganar.

    Parameters
    ----------
    rows : las filas de ``fidelidad``
    metric : {"deletion", "insertion"}
        En el borrado gana la diferencia negativa.
    replacement : {"blur", "mean"}
    """
    mine = rows[(rows["network"] == network) & (rows["metric"] == metric)]
    mine = mine[mine["replacement"] == replacement]
    if metric == "deletion":
        won = mine["difference_high"].round(3) < 0
    else:
        won = mine["difference_low"].round(3) > 0
    return [title_of(name) for name in in_order(mine.loc[won, "method"])]


def erased(curves: pd.DataFrame, network: str, replacement: str) -> tuple[float, float]:
    """La probabilidad media de la radiografía intacta y la de la misma, entera borrada.

    Parameters
    ----------
    curves : las curvas de ``fidelidad``; al principio y al final no importa el método
    network : clave de la red
    replacement : {"blur", "mean"}
    """
    ends = {"kind": "deletion", "network": network, "method": "random_order"}
    ends["replacement"] = replacement
    return tuple(float(one(curves, fraction=share, **ends)["mean"]) for share in (0.0, 1.0))


def winners_table(parts: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Quiénes ganan al orden al azar, por red, conjunto y sustituto: véase ``better_than_chance``.

    Parameters
    ----------
    parts : {nombre del conjunto: filas de ``fidelidad``}
    """
    kinds = {"deletion": "al borrar", "insertion": "al insertar"}
    return pd.DataFrame(
        {
            "red": TITLES[key],
            "radiografías": title,
            "en lugar de lo borrado": REPLACEMENTS[replacement],
            **{
                kind: listing(better_than_chance(rows, key, metric, replacement)) or "ninguno"
                for metric, kind in kinds.items()
            },
        }
        for title, rows in parts.items()
        for key, replacement in dict.fromkeys(
            zip(rows["network"], rows["replacement"], strict=True)
        )
    ).set_index("red")


def sanity_table(parts: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """El veredicto de cada método: «pasa», o la medida que no cambió y cuánto se parece todavía.

    Parameters
    ----------
    parts : {nombre del conjunto: la parte ``cordura``}
    """
    verdicts = {title: pd.DataFrame(part["verdicts"]) for title, part in parts.items()}
    every = pd.concat(verdicts.values())
    rows = []
    for key in dict.fromkeys(every["network"]):
        for name in in_order(every.loc[every["network"] == key, "method"]):
            rows.append(
                {
                    "red": TITLES[key],
                    "método": title_of(name),
                    **{
                        f"{test}, {title}": _verdict(verdicts[title], part, key, name, test)
                        for test in ("pesos", "etiquetas")
                        for title, part in parts.items()
                    },
                }
            )
    return pd.DataFrame(rows).set_index(["red", "método"])


def _verdict(
    verdicts: pd.DataFrame, part: Mapping[str, Any], network: str, method: str, test: str
) -> str:
    mine = verdicts[(verdicts["network"] == network) & (verdicts["method"] == method)]
    found = mine[mine["test"] == test]
    if found.empty:
        return NOT_MEASURED
    if found.iloc[0]["changes"]:
        return "pasa"
    last = last_step(part, network, method, test)
    kept = (
        f"{METRIC_TITLES[metric].split(',')[0]} {told(one(last, metric=metric))}"
        for metric in found.iloc[0]["kept"]
    )
    return f"**no pasa**: {'; '.join(kept)}"


def failures(parts: Mapping[str, Mapping[str, Any]], test: str) -> list[str]:
    """Quién no pasa la prueba ``test`` (pesos o etiquetas): ``Grad-CAM++ de VGG16 (reales)``."""
    return [
        _name(found, title)
        for title, part in parts.items()
        for found in part["verdicts"]
        if found["test"] == test and not found["changes"]
    ]


def alike(parts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """De los que no pasan la prueba de los pesos, aquellos cuyo parecido es el de siempre.

    Ninguna de las medidas que los delatan queda por encima de lo que se parecen, con la red
    intacta, los mapas de dos radiografías distintas: lo que no cambia es su dibujo, casi igual en
    todas.
    """
    found = []
    for title, part in parts.items():
        level = pd.DataFrame(part["between"])
        for verdict in part["verdicts"]:
            if verdict["test"] != "pesos" or verdict["changes"]:
                continue
            who = {"network": verdict["network"], "method": verdict["method"]}
            last = last_step(part, *who.values())
            if all(
                versus(one(last, metric=metric), one(level, metric=metric, **who)) != _ABOVE
                for metric in verdict["kept"]
            ):
                found.append(_name(verdict, title))
    return found


def _name(verdict: Mapping[str, Any], title: str) -> str:
    return f"{title_of(verdict['method'])} de {TITLES[verdict['network']]} ({title})"


def last_step(
    part: Mapping[str, Any], network: str, method: str, test: str = "pesos"
) -> pd.DataFrame:
    """Las filas que se juzgan: con todas las capas borradas o con las etiquetas permutadas."""
    rows = pd.DataFrame(part["cascade" if test == "pesos" else "labels"])
    rows = rows[(rows["network"] == network) & (rows["method"] == method)]
    return rows[rows["step"] == rows["step"].max()]


def agreement_table(part: Mapping[str, Any], metric: str = "spearman") -> pd.DataFrame:
    """Cuánto coinciden los mapas de redes que solo cambian de semilla, y el nivel de comparación.

    El nivel, lo que se parecen los mapas de radiografías distintas, se mide sin signo: es, si
    acaso, algo mayor que con él.
    """
    rows, level = pd.DataFrame(part["rows"]), between_as(part["between"], metric)
    rows = rows[(rows["change"] == "otra semilla") & (rows["metric"] == metric)]
    return pd.DataFrame(
        {
            "red": TITLES[row.network],
            "método": title_of(row.method),
            "otra semilla": told(row._asdict()),
            "otra radiografía": told(one(level, network=row.network, method=row.method)),
        }
        for row in rows.itertuples(index=False)
    ).set_index("red")


def between_as(between: list[dict[str, Any]], metric: str) -> pd.DataFrame:
    """El parecido entre radiografías distintas, con el nombre de la medida con que se compara.

    ``spearman`` toma el valor de ``spearman_abs``, que nunca es menor.
    """
    rows = pd.DataFrame(between)
    measured = "spearman_abs" if metric == "spearman" else metric
    return rows[rows["metric"] == measured].assign(metric=metric)
