"""``python -m glo_lightning.baselines``."""

import sys

from glo_lightning.cli.main import run

if __name__ == "__main__":
    run(["baselines", *sys.argv[1:]])
