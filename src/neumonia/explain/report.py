"""El informe: un HTML que se abre sin red, con las imágenes dentro, para leer y proyectar.

Todo va en un solo archivo, también las imágenes, para que siga entero al mandarlo o al abrirlo
dentro de un zip; ocupa unos 150 kB por imagen. Una política de contenido prohíbe cualquier guion o
recurso que no sea el suyo, por si un nombre de archivo hostil burlara el escape.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from neumonia.explain.card import card, color_scale, name_of, shown
from neumonia.explain.legend import decision_section, model_section
from neumonia.explain.run import Explained
from neumonia.explain.style import CSS, SCRIPT
from neumonia.explain.words import NOTICE, UNCHECKED, display
from neumonia.files import atomic_path
from neumonia.likeness import Screen

REPORT = "informe.html"


def write_report(
    folder: Path,
    items: Sequence[Explained],
    model_info: Mapping[str, Any],
    screen: Screen | None = None,
) -> Path:
    """Escribe ``informe.html`` en ``folder`` y devuelve su ruta.

    Las mismas imágenes con el mismo modelo dan los mismos bytes: no lleva fecha ni rutas.

    Parameters
    ----------
    folder : Path
        La de los PNG y JSON, a los que enlaza; se crea.
    items : de ``explain_images``, en orden
        Las que no se leyeron se nombran con su error.
    model_info : dict
        El de ``explain_images``.
    screen : Screen, optional
        Con qué se juzgaron las imágenes: de ahí salen los errores medidos. Sin ella se dice que no
        se comprobó.

    Raises
    ------
    NeumoniaError
        Si no se puede escribir; el informe anterior queda intacto.
    """
    path = Path(folder) / REPORT
    done = [item for item in items if item.error is None]
    failed = [item for item in items if item.error is not None]
    with (
        atomic_path(path) as temporary,
        open(temporary, "w", encoding="utf-8", newline="\n") as out,
    ):
        out.write(_head(done, failed))
        if done and screen is None:
            out.write(f"<p>{escape(UNCHECKED)}</p>\n")
        out.write(_index(done))
        out.write(_failures(failed))
        scale = color_scale()
        for place, item in enumerate(done, 1):
            out.write(card(place, item, scale))
        if done:
            out.write(decision_section(screen))
        out.write(model_section(model_info))
        out.write(f"</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n")
    return path


def _head(done: Sequence[Explained], failed: Sequence[Explained]) -> str:
    warned = sum(bool(item.warnings) for item in done)
    counts = [_count(len(done), "imagen explicada", "imágenes explicadas")]
    if done:
        counts.append(f"{warned or 'ninguna'} con avisos")
    if failed:
        counts.append(_count(len(failed), "que no se pudo leer", "que no se pudieron leer"))
    guide = "La barra bajo cada imagen lleva de la radiografía al mapa." if done else ""
    return f"""<!DOCTYPE html>
<html lang="es">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_policy()}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>En qué se fijó la red</title>
<style>{CSS}</style>
</head>
<body>
<main>
<h1>En qué se fijó la red</h1>
<p class="notice" role="note">{escape(NOTICE)}</p>
<p class="lead">{", ".join(counts)}. <span class="guide">{guide}</span></p>
"""


def _policy() -> str:
    def hashed(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    return (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src 'sha256-{hashed(CSS)}'; script-src 'sha256-{hashed(SCRIPT)}'"
    )


def _count(total: int, one: str, many: str) -> str:
    return f"{total} {one if total == 1 else many}"


def _index(done: Sequence[Explained]) -> str:
    if len(done) < 2:
        return ""
    rows = "".join(
        f'<tr><td><a href="#i{place}"><bdi>{name_of(item)}</bdi></a></td>'
        f'<td class="number">{shown(item.probability)}</td>'
        f"<td>{item.facts['decision_at_0.5']}</td>"
        f'<td class="number">{len(item.warnings) or "—"}</td></tr>\n'
        for place, item in enumerate(done, 1)
    )
    return f"""<table>
<thead><tr><th scope="col">imagen</th><th scope="col" class="number">probabilidad</th>
<th scope="col">decisión</th><th scope="col" class="number">avisos</th></tr></thead>
<tbody>
{rows}</tbody>
</table>
"""


def _failures(failed: Sequence[Explained]) -> str:
    if not failed:
        return ""
    lines = "".join(
        f"<li><strong><bdi>{name_of(item)}</bdi>:</strong> {_reason(item)}</li>\n"
        for item in failed
    )
    return f"""<section aria-labelledby="apartadas">
<h2 id="apartadas">No se pudieron leer</h2>
<ul class="warnings">
{lines}</ul>
</section>
"""


def _reason(item: Explained) -> str:
    # El error empieza por la ruta, que puede decir de quién es la carpeta, y esto se reparte.
    return escape(display(item.error.removeprefix(f"{item.source}: ")))
