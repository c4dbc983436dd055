"""Compara nuestros mapas y su velocidad con los de otras bibliotecas, en la misma máquina.

    python bench/pares.py [--redes cnn vgg16] [--pares xplique] [--metodos grad_cam] [--agregar]

Cada par y nosotros explicamos las mismas radiografías por turnos; el cociente de cada turno es su
tiempo entre el nuestro, y damos la mediana, el menor y el mayor. Mayor que 1: somos más rápidos.
El tiempo de CPU suma el de todos los hilos y resiste mejor a una máquina compartida.

tf-keras-vis y xplique no son dependencias del proyecto: bench/LEEME.md dice cómo instalarlas.
"""

import argparse
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from pares_metodos import PACKAGES, Case, Maps, cases, peer_version
from pares_redes import FILMS, NETWORKS, SEED, SIZE, Films, build_networks, phantom_films
from scipy.stats import spearmanr

import neumonia
from neumonia.errors import NeumoniaError
from neumonia.files import read_json, write_json
from neumonia.gradcam import INPUT, METHODS, conv_layers, explainer, grad_cam, grad_cam_raw
from neumonia.models.backend import load_keras
from neumonia.study.provenance import environment

if TYPE_CHECKING:
    import keras

FIELDS = (
    "peer", "version", "network", "method", "reused", "runs", "error", "note",
    "compared", "n_compared", "correlation", "correlation_low", "rank_correlation",
    "n_films", "n_pairs", "seconds_per_film", "our_seconds_per_film",
    "ratio_to_ours", "ratio_low", "ratio_high",
    "cpu_ratio_to_ours", "cpu_ratio_low", "cpu_ratio_high",
)  # fmt: skip
KEY = ("network", "method", "peer", "reused")

# Radiografías que se explican en cada turno. Score-CAM y la oclusión miran cada una decenas o
# cientos de veces; 0 es no medirlas y comprobar solo si corren.
_FAST = {"grad_cam": FILMS, "grad_cam++": FILMS, "gradient": FILMS, "score_cam": 4, "occlusion": 2}
_SLOW = {"grad_cam": FILMS, "grad_cam++": 8, "gradient": 4, "score_cam": 0, "occlusion": 0}
_COMPARED = 16


def correlations(theirs: np.ndarray, ours: np.ndarray) -> list[tuple[float, float]]:
    """Pearson y Spearman de cada mapa (N, h, w) con el nuestro; un mapa constante no cuenta."""
    pairs = zip(theirs.reshape(len(theirs), -1), ours.reshape(len(ours), -1), strict=True)
    return [
        (float(np.corrcoef(a, b)[0, 1]), float(spearmanr(a, b).statistic))
        for a, b in pairs
        if np.ptp(a) > 0 and np.ptp(b) > 0
    ]


def time_pairs(ours: Callable, theirs: Callable, n_pairs: int) -> np.ndarray:
    """Segundos (n_pairs, 2, 2): en cada turno, nosotros y el par; de reloj y de CPU.

    Una llamada de calentamiento de cada uno no cuenta, y quién empieza se alterna.
    """
    ours(), theirs()
    found = np.empty((n_pairs, 2, 2))
    for turn in range(n_pairs):
        for who in (0, 1) if turn % 2 == 0 else (1, 0):
            clock, cpu = time.perf_counter(), time.process_time()
            (ours, theirs)[who]()
            found[turn, who] = time.perf_counter() - clock, time.process_time() - cpu
    return found


def compare(case: Case, maps: Maps, model: "keras.Model", films: np.ndarray) -> dict[str, Any]:
    """Parecido de los mapas: los de antes de ampliar si el par los da, o los del tamaño final.

    Los de oclusión se comparan con su signo; los demás, tras la ReLU.
    """
    batch = films[..., None].astype(np.float32)
    raw = grad_cam_raw(model, films, method=case.method)
    if maps.small is not None:
        found = correlations(maps.small(batch), np.maximum(raw.maps, 0))
    elif raw.layer == INPUT:
        found = correlations(maps.full(batch), raw.maps)
    else:
        found = correlations(maps.full(batch), raw.heatmaps)
    pearson, spearman = zip(*found, strict=True) if found else ((), ())
    return {
        "compared": "pequeño" if maps.small is not None else "ampliado",
        "n_compared": len(found),
        "correlation": statistics.median(pearson) if found else None,
        "correlation_low": min(pearson, default=None),
        "rank_correlation": statistics.median(spearman) if found else None,
    }


def speed(
    case: Case, maps: Maps, model: "keras.Model", films: np.ndarray, n_pairs: int
) -> dict[str, Any]:
    """Segundos por radiografía y cocientes par / nosotros, con su recorrido.

    Contra un par que conserva lo compilado, lo nuestro también se prepara una sola vez. La fila de
    ``neumonia`` compara eso con preparar en cada llamada.
    """
    batch = films[..., None].astype(np.float32)
    if case.reused and case.peer != "neumonia":
        ours = explainer(model, method=case.method)
    else:
        ours = partial(grad_cam, model, method=case.method)
    times = time_pairs(lambda: ours(films), lambda: maps.full(batch), n_pairs)
    clock, cpu = (times[:, 1] / times[:, 0]).T
    our_seconds, seconds = np.median(times[:, :, 0], axis=0) / len(films)
    return {
        "n_films": len(films),
        "n_pairs": n_pairs,
        "seconds_per_film": float(seconds),
        "our_seconds_per_film": float(our_seconds),
        **_spread("ratio", clock),
        **_spread("cpu_ratio", cpu),
    }


def _spread(name: str, ratios: np.ndarray) -> dict[str, float]:
    return {
        f"{name}_to_ours": float(np.median(ratios)),
        f"{name}_low": float(ratios.min()),
        f"{name}_high": float(ratios.max()),
    }


def run_case(
    case: Case, network: str, model: "keras.Model", films: np.ndarray, n_pairs: int
) -> dict[str, Any]:
    """La fila de un par en una red. Si el par falla, queda su error y no una interrupción."""
    known = neumonia.__version__ if case.peer == "neumonia" else peer_version(case.peer)
    row = dict.fromkeys(FIELDS)
    row |= {"peer": case.peer, "version": known, "network": network, "method": case.method}
    row |= {"reused": case.reused, "note": case.note, "n_films": 0, "n_pairs": 0}
    n_films = (_FAST if network == "cnn" else _SLOW)[case.method]
    layer = conv_layers(model)[-1]
    try:
        if n_films == 0:
            case.light(model, layer).full(films[:1, ..., None].astype(np.float32))
        else:
            maps = case.prepare(model, layer)
            row |= compare(case, maps, model, films[: min(n_films, _COMPARED)])
            row |= speed(case, maps, model, films[:n_films], n_pairs)
    except NeumoniaError:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        return row | {"runs": False, "error": f"{type(error).__name__}: {lines[0][:200]}"}
    return row | {"runs": True}


def table(rows: list[dict[str, Any]]) -> str:
    """Las filas, alineadas para leer en la terminal."""
    head = ("red", "método", "par", "corre", "correlación", "s/radiografía", "cociente", "en CPU")
    lines = [head]
    for row in rows:
        name = row["peer"] + (" (se reutiliza)" if row["reused"] else "")
        lines.append(
            (
                row["network"],
                row["method"],
                name,
                "sí" if row["runs"] else "no",
                _text(row["correlation"], ".4f"),
                _text(row["seconds_per_film"], ".3f"),
                _range(row, "ratio"),
                _range(row, "cpu_ratio"),
            )
        )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "  ".join(f"{cell:<{w}}" for cell, w in zip(line, widths, strict=True)) for line in lines
    ]
    text += [
        f"{r['peer']} en {r['network']}, {r['method']}: {r['error']}" for r in rows if r["error"]
    ]
    return "\n".join(line.rstrip() for line in text)


def _text(value: float | None, form: str) -> str:
    return "—" if value is None else format(value, form)


def _range(row: dict[str, Any], name: str) -> str:
    if row[f"{name}_to_ours"] is None:
        return "—"
    return "{:.2f} ({:.2f} a {:.2f})".format(
        *(row[f"{name}_{part}"] for part in ("to_ours", "low", "high"))
    )


def provenance(weights: dict | None) -> dict[str, Any]:
    """Versiones, máquina y radiografías, sin fecha ni rutas."""
    found = environment()
    found["packages"]["scipy"] = version("scipy")
    return {
        **found,
        "peers": {peer: peer_version(peer) for peer in PACKAGES},
        "films": {"dataset": "maqueta", "n": FILMS, "size": SIZE, "seed": SEED},
        "weights": weights,
    }


def previous(path: Path, origin: dict[str, Any]) -> dict[str, Any]:
    """Lo ya medido en ``path``, si fue con las mismas versiones y en la misma máquina."""
    before = read_json(path)
    for part in ("packages", "machine", "peers", "films"):
        if before["provenance"][part] != origin[part]:
            raise NeumoniaError(
                f"{path.name} se midió con otros valores de {part!r} y no se puede completar. "
                "Midamos todo de nuevo, sin --agregar."
            )
    return before


def merge(rows: list[dict], more: list[dict]) -> list[dict]:
    """Las filas en orden; de dos que midan lo mismo queda la de ``more``."""
    kept = {tuple(row[name] for name in KEY): row for row in (*rows, *more)}
    return _sorted(list(kept.values()))


def _sorted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    def place(row: dict[str, Any]) -> tuple:
        return (
            NETWORKS.index(row["network"]),
            list(METHODS).index(row["method"]),
            row["peer"],
            not row["reused"],
        )

    return sorted(rows, key=place)


def chosen_cases(peers: list[str], methods: list[str]) -> list[Case]:
    """Los casos pedidos cuyos pares están instalados; de los que faltan, lo decimos."""
    for peer in PACKAGES:
        if peer in peers and peer_version(peer) is None:
            print(
                f"Falta {peer}: no lo comparamos. Instalémoslo en otro entorno, nunca en el del "
                "proyecto: pip install --no-deps -r bench/requirements-pares.txt"
            )
    return [
        case
        for case in cases()
        if case.peer in peers
        and case.method in methods
        and (case.peer == "neumonia" or peer_version(case.peer) is not None)
    ]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = ("neumonia", *PACKAGES)
    parser.add_argument("--redes", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--pares", nargs="+", choices=names, default=names)
    parser.add_argument("--metodos", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--turnos", type=int, default=5, help="veces que se alternan (5)")
    parser.add_argument("--salida", type=Path, default=Path("salida"), help="carpeta (salida/)")
    parser.add_argument("--agregar", action="store_true", help="completa lo ya medido")
    options = parser.parse_args(arguments)

    warnings.filterwarnings("ignore", message="The structure of `inputs`")
    load_keras().utils.disable_interactive_logging()
    films: Films = phantom_films()
    networks, weights = build_networks(list(options.redes), films)
    origin, rows = provenance(weights), []
    path = options.salida / "pares.json"
    if options.agregar and path.exists():
        before = previous(path, origin)
        rows, origin["weights"] = before["peers"], weights or before["provenance"]["weights"]
    options.salida.mkdir(parents=True, exist_ok=True)
    for network, model in networks.items():
        for case in chosen_cases(options.pares, options.metodos):
            row = run_case(case, network, model, films.images, options.turnos)
            print(table([row]).split("\n", 1)[1], flush=True)
            # Fila a fila: una medición interrumpida conserva lo hecho.
            rows = merge(rows, [row])
            write_json(path, {"peers": rows, "provenance": origin})
    print(f"\n{table(rows)}\n\nEscrito en {path}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NeumoniaError as error:
        sys.exit(str(error))
