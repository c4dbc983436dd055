"""Las tablas del examen de los mapas: de las filas publicadas a celdas para leer.

Todas devuelven un DataFrame de texto, para ``neumonia.evaluation.Table``; cada valor lleva su
intervalo del 95 %.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import pandas as pd

from neumonia.figures.forest import METRIC_TITLES, in_order, title_of
from neumonia.lab.networks import TITLES
from neumonia.lab.sanity import LABELS, WEIGHTS, verdicts
from neumonia.text import UNKNOWN, integer, interval, number, one, told

NOT_MEASURED = "no se midió"
_HEADS = MappingProxyType(
    {"cnn": "aplana y capa densa", "cnn_promedio": "promedio", "vgg16": "aplana y capa densa"}
)
_PEER_NETWORKS = MappingProxyType(
    {"cnn": "CNN", "vgg16": "VGG16 a la vista", "vgg16_anidada": "VGG16 anidada"}
)


def together(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Las tablas de varios conjuntos en una, con su nombre en la columna ``data``."""
    return pd.concat([table.assign(data=name) for name, table in tables.items()])


def with_nulls(row: Mapping[str, Any]) -> str:
    """Como ``told``, y cuántos mapas fueron nulos, si alguno."""
    silent = int(row["n_null"])
    word = "mapa nulo" if silent == 1 else "mapas nulos"
    return told(row) + (f"; {integer(silent)} {word}" if silent else "")


def cross(
    table: pd.DataFrame,
    columns: Mapping[str, Mapping[str, object]],
    row: str = "método",
    names: Mapping[str, str] = MappingProxyType({}),
    cell: Callable[[Mapping[str, Any]], str] = told,
) -> pd.DataFrame:
    """Un método por fila y, en cada columna, la ``cell`` de la fila que cumple sus condiciones.

    ``columns`` es {título: {columna: valor}}; si ninguna fila las cumple, «no se midió». ``row`` es
    el nombre del índice, y ``names``, el de los métodos que no se llaman como en ``title_of``.
    """
    lines = []
    for name in in_order(table["method"]):
        mine = table[table["method"] == name]
        line = {row: names.get(name) or title_of(name)}
        for title, where in columns.items():
            found = mine[(mine[list(where)] == pd.Series(where)).all(axis=1)]
            line[title] = cell(one(found)) if len(found) else NOT_MEASURED
        lines.append(line)
    return pd.DataFrame(lines).set_index(row)


def networks_table(table: pd.DataFrame) -> pd.DataFrame:
    """Las redes examinadas, de ``localizacion``: cabeza, rejilla, área y aciertos."""
    lines = []
    for key in table["network"].unique():
        mine = table[table["network"] == key]
        correct, side = one(mine, metric="correct"), mine[mine["metric"] == "side"].iloc[-1]
        lines.append(
            {
                "red": TITLES[key],
                "después de la última convolución": _HEADS[key],
                "rejilla": f"{side['value']:.0f} × {side['value']:.0f}",
                "ROC-AUC": told(one(mine, metric="roc_auc")),
                "neumonías acertadas": f"{integer(correct['value'])} de {integer(correct['n'])}",
            }
        )
    return pd.DataFrame(lines).set_index("red")


def beats_chance(rows: pd.DataFrame, metric: str) -> list[str]:
    """Los métodos que ganan al orden al azar sin que el intervalo de la diferencia toque el cero.

    Se mira con los tres decimales que se imprimen: ganar por menos no es ganar. En el borrado
    (``deletion``) gana la diferencia negativa. ``rows`` son de una sola red y un solo sustituto.
    """
    mine = rows[rows["metric"] == f"{metric}_difference"]
    won = mine["high"].round(3) < 0 if metric == "deletion" else mine["low"].round(3) > 0
    return [title_of(name) for name in in_order(mine.loc[won, "method"])]


def sanity_table(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """El veredicto de cada método: «pasa», o la medida que no cambió y cuánto se parece todavía.

    ``tables`` es {nombre del conjunto: las filas de ``cordura``}.
    """
    found = {title: verdicts(table) for title, table in tables.items()}
    every = pd.concat(found.values())
    rows = []
    for key in every["network"].unique():
        for name in in_order(every.loc[every["network"] == key, "method"]):
            line = {"red": TITLES[key], "método": title_of(name)}
            for test in (WEIGHTS, LABELS):
                for title, judged in found.items():
                    mine = judged[
                        judged[["network", "method", "test"]].eq([key, name, test]).all(1)
                    ]
                    text = _verdict(mine["kept"].iloc[0]) if len(mine) else NOT_MEASURED
                    line[f"{test}, {title}"] = text
            rows.append(line)
    return pd.DataFrame(rows).set_index(["red", "método"])


def failures(tables: Mapping[str, pd.DataFrame], test: str) -> list[str]:
    """Quién no pasa la prueba ``test`` (pesos o etiquetas): ``Grad-CAM++ de VGG16 (reales)``."""
    return [
        f"{title_of(row.method)} de {TITLES[row.network]} ({title})"
        for title, table in tables.items()
        for row in verdicts(table).itertuples()
        if row.test == test and len(row.kept)
    ]


def peers_table(rows: list[dict[str, Any]], method: str) -> pd.DataFrame:
    """Un método en otras bibliotecas: si corre, cuánto se parece al nuestro y lo que tarda.

    La correlación es la mediana y, entre paréntesis, la menor; el tiempo, el del otro entre el
    nuestro, con el menor y el mayor de los turnos.
    """
    return pd.DataFrame(
        {
            "biblioteca": row["peer"] + (", reutilizada" if row["reused"] else ""),
            "red": _PEER_NETWORKS.get(row["network"], row["network"]),
            "correlación": _likeness(row) if row["runs"] else "no corre",
            "tiempo": _ratio(row),
        }
        for row in rows
        if row["peer"] != "neumonia" and row["method"] == method
    ).set_index("biblioteca")


def _verdict(kept: pd.DataFrame) -> str:
    if kept.empty:
        return "pasa"
    measured = (
        f"{METRIC_TITLES[row['metric']].split(',')[0]} {told(row)}" for _, row in kept.iterrows()
    )
    return f"**no pasa**: {'; '.join(measured)}"


def _likeness(row: Mapping[str, Any]) -> str:
    if row["correlation"] is None:
        return UNKNOWN
    return f"{number(row['correlation'])} (desde {number(row['correlation_low'])})"


def _ratio(row: Mapping[str, Any]) -> str:
    if row["ratio_to_ours"] is None:
        return UNKNOWN
    ends = interval(row["ratio_low"], row["ratio_high"], 1)
    return f"{number(row['ratio_to_ours'], 1)} ({ends})"
