"""``python -m glo_lightning.dashboard``."""

import sys

from glo_lightning.cli.main import run

if __name__ == "__main__":
    run(["dashboard", *sys.argv[1:]])
