"""El final del informe: cómo se decide cada aviso, con sus errores, y con qué modelo se hizo."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

import pandas as pd

from neumonia.explain.place import DRAWS, SHARE
from neumonia.explain.words import UNCHECKED, display
from neumonia.likeness import Screen
from neumonia.text import percent

_NAMES = {
    "name": "modelo",
    "product": "producto",
    "file": "archivo",
    "sha256": "SHA-256",
    "dataset": "radiografías de entrenamiento",
    "size": "lado, en píxeles",
    "split": "partición",
    "seed": "semilla",
}
"""Lo que se muestra del modelo; lo demás está en el JSON de cada imagen."""


def decision_section(screen: Screen | None) -> str:
    """Qué significa cada aviso y cuánto se equivoca, en HTML."""
    return f"""<section aria-labelledby="como">
<h2 id="como">Cómo se decide</h2>
<h3>El mapa</h3>
<p>El color dice qué zonas empujan la respuesta de la red, en relación con la más caliente de esa
imagen: dos mapas no se comparan por su color. Un mapa no dice por qué la red responde así, ni si
acierta.</p>
<p>Tapamos con gris el {percent(SHARE, 0)} más caliente y vemos cuánto baja el logit de la clase;
luego tapamos la misma silueta en {DRAWS} lugares al azar. El mapa pasa si el logit baja más que en
los {DRAWS}. Si el lugar no importara, pasaría a lo sumo 1 mapa de cada {DRAWS + 1}: es su error.
Pasar no lo hace correcto: uno que señale siempre el centro puede pasar. Y no pasar no dice que la
red se equivoque, sino que este mapa no señala mejor que el azar lo que la red usa; también le pasa
alguna vez a un mapa acertado.</p>
<h3>La imagen</h3>
{_film_text(screen)}
</section>
"""


def model_section(info: Mapping[str, Any]) -> str:
    """Con qué modelo se hizo, en HTML."""
    known = dict(_flat(info))
    rows = "".join(
        f"<dt>{title}</dt><dd>{escape(display(str(known[key])))}</dd>\n"
        for key, title in _NAMES.items()
        if key in known
    )
    return f"""<section aria-labelledby="modelo">
<h2 id="modelo">Con qué se hizo</h2>
<dl>
{rows}</dl>
</section>
"""


def _flat(info: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in info.items():
        if isinstance(value, Mapping):
            yield from _flat(value)
        else:
            yield key, value


def _film_text(screen: Screen | None) -> str:
    if screen is None:
        return f"<p>{escape(UNCHECKED)}</p>"
    rule = screen.rule
    return f"""<p>Una regla que solo conoce las radiografías de entrenamiento mide cuánto se aparta
de ellas cada imagen y si está derecha. Sus límites salen de las radiografías de validación: por
construcción rechaza cerca del {percent(rule.rate)} de las radiografías buenas, o menos. También se
avisa si el archivo tiene color. Esto se midió en imágenes que no intervinieron en el ajuste; en la
primera fila el rechazo es el error, y en las demás, el acierto:</p>
<table>
<thead><tr><th scope="col">imagen</th><th scope="col" class="number">cuántas</th>
<th scope="col" class="number">rechazadas</th>
<th scope="col" class="number">intervalo del 95 %</th></tr></thead>
<tbody>
{_rates(screen.rates)}</tbody>
</table>"""


def _rates(rates: pd.DataFrame) -> str:
    return "".join(
        f'<tr><th scope="row">{escape(row.title)}</th><td class="number">{row.n}</td>'
        f'<td class="number">{percent(row.flagged)}</td>'
        f'<td class="number">{percent(row.low)} a {percent(row.high)}</td></tr>\n'
        for row in rates.itertuples()
    )
