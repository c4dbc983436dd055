"""¿Aguanta el mapa un cambio que no debería importar: ruido, un píxel de desplazamiento, otra red?

Las tablas tienen una fila por cambio y medida (``ssim``, ``spearman``, ``overlap``; véase
``neumonia.trust.similarity``), con intervalo del 95 % por paciente. Qué parecido es poco lo dice
``neumonia.trust.sanity.between_films``, que compara placas de pacientes distintos.

Fuente: Arun y otros (2021), arXiv:2008.02766, llaman repetibilidad y reproducibilidad al acuerdo
entre redes; Kindermans y otros (2017), arXiv:1711.00867, estudian los desplazamientos.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from neumonia.errors import ConfigError, DataError
from neumonia.trust.checks import check_films
from neumonia.trust.randomisation import Explain, run_explainer
from neumonia.trust.similarity import constant_maps, similarity_scores, summary_rows

if TYPE_CHECKING:
    import keras

SIGMAS = (2.0, 5.0, 10.0)
SHIFTS = ((0, 1), (0, -1), (1, 0), (-1, 0))
ALL_PAIRS = "todas"


def noise_stability(
    model: "keras.Model",
    explain: Explain,
    images: ArrayLike,
    patients: ArrayLike,
    sigmas: Sequence[float] = SIGMAS,
    n: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compara el mapa de cada placa con el de la misma placa con ruido gaussiano.

    El mismo ruido, multiplicado por cada ``sigma``, sirve para todas las filas: lo único que cambia
    de una a otra es su intensidad. Los valores se recortan a 0..255.

    Parameters
    ----------
    model, explain
        Como en ``cascading_randomisation``.
    images : (N, H, W) en 0..255
    patients : (N,) identificadores; ``""`` cuenta como un paciente aparte.
    sigmas : números positivos
        Desviación del ruido en niveles de gris.
    n : int, remuestreos
    seed : int
        La del ruido y la de los remuestreos.

    Returns
    -------
    DataFrame
        ``sigma``, ``metric``, ``value``, ``low``, ``high`` y ``n_null``, los mapas constantes de
        las placas con ruido.

    Raises
    ------
    DataError
        Placas o mapas no válidos.
    ConfigError
        ``sigmas`` vacía o con algún valor que no es positivo.
    """
    films = check_films(images)
    if not len(sigmas) or not min(sigmas) > 0:
        raise ConfigError(f"Necesitamos al menos un nivel de ruido, todos positivos: {sigmas}.")
    original = run_explainer(explain, model, films)
    noise = np.random.default_rng(seed).standard_normal(films.shape, dtype=np.float32)
    parts = []
    for sigma in sigmas:
        noisy = np.clip(films + np.float32(sigma) * noise, 0, 255)
        maps = run_explainer(explain, model, noisy)
        parts.append(_table(original, maps, patients, n, seed, sigma=float(sigma)))
    return pd.concat(parts, ignore_index=True)


def shift_stability(
    model: "keras.Model",
    explain: Explain,
    images: ArrayLike,
    patients: ArrayLike,
    shifts: Sequence[tuple[int, int]] = SHIFTS,
    n: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compara el mapa de cada placa con el de la placa desplazada, devuelto a su sitio.

    Los bordes que quedan vacíos repiten el píxel vecino. Antes de comparar devolvemos el mapa a su
    sitio y recortamos por los cuatro lados tantos píxeles como el mayor desplazamiento, el mismo
    recorte en todas las filas: lo que entró por el borde no cuenta.

    Parameters
    ----------
    shifts : pares de enteros (abajo, derecha), en píxeles
    model, explain, images, patients, n, seed
        Como en ``noise_stability``; ``seed`` solo interviene en los remuestreos.

    Returns
    -------
    DataFrame
        ``down``, ``right``, ``metric``, ``value``, ``low``, ``high`` y ``n_null``.

    Raises
    ------
    DataError
        Placas o mapas no válidos, o demasiado pequeños después del recorte.
    ConfigError
        ``shifts`` vacía o con un desplazamiento que no cabe en la placa.
    """
    films = check_films(images)
    border = max((abs(step) for shift in shifts for step in shift), default=0)
    if not 0 < 2 * border < min(films.shape[1:]):
        raise ConfigError(
            f"Los desplazamientos {tuple(shifts)} no sirven para placas de {films.shape[1]} x "
            f"{films.shape[2]} píxeles: debe haber alguno distinto de cero y caber en la placa."
        )
    inside = (slice(None), slice(border, -border), slice(border, -border))
    original = run_explainer(explain, model, films)[inside]
    parts = []
    for down, right in shifts:
        moved = run_explainer(explain, model, shift_images(films, down, right))
        back = shift_images(moved, -down, -right)[inside]
        parts.append(_table(original, back, patients, n, seed, down=down, right=right))
    return pd.concat(parts, ignore_index=True)


def network_agreement(
    maps: Mapping[str, ArrayLike], patients: ArrayLike, n: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Cuánto coinciden, dos a dos, los mapas de varias redes en las mismas placas.

    Tiene sentido entre redes que aciertan lo mismo, por ejemplo de semillas distintas: si sus mapas
    no coinciden, el de una sola no dice en qué se fija «la» red.

    Parameters
    ----------
    maps : nombre de la red -> (N, H, W) en 0..1
        Al menos dos.
    patients, n, seed
        Como en ``noise_stability``.

    Returns
    -------
    DataFrame
        ``first``, ``second``, ``metric``, ``value``, ``low``, ``high`` y ``n_null``, las placas
        donde alguno de los dos mapas es constante. Las últimas filas, con ``"todas"`` en las dos
        primeras columnas, promedian en cada placa todos los pares; su ``n_null`` cuenta las placas
        donde alguna red da un mapa constante.

    Raises
    ------
    DataError
        Menos de dos redes, o mapas no válidos.
    ConfigError
        ``n`` menor que 1.
    """
    if len(maps) < 2:
        raise DataError("Para medir el acuerdo hacen falta los mapas de al menos dos redes.")
    scores = {
        pair: similarity_scores(*(maps[name] for name in pair)) for pair in combinations(maps, 2)
    }
    null = {name: constant_maps(found) for name, found in maps.items()}
    rows = []
    for (first, second), found in scores.items():
        silent = int((null[first] | null[second]).sum())
        rows += _label(summary_rows(found, patients, n, seed), silent, first=first, second=second)
    mean = sum(scores.values()) / len(scores)
    silent = int(np.any(list(null.values()), axis=0).sum())
    rows += _label(summary_rows(mean, patients, n, seed), silent, first=ALL_PAIRS, second=ALL_PAIRS)
    return pd.DataFrame(rows)


def shift_images(images: np.ndarray, down: int, right: int) -> np.ndarray:
    """Desplaza (N, H, W) un número entero de píxeles; el hueco repite el borde."""
    height, width = images.shape[1:]
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    return images[:, rows[:, None], columns]


def _table(
    original: np.ndarray,
    changed: np.ndarray,
    patients: ArrayLike,
    n: int,
    seed: int,
    **labels: float,
) -> pd.DataFrame:
    rows = summary_rows(similarity_scores(original, changed), patients, n, seed)
    return pd.DataFrame(_label(rows, int(constant_maps(changed).sum()), **labels))


def _label(rows: list[dict], n_null: int, **labels: object) -> list[dict]:
    return [{**labels, **row, "n_null": n_null} for row in rows]
