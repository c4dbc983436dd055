"""``python -m neumonia``."""

import sys

from neumonia.cli import main

if __name__ == "__main__":
    sys.exit(main())
