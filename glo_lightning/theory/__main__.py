"""``python -m glo_lightning.theory``."""

import sys

from glo_lightning.cli.main import run

if __name__ == "__main__":
    run(["theory", *sys.argv[1:]])
