"""El almacén de productos: cada uno se guarda bajo la huella de lo que lo determinó."""

import ast
import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neumonia.errors import NeumoniaError
from neumonia.files import atomic_dir, digest, read_json, write_json

STAMP = "producto.json"


@dataclass(frozen=True)
class Product:
    """Un producto ya guardado: su carpeta, la receta que lo identifica y lo que costó."""

    folder: Path
    key: str
    recipe: dict[str, Any]
    seconds: float
    fresh: bool


class Store:
    """Carpeta de productos ``tipo-huella/``.

    Un producto existe entero o no existe: se construye en una carpeta temporal que toma su
    nombre al final. La huella resume la receta (datos, opciones y código que lo calculan), así
    que pedir dos veces lo mismo calcula una sola vez, y un cambio recalcula solo lo que depende
    de él.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.served: dict[str, Product] = {}
        """Los productos que ``get`` entregó, por su clave: lo que hizo falta para un resultado."""

    def path(self, kind: str, recipe: dict[str, Any]) -> Path:
        """Carpeta donde está o estará el producto."""
        return self.folder / f"{kind}-{digest(recipe)}"

    def find(self, kind: str, recipe: dict[str, Any]) -> Product | None:
        """El producto guardado, o ``None`` si no está, quedó dañado o le falta un archivo."""
        folder = self.path(kind, recipe)
        try:
            stamp = read_json(folder / STAMP)
            found = Product(
                folder, stamp["key"], stamp["recipe"], float(stamp["seconds"]), fresh=False
            )
            intact = stamp.get("files", {}).items() <= _inventory(folder).items()
        except (NeumoniaError, KeyError, TypeError, ValueError, AttributeError, OSError):
            return None
        return found if intact else None

    def get(self, kind: str, recipe: dict[str, Any], build: Callable[[Path], None]) -> Product:
        """El producto de ``recipe``; si falta, lo construye con ``build(carpeta)``.

        Parameters
        ----------
        kind : str
            Prefijo legible de la carpeta, por ejemplo ``"cnn"``.
        recipe : dict
            Todo lo que determina el producto, serializable como JSON.
        build : callable
            Recibe una carpeta vacía y escribe en ella. Si falla, no queda nada.
        """
        found = self.find(kind, recipe) or self._build(kind, recipe, build)
        self.served[found.key] = found
        return found

    def _build(self, kind: str, recipe: dict[str, Any], build: Callable[[Path], None]) -> Product:
        folder = self.path(kind, recipe)
        start = time.perf_counter()
        with atomic_dir(folder) as temporary:
            build(temporary)
            seconds = round(time.perf_counter() - start, 2)
            stamp = {"key": folder.name, "recipe": recipe, "seconds": seconds}
            write_json(temporary / STAMP, {**stamp, "files": _inventory(temporary)})
        return Product(folder, folder.name, recipe, seconds, fresh=True)


def _inventory(folder: Path) -> dict[str, int]:
    """Bytes de cada archivo bajo ``folder``."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def code_digest(*modules: str) -> str:
    """Huella del código de ``modules``, sin comentarios ni documentación.

    Corregir una frase de la documentación no invalida un entrenamiento; cambiar una instrucción,
    sí. Los módulos se leen sin importarlos.
    """
    trees = []
    for name in modules:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(name)
        tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            _drop_docstring(node)
        trees.append(ast.dump(tree))
    return digest(trees)


def _drop_docstring(node: ast.AST) -> None:
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body:
        first = node.body[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            node.body = node.body[1:] or [ast.Pass()]
