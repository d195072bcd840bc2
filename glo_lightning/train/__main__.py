"""``python -m glo_lightning.train``."""

import sys

from glo_lightning.cli.main import run

if __name__ == "__main__":
    run(["train", *sys.argv[1:]])
