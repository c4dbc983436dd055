"""Imprimir el libro con pandoc y Typst: leer, ejecutar, armar, numerar y escribir."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from imprenta.assemble import Page, assemble
from imprenta.chapter import Chapter, read_chapter
from imprenta.config import BookConfig
from imprenta.errors import BookErrors, ImprentaError
from imprenta.execute import Executed, execute_book
from imprenta.lint import check_book
from imprenta.notebooks import notebook_addresses, write_notebooks
from imprenta.refs import Target, number_pages, process_citations, resolve
from imprenta.site import write_site
from imprenta.typst import write_pdf

Say = Callable[[str], None]


def read_book(config: BookConfig) -> list[Chapter]:
    """Lee y revisa todos los capítulos.

    Raises
    ------
    BookErrors
        Con todos los defectos de todos los capítulos.
    """
    entries = [(name, False) for name in config.chapters]
    entries += [(name, True) for name in config.appendices]
    chapters = _all(lambda entry: read_chapter(config.root, *entry), entries)
    problems = check_book(chapters, config)
    if problems:
        raise BookErrors(problems)
    return chapters


def prepare(
    executed: Sequence[Executed], config: BookConfig
) -> tuple[list[Page], dict[str, Target]]:
    """Páginas numeradas, con referencias y citas resueltas, listas para cualquier formato."""
    pages = _all(assemble, executed)
    targets = number_pages(pages, config.words)
    resolve(pages, targets)
    process_citations(pages, config)
    return pages, targets


def build(config: BookConfig, output: Path, use_cache: bool = True, say: Say = print) -> None:
    """Escribe sitio, PDF y cuadernos en la carpeta vacía ``output``."""
    executed = execute_book(read_book(config), config, use_cache, say)
    live = [item for item in executed if item.chapter.cells]
    reused = sum(item.cached for item in live)
    if reused:
        say(
            f"  {reused} de {len(live)} capítulos con código no cambiaron: usamos su última "
            "ejecución."
        )
    pages, targets = prepare(executed, config)
    addresses = notebook_addresses(pages)
    with ThreadPoolExecutor() as pool:
        # Los tres esperan casi siempre a pandoc o a Typst, y ninguno cambia las páginas.
        pdf = pool.submit(write_pdf, pages, targets, config, output / config.pdf_name)
        site = pool.submit(write_site, pages, targets, config, output, addresses)
        write_notebooks(executed, pages, targets, config, output)
        site.result()
        for warning in pdf.result():
            say(f"  Typst avisa: {warning}")


def build_notebooks(
    config: BookConfig, output: Path, use_cache: bool = True, say: Say = print
) -> list[Path]:
    """Escribe solo los cuadernos ejecutados, en ``output/cuadernos``."""
    executed = execute_book(read_book(config), config, use_cache, say)
    pages, targets = prepare(executed, config)
    return write_notebooks(executed, pages, targets, config, output)


def _all(step: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """``step`` de cada elemento, en orden; si varios tienen defectos, los señala todos."""

    def attempt(item: Any) -> Any:
        try:
            return step(item)
        except ImprentaError as error:
            return error

    with ThreadPoolExecutor() as pool:
        done = list(pool.map(attempt, items))
    problems = [one.problem for one in done if isinstance(one, ImprentaError)]
    if problems:
        raise BookErrors(problems)
    return done
