"""Mirar los datos antes de entrenar: archivos dañados, clases, tamaños, intensidades y trampas."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from neumonia.datasets.archive import open_source
from neumonia.datasets.base import CLASSES, SPLITS, Dataset, Skipped, enumerated
from neumonia.errors import ConfigError, DataError

_CHUNK = 512


@dataclass(frozen=True, eq=False, repr=False)
class AuditReport:
    """Lo que se encontró al leer cada archivo.

    ``films`` tiene una fila por película legible, con las columnas del manifiesto más ``mode``
    (modo de Pillow), ``format`` y ``bytes`` (0 si la fuente no es de archivos sueltos).
    ``corrupt`` nombra los ilegibles o rechazados; ``duplicates`` agrupa los ``image_id`` de
    archivos idénticos; ``repeated`` cuenta las copias del árbol anidado.
    """

    source: str
    films: pd.DataFrame
    corrupt: tuple[Skipped, ...]
    duplicates: tuple[tuple[str, ...], ...]
    repeated: int = 0

    @property
    def surplus(self) -> int:
        """Películas que sobran: las repetidas menos una por grupo."""
        return sum(len(group) - 1 for group in self.duplicates)

    @property
    def crossing(self) -> tuple[tuple[str, ...], ...]:
        """Grupos de archivos idénticos repartidos entre particiones oficiales distintas."""
        where = dict(zip(self.films["image_id"], self.films["official_split"], strict=True))
        return tuple(group for group in self.duplicates if len({where[name] for name in group}) > 1)

    def as_frame(self) -> pd.DataFrame:
        """Una fila por partición y clase presentes (índice ``split``, ``class``).

        Columnas: ``films``, ``patients``, ``height_min``, ``height_max``, ``width_min``,
        ``width_max`` (píxeles), ``modes`` y ``formats`` (texto «L 90, RGB 10») y
        ``bytes_per_pixel`` (mediana; NaN si no hay archivos sueltos).
        """
        groups = dict(list(self.films.groupby(["official_split", "label"])))
        rows = {}
        for split in SPLITS:
            for label, name in enumerate(CLASSES):
                mine = groups.get((split, label))
                if mine is None:
                    continue
                density = (mine["bytes"] / (mine["height"] * mine["width"])).median()
                rows[split, name] = {
                    "films": len(mine),
                    "patients": mine.loc[mine["patient"] != "", "patient"].nunique(),
                    **{f"{side}_{edge}": int(mine[side].agg(edge))
                       for side in ("height", "width") for edge in ("min", "max")},
                    "modes": _tally(mine["mode"]),
                    "formats": _tally(mine["format"]),
                    "bytes_per_pixel": float(density) if density > 0 else float("nan"),
                }  # fmt: skip
        names = pd.MultiIndex.from_tuples(rows, names=["split", "class"])
        return pd.DataFrame(list(rows.values()), index=names)

    def __repr__(self) -> str:
        lines = [f"Revisión: {self.source}", f"  películas legibles: {len(self.films)}"]
        for (split, name), row in self.as_frame().iterrows():
            density = row["bytes_per_pixel"]
            people = f" de {row['patients']} pacientes" if row["patients"] else ""
            lines.append(
                f"  {split}/{name}: {row['films']} películas{people}; "
                f"{row['height_min']}–{row['height_max']} × {row['width_min']}–{row['width_max']} "
                f"px (alto × ancho); modo {row['modes']}"
                + (f"; {density:.3f} bytes por píxel" if density == density else "")
            )
        lines += enumerated("archivos ilegibles o rechazados", self.corrupt, "  ")
        lines.append(
            f"  archivos idénticos: {len(self.duplicates)} grupos, {self.surplus} sobrantes"
        )
        lines += [f"    - {' = '.join(group)}" for group in self.duplicates[:5]]
        if len(self.duplicates) > 5:
            lines.append(f"    … y {len(self.duplicates) - 5} grupos más")
        lines.append(f"  grupos idénticos entre particiones oficiales: {len(self.crossing)}")
        if self.repeated:
            lines.append(f"  copias del árbol anidado, que no cuentan: {self.repeated}")
        return "\n".join(lines)


def _tally(values: pd.Series) -> str:
    return ", ".join(f"{name} {count}" for name, count in values.value_counts().items())


def audit(source: Dataset | Path | str, progress: bool = True) -> AuditReport:
    """Lee todos los archivos de un conjunto, carpeta, zip o .npz, y cuenta lo que encuentra.

    Un conjunto de archivos sueltos se vuelve a leer desde su carpeta: así se descubre también lo
    que se dañó después de importar. ``DataError`` si la fuente no existe o no tiene ninguna
    película legible.
    """
    if isinstance(source, Dataset):
        if source.name == "kermany" and source.info.get("root"):
            report = _audit_files(Path(source.info["root"]), progress)
            # Lo que se rechazó al importar ya no está en la carpeta, pero se sigue sabiendo.
            corrupt = tuple(dict.fromkeys((*source.skipped, *report.corrupt)))
            return replace(report, corrupt=corrupt)
        films = source.manifest.assign(mode="L", format="arreglo", bytes=0)
        title = f"el conjunto «{source.name}»"
        return AuditReport(title, films, source.skipped, find_duplicates(films))
    path = Path(source).expanduser()
    if path.suffix.lower() == ".npz" or (path.is_dir() and any(path.glob("pneumoniamnist*.npz"))):
        from neumonia.datasets.pneumoniamnist import open_pneumoniamnist

        return audit(open_pneumoniamnist(path))
    return _audit_files(path, progress)


def _audit_files(root: Path, progress: bool) -> AuditReport:
    from neumonia.datasets.chest_xray import examine_all

    with open_source(root) as listing:
        films, skipped = examine_all(root, listing, "Revisando archivos" if progress else "")
    return AuditReport(str(root), films, skipped, find_duplicates(films), listing.repeated)


def find_duplicates(films: pd.DataFrame) -> tuple[tuple[str, ...], ...]:
    """Grupos de ``image_id`` con el mismo ``sha256``, en orden alfabético."""
    groups = films.groupby("sha256")["image_id"].agg(list)
    return tuple(sorted(tuple(sorted(group)) for group in groups if len(group) > 1))


def class_balance(manifest: pd.DataFrame, split: pd.Series) -> pd.DataFrame:
    """Cuántas películas de cada clase hay en cada parte presente de ``split`` (el índice).

    Columnas: ``normal``, ``pneumonia``, ``total``, ``proportion_pneumonia`` (0 a 1) y ``ratio``
    (neumonías por cada normal; NaN si no hay normales).
    """
    counts = pd.crosstab(split.to_numpy(), manifest["label"].to_numpy()).reindex(
        columns=[0, 1], fill_value=0
    )
    counts = counts.reindex([part for part in SPLITS if part in counts.index])
    frame = pd.DataFrame({"normal": counts[0].astype(int), "pneumonia": counts[1].astype(int)})
    frame["total"] = frame["normal"] + frame["pneumonia"]
    frame["proportion_pneumonia"] = frame["pneumonia"] / frame["total"]
    frame["ratio"] = frame["pneumonia"] / frame["normal"].where(frame["normal"] > 0)
    frame.index.name = "split"
    return frame


class MeanImages(NamedTuple):
    """Promedio y desviación estándar por píxel: por clase, float32 ``(H, W)`` de 0 a 255."""

    mean: dict[int, np.ndarray]
    std: dict[int, np.ndarray]


def mean_images(images: np.ndarray, labels: np.ndarray) -> MeanImages:
    """Imagen promedio y desviación por píxel de cada clase.

    ``images`` uint8 (N, H, W) puede ser un memmap: se recorre por trozos y se suma en enteros, sin
    error de redondeo. ``labels`` (N,) vale 0 o 1. ``ConfigError`` si no son así.
    """
    mean, std = {}, {}
    for label, rows in _by_class(images, labels).items():
        total = np.zeros(images.shape[1:], dtype=np.int64)
        square = np.zeros_like(total)
        for chunk in _chunks(images, rows):
            wide = chunk.astype(np.uint32)
            total += wide.sum(axis=0, dtype=np.int64)
            square += (wide * wide).sum(axis=0, dtype=np.int64)
        # N·Σx² − (Σx)² es exacto en enteros; restar medias en coma flotante no lo sería.
        variance = (len(rows) * square - total * total) / len(rows) ** 2
        mean[label] = (total / len(rows)).astype(np.float32)
        std[label] = np.sqrt(variance).astype(np.float32)
    return MeanImages(mean, std)


class Histogram(NamedTuple):
    """``density`` float64 ``(256,)`` que suma 1, y ``cdf`` float64 ``(256,)`` que termina en 1."""

    density: np.ndarray
    cdf: np.ndarray


def intensity_histogram(images: np.ndarray, labels: np.ndarray) -> dict[int, Histogram]:
    """Histograma de cada clase: la proporción de píxeles en cada valor, de 0 a 255."""
    return {
        label: Histogram(counts / counts.sum(), np.cumsum(counts) / counts.sum())
        for label, counts in _histograms(images, labels).items()
    }


def intensity_summary(images: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """Intensidad media y desviación por clase (índice ``class``).

    Columnas: ``films``, ``mean`` y ``std`` (de todos los píxeles, 0 a 255) y ``film_mean_std``
    (cuánto varía la media de una película a otra).
    """
    values = np.arange(256)
    groups = _by_class(images, labels)
    summary = {}
    for label, counts in _histograms(images, labels).items():
        mean = float((counts * values).sum() / counts.sum())
        variance = float((counts * (values - mean) ** 2).sum() / counts.sum())
        means = [chunk.mean(axis=(1, 2)) for chunk in _chunks(images, groups[label])]
        summary[CLASSES[label]] = {
            "films": len(groups[label]),
            "mean": mean,
            "std": variance**0.5,
            "film_mean_std": float(np.concatenate(means).std()),
        }
    return pd.DataFrame.from_dict(summary, orient="index").rename_axis("class")


def metadata_baseline(manifest: pd.DataFrame, split: pd.Series) -> float:
    """AUC en test de un clasificador que no ve la imagen: solo alto, ancho y proporción.

    Regresión logística sobre los tres números estandarizados, ajustada en train. Una AUC lejana
    de 0.5 avisa que el tamaño delata la clase; 0.5 exacto, que todas miden lo mismo. ``DataError``
    si train o test no tienen las dos clases.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    height = manifest["height"].to_numpy(dtype=float)
    width = manifest["width"].to_numpy(dtype=float)
    features = np.column_stack([height, width, width / height])
    labels = manifest["label"].to_numpy()
    train, test = (split == "train").to_numpy(), (split == "test").to_numpy()
    for name, part in (("train", train), ("test", test)):
        if len(np.unique(labels[part])) < 2:
            raise DataError(f"La parte «{name}» no tiene películas de las dos clases.")
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(features[train], labels[train])
    return float(roc_auc_score(labels[test], model.decision_function(features[test])))


def example_rows(
    manifest: pd.DataFrame,
    split: pd.Series,
    label: int,
    n: int,
    seed: int,
    part: str | None = "train",
) -> np.ndarray:
    """Posiciones de ``n`` películas de una clase, de pacientes distintos mientras alcancen.

    ``part`` es de qué parte de ``split``, o ``None`` si de cualquiera. Devuelve int64 ``(n,)``, en
    orden creciente: filas de ``manifest`` por posición. ``DataError`` si no hay ``n`` así.
    """
    mask = (manifest["label"] == label).to_numpy()
    if part is not None:
        mask = mask & (split == part).to_numpy()
    rows = np.flatnonzero(mask)
    if n < 1 or len(rows) < n:
        where = f"en «{part}»" if part is not None else "en el conjunto"
        raise DataError(
            f"Pedimos {n} películas {CLASSES[label]} y {where} hay {len(rows)}. Pidamos de 1 a "
            f"{len(rows)}."
        )
    shuffled = np.random.default_rng(seed).permutation(rows)
    patient = manifest["patient"].to_numpy(dtype=object)[shuffled]
    repeated = pd.Series(patient).duplicated().to_numpy() & (patient != "")
    chosen = np.concatenate([shuffled[~repeated], shuffled[repeated]])[:n]
    return np.sort(chosen).astype(np.int64)


def _by_class(images: np.ndarray, labels: np.ndarray) -> dict[int, np.ndarray]:
    """Las filas de cada clase presente, si películas y etiquetas tienen la forma debida."""
    labels = np.asarray(labels)
    if images.ndim != 3 or images.dtype != np.uint8 or images.size == 0:
        raise ConfigError(
            f"Esperamos imágenes uint8 (N, H, W), no vacías; recibimos {images.shape} "
            f"{images.dtype}."
        )
    if labels.shape != (len(images),) or not np.isin(labels, (0, 1)).all():
        raise ConfigError(
            f"Esperamos {len(images)} etiquetas 0 o 1; recibimos la forma {labels.shape}."
        )
    return {label: np.flatnonzero(labels == label) for label in np.unique(labels).tolist()}


def _chunks(images: np.ndarray, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Trozos de las imágenes elegidas, para no cargar el memmap entero."""
    for start in range(0, len(rows), _CHUNK):
        yield np.asarray(images[rows[start : start + _CHUNK]])


def _histograms(images: np.ndarray, labels: np.ndarray) -> dict[int, np.ndarray]:
    return {
        label: sum(np.bincount(c.reshape(-1), minlength=256) for c in _chunks(images, rows))
        for label, rows in _by_class(images, labels).items()
    }
