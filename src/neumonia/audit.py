"""Revisión de los archivos: dañados, repetidos, de tamaños y modos distintos."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from neumonia.datasets.archive import open_source
from neumonia.datasets.base import CLASSES, SPLITS, Dataset, Skipped


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
        """Una fila por partición y clase presentes.

        Columnas: ``films``, ``patients``, ``height_min``, ``height_max``, ``width_min``,
        ``width_max`` (píxeles), ``modes`` y ``formats`` (texto «L 90, RGB 10») y
        ``bytes_per_pixel`` (mediana; NaN si no hay archivos sueltos). Índice: ``split``,
        ``class``.
        """
        rows, index = [], []
        for split in SPLITS:
            for label, name in enumerate(CLASSES):
                films = self.films
                mine = films[(films["official_split"] == split) & (films["label"] == label)]
                if mine.empty:
                    continue
                density = (mine["bytes"] / (mine["height"] * mine["width"])).median()
                index.append((split, name))
                rows.append(
                    {
                        "films": len(mine),
                        "patients": mine.loc[mine["patient"] != "", "patient"].nunique(),
                        "height_min": int(mine["height"].min()),
                        "height_max": int(mine["height"].max()),
                        "width_min": int(mine["width"].min()),
                        "width_max": int(mine["width"].max()),
                        "modes": _tally(mine["mode"]),
                        "formats": _tally(mine["format"]),
                        "bytes_per_pixel": float(density) if density > 0 else float("nan"),
                    }
                )
        names = pd.MultiIndex.from_tuples(index, names=["split", "class"])
        return pd.DataFrame(rows, index=names)

    def __str__(self) -> str:
        lines = [f"Revisión: {self.source}", f"  películas legibles: {len(self.films)}"]
        for (split, name), row in self.as_frame().iterrows():
            density = row["bytes_per_pixel"]
            lines.append(
                f"  {split}/{name}: {row['films']} películas{_people(row['patients'])}; "
                f"{row['height_min']}–{row['height_max']} × {row['width_min']}–{row['width_max']} "
                f"px (alto × ancho); modo {row['modes']}"
                + (f"; {density:.3f} bytes por píxel" if density == density else "")
            )
        lines += _named("archivos ilegibles o rechazados", [str(item) for item in self.corrupt])
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

    __repr__ = __str__


def audit(source: Dataset | Path | str, progress: bool = True) -> AuditReport:
    """Lee todos los archivos de un conjunto, carpeta, zip o .npz, y cuenta lo que encuentra.

    Un conjunto de archivos sueltos se vuelve a leer desde su carpeta: así se descubre también lo
    que se dañó después de importar.

    Raises
    ------
    DataError
        Si la fuente no existe o no tiene ninguna película legible.
    """
    if isinstance(source, Dataset):
        root = source.info.get("root")
        if source.name == "kermany" and root:
            report = _audit_files(Path(root), progress)
            # Lo que se rechazó al importar ya no está en la carpeta, pero se sigue sabiendo.
            corrupt = tuple(dict.fromkeys((*source.skipped, *report.corrupt)))
            return AuditReport(
                report.source, report.films, corrupt, report.duplicates, report.repeated
            )
        films = source.manifest.assign(mode="L", format="arreglo", bytes=0)
        return AuditReport(
            f"el conjunto «{source.name}»", films, source.skipped, find_duplicates(films)
        )
    path = Path(source).expanduser()
    if path.suffix.lower() == ".npz" or (path.is_dir() and any(path.glob("pneumoniamnist*.npz"))):
        from neumonia.datasets.pneumoniamnist import open_pneumoniamnist

        return audit(open_pneumoniamnist(path))
    return _audit_files(path, progress)


def find_duplicates(films: pd.DataFrame) -> tuple[tuple[str, ...], ...]:
    """Grupos de ``image_id`` con el mismo ``sha256``, en orden alfabético."""
    groups = films.groupby("sha256")["image_id"].agg(list)
    return tuple(sorted(tuple(sorted(group)) for group in groups if len(group) > 1))


def _audit_files(root: Path, progress: bool) -> AuditReport:
    from neumonia.datasets.chest_xray import examine_all

    with open_source(root) as listing:
        films, skipped = examine_all(root, listing, "Revisando archivos" if progress else "")
    return AuditReport(str(root), films, skipped, find_duplicates(films), listing.repeated)


def _people(patients: int) -> str:
    return f" de {patients} pacientes" if patients else ""


def _tally(values: pd.Series) -> str:
    counts = values.value_counts()
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _named(title: str, names: Iterable[str], limit: int = 20) -> list[str]:
    names = list(names)
    rest = [f"    … y {len(names) - limit} más"] if len(names) > limit else []
    return [f"  {title}: {len(names)}", *(f"    - {name}" for name in names[:limit]), *rest]
