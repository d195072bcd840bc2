"""``python -m glo_lightning.train``."""

import sys

from glo_lightning.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
