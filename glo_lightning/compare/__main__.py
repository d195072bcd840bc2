"""``python -m glo_lightning.compare``."""

import sys

from glo_lightning.cli.main import run

if __name__ == "__main__":
    run(["compare", *sys.argv[1:]])
