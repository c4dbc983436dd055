"""Los pesos de VGG16 que usa un estudio, y el recuerdo de que no se encontraron."""

import os
import time
from pathlib import Path

from neumonia.errors import WeightsError
from neumonia.files import write_text
from neumonia.models.weights import VARIABLE, ResolvedWeights, resolve_weights

RETRY_AFTER = 6 * 3600.0


class WeightsMemory:
    """Busca los pesos y recuerda unas horas que no los hubo.

    Sin red, cada capítulo esperaría otra vez por las mismas descargas. Lo que está en el disco se
    mira siempre; solo la red se deja para después.
    """

    def __init__(self, folder: Path) -> None:
        self.note = folder / "vgg16-no-disponible.txt"

    def resolve(self) -> ResolvedWeights:
        """Los pesos verificados, o ``WeightsError`` con lo intentado ahora o la vez anterior."""
        if os.environ.get(VARIABLE):
            return resolve_weights()
        remembered = self._recent()
        try:
            return resolve_weights(download=remembered is None)
        except WeightsError as error:
            if remembered is not None:
                raise WeightsError(remembered) from error
            write_text(self.note, str(error))
            raise

    def on_disk(self) -> bool:
        """Si hay pesos sin usar la red."""
        try:
            resolve_weights(download=False)
        except WeightsError:
            return False
        return True

    def forget(self) -> None:
        """Hace que se busquen de nuevo, también en la red."""
        self.note.unlink(missing_ok=True)

    def _recent(self) -> str | None:
        try:
            fresh = time.time() - self.note.stat().st_mtime < RETRY_AFTER
            return self.note.read_text(encoding="utf-8") if fresh else None
        except (OSError, ValueError):
            return None
