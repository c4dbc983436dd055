"""Imprenta: de los capítulos ``.qmd`` al sitio, al PDF y a los cuadernos.

No sabe nada de la ciencia del libro: lee ``_quarto.yml`` y los capítulos que este nombra.
"""

__version__ = "0.1.0"
