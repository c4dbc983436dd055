"""Imprimir el libro con pandoc y Typst: leer, ejecutar, armar, numerar y escribir."""

from collections.abc import Callable, Sequence
from pathlib import Path

from imprenta.assemble import Page, assemble
from imprenta.chapter import Chapter, read_chapter
from imprenta.citations import process_citations
from imprenta.config import BookConfig
from imprenta.errors import BookErrors, ImprentaError
from imprenta.execute import Executed, execute_book
from imprenta.freeze import Freezer
from imprenta.notebooks import notebook_addresses, write_notebooks
from imprenta.refs import Target, number_pages, resolve
from imprenta.site import write_site
from imprenta.typst import write_pdf


def read_book(config: BookConfig) -> list[Chapter]:
    """Lee todos los capítulos; si varios tienen defectos, los señala todos."""
    chapters, problems = [], []
    for entry in config.entries:
        try:
            chapters.append(read_chapter(config.root, entry.path, entry.appendix))
        except ImprentaError as error:
            problems.append(error.problem)
    if problems:
        raise BookErrors(problems)
    return chapters


def prepare(
    executed: Sequence[Executed], config: BookConfig
) -> tuple[list[Page], dict[str, Target]]:
    """Páginas numeradas, con referencias y citas resueltas, listas para cualquier formato."""
    pages, problems = [], []
    for item in executed:
        try:
            pages.append(assemble(item, config))
        except ImprentaError as error:
            problems.append(error.problem)
    if problems:
        raise BookErrors(problems)
    targets = number_pages(pages, config.strings)
    resolve(pages, targets)
    process_citations(pages, config)
    return pages, targets


def build(
    config: BookConfig, output: Path, use_cache: bool = True, say: Callable[[str], None] = print
) -> None:
    """Escribe sitio, PDF y cuadernos en la carpeta vacía ``output``."""
    chapters = read_book(config)
    executed = execute_book(chapters, config, Freezer(config), use_cache, say)
    live = [item for item in executed if item.chapter.cells]
    reused = sum(item.cached for item in live)
    if reused:
        say(
            f"  {reused} de {len(live)} capítulos con código no cambiaron: usamos su última "
            "ejecución."
        )
    pages, targets = prepare(executed, config)
    addresses = notebook_addresses(pages)
    write_site(pages, targets, config, output, addresses)
    write_notebooks(executed, pages, config, output)
    for warning in write_pdf(pages, targets, config, output / config.pdf_name):
        say(f"  Typst avisa: {warning}")


def build_notebooks(
    config: BookConfig, output: Path, use_cache: bool = True, say: Callable[[str], None] = print
) -> list[Path]:
    """Escribe solo los cuadernos ejecutados, en ``output/cuadernos``."""
    executed = execute_book(read_book(config), config, Freezer(config), use_cache, say)
    pages, _ = prepare(executed, config)
    return write_notebooks(executed, pages, config, output)
