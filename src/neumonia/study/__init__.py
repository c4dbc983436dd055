"""El estudio de principio a fin: configuración, productos en disco y publicación."""

from neumonia.study.config import Config
from neumonia.study.export import export_study
from neumonia.study.pipeline import MODELS, ROBUST, Study, open_study
from neumonia.study.published import Published, published

__all__ = [
    "MODELS",
    "ROBUST",
    "Config",
    "Published",
    "Study",
    "export_study",
    "open_study",
    "published",
]
