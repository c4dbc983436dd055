"""Imágenes que los capítulos toman de archivos del libro."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from imprenta.assemble import Page
from imprenta.errors import ImprentaError
from imprenta.nodes import each

MEDIA = "medio:"


def local_images(page: Page, root: Path) -> Iterator[tuple[Path, Path]]:
    """Archivo de cada imagen de la página y su ruta relativa a la raíz del libro.

    Raises
    ------
    ImprentaError
        Si la imagen no existe o está fuera del libro: no viajaría con él.
    """
    seen = set()
    for node in each(page.blocks):
        if node["t"] != "Image":
            continue
        name = unquote(node["c"][2][0])
        if name.startswith(MEDIA) or "://" in name or name in seen:
            continue
        seen.add(name)
        source = (page.chapter.source.parent / name).resolve()
        if not source.is_file() or not source.is_relative_to(root.resolve()):
            raise ImprentaError(f"No existe la imagen {name} dentro del libro.", page.chapter.path)
        yield source, source.relative_to(root.resolve())
