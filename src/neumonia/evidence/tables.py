"""Las tablas de lugar del capítulo de confianza: de las filas publicadas a celdas para leer.

Todas devuelven un DataFrame de texto, para ``neumonia.evaluation.Table``; cada valor lleva su
intervalo del 95 %.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pandas as pd

from neumonia.evidence.cells import one, told
from neumonia.evidence.networks import TITLES
from neumonia.explain.rates import MOVED, TRUTH
from neumonia.figures.trust_common import in_order, title_of
from neumonia.gradcam import METHODS
from neumonia.likeness.measure import FILM
from neumonia.text import UNKNOWN, integer, interval, number
from neumonia.trust.localisation import ALL

HEADS: Mapping[str, str] = MappingProxyType(
    {"cnn": "aplana y capa densa", "cnn_promedio": "promedio", "vgg16": "aplana y capa densa"}
)
"""Lo que cada red hace después de su última convolución."""

PEER_NETWORKS: Mapping[str, str] = MappingProxyType(
    {"cnn": "CNN", "vgg16": "VGG16 a la vista", "vgg16_anidada": "VGG16 anidada"}
)
"""Las redes de ``pares.json``; la anidada es un modelo dentro de otro, como la de los estudios."""


def networks_table(part: Mapping[str, Any]) -> pd.DataFrame:
    """Las redes examinadas, de la parte ``localizacion``: cabeza, rejilla, área y aciertos."""
    return pd.DataFrame(
        {
            "red": found["title"],
            "después de la última convolución": HEADS[key],
            "rejilla": " × ".join(str(side) for side in list(found["grid"].values())[-1]),
            "ROC-AUC": told(dict(zip(("value", "low", "high"), found["auc"], strict=True))),
            "neumonías acertadas": f"{integer(found['n_correct'])} de "
            f"{integer(found['n_positives'])}",
        }
        for key, found in part["networks"].items()
    ).set_index("red")


def blind_table(references: pd.DataFrame, network: str) -> pd.DataFrame:
    """Los mapas que no miran la radiografía, medidos en las positivas de ``network``."""
    mine = references[(references["network"] == network) & (references["group"] == ALL)]
    columns = {"pointing_game": "apuntar", "energy_inside": "calor dentro", "iou": "IoU"}
    return pd.DataFrame(
        {
            "mapa": title_of(name),
            **{title: told(one(mine, method=name, metric=key)) for key, title in columns.items()},
        }
        for name in in_order(mine["method"])
    ).set_index("mapa")


def heads_table(part: Mapping[str, Any], metric: str = "pointing_game") -> pd.DataFrame:
    """Grad-CAM y HiResCAM en la última convolución de cada red, junto a la máscara media."""
    rows, references = whole_test(part)
    found = []
    for key, described in part["networks"].items():
        last = list(described["grid"])[-1]
        mine = rows[(rows["network"] == key) & (rows["layer"] == last) & (rows["metric"] == metric)]
        blind = one(references, network=key, method="mean_mask", metric=metric)
        found.append(
            {
                "red": described["title"],
                "capa": last.split("/")[-1],
                **{
                    METHODS[name].title: told(one(mine, method=name))
                    for name in ("grad_cam", "hires_cam")
                },
                title_of("mean_mask"): told(blind),
            }
        )
    return pd.DataFrame(found).set_index("red")


def best_table(part: Mapping[str, Any]) -> pd.DataFrame:
    """La capa y el método que cada red elige en la validación, y cuánto apuntan en la prueba."""
    ends = ("value", "low", "high")
    return pd.DataFrame(
        {
            "red": part["networks"][key]["title"],
            "elegido": layer_and_method(found["layer"], found["method"]),
            "validación": told(dict(zip(ends, found["val"], strict=True))),
            "prueba": told(dict(zip(ends, found["test"], strict=True))),
        }
        for key, found in part["best"].items()
    ).set_index("red")


def layer_and_method(layer: str, method: str) -> str:
    """``HiResCAM en conv2``; los métodos que no miran ninguna capa, solos."""
    if not METHODS[method].weighs_channels:
        return METHODS[method].title
    return f"{METHODS[method].title} en {layer.split('/')[-1]}"


def whole_test(part: Mapping[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Las filas y las referencias de ``localizacion`` en la prueba, con todas las opacidades."""
    tables = (pd.DataFrame(part[key]) for key in ("rows", "references"))
    rows, references = (t[(t["part"] == "test") & (t["group"] == ALL)] for t in tables)
    return rows, references


def group_rows(
    part: Mapping[str, Any], network: str, layers: Mapping[str, str | None]
) -> pd.DataFrame:
    """Las filas de la prueba por tamaño y altura de la opacidad, para ``localisation_groups``.

    Parameters
    ----------
    part : la parte ``localizacion``
    network : clave de la red
    layers : {método o referencia: su capa}
        ``None`` en lo que no mira ninguna.
    """
    rows = pd.concat([pd.DataFrame(part["rows"]), pd.DataFrame(part["references"])])
    rows = rows[(rows["network"] == network) & (rows["part"] == "test")]
    return pd.concat(
        rows[(rows["method"] == name) & ((layer is None) | (rows["layer"] == layer))]
        for name, layer in layers.items()
    )


def marker_table(part: Mapping[str, Any], variant: str) -> pd.DataFrame:
    """Qué parte del calor pone cada método en la marca, con cada red, y cuántos mapas callan."""
    rows = pd.DataFrame(part["rows"])
    rows = rows[(rows["variant"] == variant) & (rows["metric"] == "heat")]
    networks = list(dict.fromkeys(rows["network"]))
    return pd.DataFrame(
        {
            "método": title_of(name),
            **{TITLES[key]: _heat(one(rows, network=key, method=name)) for key in networks},
        }
        for name in in_order(rows["method"])
    ).set_index("método")


def _heat(row: pd.Series) -> str:
    silent = int(row["n_null"])
    note = f"; {integer(silent)} {'mapa nulo' if silent == 1 else 'mapas nulos'}" if silent else ""
    return told(row) + note


def likeness_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Las filas de ``aspecto`` para ``likeness_bars``: qué parte de cada clase se acepta."""
    good = rows["probe"] == FILM
    return pd.DataFrame(
        {
            "kind": rows["title"].mask(good, "radiografía de prueba"),
            "rate": 1 - rows["flagged"],
            "low": 1 - rows["high"],
            "high": 1 - rows["low"],
            "n": rows["n"],
            "expected": good,
        }
    )


def checks_table(parts: Mapping[str, Mapping[str, Any]], network: str) -> pd.DataFrame:
    """Qué parte de los mapas pasa su comprobación, en todas y en las neumonías acertadas.

    Parameters
    ----------
    parts : {nombre del conjunto: la parte ``aspecto``}
    network : clave de la red
    """
    groups = {"all": "todas", "true_positives": "acertadas"}
    titles = {MOVED: "Grad-CAM en un lugar al azar", TRUTH: "la máscara verdadera"}
    tables = {title: pd.DataFrame(part["checks"]) for title, part in parts.items()}
    tables = {title: table[table["network"] == network] for title, table in tables.items()}
    kinds = dict.fromkeys(kind for table in tables.values() for kind in table["map"])
    rows = []
    for kind in kinds:
        cells = {"mapa": titles.get(kind) or title_of(kind)}
        for title, table in tables.items():
            for films, group in groups.items():
                found = table[(table["map"] == kind) & (table["films"] == films)]
                text = told(found.iloc[0], "passed") if len(found) else UNKNOWN
                cells[f"{title}: {group}"] = text
        rows.append(cells)
    return pd.DataFrame(rows).set_index("mapa")


def peers_table(rows: list[dict[str, Any]], method: str) -> pd.DataFrame:
    """Un método en otras bibliotecas: si corre, cuánto se parece al nuestro y lo que tarda.

    La correlación es la mediana y, entre paréntesis, la menor; el tiempo, el del otro entre el
    nuestro, con el menor y el mayor de los turnos.
    """
    return pd.DataFrame(
        {
            "biblioteca": row["peer"] + (", reutilizada" if row["reused"] else ""),
            "red": PEER_NETWORKS.get(row["network"], row["network"]),
            "correlación": _least(row) if row["runs"] else "no corre",
            "tiempo": _ratio(row),
        }
        for row in rows
        if row["peer"] != "neumonia" and row["method"] == method
    ).set_index("biblioteca")


def _least(row: Mapping[str, Any]) -> str:
    if row["correlation"] is None:
        return UNKNOWN
    return f"{number(row['correlation'])} (desde {number(row['correlation_low'])})"


def _ratio(row: Mapping[str, Any]) -> str:
    ends = [row[f"ratio_{end}"] for end in ("to_ours", "low", "high")]
    if any(end is None for end in ends):
        return UNKNOWN
    return f"{number(ends[0], 1)} ({interval(*ends[1:], 1)})"
