"""``python -m glo_lightning.search``."""

import sys

from glo_lightning.cli.main import main

if __name__ == "__main__":  # worker processes import this module, too
    sys.exit(main(["search", *sys.argv[1:]]))
