"""Repartir las películas en entrenamiento, validación y prueba.

Tres maneras: por paciente (la correcta cuando el conjunto es uno solo), la oficial (la prueba de
los autores, más difícil) y por archivo (la que filtra pacientes, para medir cuánto engaña).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from neumonia.datasets.base import CLASSES, SPLITS
from neumonia.errors import ConfigError, DataError

KINDS = ("paciente", "oficial", "archivo")
FRACTIONS = (0.8, 0.1, 0.1)


def patient_groups(manifest: pd.DataFrame) -> np.ndarray:
    """Grupo de cada película, int64 ``(N,)``: las que no deben separarse comparten número.

    Forman un grupo las películas de un paciente y las de dos pacientes que comparten un archivo
    idéntico byte por byte: o son la misma persona o la copia delata a la otra. Sin paciente
    conocido, cada película es su propio grupo, salvo copias idénticas.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    films = len(manifest)
    if films == 0:
        return np.empty(0, dtype=np.int64)
    patient = manifest["patient"].to_numpy(dtype=object)
    unknown = patient == ""
    owner = np.empty(films, dtype=np.int64)
    owner[~unknown] = pd.factorize(patient[~unknown])[0]
    owner[unknown] = films + np.arange(unknown.sum())
    content = pd.factorize(manifest["sha256"].to_numpy(dtype=object))[0] + 2 * films
    # Grafo con dos clases de nodos, dueños y contenidos; cada película es una arista.
    size = 3 * films
    graph = coo_array((np.ones(films, dtype=np.int8), (owner, content)), shape=(size, size))
    _, component = connected_components(graph, directed=False)
    return pd.factorize(component[owner])[0].astype(np.int64)


def by_patient(
    manifest: pd.DataFrame, seed: int, fractions: Sequence[float] = FRACTIONS
) -> pd.Series:
    """Reparte pacientes enteros, con la misma proporción de clases en cada parte.

    Se asignan primero los pacientes con más películas, al azar y con probabilidad proporcional a
    lo que le falta a cada parte; los de una sola película completan las cuentas. ``manifest``
    necesita ``patient``, ``sha256``, ``label`` e ``image_id``; ``fractions`` son las proporciones
    de train, val y test. Devuelve la parte de cada película, con el índice de ``manifest``.

    Raises
    ------
    DataError
        Si no consta de qué paciente es cada película, o no hay al menos tres pacientes por clase.
    ConfigError
        Si las proporciones no son tres números positivos que suman 1.
    """
    parts = _check_fractions(fractions)
    _check_classes(manifest)
    if (manifest["patient"] == "").any():
        raise DataError(
            "Este conjunto no dice de qué paciente es cada película, así que no se puede repartir "
            "por paciente. Usemos la partición «oficial»."
        )
    assigned = _assign(manifest, patient_groups(manifest), seed, parts)
    return _series(np.array(SPLITS, dtype=object)[assigned], manifest)


def official(manifest: pd.DataFrame, seed: int) -> pd.Series:
    """La prueba de los autores; la validación (un 10 %) se corta, por paciente, de todo lo demás.

    La carpeta oficial de validación tiene 16 películas, demasiado pocas para elegir nada: se une
    al entrenamiento antes de cortar. Si no constan los pacientes (PneumoniaMNIST), se respetan
    las tres partes tal como vienen. Si un paciente de la prueba oficial tuviera más películas
    fuera de ella, allí quedarían: ``shared_patients`` las cuenta. ``DataError`` si falta la parte
    de prueba o la de entrenamiento, o una clase.
    """
    _check_classes(manifest)
    given = manifest["official_split"].to_numpy(dtype=object)
    missing = [name for name in ("train", "test") if not (given == name).any()]
    if missing:
        raise DataError(
            f"A este conjunto le falta la carpeta oficial {' y '.join(missing)}. "
            "Usemos la partición «paciente»."
        )
    if (manifest["patient"] == "").any():
        return _series(given, manifest)
    pool = np.flatnonzero(given != "test")
    groups = patient_groups(manifest)
    values = given.copy()
    assigned = _assign(manifest.iloc[pool], groups[pool], seed, (0.9, 0.1))
    values[pool] = np.array(["train", "val"], dtype=object)[assigned]
    return _series(values, manifest)


def by_file(manifest: pd.DataFrame, seed: int) -> pd.Series:
    """Reparte archivo por archivo, con las clases en proporción y sin mirar a los pacientes.

    Está aquí para medir la fuga: películas de un mismo niño caen a ambos lados. ``DataError`` si
    hay muy pocas películas de una clase.
    """
    from sklearn.model_selection import train_test_split

    train, val, test = FRACTIONS
    _check_classes(manifest)
    rows, labels = np.arange(len(manifest)), manifest["label"].to_numpy()
    try:
        rest, held = train_test_split(rows, test_size=test, stratify=labels, random_state=seed)
        learn, tune = train_test_split(
            rest, test_size=val / (train + val), stratify=labels[rest], random_state=seed
        )
    except ValueError as error:
        raise DataError(
            f"Hay muy pocas películas para repartirlas en tres partes: {_counts(manifest)}."
        ) from error
    values = np.empty(len(manifest), dtype=object)
    values[learn], values[tune], values[held] = SPLITS
    return _series(values, manifest)


def make_split(manifest: pd.DataFrame, kind: str, seed: int) -> pd.Series:
    """El reparto ``kind`` (``paciente``, ``oficial`` o ``archivo``), ya comprobado."""
    makers = {"paciente": by_patient, "oficial": official, "archivo": by_file}
    if kind not in makers:
        raise ConfigError(f"No existe la partición «{kind}». Las hay: {', '.join(KINDS)}.")
    split = makers[kind](manifest, seed)
    check_split(manifest, split)
    return split


def check_split(manifest: pd.DataFrame, split: pd.Series) -> None:
    """``DataError`` si a una parte le falta una clase, o si ``split`` no es de esta tabla."""
    if not split.index.equals(manifest.index):
        raise DataError("La partición y la tabla de películas no tienen el mismo índice.")
    strange = sorted(set(split.astype(str)) - set(SPLITS))
    if strange:
        raise DataError(f"La partición tiene valores desconocidos: {', '.join(strange)}.")
    counts = pd.crosstab(split.to_numpy(), manifest["label"].to_numpy()).reindex(
        index=list(SPLITS), columns=[0, 1], fill_value=0
    )
    for part in SPLITS:
        for label, name in enumerate(CLASSES):
            if counts.loc[part, label] == 0:
                raise DataError(
                    f"La parte «{part}» quedó sin películas {name}. Hacen falta más pacientes de "
                    f"esa clase: {_counts(manifest)}."
                )


def shared_patients(manifest: pd.DataFrame, split: pd.Series) -> pd.DataFrame:
    """La fuga: cuántas películas de val y de test tienen en train a su mismo paciente.

    Cuenta como mismo paciente el grupo de ``patient_groups``. Índice ``val`` y ``test``; columnas
    ``films``, ``films_shared``, ``proportion`` (de películas, NaN si no hay), ``patients`` y
    ``patients_shared``.
    """
    groups = pd.Series(patient_groups(manifest), index=manifest.index)
    seen = set(groups[split == "train"])
    rows = []
    for part in ("val", "test"):
        mine = groups[split == part]
        shared = mine.isin(seen)
        rows.append(
            {
                "films": len(mine),
                "films_shared": int(shared.sum()),
                "proportion": float(shared.mean()) if len(mine) else float("nan"),
                "patients": mine.nunique(),
                "patients_shared": mine[shared].nunique(),
            }
        )
    return pd.DataFrame(rows, index=pd.Index(["val", "test"], name="split"))


def _assign(
    manifest: pd.DataFrame, groups: np.ndarray, seed: int, fractions: Sequence[float]
) -> np.ndarray:
    """Parte (0, 1, …) de cada película: grupos enteros, cada clase por separado."""
    rng = np.random.default_rng(seed)
    label = manifest["label"].to_numpy()
    table = (
        pd.DataFrame({"group": groups, "label": label, "id": manifest["image_id"].to_numpy()})
        .groupby("group")
        .agg(size=("label", "size"), label=("label", "mean"), id=("id", "min"))
        # El reparto depende de los nombres, no del orden de las filas.
        .sort_values("id")
    )
    table["stratum"] = (table["label"] >= 0.5).astype(int)
    home = np.zeros(groups.max() + 1, dtype=np.int64)
    for stratum, name in enumerate(CLASSES):
        mine = table[table["stratum"] == stratum]
        if len(mine) < len(fractions):
            raise DataError(
                f"Solo hay {len(mine)} paciente(s) {name} y hacen falta al menos "
                f"{len(fractions)} para que cada parte tenga el suyo."
            )
        shuffled = mine.iloc[rng.permutation(len(mine))]
        ordered = shuffled.sort_values("size", ascending=False, kind="stable")
        sizes = ordered["size"].to_numpy()
        home[ordered.index.to_numpy()] = _fill(sizes, np.asarray(fractions), rng)
    return home[groups]


def _fill(sizes: np.ndarray, fractions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Parte para cada grupo, dados sus tamaños de mayor a menor."""
    lacking = fractions * sizes.sum()
    empty = np.ones(len(fractions), dtype=bool)
    chosen = np.empty(len(sizes), dtype=np.int64)
    for position, size in enumerate(sizes):
        # Los últimos grupos se reservan para las partes que aún no tienen ninguno.
        must = len(sizes) - position <= empty.sum()
        fits = lacking >= size - 1e-9
        if must:
            part = int(np.argmax(np.where(empty, lacking, -np.inf)))
        elif fits.any():
            weights = np.where(fits, lacking, 0.0)
            part = int(rng.choice(len(fractions), p=weights / weights.sum()))
        else:
            part = int(np.argmax(lacking))
        chosen[position] = part
        lacking[part] -= size
        empty[part] = False
    return chosen


def _series(values: np.ndarray, manifest: pd.DataFrame) -> pd.Series:
    return pd.Series(values.astype(str), index=manifest.index, name="split", dtype="str")


def _check_fractions(fractions: Sequence[float]) -> tuple[float, float, float]:
    values = tuple(float(value) for value in fractions)
    if len(values) != 3 or min(values) <= 0 or not abs(sum(values) - 1) <= 1e-9:
        raise ConfigError(
            "Las proporciones son tres números positivos que suman 1 (train, val, test); "
            f"recibimos {values}."
        )
    return values


def _check_classes(manifest: pd.DataFrame) -> None:
    if manifest.empty:
        raise DataError("La tabla de películas está vacía: no hay nada que repartir.")
    if manifest["label"].nunique() < 2:
        raise DataError(
            f"Todas las películas son de una sola clase ({_counts(manifest)}); para detectar "
            "neumonía hacen falta las dos."
        )


def _counts(manifest: pd.DataFrame) -> str:
    counts = manifest["label"].value_counts()
    return ", ".join(f"{counts.get(label, 0)} {name}" for label, name in enumerate(CLASSES))
