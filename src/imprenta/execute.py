"""Ejecución de los capítulos con nbclient: una sola vez para todos los formatos."""

import asyncio
import json
import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from imprenta.background import run_in_thread
from imprenta.chapter import Cell, Chapter, Text
from imprenta.config import BookConfig
from imprenta.errors import BookErrors, ImprentaError, Problem
from imprenta.freeze import Freezer
from imprenta.kernel import kernel_environment, kernel_manager, private_kernel_spec

ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07]*\x07")
INLINE_MIME = "application/vnd.imprenta.inline+json"


@dataclass(frozen=True)
class Executed:
    """Capítulo con sus resultados: salidas por celda y valor de cada expresión en línea.

    ``outputs[i]`` son las salidas (formato nbformat) de la celda ``i``; ``inline[j]`` los paquetes
    MIME de las expresiones del trozo de texto ``j``-ésimo de ``chapter.parts``.
    """

    chapter: Chapter
    outputs: dict[int, list[dict[str, Any]]]
    inline: dict[int, dict[str, dict[str, Any]]]
    seconds: float
    cached: bool


def is_evaluated(cell: Cell, config: BookConfig) -> bool:
    return bool(cell.options.get("eval", config.execute["eval"]))


def build_notebook(chapter: Chapter, config: BookConfig) -> NotebookNode:
    """Cuaderno que se ejecuta: las celdas, y tras cada texto sus expresiones en línea."""
    notebook = new_notebook()
    notebook.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    for position, part in enumerate(chapter.parts):
        if isinstance(part, Cell):
            if is_evaluated(part, config):
                cell = new_code_cell(part.code, id=f"celda-{position}")
                cell.metadata["imprenta"] = {"part": position}
                if part.options.get("error", config.execute["error"]):
                    cell.metadata["tags"] = ["raises-exception"]
                notebook.cells.append(cell)
        elif part.expressions():
            # user_expressions evalúa sin ensuciar el espacio de nombres, como hace Quarto.
            pairs = {str(number): code for number, code in enumerate(part.expressions())}
            code = (
                f"get_ipython().display_pub.publish({{{INLINE_MIME!r}: "
                f"get_ipython().user_expressions({pairs!r})}})"
            )
            cell = new_code_cell(code, id=f"linea-{position}")
            cell.metadata["imprenta"] = {"part": position, "inline": True}
            notebook.cells.append(cell)
    return notebook


def execute_book(
    chapters: Sequence[Chapter],
    config: BookConfig,
    freezer: Freezer,
    use_cache: bool = True,
    say: Callable[[str], None] = print,
) -> list[Executed]:
    """Ejecuta los capítulos, hasta ``config.workers`` a la vez, y guarda los resultados.

    Raises
    ------
    BookErrors
        Con capítulo, línea y excepción de cada celda que falló; los demás capítulos se terminan y
        quedan guardados.
    """
    return run_in_thread(_execute_all(chapters, config, freezer, use_cache, say))


async def _execute_all(
    chapters: Sequence[Chapter],
    config: BookConfig,
    freezer: Freezer,
    use_cache: bool,
    say: Callable[[str], None],
) -> list[Executed]:
    gate = asyncio.Semaphore(max(1, min(config.workers, os.cpu_count() or 1)))

    async def one(chapter: Chapter) -> Executed:
        notebook = build_notebook(chapter, config)
        if not notebook.cells:
            return Executed(chapter, {}, {}, 0.0, True)
        saved = freezer.load(chapter, notebook) if use_cache else None
        if saved is not None:
            return _collect(chapter, saved, 0.0, True)
        async with gate:
            say(f"  ejecutando {chapter.path} ({len(chapter.cells)} celdas)…")
            start = time.perf_counter()
            await _run(notebook, chapter, config)
            seconds = time.perf_counter() - start
            result = _collect(chapter, notebook, seconds, False)
            freezer.save(chapter, notebook)
            say(f"  {chapter.path}: {seconds:.1f} s")
            return result

    results = await asyncio.gather(*(one(chapter) for chapter in chapters), return_exceptions=True)
    problems: list[Problem] = []
    for result in results:
        if isinstance(result, ImprentaError):
            problems.append(result.problem)
        elif isinstance(result, BaseException):
            raise result
    if problems:
        raise BookErrors(problems)
    return [result for result in results if isinstance(result, Executed)]


async def _run(notebook: NotebookNode, chapter: Chapter, config: BookConfig) -> None:
    with private_kernel_spec() as scratch, open(scratch / "nucleo.log", "wb") as log:
        client = NotebookClient(
            notebook,
            timeout=config.timeout,
            startup_timeout=120,
            resources={"metadata": {"path": str(chapter.source.parent)}},
        )
        client.km = kernel_manager(scratch)
        try:
            await client.async_execute(
                env=kernel_environment(config.root, scratch),
                # Lo que el proceso escriba fuera de las celdas no es del libro.
                stdout=log,
                stderr=log,
            )
        except CellTimeoutError:
            part = _unfinished(notebook, chapter)
            raise ImprentaError(
                f"La celda no terminó en {config.timeout} s (se cambia con «imprenta: espera:» en "
                f"{config.root / '_quarto.yml'}).".replace(str(config.root) + os.sep, ""),
                chapter.path,
                part.line,
            ) from None
        except DeadKernelError:
            part = _unfinished(notebook, chapter)
            raise ImprentaError(
                "El proceso de Python murió mientras ejecutaba esta celda; suele ser falta de "
                "memoria. Probemos con «imprenta: procesos: 1» en _quarto.yml.",
                chapter.path,
                part.line,
            ) from None
        except Exception as error:
            failure = _failure(notebook, chapter)
            if failure is None:
                raise ImprentaError(
                    f"No se pudo ejecutar el capítulo: {error}", chapter.path
                ) from error
            raise failure from None


def _unfinished(notebook: NotebookNode, chapter: Chapter) -> Text | Cell:
    """Primera celda a la que no le dio tiempo de terminar."""
    for cell in notebook.cells:
        timing = cell.metadata.get("execution", {})
        if "shell.execute_reply" not in timing:
            return chapter.parts[cell.metadata["imprenta"]["part"]]
    return chapter.parts[notebook.cells[-1].metadata["imprenta"]["part"]]


def _failure(notebook: NotebookNode, chapter: Chapter) -> ImprentaError | None:
    for cell in notebook.cells:
        if "raises-exception" in cell.metadata.get("tags", []):
            continue
        for output in cell.outputs:
            if output.output_type == "error":
                part = chapter.parts[cell.metadata["imprenta"]["part"]]
                line = part.line
                trace = ANSI.sub("", "\n".join(output.traceback))
                inside = re.findall(r"^Cell In\[\d+\], line (\d+)|^-+> (\d+) ", trace, re.M)
                if isinstance(part, Cell) and inside:
                    line = part.code_line + int(inside[0][0] or inside[0][1]) - 1
                detail = ANSI.sub("", f"{output.ename}: {output.evalue}").strip()
                name = (
                    f" (celda «{part.options.label}»)"
                    if (isinstance(part, Cell) and part.options.label)
                    else ""
                )
                return ImprentaError(
                    f"La celda que empieza en la línea {part.line}{name} falló con {detail}",
                    chapter.path,
                    line,
                )
    return None


def _collect(chapter: Chapter, notebook: NotebookNode, seconds: float, cached: bool) -> Executed:
    outputs: dict[int, list[dict[str, Any]]] = {}
    inline: dict[int, dict[str, dict[str, Any]]] = {}
    for cell in notebook.cells:
        position = cell.metadata["imprenta"]["part"]
        part = chapter.parts[position]
        if isinstance(part, Cell):
            outputs[part.index] = clean_outputs(cell.outputs)
        else:
            inline[position] = _inline_values(part, cell, chapter.path)
    return Executed(chapter, outputs, inline, seconds, cached)


def _inline_values(part: Text, cell: NotebookNode, path: str) -> dict[str, dict[str, Any]]:
    bundle: dict[str, Any] = {}
    for output in cell.outputs:
        bundle = output.get("data", {}).get(INLINE_MIME, bundle)
    values = {}
    for number, code in enumerate(part.expressions()):
        result = bundle.get(str(number))
        offset = part.text.find(code)
        line = part.line + part.text.count("\n", 0, max(offset, 0))
        if result is None or result.get("status") != "ok":
            detail = f"{result['ename']}: {result['evalue']}" if result else "no dio resultado"
            raise ImprentaError(
                f"La expresión en línea `{code}` falló con {ANSI.sub('', detail)}", path, line
            )
        values[code] = {"data": result["data"], "line": line}
    return values


def clean_outputs(outputs: Sequence[Any]) -> list[dict[str, Any]]:
    """Quita códigos de color y junta los trozos seguidos de un mismo flujo de texto."""
    cleaned: list[dict[str, Any]] = []
    for output in outputs:
        item = json.loads(json.dumps(output))
        kind = item["output_type"]
        if kind == "stream":
            item["text"] = ANSI.sub("", _carriage(_joined(item["text"])))
            last = cleaned[-1] if cleaned else {}
            if last.get("output_type") == "stream" and last["name"] == item["name"]:
                last["text"] += item["text"]
                continue
        elif kind == "error":
            item["traceback"] = [ANSI.sub("", row) for row in item["traceback"]]
            item["evalue"] = ANSI.sub("", item["evalue"])
        else:
            item["data"] = {mime: _joined(value) for mime, value in item["data"].items()}
            if "text/plain" in item["data"]:
                item["data"]["text/plain"] = ANSI.sub("", item["data"]["text/plain"])
            item.pop("transient", None)
            item.pop("execution_count", None)
        cleaned.append(item)
    return cleaned


def _joined(value: Any) -> Any:
    return "".join(value) if isinstance(value, list) else value


def _carriage(text: str) -> str:
    """De una barra de progreso que se reescribe con retornos de carro queda el estado final."""
    return "\n".join(row.rstrip("\r").rsplit("\r", 1)[-1] for row in text.split("\n"))
