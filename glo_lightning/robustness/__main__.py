"""``python -m glo_lightning.robustness``."""

import sys

from glo_lightning.cli.main import run

if __name__ == "__main__":
    run(["robustness", *sys.argv[1:]])
