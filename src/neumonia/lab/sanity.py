"""«cordura»: si estropeamos la red o sus etiquetas, el mapa tiene que cambiar.

Un mapa que sale igual de una red entrenada que de una al azar describe la radiografía, no la red.
Fuente: Adebayo y otros (2018), *Sanity Checks for Saliency Maps*, arXiv:1810.03292.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter
from scipy.stats import rankdata

from neumonia.errors import DataError
from neumonia.evaluation import hierarchical_interval, mean_distribution, mean_interval
from neumonia.evaluation.checks import check_both_classes, check_labels, patient_codes
from neumonia.files import read_json, write_json
from neumonia.gradcam import METHODS
from neumonia.heat import check_maps
from neumonia.lab.networks import SLOW, Exam, Explain, Network
from neumonia.models.backend import layer_seeds, load_keras
from neumonia.models.layers import walk_layers
from neumonia.study import Study

if TYPE_CHECKING:
    import keras

CUT = 0.5
"""Por encima de este parecido decimos que el mapa no cambia.

Una correlación de rangos de 0.5 conserva la cuarta parte de la varianza: quien mira los dos mapas
todavía ve lo mismo en el mismo sitio.
"""
WEIGHTS, LABELS, OTHER_FILM = "pesos", "etiquetas", "otra radiografía"
TOP_SHARE = 0.1
"""La parte de los píxeles que llamamos «lo más caliente»."""
# Memorizar con la CNN a 150 píxeles cuesta una hora; la cabeza de VGG16, segundos.
_PERMUTABLE = MappingProxyType({"maqueta": ("cnn", "vgg16"), "kermany": ("vgg16",)})
_MEMORY_EPOCHS = MappingProxyType({"cnn": 60, "vgg16": 40})
N_MEMORISED = 400
# Los valores de Wang y otros (2004): ventana gaussiana de 11 x 11, y K1 y K2.
_RADIUS, _SIGMA = 5, 1.5
_C1, _C2 = 0.01**2, 0.03**2


def measure(exam: Exam) -> pd.DataFrame:
    """La cascada de pesos al azar y las etiquetas permutadas, con cada red y método.

    Returns
    -------
    DataFrame
        ``test``, ``step`` y ``layer`` (las de ``cascade_rows``), ``draws``, ``draw_min``,
        ``draw_max``, ``n_null`` y las columnas comunes. ``test`` es ``pesos``; ``etiquetas``, la
        comparación con una gemela que memorizó etiquetas sorteadas; u ``otra radiografía``, el
        parecido entre radiografías de pacientes distintos, que es el nivel del azar. De cada gemela
        hay además una fila con ``train_accuracy`` y las ``n`` radiografías con que aprendió.
    """
    rows: list[dict[str, Any]] = []
    for network in exam.networks:
        twins = None
        if network.key in _PERMUTABLE.get(exam.study.dataset.name, ()):
            exam.report(f"Cordura: {network.title}, etiquetas permutadas")
            twins, learned = open_twins(exam.study, network.key)
            rows.append({"network": network.key, "test": LABELS, **learned})
        for method in network.methods():
            exam.report(f"Cordura: {network.title}, {METHODS[method].title}")
            who = {"network": network.key, "method": method}
            rows += [{**who, **row} for row in _measure(exam, network, method, twins)]
    return pd.DataFrame(rows)


def verdicts(table: pd.DataFrame) -> pd.DataFrame:
    """Por ``network``, ``method`` y ``test`` (pesos o etiquetas), ``kept``: lo que no cambió.

    Son las filas del último paso, con todo borrado, cuyo límite inferior supera ``CUT``; ninguna,
    si el método pasa.
    """
    judged = table[table["test"].isin([WEIGHTS, LABELS]) & table["metric"].ne("train_accuracy")]
    keys = ["network", "method", "test"]
    found = []
    for who, mine in judged.groupby(keys, sort=False):
        last = mine[mine["step"] == mine["step"].max()]
        if last["low"].isna().any():
            raise DataError("La tabla no tiene intervalos: hacen falta varios pacientes.")
        found.append({**dict(zip(keys, who, strict=True)), "kept": last[last["low"] > CUT]})
    return pd.DataFrame(found)


def cascading_randomisation(
    model: "keras.Model", explain: Explain, images: np.ndarray, seed: int
) -> Iterator[tuple[str, np.ndarray]]:
    """Borra lo aprendido capa a capa, de la última a la primera, y explica tras cada borrado.

    El borrado se acumula. Cada tensor se vuelve a sortear de una normal con su propia media y su
    propia desviación: las activaciones conservan su escala, y lo que cambie en el mapa se debe a
    que la red ya no sabe lo que sabía. Un tensor de un solo número se sortea con su valor absoluto
    como desviación; uno constante se queda como está; uno sin negativos (las varianzas de
    BatchNormalization) sigue sin ellos. La red que nos dan no se toca: trabajamos sobre una copia.

    Yields
    ------
    (str, ndarray (N, H, W))
        La capa recién borrada (``vgg16/block5_conv3``) y los mapas de la red en ese estado.
    """
    rng = np.random.default_rng(next(layer_seeds(seed)))
    copy = load_keras().models.clone_model(model)
    copy.set_weights(model.get_weights())
    layers = {name: layer for name, layer in walk_layers(copy) if layer.weights}

    def steps() -> Iterator[tuple[str, np.ndarray]]:
        for name, layer in reversed(layers.items()):
            layer.set_weights([_redraw(tensor, rng) for tensor in layer.get_weights()])
            yield name, run_explainer(explain, copy, images)

    return steps()


def permuted_labels(labels: ArrayLike, patients: ArrayLike, seed: int) -> np.ndarray:
    """Reparte las etiquetas al azar entre pacientes: todas las placas de uno reciben la misma.

    Permutar placa a placa daría al mismo paciente etiquetas opuestas, y memorizarlas sería más
    difícil que aprender las verdaderas. int8 (N,); ``DataError`` si un paciente tiene de las dos.
    """
    truth = check_labels(labels)
    check_both_classes(truth, "una permutación que cambie algo")
    codes = patient_codes(patients, truth.size)
    by_patient = np.zeros(codes.max() + 1, np.int8)
    by_patient[codes] = truth
    mixed = np.flatnonzero(by_patient[codes] != truth)
    if mixed.size:
        name = np.asarray(patients, dtype=object)[mixed[0]]
        raise DataError(
            f"El paciente {name!r} tiene placas de las dos clases y no podemos darle una sola "
            "etiqueta. Distingamos sus episodios con identificadores distintos."
        )
    return np.random.default_rng(seed).permutation(by_patient)[codes]


def cascade_rows(
    original: ArrayLike,
    cascade: Iterable[tuple[str, ArrayLike]],
    patients: ArrayLike,
    draw: tuple[int, int] = (2000, 0),
) -> list[dict[str, Any]]:
    """Cuánto se parecen a los mapas originales los de cada paso, con intervalo del 95 %.

    Una red al azar puede parecerse a la nuestra por casualidad, y el intervalo por paciente no lo
    ve. Con varias cascadas encadenadas (una capa que se repite es otro sorteo), el valor es la
    media de los sorteos y su intervalo varía los pacientes y los sorteos. Las radiografías cuyo
    mapa original es constante quedan fuera: no señalaba nada que pueda cambiar.

    Parameters
    ----------
    original : (N, H, W) en 0..1, los mapas de la red sin tocar
    cascade : pares (capa, mapas), como los de ``cascading_randomisation``
    patients : (N,)
    draw : (remuestreos, semilla)

    Returns
    -------
    list de dict
        ``step`` (desde 1), ``layer``; ``metric``: ``ssim`` y ``spearman_abs``, el valor absoluto de
        la correlación de rangos, porque un mapa invertido muestra lo mismo; ``value``, ``low``,
        ``high``; ``draws``, y ``draw_min`` y ``draw_max``, la menor y la mayor de sus medias;
        ``n``, las radiografías comparadas; ``n_null``, los mapas constantes de todos los sorteos.
    """
    original, kept = _informative(original)
    names = np.asarray(patients, dtype=object)[kept]
    steps: dict[str, list[pd.DataFrame]] = {}
    for layer, maps in cascade:
        changed = check_maps(maps)
        if len(changed) != len(kept):
            raise DataError(
                f"Hay {len(kept)} mapas originales y {len(changed)} tras borrar {layer!r}: deben "
                "ser de las mismas radiografías, en el mismo orden."
            )
        steps.setdefault(layer, []).append(_scores(original, changed[kept]))
    if not steps:
        raise DataError("La cascada está vacía: no hay mapas que comparar con los originales.")
    return [
        {"step": step, "layer": layer, **row}
        for step, (layer, draws) in enumerate(steps.items(), 1)
        for row in _rows(draws, names, draw)
    ]


def between_films(
    maps: ArrayLike, patients: ArrayLike, draw: tuple[int, int] = (2000, 0)
) -> list[dict[str, Any]]:
    """Lo que se parecen, sin tocar la red, los mapas de radiografías de pacientes distintos.

    Es el nivel del azar: los mapas de una misma red se parecen porque los tórax están centrados y
    la resolución es poca. Cada radiografía se compara con otra al azar. Filas como las de
    ``cascade_rows``, sin paso ni capa.

    Fuente: Arun y otros (2021), arXiv:2008.02766, comparan así con pares al azar.
    """
    maps, kept = _informative(maps)
    names = np.asarray(patients, dtype=object)[kept]
    codes = patient_codes(names, len(maps))
    rng = np.random.default_rng(draw[1])
    partner = [rng.choice(np.flatnonzero(codes != code)) for code in codes]
    return list(_rows([_scores(maps, maps[partner])], names, draw))


def run_explainer(explain: Explain, model: "keras.Model", images: np.ndarray) -> np.ndarray:
    """Los mapas de ``explain``; ``DataError`` si no están en 0..1 o no miden como ``images``."""
    maps = check_maps(explain(model, images))
    if maps.shape != np.shape(images):
        raise DataError(
            f"El método entregó mapas {maps.shape} para radiografías {np.shape(images)}: debe dar "
            "uno por radiografía y de su tamaño."
        )
    return maps


def ssim(first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """Índice de similitud estructural de cada par de mapas: float64 (N,) en -1..1.

    Media del índice local donde la ventana gaussiana (11 x 11, desviación 1.5) cabe entera. Donde
    los dos mapas son casi cero el índice local es casi 1: conviene leerlo junto a la correlación
    de rangos.

    Fuente: Wang, Bovik, Sheikh y Simoncelli (2004), *Image Quality Assessment: From Error
    Visibility to Structural Similarity*, IEEE Transactions on Image Processing 13(4).
    """
    pairs = _pairs(first, second)
    height, width = np.shape(first)[1:]
    if min(height, width) <= 2 * _RADIUS:
        raise DataError(
            f"SSIM necesita mapas de al menos {2 * _RADIUS + 1} píxeles de lado y estos miden "
            f"{height} x {width}. Ampliémoslos antes al tamaño de la radiografía."
        )
    return np.array([_ssim(a, b) for a, b in pairs])


def spearman(first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """Correlación de rangos entre los píxeles de cada par de mapas: float64 (N,) en -1..1.

    Un mapa constante no ordena los píxeles: dos constantes valen 1, y uno solo, 0.
    """
    return np.array([_spearman(a, b) for a, b in _pairs(first, second)])


def top_overlap(first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """Qué parte de los píxeles más calientes (``TOP_SHARE``) de un mapa lo son en el otro: (N,).

    Los empatados en el corte se reparten por igual los puestos que quedan: un mapa constante
    coincide en ``TOP_SHARE`` con cualquiera que ordene, y en 1 con otro constante.
    """
    pairs = _pairs(first, second)
    k = max(1, round(TOP_SHARE * np.prod(np.shape(first)[1:])))
    return np.array([np.minimum(_membership(a, k), _membership(b, k)).sum() / k for a, b in pairs])


def constant_maps(maps: ArrayLike) -> np.ndarray:
    """Cuáles no ordenan ningún píxel: bool (N,). Entre ellos, los nulos."""
    maps = np.asarray(maps)
    return maps.min(axis=(1, 2)) == maps.max(axis=(1, 2))


def open_twins(
    study: Study, key: str
) -> tuple[tuple["keras.Model", "keras.Model"], dict[str, Any]]:
    """Dos redes iguales que memorizan etiquetas: una, las verdaderas; la otra, sorteadas.

    Se entrenan sin aumento y con las mismas radiografías, una vez, y se guardan. Con ellas va la
    fila de cuánto memorizó la segunda.
    """
    truth = study.labels
    rows = np.random.default_rng(study.config.seed).permutation(study.rows("train"))
    rows = np.sort(rows[:N_MEMORISED])
    patients = study.dataset.manifest["patient"].to_numpy(dtype=object)
    drawn = truth.copy()
    drawn[rows] = permuted_labels(truth[rows], patients[rows], study.config.seed)
    folders = [_memorised(study, key, rows, labels) for labels in (truth, drawn)]
    load = load_keras().saving.load_model
    models = tuple(load(folder / "model.keras", compile=False) for folder in folders)
    accuracy = read_json(folders[1] / "training.json")["train_accuracy"]
    return models, {"metric": "train_accuracy", "value": accuracy, "n": len(rows)}


def _measure(
    exam: Exam, network: Network, method: str, twins: tuple | None
) -> Iterator[dict[str, Any]]:
    costly = network.slow or method in SLOW
    rows = exam.sample(exam.study.rows("test"), few=costly)
    films, patients = exam.images(rows), exam.patients(rows)
    explain = network.explain(method)
    original = run_explainer(explain, network.model, films)
    draws = range(exam.budget.few_draws if costly else exam.budget.draws)
    cascade = chain.from_iterable(
        cascading_randomisation(network.model, explain, films, seed) for seed in draws
    )
    found = {
        WEIGHTS: cascade_rows(original, cascade, patients, exam.draw),
        OTHER_FILM: between_films(original, patients, exam.draw),
    }
    if twins is not None:
        true, permuted = (run_explainer(explain, model, films) for model in twins)
        found[LABELS] = cascade_rows(true, [("", permuted)], patients, exam.draw)
    for test, part in found.items():
        yield from ({"test": test, **row} for row in part)


def _memorised(study: Study, key: str, rows: np.ndarray, labels: np.ndarray) -> Path:
    epochs = _MEMORY_EPOCHS[key]
    recipe = {
        **study.training_recipe(epochs, epochs, 32, f"neumonia.models.{key}"),
        "rows": rows.tolist(),
        "labels": labels[rows].tolist(),
        "weights": study.vgg16_weights.sha256 if key == "vgg16" else None,
    }
    return study.store.get(
        f"memoria-{key}", recipe, lambda folder: _memorise(study, key, rows, labels, folder)
    ).folder


def _memorise(study: Study, key: str, rows: np.ndarray, labels: np.ndarray, folder: Path) -> None:
    from neumonia.models.cnn import build_cnn
    from neumonia.models.vgg16 import assemble, build_head, load_backbone
    from neumonia.training import fit, predict_logits

    c, inputs = study.config, study.images
    if key == "cnn":
        model = build_cnn(c.size, c.seed, output_bias=study.bias, augment=False)
    else:
        inputs = study.features
        model = build_head(inputs.shape[1:], c.seed, output_bias=study.bias)
    # El paro y los mejores pesos se deciden con lo mismo que se memoriza.
    data = (inputs, labels, rows)
    fit(model, data, data, _MEMORY_EPOCHS[key], 32, _MEMORY_EPOCHS[key], c.seed)
    logits = predict_logits(model, inputs, rows=rows)
    accuracy = float(((logits > 0) == (labels[rows] == 1)).mean())
    write_json(folder / "training.json", {"train_accuracy": accuracy})
    if key == "vgg16":
        model = assemble(load_backbone(c.size, study.vgg16_weights.path), model, c.size)
    model.save(folder / "model.keras")


def _redraw(tensor: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    spread = tensor.std() if tensor.size > 1 else np.abs(tensor).max()
    drawn = rng.normal(tensor.mean(), spread, tensor.shape)
    return np.abs(drawn) if tensor.min() >= 0 else drawn


def _informative(maps: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Los mapas que señalan algo y cuáles son: (M, H, W) y bool (N,)."""
    found = check_maps(maps)
    kept = ~constant_maps(found)
    if not kept.any():
        raise DataError(
            "Todos los mapas de la red original son constantes: no señalan nada y no hay con qué "
            "comparar. Probemos con otra capa, otro método u otras radiografías."
        )
    return found[kept], kept


def _scores(original: ArrayLike, changed: ArrayLike) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "ssim": ssim(original, changed),
            "spearman_abs": np.abs(spearman(original, changed)),
            "null": constant_maps(changed),
        }
    )


def _rows(
    draws: list[pd.DataFrame], patients: np.ndarray, draw: tuple[int, int]
) -> Iterator[dict[str, Any]]:
    n_null = sum(int(scores["null"].sum()) for scores in draws)
    for metric in ("ssim", "spearman_abs"):
        scores = [found[metric].to_numpy() for found in draws]
        value, low, high = mean_interval(np.mean(scores, axis=0), patients, *draw)
        if len(draws) > 1 and not np.isnan(low):
            spread = [mean_distribution(values, patients, *draw) for values in scores]
            low, high = hierarchical_interval(spread, n=draw[0], seed=draw[1])
        means = [float(values.mean()) for values in scores]
        ends = {"value": value, "low": low, "high": high, "n": len(patients), "n_null": n_null}
        range_ = {"draws": len(draws), "draw_min": min(means), "draw_max": max(means)}
        yield {"metric": metric, **ends, **range_}


def _pairs(first: ArrayLike, second: ArrayLike) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    a, b = check_maps(first), check_maps(second)
    if a.shape != b.shape:
        raise DataError(
            f"Los dos conjuntos de mapas deben tener la misma forma; tienen {a.shape} y {b.shape}."
        )
    return ((x.astype(np.float64), y.astype(np.float64)) for x, y in zip(a, b, strict=True))


def _ssim(a: np.ndarray, b: np.ndarray) -> float:
    def blur(image: np.ndarray) -> np.ndarray:
        return gaussian_filter(image, _SIGMA, radius=_RADIUS)

    mean_a, mean_b = blur(a), blur(b)
    variances = blur(a * a) - mean_a**2 + blur(b * b) - mean_b**2
    covariance = blur(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    structure = (2 * covariance + _C2) / (variances + _C2)
    inside = slice(_RADIUS, -_RADIUS)
    return float((luminance * structure)[inside, inside].mean())


def _spearman(a: np.ndarray, b: np.ndarray) -> float:
    constant = constant_maps([a, b])
    if constant.any():
        return float(constant.all())
    x, y = (ranks - ranks.mean() for ranks in (rankdata(a), rankdata(b)))
    return float(np.clip(x @ y / np.sqrt((x @ x) * (y @ y)), -1, 1))


def _membership(heat: np.ndarray, k: int) -> np.ndarray:
    """Cuánto pertenece cada píxel a los ``k`` mayores, en 0..1 y con suma k."""
    cut = np.partition(heat, -k, axis=None)[-k]
    above, tied = heat > cut, heat == cut
    return above + tied * (k - above.sum()) / tied.sum()
