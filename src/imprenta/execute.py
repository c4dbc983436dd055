"""Ejecución de los capítulos con nbclient: una sola vez para todos los formatos.

Un capítulo solo se vuelve a ejecutar si cambió algo de lo que depende (véase `Freezer`).
"""

import asyncio
import fnmatch
import hashlib
import json
import os
import platform
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from imprenta.chapter import Cell, Chapter, Text
from imprenta.config import BookConfig
from imprenta.errors import BookErrors, ImprentaError
from imprenta.files import atomic_write
from imprenta.kernel import kernel_environment, kernel_manager, private_kernel_spec, run_in_thread

ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07]*\x07")
INLINE_MIME = "application/vnd.imprenta.inline+json"
FOLDER = Path(".imprenta") / "ejecutados"
SKIPPED_FOLDERS = {"__pycache__", ".git", ".venv", ".ipynb_checkpoints"}


@dataclass(frozen=True)
class Executed:
    """Capítulo con sus resultados: salidas por celda y valor de cada expresión en línea.

    ``outputs[i]`` son las salidas (formato nbformat) de la celda ``i``; ``inline[j]`` los paquetes
    MIME de las expresiones del trozo de texto ``j``-ésimo de ``chapter.parts``.
    """

    chapter: Chapter
    outputs: dict[int, list[dict[str, Any]]]
    inline: dict[int, dict[str, dict[str, Any]]]
    cached: bool = True


def build_notebook(chapter: Chapter) -> NotebookNode:
    """Cuaderno que se ejecuta: las celdas, y tras cada texto sus expresiones en línea."""
    notebook = new_notebook()
    for position, part in enumerate(chapter.parts):
        if isinstance(part, Cell):
            code = part.code
        elif part.expressions():
            # user_expressions evalúa sin ensuciar el espacio de nombres, como hace Quarto.
            pairs = {str(number): code for number, code in enumerate(part.expressions())}
            code = (
                f"get_ipython().display_pub.publish({{{INLINE_MIME!r}: "
                f"get_ipython().user_expressions({pairs!r})}})"
            )
        else:
            continue
        cell = new_code_cell(code, id=f"parte-{position}")
        cell.metadata["imprenta"] = {"part": position}
        notebook.cells.append(cell)
    return notebook


class Freezer:
    """Guarda y recupera cuadernos ejecutados en ``.imprenta/ejecutados``.

    La llave de un capítulo resume sus celdas, los archivos de ``imprenta: dependencias:``, las
    variables de ``imprenta: entorno:`` (con comodines) y la versión de Python. El texto que no es
    código no cuenta: corregir una coma no vuelve a entrenar nada.
    """

    def __init__(self, config: BookConfig) -> None:
        self.folder = config.root / FOLDER
        summary = hashlib.sha256(platform.python_version().encode())
        for pattern in sorted(config.environment):
            for name in sorted(fnmatch.filter(os.environ, pattern)):
                summary.update(f"{name}={os.environ[name]}\n".encode())
        for name in sorted(config.dependencies):
            for path in _files(config.root / name):
                summary.update(f"{path.relative_to(config.root).as_posix()}\n".encode())
                with open(path, "rb") as handle:
                    summary.update(hashlib.file_digest(handle, "sha256").digest())
        self.base = summary.hexdigest()

    def _path(self, chapter: Chapter, notebook: NotebookNode) -> Path:
        code = json.dumps([[cell.source, cell.metadata["imprenta"]] for cell in notebook.cells])
        key = hashlib.sha256(f"{self.base}\n{chapter.path}\n{code}".encode()).hexdigest()[:20]
        return self.folder / f"{chapter.stem.replace('/', '--')}-{key}.ipynb"

    def load(self, chapter: Chapter, notebook: NotebookNode) -> NotebookNode | None:
        """Cuaderno ejecutado, o ``None`` si no está guardado o el archivo está dañado."""
        try:
            text = self._path(chapter, notebook).read_text(encoding="utf-8")
            saved = nbformat.reads(text, as_version=4)
        except (OSError, ValueError, nbformat.reader.NotJSONError):
            return None
        same = [cell.source for cell in saved.cells] == [cell.source for cell in notebook.cells]
        return saved if same else None

    def save(self, chapter: Chapter, notebook: NotebookNode) -> None:
        """Guarda el resultado y borra los anteriores del mismo capítulo."""
        path = self._path(chapter, notebook)
        # `execution` lleva horas de reloj: no es resultado.
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)
        atomic_write(path, nbformat.writes(notebook).encode())
        for old in self.folder.glob("*.ipynb"):
            if old != path and old.stem[:-20] == path.stem[:-20]:
                old.unlink(missing_ok=True)


def _files(path: Path) -> list[Path]:
    """``path``, o los archivos que contiene, sin lo oculto ni lo compilado."""
    if path.is_file():
        return [path]
    found = []
    for folder, names, files in os.walk(path):
        names[:] = sorted(
            name for name in names if name not in SKIPPED_FOLDERS and not name.endswith(".egg-info")
        )
        kept = (name for name in sorted(files) if not name.endswith((".pyc", "~")))
        found.extend(Path(folder) / name for name in kept if not name.startswith("."))
    return found


def execute_book(
    chapters: Sequence[Chapter],
    config: BookConfig,
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
    return run_in_thread(_execute_all(chapters, config, use_cache, say))


async def _execute_all(
    chapters: Sequence[Chapter], config: BookConfig, use_cache: bool, say: Callable[[str], None]
) -> list[Executed]:
    freezer = Freezer(config)
    gate = asyncio.Semaphore(max(1, min(config.workers, os.cpu_count() or 1)))

    async def one(chapter: Chapter) -> Executed:
        notebook = build_notebook(chapter)
        if not notebook.cells:
            return Executed(chapter, {}, {})
        saved = freezer.load(chapter, notebook) if use_cache else None
        if saved is not None:
            return _collect(chapter, saved, True)
        async with gate:
            say(f"  ejecutando {chapter.path} ({len(chapter.cells)} celdas)…")
            start = time.perf_counter()
            await _run(notebook, chapter, config)
            result = _collect(chapter, notebook, False)
            freezer.save(chapter, notebook)
            say(f"  {chapter.path}: {time.perf_counter() - start:.1f} s")
            return result

    results = await asyncio.gather(*map(one, chapters), return_exceptions=True)
    problems = [result.problem for result in results if isinstance(result, ImprentaError)]
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, ImprentaError):
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
            # Lo que el proceso escriba fuera de las celdas no es del libro.
            await client.async_execute(
                env=kernel_environment(config.root, scratch), stdout=log, stderr=log
            )
        except CellTimeoutError:
            message = (
                f"La celda no terminó en {config.timeout} s (se cambia con «imprenta: espera:» en "
                "_quarto.yml)."
            )
        except DeadKernelError:
            message = (
                "El proceso de Python murió mientras ejecutaba esta celda; suele ser falta de "
                "memoria. Probemos con «imprenta: procesos: 1» en _quarto.yml."
            )
        except Exception as error:
            message = f"No se pudo ejecutar el capítulo: {error}"
            raise _failure(notebook, chapter) or ImprentaError(message, chapter.path) from None
        else:
            return
        raise ImprentaError(message, chapter.path, _unfinished(notebook, chapter).line)


def _part(cell: NotebookNode, chapter: Chapter) -> Text | Cell:
    return chapter.parts[cell.metadata["imprenta"]["part"]]


def _unfinished(notebook: NotebookNode, chapter: Chapter) -> Text | Cell:
    """Primera celda a la que no le dio tiempo de terminar."""
    for cell in notebook.cells:
        if "shell.execute_reply" not in cell.metadata.get("execution", {}):
            return _part(cell, chapter)
    return _part(notebook.cells[-1], chapter)


def _failure(notebook: NotebookNode, chapter: Chapter) -> ImprentaError | None:
    """El primer error de una celda, con la línea del capítulo donde ocurrió."""
    for cell in notebook.cells:
        for output in cell.outputs:
            if output.output_type == "error":
                part = _part(cell, chapter)
                line, name = part.line, ""
                trace = ANSI.sub("", "\n".join(output.traceback))
                inside = re.search(r"^(?:Cell In\[\d+\], line |-+> )(\d+)", trace, re.M)
                if isinstance(part, Cell):
                    line = part.code_line + int(inside[1]) - 1 if inside else line
                    name = f" (celda «{part.label}»)" if part.label else ""
                detail = ANSI.sub("", f"{output.ename}: {output.evalue}").strip()
                return ImprentaError(
                    f"La celda que empieza en la línea {part.line}{name} falló con {detail}",
                    chapter.path,
                    line,
                )
    return None


def _collect(chapter: Chapter, notebook: NotebookNode, cached: bool) -> Executed:
    outputs: dict[int, list[dict[str, Any]]] = {}
    inline: dict[int, dict[str, dict[str, Any]]] = {}
    for cell in notebook.cells:
        part = _part(cell, chapter)
        if isinstance(part, Cell):
            outputs[part.index] = clean_outputs(cell.outputs)
        else:
            position = cell.metadata["imprenta"]["part"]
            inline[position] = _inline_values(part, cell, chapter.path)
    return Executed(chapter, outputs, inline, cached)


def _inline_values(part: Text, cell: NotebookNode, path: str) -> dict[str, dict[str, Any]]:
    bundle: dict[str, Any] = {}
    for output in cell.outputs:
        bundle = output.get("data", {}).get(INLINE_MIME, bundle)
    values = {}
    for number, code in enumerate(part.expressions()):
        result = bundle.get(str(number))
        line = part.line + part.text.count("\n", 0, max(part.text.find(code), 0))
        if result is None or result.get("status") != "ok":
            detail = f"{result['ename']}: {result['evalue']}" if result else "no dio resultado"
            message = f"La expresión en línea `{code}` falló con {ANSI.sub('', detail)}"
            raise ImprentaError(message, path, line)
        values[code] = {"data": result["data"], "line": line}
    return values


def clean_outputs(outputs: Sequence[Any]) -> list[dict[str, Any]]:
    """Quita códigos de color y junta los trozos seguidos de un mismo flujo de texto."""
    cleaned: list[dict[str, Any]] = []
    for output in outputs:
        item = json.loads(json.dumps(output))
        if item["output_type"] == "stream":
            item["text"] = ANSI.sub("", _carriage(_joined(item["text"])))
            last = cleaned[-1] if cleaned else {}
            if last.get("name") == item["name"]:
                last["text"] += item["text"]
                continue
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
