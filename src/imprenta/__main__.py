"""Permite ``python -m imprenta``."""

import sys

from imprenta.cli import main

if __name__ == "__main__":
    sys.exit(main())
