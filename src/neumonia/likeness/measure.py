"""La regla de un estudio, guardada como producto, y sus errores en lo que no la ajustó."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from neumonia.evaluation import mean_interval, wilson_interval
from neumonia.files import read_json, write_json
from neumonia.likeness import probes
from neumonia.likeness.rule import ALARM, Likeness, fit_likeness
from neumonia.study.store import code_digest

if TYPE_CHECKING:
    from neumonia.study import Study

FILM = "film"
_TITLE = "radiografía de prueba (falsa alarma)"
_FILE = "parecido.json"
_CODE = ("features", "rule", "probes", "measure")


class Screen(NamedTuple):
    """La regla y la tabla de ``likeness_report`` con que se midió."""

    rule: Likeness
    rates: pd.DataFrame


def likeness_of(study: "Study") -> Screen:
    """La regla de ``study`` y sus errores: se ajusta y se mide una vez, y después se lee.

    Se ajusta con las radiografías de entrenamiento y toma los límites de las de validación; tarda
    segundos y no necesita ninguna red entrenada.

    Raises
    ------
    DataError
        Como ``fit_likeness``, o si el producto guardado está dañado.
    """
    product = study.store.get("parecido", _recipe(study), lambda folder: _build(study, folder))
    stored = read_json(product.folder / _FILE)
    return Screen(Likeness.from_json(stored["rule"]), pd.DataFrame(stored["rates"]))


def likeness_report(study: "Study", seed: int = 0) -> pd.DataFrame:
    """Cuántas radiografías de prueba rechaza la regla y cuántas imágenes de otra cosa acepta.

    Parameters
    ----------
    study : Study
    seed : int
        De las imágenes que se sortean: recortes, páginas, degradados y ruidos.

    Returns
    -------
    DataFrame
        Una fila por clase de imagen: ``probe`` (``"film"`` o una clave de ``probes.TITLES``),
        ``title``, ``n``, ``groups`` (pacientes u originales distintos) y la parte rechazada:
        ``novelty`` y ``orientation`` por cada número, ``flagged`` por alguno de los dos, con su
        intervalo del 95 % ``low`` y ``high``. En ``"film"`` el rechazo es el error; en las demás,
        el acierto.

    Notes
    -----
    El intervalo remuestrea grupos enteros; si todas o ninguna se rechazan es el de Wilson con el
    número de grupos, porque el remuestreo daría un intervalo nulo.
    """
    return _measure(study, _fit(study), seed)


def _fit(study: "Study") -> Likeness:
    return fit_likeness(study.images[study.rows("train")], study.images[study.rows("val")], ALARM)


def _build(study: "Study", folder: Path) -> None:
    fitted = _fit(study)
    rates = _measure(study, fitted, seed=0)
    stored = {"rule": fitted.to_json(), "rates": rates.to_dict(orient="records")}
    write_json(folder / _FILE, stored)


def _recipe(study: "Study") -> dict[str, Any]:
    code = code_digest(*(f"neumonia.likeness.{part}" for part in _CODE))
    return {"images": study.images_recipe, "split": study.split_digest, "code": code}


def _measure(study: "Study", fitted: Likeness, seed: int) -> pd.DataFrame:
    rows = study.rows("test")
    films = study.images[rows]
    patients = study.dataset.manifest["patient"].to_numpy(dtype=object)[rows]
    found = {
        **probes.film_probes(films, patients),
        **probes.other_probes(study.config.size, seed, phantoms=study.dataset.name != "maqueta"),
    }
    table = [_row(FILM, _TITLE, probes.Probe(films, patients), fitted, seed)]
    table += [
        _row(name, title, found[name], fitted, seed)
        for name, title in probes.TITLES.items()
        if name in found
    ]
    return pd.DataFrame(table)


def _row(name: str, title: str, probe: probes.Probe, fitted: Likeness, seed: int) -> dict[str, Any]:
    exceeded = fitted.exceeds(probe.images)
    flagged = exceeded.any(axis=1)
    known = {group for group in probe.groups if group != ""}
    groups = len(known) + int((probe.groups == "").sum())
    share = float(flagged.mean())
    if share in (0.0, 1.0):
        low, high = (float(edge) for edge in wilson_interval(share, groups))
    else:
        _, low, high = mean_interval(flagged, probe.groups, seed=seed)
    return {
        "probe": name,
        "title": title,
        "n": len(flagged),
        "groups": groups,
        "novelty": float(np.mean(exceeded[:, 0])),
        "orientation": float(np.mean(exceeded[:, 1])),
        "flagged": share,
        # Wilson, por redondeo, puede quedar a 1e-16 del extremo que debe contener.
        "low": min(low, share),
        "high": max(high, share),
    }
