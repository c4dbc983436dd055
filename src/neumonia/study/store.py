"""El almacén de productos: cada uno se guarda bajo la huella de lo que lo determinó."""

import ast
import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neumonia.errors import NeumoniaError
from neumonia.files import atomic_dir, digest, read_json, sha256_file, write_json

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

    Un producto existe entero o no existe: se construye en una carpeta temporal que toma su nombre
    al final. La huella resume la receta (datos, opciones y código que lo calculan): pedir dos veces
    lo mismo calcula una sola vez, y un cambio recalcula solo lo que depende de él. Un producto se
    entrega solo si el contenido de sus archivos es el que se guardó.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.served: dict[str, Product] = {}
        """Los productos que ``get`` entregó, por su clave: lo que hizo falta para un resultado."""
        self._intact: dict[Path, tuple] = {}

    def find(self, kind: str, recipe: dict[str, Any]) -> Product | None:
        """El producto guardado, o ``None`` si no está, falta un archivo o cambió un solo byte."""
        folder = self.path(kind, recipe)
        try:
            stamp = read_json(folder / STAMP)
            found = Product(
                folder, stamp["key"], stamp["recipe"], float(stamp["seconds"]), fresh=False
            )
            intact = self._is_intact(folder, stamp["files"])
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

    def path(self, kind: str, recipe: dict[str, Any]) -> Path:
        return self.folder / f"{kind}-{digest(recipe)}"

    def _build(self, kind: str, recipe: dict[str, Any], build: Callable[[Path], None]) -> Product:
        folder = self.path(kind, recipe)
        start = time.perf_counter()
        with atomic_dir(folder) as temporary:
            build(temporary)
            seconds = round(time.perf_counter() - start, 2)
            stamp = {"key": folder.name, "recipe": recipe, "seconds": seconds}
            hashes = {path: sha256_file(temporary / path) for path in _files(temporary)}
            write_json(temporary / STAMP, {**stamp, "files": hashes})
        return Product(folder, folder.name, recipe, seconds, fresh=True)

    def _is_intact(self, folder: Path, hashes: dict[str, str]) -> bool:
        # Se lee entero una vez por almacén abierto; después basta con que nadie lo haya tocado.
        state = (hashes, _files(folder))
        if self._intact.get(folder) != state:
            if any(sha256_file(folder / path) != known for path, known in hashes.items()):
                return False
            self._intact[folder] = state
        return True


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    """Ruta relativa de cada archivo, sin el sello → bytes y fecha."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / STAMP
    }


def code_digest(*modules: str) -> str:
    """Huella de las instrucciones de ``modules``, sin importarlos.

    No cuentan los comentarios, la documentación, el formato ni las importaciones: mover un módulo o
    corregir una frase no invalida un entrenamiento; cambiar una instrucción, sí.
    """
    codes = []
    for name in modules:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(name)
        tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
        codes.append(ast.dump(_Bare().visit(tree)))
    return digest(codes)


class _Bare(ast.NodeTransformer):
    """Quita importaciones y documentación; lo que quede vacío lleva ``pass``."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
        super().generic_visit(node)
        # Un bloque que solo importaba sigue siendo un bloque.
        if getattr(node, "body", None) == []:
            node.body = [ast.Pass()]
        # Python 3.12 añadió este campo: sin él, la huella es la misma que con 3.11.
        if getattr(node, "type_params", None) == []:
            del node.type_params
        return node

    def visit_Import(self, node: ast.Import) -> None:
        return None

    visit_ImportFrom = visit_Import
