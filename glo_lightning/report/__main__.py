"""``python -m glo_lightning.report``."""

import sys

from glo_lightning.cli.main import run

if __name__ == "__main__":
    run(["report", *sys.argv[1:]])
