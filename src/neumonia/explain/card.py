"""La tarjeta de una imagen en el informe: la radiografía, el mapa y lo que dicen de ellos."""

import base64
from html import escape
from pathlib import Path
from urllib.parse import quote

import numpy as np

from neumonia.explain.images import to_jpeg
from neumonia.explain.run import Explained
from neumonia.explain.words import display
from neumonia.gradcam.overlay import overlay
from neumonia.text import number

_SCALE_ALT = (
    "Escala de color: de 0, que no pinta nada, a 1, lo más caliente de esta imagen, con contornos "
    "en 0.5 y 0.8."
)


def name_of(item: Explained) -> str:
    """El nombre del archivo, listo para HTML."""
    return escape(display(item.source.name))


def card(place: int, item: Explained, scale: str) -> str:
    """La tarjeta número ``place`` de una imagen leída; ``scale`` es la de ``color_scale``."""
    name, facts = name_of(item), item.facts
    size, made = facts["size"], facts["map"]
    rows = {
        "método": made["method"],
        "capa": made["layer"],
        "el mapa busca": made["target"],
        "tamaño original": f"{size['width']} × {size['height']} píxeles",
    }
    details = "".join(f"<dt>{key}</dt><dd>{escape(value)}</dd>\n" for key, value in rows.items())
    return f"""<article class="card" id="i{place}" aria-labelledby="t{place}">
<figure class="compare">
<div class="stage">
{_side("film", item.pictures.film, _film_alt(item), "radiografía")}
{_side("map", item.pictures.map, _map_alt(item), "mapa")}
</div>
<div class="slide">
<input type="range" min="0" max="100" value="50" aria-label="Cuánto mapa se ve sobre {name}">
<div class="ends" aria-hidden="true"><span>solo la radiografía</span><span>solo el mapa</span></div>
</div>
{scale}
</figure>
<div>
<h2 id="t{place}"><bdi>{name}</bdi></h2>
{_answer(item)}
{_sentences(item)}
<dl>
{details}</dl>
<p class="files">En esta carpeta: <a href="{_link(item.overlay)}">el mapa en PNG</a> y
<a href="{_link(item.record)}">los datos en JSON</a>.</p>
</div>
</article>
"""


def color_scale() -> str:
    """La escala, pintada sobre un gris medio por el mismo código que los mapas."""
    ramp = np.tile(np.linspace(0, 1, 480), (24, 1))
    painted = to_jpeg(overlay(np.full(ramp.shape, 128, np.uint8), ramp), 480)
    ticks = "".join(f'<span class="t{10 * v:.0f}">{v:g}</span>' for v in (0, 0.5, 0.8, 1))
    return (
        f'<div class="scale"><img src="{_embed(painted)}" alt="{_SCALE_ALT}">\n'
        f'<div class="ticks" aria-hidden="true">{ticks}</div>\n'
        '<p aria-hidden="true">calor: 1 es lo más caliente de esta imagen</p></div>'
    )


def _side(kind: str, jpeg: bytes, alt: str, label: str) -> str:
    return (
        f'<div class="side {kind}"><img src="{_embed(jpeg)}" alt="{escape(alt)}" draggable="false">'
        f'<span class="tag" aria-hidden="true">{label}</span></div>'
    )


def _film_alt(item: Explained) -> str:
    return f"Radiografía {display(item.source.name)}, sin pintar."


def _map_alt(item: Explained) -> str:
    made, hottest = item.facts["map"], item.pictures.hottest
    where = f"lo más caliente está {hottest}" if hottest else "es nulo y no pinta nada"
    return f"La misma imagen con el mapa {made['method']} hacia {made['target']}: {where}."


def _answer(item: Explained) -> str:
    probability = item.probability
    return (
        f'<p class="answer">{item.facts["decision_at_0.5"]}</p>\n'
        f"<p>Probabilidad de neumonía: <strong>{shown(probability)}</strong>; "
        "decidimos en 0.5.</p>\n"
        '<svg class="gauge" viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" y="3" width="100" height="6"/>'
        f'<rect class="fill" y="3" width="{100 * probability:.2f}" height="6"/>'
        '<line class="cut" x1="50" x2="50" y1="0" y2="12"/></svg>'
    )


def shown(probability: float) -> str:
    """La probabilidad con tres cifras, en HTML; nunca 0 ni 1, que una sigmoide no alcanza."""
    if probability < 0.0005:
        return "&lt; 0.001"
    return "&gt; 0.999" if probability >= 0.9995 else number(probability)


def _sentences(item: Explained) -> str:
    warnings = "".join(
        f"<li><strong>Aviso.</strong> {escape(text)}</li>\n" for text in item.warnings
    )
    notes = "".join(f"<li>{escape(text)}</li>\n" for text in item.facts["notes"])
    lists = (("warnings", warnings), ("notes", notes))
    return "".join(f'<ul class="{kind}">\n{lines}</ul>\n' for kind, lines in lists if lines)


def _embed(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def _link(file: Path) -> str:
    # El «./» impide que un nombre como «javascript:…» se lea como un protocolo.
    return "./" + quote(file.name.encode("utf-8", "surrogateescape"))
