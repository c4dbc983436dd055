"""Palabras que la imprenta pone en la página. ``language:`` de ``_quarto.yml`` las cambia."""

DEFAULTS = {
    "toc-title-document": "Tabla de contenidos",
    "toc-title-website": "En esta página",
    "section-title-footnotes": "Notas",
    "callout-note-title": "Nota",
    "callout-tip-title": "Consejo",
    "callout-warning-title": "Advertencia",
    "callout-important-title": "Importante",
    "callout-caution-title": "Precaución",
    "code-summary": "Código",
    "copy-button-tooltip": "Copiar el código",
    "copy-button-tooltip-success": "Copiado",
    "toggle-navigation": "Mostrar u ocultar los capítulos",
    "search-label": "Buscar en el libro",
    "search-no-results-text": "No hay resultados",
}


def word(strings: dict[str, str], key: str) -> str:
    """Texto de ``key``: el del libro o el de la imprenta."""
    return strings.get(key, DEFAULTS[key])
