"""``python -m glo_lightning.landscape``."""

import sys

from glo_lightning.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["landscape", *sys.argv[1:]]))
