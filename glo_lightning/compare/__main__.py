"""``python -m glo_lightning.compare``."""

import sys

from glo_lightning.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["compare", *sys.argv[1:]]))
