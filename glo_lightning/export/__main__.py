"""``python -m glo_lightning.export``."""

import sys

from glo_lightning.cli.main import run

if __name__ == "__main__":
    run(["export", *sys.argv[1:]])
