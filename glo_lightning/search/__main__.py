"""``python -m glo_lightning.search``."""

import sys

from glo_lightning.cli.main import run

if __name__ == "__main__":  # worker processes import this module, too
    run(["search", *sys.argv[1:]])
