"""``python -m glo_lightning.baselines``."""

import sys

from glo_lightning.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["baselines", *sys.argv[1:]]))
