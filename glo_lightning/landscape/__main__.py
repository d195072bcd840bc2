"""``python -m glo_lightning.landscape``."""

import sys

from glo_lightning.cli.main import run

if __name__ == "__main__":
    run(["landscape", *sys.argv[1:]])
