"""Resultados guardados: un capítulo solo se vuelve a ejecutar si cambió algo de lo que depende."""

import fnmatch
import hashlib
import json
import os
import platform
from pathlib import Path

import nbformat
from nbformat.notebooknode import NotebookNode

from imprenta.chapter import Chapter
from imprenta.config import BookConfig
from imprenta.files import atomic_write

FOLDER = ".imprenta"
SKIPPED_FOLDERS = {"__pycache__", ".git", ".venv", ".ipynb_checkpoints"}


class Freezer:
    """Guarda y recupera cuadernos ejecutados en ``.imprenta/ejecutados``.

    La llave de un capítulo resume sus celdas, los archivos de ``imprenta: dependencias:``, las
    variables de ``imprenta: entorno:`` (con comodines) y la versión de Python. El texto que no es
    código no cuenta: corregir una coma no vuelve a entrenar nada.
    """

    def __init__(self, config: BookConfig) -> None:
        self.folder = config.root / FOLDER / "ejecutados"
        self.base = self._base_digest(config)

    @staticmethod
    def _base_digest(config: BookConfig) -> str:
        summary = hashlib.sha256(platform.python_version().encode())
        for pattern in sorted(config.environment):
            for name in sorted(os.environ):
                if fnmatch.fnmatchcase(name, pattern):
                    summary.update(f"{name}={os.environ[name]}\n".encode())
        for name in sorted(config.dependencies):
            for path in _files(config.root / name):
                summary.update(f"{path.relative_to(config.root).as_posix()}\n".encode())
                with open(path, "rb") as handle:
                    summary.update(hashlib.file_digest(handle, "sha256").digest())
        return summary.hexdigest()

    def path(self, chapter: Chapter, notebook: NotebookNode) -> Path:
        """Archivo donde está (o estará) el resultado de ejecutar ``notebook``."""
        code = json.dumps(
            [
                [cell.source, cell.metadata.get("tags", []), cell.metadata["imprenta"]]
                for cell in notebook.cells
            ]
        )
        key = hashlib.sha256(f"{self.base}\n{chapter.path}\n{code}".encode()).hexdigest()[:20]
        return self.folder / f"{chapter.stem.replace('/', '--')}-{key}.ipynb"

    def load(self, chapter: Chapter, notebook: NotebookNode) -> NotebookNode | None:
        """Cuaderno ejecutado, o ``None`` si no está guardado o el archivo está dañado."""
        path = self.path(chapter, notebook)
        try:
            saved = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        except (OSError, ValueError, nbformat.reader.NotJSONError):
            return None
        same = [cell.source for cell in saved.cells] == [cell.source for cell in notebook.cells]
        return saved if same else None

    def save(self, chapter: Chapter, notebook: NotebookNode) -> None:
        """Guarda el resultado y borra los anteriores del mismo capítulo."""
        path = self.path(chapter, notebook)
        # `execution` lleva horas de reloj: no es resultado.
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)
        atomic_write(path, nbformat.writes(notebook).encode())
        prefix = chapter.stem.replace("/", "--") + "-"
        for old in self.folder.glob("*.ipynb"):
            if old != path and old.name.startswith(prefix) and len(old.stem) == len(path.stem):
                old.unlink(missing_ok=True)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    found = []
    for folder, names, files in os.walk(path):
        names[:] = sorted(
            name for name in names if name not in SKIPPED_FOLDERS and not name.endswith(".egg-info")
        )
        found.extend(
            Path(folder) / name
            for name in sorted(files)
            if not name.endswith((".pyc", "~")) and not name.startswith(".")
        )
    return found
