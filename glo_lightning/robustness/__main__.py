"""``python -m glo_lightning.robustness``."""

import sys

from glo_lightning.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["robustness", *sys.argv[1:]]))
