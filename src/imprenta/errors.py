"""Errores que la imprenta muestra a las personas: archivo, línea, qué pasó y qué hacer."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, order=True)
class Problem:
    """Un defecto señalado en un lugar: ``archivo:línea: mensaje``."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.message}" if place else self.message


class ImprentaError(Exception):
    """Base de todo error previsto. Su texto se muestra tal cual, sin rastro de pila."""

    def __init__(self, message: str, file: str | Path = "", line: int = 0) -> None:
        self.problem = Problem(str(file), line, message)
        super().__init__(str(self.problem))


class BookErrors(ImprentaError):
    """Varios defectos a la vez: se muestran todos, ordenados por archivo y línea."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))
